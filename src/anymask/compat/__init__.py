"""The published Segment Anything names over this package, so that an existing script runs.

Example:
    >>> from anymask.compat import SamPredictor, sam_model_registry
    >>> sam = sam_model_registry["vit_b"](checkpoint="sam_vit_b.pth")  # doctest: +SKIP
    >>> predictor = SamPredictor(sam)  # doctest: +SKIP
"""

from __future__ import annotations

from anymask.compat.generator import SamAutomaticMaskGenerator
from anymask.compat.predictor import ImageNotSetError, SamPredictor
from anymask.compat.registry import (
    build_sam,
    build_sam_vit_b,
    build_sam_vit_h,
    build_sam_vit_l,
    build_sam_vit_t,
    sam_model_registry,
)
from anymask.compat.transforms import ResizeLongestSide

__all__ = [
    "ImageNotSetError",
    "ResizeLongestSide",
    "SamAutomaticMaskGenerator",
    "SamPredictor",
    "build_sam",
    "build_sam_vit_b",
    "build_sam_vit_h",
    "build_sam_vit_l",
    "build_sam_vit_t",
    "sam_model_registry",
]
