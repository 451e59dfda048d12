"""Steps that change colours and sharpness of the objects, or of what lies around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from anymask.apps.edit import adjustments
from anymask.apps.edit.colours import parse_colour
from anymask.apps.edit.edges import EdgeKind
from anymask.apps.edit.parameters import choice, colour, flag, number
from anymask.apps.edit.pixels import Unit
from anymask.apps.edit.scene import Scene, Selection
from anymask.apps.edit.steps.step import Step


@dataclass(frozen=True, kw_only=True)
class Adjust(Step):
    """A change of colours, of the objects or of what lies around them."""

    where: str = choice("object", ("object", "background"), "what is changed")

    def run(self, scene: Scene, selection: Selection) -> Scene:
        """The scene with the step done."""
        matte = scene.matte(selection)
        part = matte if self.where == "object" else 1 - matte
        changed = adjustments.adjusted(scene.picture, part, self.change, margin_px=self.margin_px())
        return scene.painted(changed)

    def change(self, colours: Unit, weight: Unit) -> Unit:
        """New colours (H, W, 3) for old ones, of which each counts by the weight (H, W)."""
        raise NotImplementedError

    def margin_px(self) -> int:
        """How much around the part the change looks at."""
        return 0


@dataclass(frozen=True, kw_only=True)
class Brightness(Adjust):
    """See `adjustments.brightness`."""

    about: ClassVar = "brighter or darker"
    factor: float = number(1.2, 0, 10, "1 changes nothing")

    def change(self, colours: Unit, weight: Unit) -> Unit:
        """New colours."""
        return adjustments.brightness(colours, self.factor)


@dataclass(frozen=True, kw_only=True)
class Contrast(Adjust):
    """See `adjustments.contrast`."""

    about: ClassVar = "more or less contrast"
    factor: float = number(1.2, 0, 10, "1 changes nothing")

    def change(self, colours: Unit, weight: Unit) -> Unit:
        """New colours."""
        return adjustments.contrast(colours, self.factor)


@dataclass(frozen=True, kw_only=True)
class Saturation(Adjust):
    """See `adjustments.saturation`."""

    about: ClassVar = "more or less colourful"
    factor: float = number(1.3, 0, 10, "1 changes nothing, 0 is grey")

    def change(self, colours: Unit, weight: Unit) -> Unit:
        """New colours."""
        return adjustments.saturation(colours, self.factor)


@dataclass(frozen=True, kw_only=True)
class Hue(Adjust):
    """See `adjustments.hue`."""

    about: ClassVar = "turned around the colour circle"
    degrees: float = number(180, -360, 360, "how far")

    def change(self, colours: Unit, weight: Unit) -> Unit:
        """New colours."""
        return adjustments.hue(colours, self.degrees)


@dataclass(frozen=True, kw_only=True)
class WhiteBalance(Adjust):
    """See `adjustments.white_balance` and `adjustments.grey_world`."""

    about: ClassVar = "warmer, colder, or by itself"
    temperature: float = number(0, -100, 100, "-100 is blue, 100 orange")
    tint: float = number(0, -100, 100, "-100 is green, 100 magenta")
    auto: bool = flag(False, "first make the mean grey")

    def change(self, colours: Unit, weight: Unit) -> Unit:
        """New colours."""
        if self.auto:
            colours = adjustments.grey_world(colours, weight)
        return adjustments.white_balance(colours, self.temperature, self.tint)


@dataclass(frozen=True, kw_only=True)
class Recolour(Adjust):
    """See `adjustments.recolour`."""

    about: ClassVar = "another colour with the same light and shade"
    colour: str = colour("#1f5fbf", "the colour")
    amount: float = number(1, 0, 1, "how far")

    def change(self, colours: Unit, weight: Unit) -> Unit:
        """New colours."""
        return adjustments.recolour(colours, weight, parse_colour(self.colour), self.amount)


@dataclass(frozen=True, kw_only=True)
class Greyscale(Adjust):
    """See `adjustments.saturation`."""

    about: ClassVar = "grey, by default all but the objects"
    where: str = choice("background", ("object", "background"), "what is changed")
    amount: float = number(1, 0, 1, "how far")

    def change(self, colours: Unit, weight: Unit) -> Unit:
        """New colours."""
        return adjustments.saturation(colours, 1 - self.amount)


@dataclass(frozen=True, kw_only=True)
class Duotone(Adjust):
    """See `adjustments.duotone`."""

    about: ClassVar = "two colours, for shadows and for lights"
    dark: str = colour("#102040", "of shadows")
    light: str = colour("#ffd9a0", "of lights")

    def change(self, colours: Unit, weight: Unit) -> Unit:
        """New colours."""
        return adjustments.duotone(colours, parse_colour(self.dark), parse_colour(self.light))


@dataclass(frozen=True, kw_only=True)
class Sharpen(Adjust):
    """See `adjustments.sharpen`."""

    about: ClassVar = "sharper"
    amount: float = number(1, 0, 10, "how much")
    radius: float = number(1.5, 0.3, 100, "of what counts as detail, in pixels")

    def change(self, colours: Unit, weight: Unit) -> Unit:
        """New colours."""
        return adjustments.sharpen(colours, self.amount, self.radius)

    def margin_px(self) -> int:
        """As far as the blur reaches."""
        return int(3 * self.radius) + 1


@dataclass(frozen=True, kw_only=True)
class Blur(Adjust):
    """See `adjustments.blur`."""

    edge: ClassVar[EdgeKind] = "hard"
    about: ClassVar = "the objects blurred, for faces and number plates"
    radius: float = number(0, 0, 1000, "in pixels; 0 is a quarter of the part")

    def change(self, colours: Unit, weight: Unit) -> Unit:
        """New colours."""
        radius = self.radius or max(2.0, 2.0 * adjustments.private_block_px(weight))
        return adjustments.blur(colours, weight, radius)


@dataclass(frozen=True, kw_only=True)
class Pixelate(Adjust):
    """See `adjustments.pixelate`."""

    edge: ClassVar[EdgeKind] = "hard"
    about: ClassVar = "the objects in squares, for faces and number plates"
    size: float = number(0, 0, 1000, "of a square, in pixels; 0 is an eighth of the part")

    def change(self, colours: Unit, weight: Unit) -> Unit:
        """New colours."""
        size = round(self.size) or adjustments.private_block_px(weight)
        return adjustments.pixelate(colours, weight, size)
