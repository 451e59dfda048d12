"""Where a simulated person clicks: the middle of an object, then the middle of the worst error.

The middle is the maximum of the exact Euclidean distance transform, for which the outside of the
picture is background; the first pixel in row-major order wins ties.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from anymask.geometry.boxes import box_from_mask

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Click:
    """A pixel and what it says.

    Attributes:
        xy: (x, y), the pixel's own numbers.
        foreground: it belongs to the object.
    """

    xy: tuple[int, int]
    foreground: bool


def deepest(region: Mask) -> tuple[float, tuple[int, int]]:
    """The pixel farthest from everything outside a region.

    Args:
        region: (H, W) bool.

    Returns:
        Its distance in pixels to the nearest pixel outside, and its (x, y); 0 and (0, 0) for an
        empty region.
    """
    x0, y0, x1, y1 = box_from_mask(region).tolist()
    if x1 == x0:
        return 0.0, (0, 0)
    # beyond its box padded by one nothing can be nearer, so the rest of the picture is left out
    depth = ndimage.distance_transform_edt(np.pad(region[y0:y1, x0:x1], 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(np.argmax(depth)), depth.shape)
    return float(depth[row, column]), (x0 + int(column), y0 + int(row))


def centre_click(truth: Mask) -> Click:
    """The first click: the middle of an object that is not empty."""
    return Click(deepest(truth)[1], foreground=True)


def random_click(truth: Mask, rng: np.random.Generator) -> Click:
    """The first click: any pixel of an object that is not empty, all of them equally likely."""
    rows, columns = np.nonzero(truth)
    chosen = int(rng.integers(len(rows)))
    return Click((int(columns[chosen]), int(rows[chosen])), foreground=True)


def next_click(truth: Mask, prediction: Mask, unsure: Mask) -> Click | None:
    """The click that corrects the worst error.

    Args:
        truth: (H, W) bool.
        prediction: likewise.
        unsure: pixels that count for nothing.

    Returns:
        In the middle of the larger of what is missing and what is too much, by their depth; where
        both are equally deep, of what is too much. None where nothing is wrong.
    """
    missing, missing_xy = deepest(truth & ~prediction & ~unsure)
    excess, excess_xy = deepest(prediction & ~truth & ~unsure)
    if missing == excess == 0:
        return None
    if missing > excess:
        return Click(missing_xy, foreground=True)
    return Click(excess_xy, foreground=False)


def truth_box(truth: Mask) -> NDArray[np.float64]:
    """(4,) the box a person would draw: the first and the last pixels of an object that is not
    empty, (min x, min y, max x, max y).
    """  # noqa: D205
    x0, y0, x1, y1 = box_from_mask(truth).tolist()
    return np.array([x0, y0, x1 - 1, y1 - 1], np.float64)


def jittered_box(
    box_xyxy: NDArray[np.float64], size_hw: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.float64]:
    """A box drawn carelessly: each side off by a tenth of the box's length, 20 pixels at most.

    The noise is that of the published training (paper, appendix A): normal, with a tenth of the
    side as its deviation.
    """
    width, height = box_xyxy[2:] - box_xyxy[:2]
    noise = rng.normal(size=4) * 0.1 * np.array([width, height, width, height])
    moved = box_xyxy + np.clip(noise, -20, 20)
    x0, x1 = np.sort(moved[[0, 2]]).clip(0, size_hw[1] - 1)
    y0, y1 = np.sort(moved[[1, 3]]).clip(0, size_hw[0] - 1)
    return np.array([x0, y0, x1, y1])
