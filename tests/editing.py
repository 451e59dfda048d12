"""Small pictures and masks of all kinds for the tests of editing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from anymask.apps.edit.pixels import as_picture
from anymask.apps.edit.recipe import Recipe, parse_words
from anymask.apps.edit.scene import SceneObject, Tools

SIZES = [(37, 53), (1, 19), (19, 1), (1, 1), (2, 3)]


def noise(
    size_hw: tuple[int, int], channels: int | None = 3, dtype: Any = np.uint8
) -> NDArray[Any]:
    """A picture of which no two pixels are alike; None gives one without a channel axis."""
    shape = size_hw if channels is None else (*size_hw, channels)
    rng = np.random.default_rng([*size_hw, channels or 0])
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def plain(size_hw: tuple[int, int], colour: tuple[int, ...], dtype: Any = np.uint8) -> NDArray[Any]:
    """A picture of one colour."""
    return np.broadcast_to(np.array(colour, dtype), (*size_hw, len(colour))).copy()


def disc(size_hw: tuple[int, int], centre_xy: tuple[float, float], radius: float) -> NDArray[Any]:
    """(H, W) bool."""
    y, x = np.mgrid[: size_hw[0], : size_hw[1]]
    return np.hypot(x - centre_xy[0], y - centre_xy[1]) <= radius


def masks(size_hw: tuple[int, int]) -> Iterator[NDArray[np.bool_]]:
    """One at the upper left border, one in the middle, one of a single pixel."""
    height, width = size_hw
    for window in (
        np.s_[: (height + 1) // 2, : (width + 1) // 2],
        np.s_[height // 3 : height // 3 * 2 + 1, width // 3 : width // 3 * 2 + 1],
        np.s_[-1:, -1:],
    ):
        mask = np.zeros(size_hw, bool)
        mask[window] = True
        yield mask


def within(mask: NDArray[np.bool_], reach_px: float) -> NDArray[np.bool_]:
    """Pixels no farther than this from the mask."""
    return np.asarray(ndimage.distance_transform_edt(~mask) <= reach_px)


def flat_fill(image: NDArray[Any], hole: NDArray[np.bool_]) -> NDArray[Any]:
    """An inpainter: the mean of what lies outside the hole."""
    filled = image.copy()
    filled[hole] = image[~hole].mean(axis=0).astype(image.dtype)
    return filled


def load_noise(name: str) -> NDArray[Any]:
    """The picture behind, whatever its name."""
    assert name
    return noise((20, 31))


TOOLS = Tools(flat_fill, load_noise)


def replayed(
    image: NDArray[Any],
    mask: NDArray[np.bool_],
    *words: str,
    unsure: NDArray[np.bool_] | None = None,
) -> NDArray[Any]:
    """A picture after steps written as words, done to one object."""
    recipe = Recipe(tuple(parse_words(text) for text in words))
    return recipe.with_objects({"0": SceneObject(mask, unsure)}).apply(image, TOOLS)


def same(found: NDArray[Any], image: NDArray[Any]) -> bool:
    """Equal to the bit, in the form that editing works on."""
    return bool(np.array_equal(found, as_picture(image)))


def saved(path: Any, pixels: NDArray[Any]) -> Any:
    """The path of a picture that is written there."""
    Image.fromarray(pixels).save(path)
    return path
