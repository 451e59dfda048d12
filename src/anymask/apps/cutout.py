"""The object alone, on a transparent background."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import ImageError, MaskError
from anymask.geometry.boxes import as_mask, box_from_mask


def cutout(
    image_rgb: NDArray[np.uint8], mask: ArrayLike, *, crop: bool = True
) -> NDArray[np.uint8]:
    """Cut an object out of its picture.

    Args:
        image_rgb: (H, W, 3) uint8.
        mask: (H, W) bool.
        crop: cut down to the box around the mask.

    Returns:
        (h, w, 4) uint8 RGBA: alpha is 255 on the mask and 0 elsewhere, where the colours are 0 as
        well, so that nothing of the background is given away. An empty mask gives one transparent
        pixel when cropped, since a picture cannot have none, and else a transparent picture.

    Raises:
        ImageError: not such a picture.
        MaskError: not one mask, or of another size.
    """
    inside = as_mask(mask)
    if image_rgb.ndim != 3 or image_rgb.shape[2] != 3 or image_rgb.dtype != np.uint8:
        raise ImageError(
            f"image_rgb has shape {image_rgb.shape} and dtype {image_rgb.dtype}; "
            "give (H, W, 3) uint8"
        )
    if inside.shape != image_rgb.shape[:2]:
        raise MaskError(
            f"mask has shape {inside.shape} but the image has {image_rgb.shape[:2]} "
            "(height, width); give the mask at the size of the image"
        )
    window = _window(inside) if crop else np.s_[:, :]
    colours, alpha = image_rgb[window], inside[window]
    rgba = np.zeros((*alpha.shape, 4), np.uint8)
    np.multiply(colours, alpha[..., None], out=rgba[..., :3])
    rgba[..., 3] = alpha * np.uint8(255)
    return rgba


def _window(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Where the mask lies; one pixel for an empty one."""
    x0, y0, x1, y1 = box_from_mask(mask).tolist()
    return np.s_[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
