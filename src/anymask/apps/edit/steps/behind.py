"""Steps that change what lies behind the objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from anymask.apps.edit import adjustments, backgrounds, shadows
from anymask.apps.edit.colours import parse_colour
from anymask.apps.edit.parameters import choice, colour, flag, name, number
from anymask.apps.edit.pixels import Unit, colours_of
from anymask.apps.edit.scene import Scene, Selection
from anymask.apps.edit.steps.step import Step
from anymask.geometry.colour_spaces import from_linear, to_linear


@dataclass(frozen=True, kw_only=True)
class BackgroundTransparent(Step):
    """See `backgrounds.without_background`."""

    about: ClassVar = "the objects alone"

    def run(self, scene: Scene, selection: Selection) -> Scene:
        """The scene with the step done."""
        matte = scene.matte(selection)
        return scene.painted(backgrounds.without_background(scene.picture, matte))


@dataclass(frozen=True, kw_only=True)
class Backdrop(Step):
    """Another background, of an opaque kind."""

    keep_shadow: bool = flag(False, "lay the old background's shadow over the new one")

    def run(self, scene: Scene, selection: Selection) -> Scene:
        """The scene with the step done."""
        matte = scene.matte(selection)
        backdrop = self.backdrop(scene, matte)
        if self.keep_shadow:
            light = shadows.kept_shadow(scene.picture, matte)[..., None]
            backdrop = from_linear(to_linear(np.asarray(backdrop)) * light)
        return scene.painted(backgrounds.over(scene.picture, matte, backdrop))

    def backdrop(self, scene: Scene, matte: Unit) -> Unit:
        """(H, W, 3) float32 in 0..1."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class BackgroundColour(Backdrop):
    """See `backgrounds.plain`."""

    about: ClassVar = "one colour behind the objects"
    colour: str = colour("white", "the colour")

    def backdrop(self, scene: Scene, matte: Unit) -> Unit:
        """The colour everywhere."""
        return backgrounds.plain(scene.size_hw, parse_colour(self.colour))


@dataclass(frozen=True, kw_only=True)
class BackgroundGradient(Backdrop):
    """See `backgrounds.gradient`."""

    about: ClassVar = "a run of colours behind the objects"
    start: str = colour("white", "colour at the start, or in the middle")
    end: str = colour("#b0c4de", "colour at the end")
    angle: float = number(90, -360, 360, "direction in degrees, 90 is downwards")
    radial: bool = flag(False, "from the middle outwards")

    def backdrop(self, scene: Scene, matte: Unit) -> Unit:
        """The gradient."""
        start, end = parse_colour(self.start), parse_colour(self.end)
        return backgrounds.gradient(scene.size_hw, start, end, angle=self.angle, radial=self.radial)


@dataclass(frozen=True, kw_only=True)
class BackgroundBlur(Step):
    """See `backgrounds.out_of_focus`."""

    about: ClassVar = "the background out of focus"
    radius: float = number(16, 0, 1000, "of the blur, in pixels")
    falloff: str = choice(
        "none", ("none", "ground", "distance"), "where it is less: on the ground, or near objects"
    )

    def run(self, scene: Scene, selection: Selection) -> Scene:
        """The scene with the step done; an alpha of the picture stays."""
        matte = scene.matte(selection)
        if not matte.min() < 1:
            return scene
        soft = backgrounds.out_of_focus(
            scene.picture,
            matte,
            self.radius,
            falloff=self.falloff,  # type: ignore[arg-type]
        )
        opaque = backgrounds.over(scene.picture[..., :3], matte, soft)
        return scene.painted(np.concatenate([opaque, scene.picture[..., 3:]], axis=2))


@dataclass(frozen=True, kw_only=True)
class BackgroundPicture(Backdrop):
    """See `backgrounds.placed_picture`."""

    about: ClassVar = "another picture behind the objects"
    picture: str = name("the picture")
    fit: str = choice("cover", ("cover", "fit", "stretch"), "how it fills the place")
    colour: str = colour("black", "around a picture that does not fill it")
    harmonise: str = choice(
        "none", ("none", "background", "object"), "whose colours are brought to the other's"
    )
    amount: float = number(0.6, 0, 1, "how far")

    def run(self, scene: Scene, selection: Selection) -> Scene:
        """The scene with the step done."""
        if self.harmonise != "object":
            return super().run(scene, selection)
        matte = scene.matte(selection)
        behind = self.backdrop(scene, matte)
        everywhere = np.ones(matte.shape, np.float32)

        def towards_it(colours: Unit, weight: Unit) -> Unit:
            return backgrounds.harmonised(
                colours, behind, weight=weight, like_weight=everywhere, amount=self.amount
            )

        changed = scene.painted(adjustments.adjusted(scene.picture, matte, towards_it))
        return super().run(changed, selection)

    def backdrop(self, scene: Scene, matte: Unit) -> Unit:
        """The picture, in its place."""
        found = backgrounds.placed_picture(
            scene.load(self.picture),
            scene.size_hw,
            fit=self.fit,  # type: ignore[arg-type]
            colour=parse_colour(self.colour),
        )
        if self.harmonise != "background":
            return found
        everywhere, own = np.ones(matte.shape, np.float32), colours_of(scene.picture)
        return backgrounds.harmonised(
            found, own, weight=everywhere, like_weight=matte, amount=self.amount
        )


@dataclass(frozen=True, kw_only=True)
class Shadow(Step):
    """See `shadows`."""

    about: ClassVar = "a shadow behind the objects, or on the ground they stand on"
    kind: str = choice("drop", ("drop", "cast"), "behind, or on the ground")
    x: float = number(10, -2000, 2000, "drop: to the right, in pixels")
    y: float = number(12, -2000, 2000, "drop: down, in pixels")
    lean: float = number(0.7, -5, 5, "cast: to the right, by the object's height")
    length: float = number(0.35, -3, 3, "cast: up the picture, by the object's height")
    blur: float = number(16, 0, 1000, "softness in pixels")
    opacity: float = number(0.5, 0, 1, "of a full shadow")
    colour: str = colour("black", "its colour")

    def run(self, scene: Scene, selection: Selection) -> Scene:
        """The scene with the step done."""
        matte = scene.matte(selection)
        if self.kind == "drop":
            shade = shadows.drop_shadow(matte, self.x, self.y, self.blur)
        else:
            shade = shadows.cast_shadow(matte, self.lean, self.length, self.blur)
        dark = parse_colour(self.colour)
        return scene.painted(shadows.with_shadow(scene.picture, matte, shade, dark, self.opacity))
