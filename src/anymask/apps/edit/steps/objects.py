"""Steps that draw around the objects, or put them elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from anymask.apps.edit import decorations, placement
from anymask.apps.edit.colours import parse_colour
from anymask.apps.edit.edges import EdgeKind
from anymask.apps.edit.parameters import choice, colour, number
from anymask.apps.edit.pixels import window_of
from anymask.apps.edit.scene import Scene, Selection
from anymask.apps.edit.steps.step import Step


@dataclass(frozen=True, kw_only=True)
class Outline(Step):
    """See `decorations.outlined`."""

    edge: ClassVar[EdgeKind] = "hard"
    about: ClassVar = "a line along the objects' edge"
    colour: str = colour("yellow", "its colour")
    width: float = number(4, 0.5, 500, "in pixels")
    side: str = choice("outside", ("outside", "inside", "middle"), "where it lies")

    def run(self, scene: Scene, selection: Selection) -> Scene:
        """The scene with the step done."""
        matte, line = scene.matte(selection), parse_colour(self.colour)
        return scene.painted(
            decorations.outlined(scene.picture, matte, line, self.width, side=self.side)  # type: ignore[arg-type]
        )


@dataclass(frozen=True, kw_only=True)
class Glow(Step):
    """See `decorations.glowing`."""

    about: ClassVar = "light around the objects"
    colour: str = colour("yellow", "its colour")
    radius: float = number(24, 1, 1000, "how far it reaches, in pixels")
    strength: float = number(1, 0, 5, "how strong")

    def run(self, scene: Scene, selection: Selection) -> Scene:
        """The scene with the step done."""
        matte, light = scene.matte(selection), parse_colour(self.colour)
        return scene.painted(
            decorations.glowing(scene.picture, matte, light, self.radius, strength=self.strength)
        )


@dataclass(frozen=True, kw_only=True)
class Sticker(Step):
    """See `decorations.sticker`."""

    about: ClassVar = "the objects alone, with a border"
    colour: str = colour("white", "of the border")
    width: float = number(10, 1, 500, "of the border, in pixels")

    def run(self, scene: Scene, selection: Selection) -> Scene:
        """The scene with the step done."""
        matte, border = scene.matte(selection), parse_colour(self.colour)
        return scene.painted(decorations.sticker(scene.picture, matte, border, self.width))


@dataclass(frozen=True, kw_only=True)
class Delete(Step):
    """See `placement.without_object`."""

    about: ClassVar = "the objects gone, their place filled"

    def run(self, scene: Scene, selection: Selection) -> Scene:
        """The scene with the step done; the objects' masks are empty from then on."""
        matte = scene.matte(selection)
        picture = placement.without_object(scene.picture, matte, scene.fill)
        nothing = np.zeros(scene.size_hw, np.bool_)
        return scene.rearranged(picture, dict.fromkeys(scene.chosen(selection), nothing))


@dataclass(frozen=True, kw_only=True)
class Move(Step):
    """See `placement.placed`."""

    about: ClassVar = "the objects elsewhere, larger, smaller or turned, their place filled"
    x: float = number(0, -100000, 100000, "to the right, in pixels")
    y: float = number(0, -100000, 100000, "down, in pixels")
    scale: float = number(1, 0.01, 100, "times the size")
    turn: float = number(0, -360, 360, "clockwise, in degrees")

    def run(self, scene: Scene, selection: Selection) -> Scene:
        """The scene with the step done; the objects' masks go with them."""
        matte, where = scene.matte(selection), self.placement()
        picture, _ = placement.placed(scene.picture, matte, where, fill=scene.fill)
        window = window_of(matte, 1)
        if window is None:
            return scene
        masks = {
            key: placement.moved(one.mask.astype(np.float32), window, where) >= 0.5
            for key, one in scene.chosen(selection).items()
        }
        return scene.rearranged(picture, masks)

    def placement(self) -> placement.Placement:
        """Where to."""
        return placement.Placement(self.x, self.y, self.scale, self.turn)


@dataclass(frozen=True, kw_only=True)
class Duplicate(Move):
    """See `placement.placed`."""

    about: ClassVar = "the objects once more, elsewhere"

    def run(self, scene: Scene, selection: Selection) -> Scene:
        """The scene with the step done; the objects' masks are those of the first ones."""
        picture, _ = placement.placed(scene.picture, scene.matte(selection), self.placement())
        return scene.rearranged(picture, {})
