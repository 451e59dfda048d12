"""`MaskRecord`: one mask that everything mode found, small enough to keep by the thousand."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anymask.geometry import rle
from anymask.geometry.boxes import as_mask, box_from_mask

BoxXyxy = tuple[int, int, int, int]
BoolArray = NDArray[np.bool_]

_QUICK = 1  # zlib's fastest level: masks are mostly runs, higher ones hardly shrink them further


@dataclass(frozen=True, slots=True)
class CompactMask:
    """A mask as the compressed bits inside its box; a few kilobytes whatever the image's size.

    Attributes:
        size_hw: (height, width) of the image.
        box_xyxy: half-open box around the mask; zeros for an empty one.
        area: pixels of the mask.
        bits: zlib-compressed rows of the box, eight pixels a byte.
    """

    size_hw: tuple[int, int]
    box_xyxy: BoxXyxy
    area: int
    bits: bytes

    @classmethod
    def from_array(cls, mask: BoolArray) -> CompactMask:
        """Of an (H, W) bool mask at image size."""
        array = as_mask(mask)
        return cls.from_crop(array, (0, 0), (array.shape[0], array.shape[1]))

    @classmethod
    def from_crop(
        cls, crop: BoolArray, offset_xy: tuple[int, int], size_hw: tuple[int, int]
    ) -> CompactMask:
        """Of a part of the image that holds the whole mask.

        Args:
            crop: (h, w) bool.
            offset_xy: where its upper left pixel lies in the image.
            size_hw: (height, width) of the image.
        """
        x0, y0, x1, y1 = box_from_mask(crop).tolist()
        if x1 == x0:
            return cls(size_hw, (0, 0, 0, 0), 0, b"")
        tight = crop[y0:y1, x0:x1]
        dx, dy = offset_xy
        box = (x0 + dx, y0 + dy, x1 + dx, y1 + dy)
        bits = zlib.compress(np.packbits(tight, axis=1).tobytes(), _QUICK)
        return cls(size_hw, box, int(np.count_nonzero(tight)), bits)

    @property
    def crop(self) -> BoolArray:
        """(h, w) bool: the mask inside its box, unpacked at each call."""
        x0, y0, x1, y1 = self.box_xyxy
        height, width = y1 - y0, x1 - x0
        packed = np.frombuffer(zlib.decompress(self.bits) if self.bits else b"", np.uint8)
        rows = packed.reshape(height, (width + 7) // 8)
        return np.unpackbits(rows, axis=1, count=width).view(np.bool_)

    @property
    def array(self) -> BoolArray:
        """(H, W) bool: the mask at image size, unpacked at each call."""
        mask = np.zeros(self.size_hw, np.bool_)
        x0, y0, x1, y1 = self.box_xyxy
        mask[y0:y1, x0:x1] = self.crop
        return mask


@dataclass(frozen=True, slots=True)
class MaskRecord:
    """One mask with what is known about it.

    Attributes:
        mask: the mask itself.
        predicted_iou: the model's own estimate of its quality; it may leave [0, 1].
        stability_score: 0..1, IoU of the masks cut a little higher and a little lower.
        point_xy: the point that produced it, in pixels of the image.
        crop_box_xyxy: half-open box of the part of the image it was found in.
    """

    mask: CompactMask
    predicted_iou: float
    stability_score: float
    point_xy: tuple[float, float]
    crop_box_xyxy: BoxXyxy

    @property
    def size_hw(self) -> tuple[int, int]:
        """(height, width) of the image."""
        return self.mask.size_hw

    @property
    def area(self) -> int:
        """Pixels of the mask."""
        return self.mask.area

    @property
    def box_xyxy(self) -> BoxXyxy:
        """Half-open box around the mask; zeros for an empty one."""
        return self.mask.box_xyxy

    @property
    def array(self) -> BoolArray:
        """(H, W) bool at image size, unpacked at each call."""
        return self.mask.array

    def rle(self) -> rle.Rle:
        """The mask as a COCO run-length code."""
        return rle.encode(self.array)
