"""A mark that repeats, in one picture or in many: found by what it looks like.

Compared are slopes, not colours, because a mark that lets the picture shine through keeps its
outlines on any background. Normalised correlation: Lewis, "Fast template matching", 1995.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from anymask.apps.inpaint.smooth import Hole
from anymask.errors import ImageError

MIN_SCORE: Final = 0.5
"""Of 1 for an exact copy; marks over busy pictures score 0.5 to 0.9, other things below 0.3."""
_RIM_PX: Final = 2
_FLATTEST: Final = 1e-3  # share of the strongest place's slopes below which nothing is compared

Plane = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Found:
    """Where a mark lies.

    Attributes:
        x: of its left upper corner, in pixels.
        y: of it.
        score: how alike, at most 1.
    """

    x: int
    y: int
    score: float


def find_marks(
    image: NDArray[Any],
    template: NDArray[Any],
    shape: Hole | None = None,
    *,
    min_score: float = MIN_SCORE,
) -> list[Found]:
    """Where a picture shows a mark, best first; of two that overlap by a quarter the better one.

    Args:
        image: (H, W) or (H, W, 3 or 4) of any kind of number.
        template: (h, w) or (h, w, 3 or 4), the mark cut out of a picture of the same scale.
        shape: (h, w) bool, which pixels of the template are the mark; by default all.
        min_score: how alike a place has to be.

    Raises:
        ImageError: a template that is larger than the picture, or flat, or a min_score of 0 or
            less, which everything has.
    """
    if not 0 < min_score <= 1:
        raise ImageError(f"min_score is {min_score}; give more than 0, at most 1")
    picture, mark = _lightness(image), _lightness(template)
    if any(part > whole for part, whole in zip(mark.shape, picture.shape, strict=True)):
        raise ImageError(
            f"template has shape {mark.shape} but the picture only {picture.shape} "
            "(height, width); give one cut out of a picture of this scale"
        )
    scores = _scores(picture, mark, _weights(mark, shape))
    rows, columns = (max(side * 3 // 4, 1) for side in mark.shape)
    found: list[Found] = []
    while scores.max() >= min_score:
        y, x = divmod(int(np.argmax(scores)), scores.shape[1])
        found.append(Found(x, y, float(scores[y, x])))
        scores[max(y - rows, 0) : y + rows + 1, max(x - columns, 0) : x + columns + 1] = -1
    return found


def marks_mask(size_hw: tuple[int, int], found: list[Found], shape: Hole) -> Hole:
    """The pixels of all marks found.

    Args:
        size_hw: of the picture.
        found: by `find_marks`, in this picture.
        shape: (h, w) bool, the pixels of the mark.

    Returns:
        (H, W) bool.
    """
    mask = np.zeros(size_hw, bool)
    for one in found:
        mask[one.y : one.y + shape.shape[0], one.x : one.x + shape.shape[1]] |= shape
    return mask


def _scores(picture: Plane, mark: Plane, weights: Plane) -> Plane:
    """(H - h + 1, W - w + 1): the cosine between the slopes of mark and picture."""
    slopes = [(_slope(picture, axis), _slope(mark, axis) * weights) for axis in (0, 1)]
    own = sum(float(np.square(wanted).sum()) for _, wanted in slopes)
    if own <= 0:
        raise ImageError("template is flat: it has no outlines to be found by")
    dot = sum(_correlate(slope, wanted) for slope, wanted in slopes)
    energy = sum(_correlate(np.square(slope), weights) for slope, _ in slopes)
    floor = max(float(np.max(energy)), own) * _FLATTEST
    return np.asarray(dot / np.sqrt(np.maximum(energy, floor) * own), np.float32)


def _correlate(plane: Plane, kernel: Plane) -> Plane:
    from scipy.signal import fftconvolve

    return np.asarray(fftconvolve(plane, kernel[::-1, ::-1], mode="valid"), np.float32)


def _slope(plane: Plane, axis: int) -> Plane:
    if plane.shape[axis] < 2:
        return np.zeros_like(plane)
    return np.asarray(np.gradient(plane, axis=axis), np.float32)


def _weights(mark: Plane, shape: Hole | None) -> Plane:
    """1 on the mark and close to it, where its outlines are."""
    from scipy.ndimage import binary_dilation

    if shape is None:
        return np.ones_like(mark)
    if shape.shape != mark.shape:
        raise ImageError(f"shape has {shape.shape} pixels but the template {mark.shape}")
    return np.asarray(binary_dilation(shape, iterations=_RIM_PX), np.float32)


def _lightness(image: NDArray[Any]) -> Plane:
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ImageError(f"image has shape {image.shape}; give (H, W) or (H, W, C)")
    full = np.float32(np.iinfo(image.dtype).max if image.dtype.kind in "iu" else 1)
    if image.ndim == 3:
        image = image[..., : 3 if image.shape[2] >= 3 else 1].mean(axis=2)
    return np.asarray(image / full, np.float32)
