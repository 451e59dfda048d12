"""The object alone, on a transparent background."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.apps.edit.edges import HARD, Edge
from anymask.apps.edit.foreground import foreground_colours
from anymask.apps.edit.pixels import (
    Picture,
    Unit,
    as_matte,
    as_picture,
    colours_of,
    coverage_of,
    quantised,
    window_of,
)
from anymask.geometry.boxes import as_mask


def cutout(
    image: NDArray[Any],
    mask: ArrayLike,
    *,
    crop: bool = True,
    edge: Edge = HARD,
    unsure: NDArray[np.bool_] | None = None,
) -> Picture:
    """Cut an object out of its picture.

    Args:
        image: (H, W) or (H, W, 1 to 4), uint8 or uint16; see `as_picture`.
        mask: (H, W) bool.
        crop: cut down to the box around the object.
        edge: what becomes of the mask's edge: hard, feathered or soft; grown or shrunk.
        unsure: (H, W) bool, where a model was unsure; see `matte`.

    Returns:
        (h, w, 4) RGBA of the image's depth. Alpha is how much of a pixel the object covers, times
        the alpha that the image has. Where it is 0 the colours are 0 as well, so that nothing of
        the background is given away. An empty mask gives one transparent pixel when cropped, since
        a picture cannot have none, and else a transparent picture.

    Raises:
        ImageError: no such picture.
        MaskError: not one mask, or of another size.

    Example:
        >>> rgba = cutout(image, mask, edge=Edge("soft"))  # doctest: +SKIP
    """
    picture = as_picture(image)
    if edge == HARD:
        return lifted(picture, as_matte(as_mask(mask), picture), crop=crop)
    from anymask.apps.edit.mattes import matte  # brings scipy, which a hard edge does without

    return lifted(picture, matte(picture, mask, edge, unsure=unsure), crop=crop)


def lifted(picture: Picture, alpha: Unit, *, crop: bool = False) -> Picture:
    """An object by its matte: its own colours, without those of what lies behind.

    Args:
        picture: (H, W, 3) or (H, W, 4).
        alpha: (H, W) float32 in 0..1.
        crop: cut down to the box around what the matte covers; one pixel where it covers nothing.

    Returns:
        (h, w, 4) RGBA of the picture's depth.
    """
    alpha = as_matte(alpha, picture)
    window = window_of(alpha) or np.s_[0:1, 0:1]
    lifted_part = _lifted(picture[window], alpha[window])
    if crop:
        return lifted_part
    rgba = np.zeros((*alpha.shape, 4), picture.dtype)
    rgba[window] = lifted_part
    return rgba


def _lifted(picture: Picture, alpha: Unit) -> Picture:
    rgba = np.zeros((*alpha.shape, 4), picture.dtype)
    rgba[..., :3] = picture[..., :3]
    partly = (alpha > 0) & (alpha < 1)
    if partly.any():
        own = foreground_colours(colours_of(picture), alpha)
        rgba[partly, :3] = quantised(own[partly], picture)
    covered = quantised(alpha, picture)
    if picture.shape[2] == 4:
        covered = quantised(alpha * coverage_of(picture), picture)
    rgba[..., 3] = covered
    rgba[covered == 0] = 0
    return rgba
