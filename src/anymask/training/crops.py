"""What CLIP is shown of a mask while a text token is trained."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anymask.types.records import CompactMask
from anymask.words.views import square_around

CROP_PX: Final = 336
"""What CLIP ViT-L/14@336px reads."""
WIDEST: Final = 2.0
BLANKED: Final = 0.5
"""How often everything outside of the mask is made black."""
BLACK: Final = 0


def jittered_crop(
    image_rgb: NDArray[np.uint8], region: CompactMask, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A square around a mask, differently each time (Kirillov et al. 2023, section D.5).

    The box is widened by a factor between 1 and 2 and made square; half of the time what the mask
    does not cover is black, as is what lies beyond the picture.

    Args:
        image_rgb: (H, W, 3) uint8.
        region: a mask of the picture's size, not empty.
        rng: chooses.

    Returns:
        (`CROP_PX`, `CROP_PX`, 3) uint8 and the mask in it, bool.
    """
    picture, inside = square_around(image_rgb, region, rng.uniform(1, WIDEST), BLACK)
    if rng.random() < BLANKED:
        picture = np.where(inside[..., None], picture, np.uint8(BLACK))
    size = (CROP_PX, CROP_PX)
    resized = Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR)
    mask = Image.fromarray(inside).resize(size, Image.Resampling.NEAREST)
    return np.asarray(resized), np.asarray(mask, np.bool_)
