"""`ResizeLongestSide`: images, points and boxes from the original image to the canvas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.compat.extra import require_torch
from anymask.errors import ImageError, PromptError
from anymask.inference.segment import resize
from anymask.io.arrays import as_rgb

if TYPE_CHECKING:
    from torch import Tensor

SizeHW = Sequence[int]


class ResizeLongestSide:
    """Scales so that the longer side becomes `target_length` pixels.

    Args:
        target_length: in pixels; the network's canvas, 1024 for the published ones.
    """

    def __init__(self, target_length: int) -> None:
        self.target_length = target_length

    def apply_image(self, image: Any) -> NDArray[np.uint8]:
        """An image as the network was trained on: Pillow's antialiased bilinear filter.

        Args:
            image: (H, W, 3) uint8, or whatever else `anymask.io.arrays.as_rgb` takes.

        Returns:
            (h, w, 3) uint8.

        Raises:
            ImageError: not a picture.
        """
        rgb = as_rgb(image)
        height, width = rgb.shape[:2]
        resized = resize(rgb, self.get_preprocess_shape(height, width, self.target_length))
        return np.array(resized)  # Pillow's own memory is read-only, which torch warns about

    def apply_coords(self, coords: ArrayLike, original_size: SizeHW) -> NDArray[np.float32]:
        """Points (..., 2) of (x, y) original pixels to float32 canvas pixels, as a copy.

        Computed in double precision and returned in single, which every device can hold.
        """
        points_xy = np.asarray(coords, np.float64)
        if points_xy.shape[-1:] != (2,):
            raise PromptError(f"coords must have shape (..., 2); got shape {points_xy.shape}")
        return (points_xy * self._scale_xy(original_size)).astype(np.float32)

    def apply_boxes(self, boxes: ArrayLike, original_size: SizeHW) -> NDArray[np.float32]:
        """Boxes (..., 4) XYXY of original pixels to (B, 4) float32 of canvas pixels."""
        corners = _corners(np.asarray(boxes))
        return self.apply_coords(corners, original_size).reshape(-1, 4)

    def apply_image_torch(self, image: Tensor) -> Tensor:
        """A tensor resized with torch's antialiased bilinear filter.

        Only close to `apply_image`, which is what the network was trained on.

        Args:
            image: (B, C, H, W) or (C, H, W), C 1 or 3, on any device.

        Returns:
            The same rank and device, floating point, its last two axes (h, w).

        Raises:
            ImageError: another shape, such as channels last.
        """
        require_torch("to resize tensors")
        from torch.nn import functional as F

        if image.ndim not in (3, 4) or image.shape[-3] not in (1, 3):
            raise ImageError(
                "image must have shape (B, 3, H, W) or (3, H, W), channels first; "
                f"got shape {tuple(image.shape)}"
            )
        batch = image if image.ndim == 4 else image[None]
        height, width = image.shape[-2:]
        size = self.get_preprocess_shape(height, width, self.target_length)
        batch = batch if batch.is_floating_point() else batch.float()
        resized = F.interpolate(batch, size, mode="bilinear", align_corners=False, antialias=True)
        return resized if image.ndim == 4 else resized[0]

    def apply_coords_torch(self, coords: Tensor, original_size: SizeHW) -> Tensor:
        """Points (..., 2) of (x, y) original pixels to float32 canvas pixels, as a copy."""
        require_torch("to move tensors to the canvas")
        import torch

        if coords.shape[-1:] != (2,):
            raise PromptError(f"coords must have shape (..., 2); got shape {tuple(coords.shape)}")
        scale = self._scale_xy(original_size).astype(np.float32)
        return coords.to(torch.float32) * torch.from_numpy(scale).to(coords.device)

    def apply_boxes_torch(self, boxes: Tensor, original_size: SizeHW) -> Tensor:
        """Boxes (..., 4) XYXY of original pixels to (B, 4) float32 of canvas pixels."""
        return self.apply_coords_torch(_corners(boxes), original_size).reshape(-1, 4)

    @staticmethod
    def get_preprocess_shape(oldh: int, oldw: int, long_side_length: int) -> tuple[int, int]:
        """(h, w) with the longer side at `long_side_length`, rounded half up, at least 1 pixel."""
        scale = long_side_length / max(oldh, oldw)
        height, width = (max(1, int(side * scale + 0.5)) for side in (oldh, oldw))
        return height, width

    def _scale_xy(self, original_size: SizeHW) -> NDArray[np.float64]:
        """(2,): the ratio of the rounded sizes along each axis."""
        if len(original_size) != 2:
            raise PromptError(
                f"original_size must be (height, width); got {tuple(original_size)}; "
                "for an array give image.shape[:2]"
            )
        height, width = original_size
        resized_h, resized_w = self.get_preprocess_shape(height, width, self.target_length)
        return np.array([resized_w / width, resized_h / height])


def _corners(boxes: Any) -> Any:
    """(..., 4) to (B, 2, 2), of an array or a tensor."""
    if boxes.shape[-1:] != (4,):
        raise PromptError(
            f"boxes must have shape (B, 4) of x0, y0, x1, y1; got shape {tuple(boxes.shape)}"
        )
    return boxes.reshape(-1, 2, 2)
