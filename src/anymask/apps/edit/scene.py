"""`Scene`: a picture with its objects, as the steps of an edit hand it on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.apps.edit.edges import HARD, Edge
from anymask.apps.edit.mattes import matte
from anymask.apps.edit.pixels import Picture, Unit, as_matte, as_picture
from anymask.apps.edit.placement import Inpainter
from anymask.errors import ImageError, MaskError
from anymask.geometry.boxes import as_mask

LoadPicture = Callable[[str], NDArray[Any]]
"""From the name of a picture in a recipe to its pixels."""


@dataclass(frozen=True, eq=False, slots=True)
class SceneObject:
    """An object of a picture.

    Attributes:
        mask: (H, W) bool.
        unsure: (H, W) bool, where a model was unsure; or None.
    """

    mask: NDArray[np.bool_]
    unsure: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """What a step is done to.

    Attributes:
        objects: their names; none means all of them.
        edge: what becomes of the edge of their masks.
    """

    objects: tuple[str, ...] = ()
    edge: Edge = HARD


@dataclass(frozen=True, slots=True)
class Tools:
    """What steps need from outside.

    Attributes:
        fill: fills the place of a deleted or moved object; None refuses such steps.
        load: reads the pictures that a recipe names; None refuses them.
    """

    fill: Inpainter | None = None
    load: LoadPicture | None = None


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture and its objects. A value: steps return new ones.

    Attributes:
        picture: (H, W, 3) or (H, W, 4), uint8 or uint16.
        objects: name -> object.
        tools: what steps need from outside.
        reference: the picture that the edges of the masks are found in: that before colours were
            changed, so that the order of steps does not matter to it.
    """

    picture: Picture
    objects: Mapping[str, SceneObject]
    tools: Tools
    reference: Picture
    _mattes: dict[Selection, Unit] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, image: NDArray[Any], objects: Mapping[str, SceneObject], tools: Tools) -> Scene:
        """A scene to begin with.

        Raises:
            ImageError: no picture.
            MaskError: a mask of another size.
        """
        picture = as_picture(image)
        for one in objects.values():
            as_matte(as_mask(one.mask), picture)
            if one.unsure is not None:
                as_matte(as_mask(one.unsure), picture)
        return cls(picture, objects, tools, picture)

    @property
    def size_hw(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        height, width = self.picture.shape[:2]
        return height, width

    def chosen(self, selection: Selection) -> dict[str, SceneObject]:
        """The objects of a selection.

        Raises:
            MaskError: a name that no object has, or no object at all.
        """
        unknown = [name for name in selection.objects if name not in self.objects]
        if unknown or not self.objects:
            there = ", ".join(self.objects) or "none; give masks"
            asked = f"the object {unknown[0]!r}" if unknown else "an object"
            raise MaskError(f"a step asks for {asked}, but the objects are: {there}")
        return {name: self.objects[name] for name in selection.objects or self.objects}

    def matte(self, selection: Selection) -> Unit:
        """(H, W) float32 in 0..1: all objects of a selection together."""
        found = self._mattes.get(selection)
        if found is None:
            chosen = list(self.chosen(selection).values())
            unsure = [one.unsure for one in chosen if one.unsure is not None]
            found = matte(
                self.reference,
                _union([one.mask for one in chosen]),
                selection.edge,
                unsure=_union(unsure) if unsure else None,
            )
            self._mattes[selection] = found
        return found

    def painted(self, picture: Picture) -> Scene:
        """With other colours, the objects where they were."""
        return replace(self, picture=picture)

    def rearranged(self, picture: Picture, masks: Mapping[str, ArrayLike]) -> Scene:
        """With objects elsewhere: the edges of masks are found in the new picture from now on."""
        new = {name: SceneObject(as_mask(mask)) for name, mask in masks.items()}
        return Scene(picture, {**self.objects, **new}, self.tools, picture)

    def load(self, name: str) -> Picture:
        """A picture that a step names.

        Raises:
            ImageError: no way to read it.
        """
        if self.tools.load is None:
            raise ImageError(f"the picture {name!r} cannot be read here; give a way to load it")
        return as_picture(self.tools.load(name))

    @property
    def fill(self) -> Inpainter:
        """What fills the place of an object.

        Raises:
            ImageError: nothing does.
        """
        if self.tools.fill is None:
            raise ImageError("deleting and moving need an inpainter to fill the place; give one")
        return self.tools.fill


def _union(masks: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    return np.asarray(np.logical_or.reduce(masks), np.bool_)
