"""Where an object's edge may lie: the band in which a matte is worked out."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from anymask.apps.edit.pixels import window_of
from anymask.geometry.boxes import as_mask

_UNSURE: Final = (0.05, 0.95)
_PART_OF_SIDE: Final = 110


def edge_band(
    mask: ArrayLike, unsure: NDArray[np.bool_] | None = None, *, band_px: int | None = None
) -> NDArray[np.bool_]:
    """Pixels that may be partly covered: near the mask's edge, or unsure to the model.

    Args:
        mask: (H, W) bool.
        unsure: (H, W) bool, see `unsure_pixels`; None where nothing is known.
        band_px: how far from the edge; None takes about a hundredth of the picture's longer side.
            Outside the mask, where strands of hair reach, what is unsure counts twice as far.

    Returns:
        (H, W) bool; empty for an empty mask or one that covers the picture.
    """
    inside = as_mask(mask)
    reach = default_band_px(inside.shape) if band_px is None else band_px
    band = np.zeros(inside.shape, np.bool_)
    window = window_of(inside, 2 * reach + 2)
    if window is None or reach < 1:
        return band
    part = inside[window]
    distance = _distance_to_edge(part)
    found = distance <= reach
    if unsure is not None:
        found |= unsure[window] & ~part & (distance <= 2 * reach)
    band[window] = found
    return band


def unsure_pixels(probability: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where a model does not settle on object or background.

    Args:
        probability: (H, W) in 0..1, as a row of `Masks.probability`.
    """
    return np.asarray((probability > _UNSURE[0]) & (probability < _UNSURE[1]))


def default_band_px(size_hw: tuple[int, ...]) -> int:
    """How far from a mask's edge its true edge is looked for, by the size of the picture."""
    return max(2, round(max(size_hw) / _PART_OF_SIDE))


def _distance_to_edge(inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Of each pixel to the nearest one of the other kind; infinite where there is none."""
    if inside.all() or not inside.any():
        return np.full(inside.shape, np.inf)
    outer = ndimage.distance_transform_edt(~inside)
    return np.asarray(np.where(inside, ndimage.distance_transform_edt(inside), outer))
