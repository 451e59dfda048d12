"""`Truth`, `TruePicture`, `DataSet`: what masks are measured against. Masks are made when asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import MaskError
from anymask.geometry import contours, rle

Mask = NDArray[np.bool_]
Segmentation = Mapping[str, Any] | Sequence[Sequence[float]]
"""A COCO run-length code, or polygons x0, y0, x1, y1 ... whose union is meant."""

MEDIUM_AREA, LARGE_AREA = 32**2, 96**2
SIZES = ("small", "medium", "large")


@dataclass(frozen=True, slots=True)
class Truth:
    """One object of a picture.

    Attributes:
        key: names it within its picture.
        size_hw: (height, width) of the picture.
        segmentation: its pixels, those of `ignore` included.
        ignore: run-length code of pixels that nobody is sure of; they count for nothing.
        category: number of its class, 0 where there are none.
        crowd: many objects in one, as COCO marks them.
        area: pixels, as its file tells; None where it does not.
    """

    key: str
    size_hw: tuple[int, int]
    segmentation: Segmentation
    ignore: Mapping[str, Any] | None = None
    category: int = 0
    crowd: bool = False
    area: float | None = None

    def mask(self) -> Mask:
        """(H, W) bool: the pixels that are surely its own.

        Raises:
            MaskError: a malformed code or polygon, or one of another size.
        """
        mask = _decode(self.segmentation, self.size_hw)
        return mask if self.ignore is None else mask & ~self.unsure()

    def unsure(self) -> Mask:
        """(H, W) bool: the pixels that count for nothing."""
        if self.ignore is None:
            return np.zeros(self.size_hw, np.bool_)
        return _decode(self.ignore, self.size_hw)


@dataclass(frozen=True, slots=True)
class TruePicture:
    """A picture with its true objects.

    Attributes:
        key: names it within its set.
        path: the picture file.
        truths: its objects, in the order of their file.
        size_hw: (height, width) its truth was made for, or None where that is not told.
        boundaries: file of edges drawn by people, or None.
    """

    key: str
    path: Path
    truths: tuple[Truth, ...] = ()
    size_hw: tuple[int, int] | None = None
    boundaries: Path | None = None


@dataclass(frozen=True, slots=True)
class DataSet:
    """Pictures that are measured together.

    Attributes:
        name: unique among the sets of a run.
        path: where it lies.
        pictures: in the order of its file, or of their names.
        categories: number -> name.
    """

    name: str
    path: Path
    pictures: tuple[TruePicture, ...]
    categories: Mapping[int, str]


def size_class(area_px: float) -> str:
    """COCO's words for sizes: below 32 x 32 pixels, below 96 x 96, and the rest."""
    return SIZES[int(area_px >= MEDIUM_AREA) + int(area_px >= LARGE_AREA)]


def _decode(segmentation: Segmentation, size_hw: tuple[int, int]) -> Mask:
    if isinstance(segmentation, Mapping):
        mask = rle.decode(segmentation)
    else:
        rings = (np.asarray(ring, np.float64) for ring in segmentation)
        mask = contours.rasterise(
            [contours.Polygon(ring.reshape(-1, 2)) for ring in rings if ring.size >= 6], size_hw
        )
    if mask.shape != tuple(size_hw):
        raise MaskError(f"the mask is {mask.shape} but its picture is {tuple(size_hw)} (H, W)")
    return mask
