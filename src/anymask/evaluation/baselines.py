"""What can be had without a network: methods to compare with.

Each is made for a picture and answers a click, a box and the true area; none of them uses all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from anymask.errors import MissingExtraError

Mask = NDArray[np.bool_]
Picture = NDArray[np.uint8]
Baseline = Callable[[tuple[int, int], NDArray[np.float64], int], Mask]
"""(click (x, y), box (min x, min y, max x, max y), true area) -> (H, W) bool."""

FLOOD_TOLERANCE: Final = 12.0
"""Largest colour difference from the clicked pixel, in CIE Lab."""
WALKER_SIDE_PX: Final = 256
"""The random walker works on a picture of this longer side."""
WALKER_BETA: Final = 300.0
GRABCUT_ROUNDS: Final = 5


def circle(rgb: Picture) -> Baseline:
    """A disc around the click, of the true area: what a guess without looking is worth."""
    ys, xs = np.ogrid[: rgb.shape[0], : rgb.shape[1]]

    def answer(click: tuple[int, int], _box: NDArray[np.float64], area_px: int) -> Mask:
        x, y = click
        return np.asarray((xs - x) ** 2 + (ys - y) ** 2 <= area_px / np.pi)

    return answer


def flood(rgb: Picture) -> Baseline:
    """The pixels that hang together with the clicked one and are of nearly its colour."""
    from skimage.color import rgb2lab

    lab = rgb2lab(rgb)

    def answer(click: tuple[int, int], _box: NDArray[np.float64], _area_px: int) -> Mask:
        x, y = click
        difference = np.linalg.norm(lab - lab[y, x], axis=-1)
        near = difference <= FLOOD_TOLERANCE
        regions, _ = ndimage.label(near, ndimage.generate_binary_structure(2, 2))
        return np.asarray(regions == regions[y, x])

    return answer


def walker(rgb: Picture) -> Baseline:
    """The random walker from the click against the border of the picture."""
    from skimage.segmentation import random_walker

    height, width = rgb.shape[:2]
    scale = min(1.0, WALKER_SIDE_PX / max(height, width))
    size = max(8, round(width * scale)), max(8, round(height * scale))
    small = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BOX)) / 255.0

    def answer(click: tuple[int, int], _box: NDArray[np.float64], _area_px: int) -> Mask:
        seeds = np.zeros(small.shape[:2], np.int64)
        seeds[[0, -1], :] = seeds[:, [0, -1]] = 2
        x = min(int((click[0] + 0.5) * size[0] / width), size[0] - 1)
        y = min(int((click[1] + 0.5) * size[1] / height), size[1] - 1)
        seeds[y, x] = 1
        # only which probability is larger counts, so that rounding beyond 0 and 1 does no harm
        labels = random_walker(
            small, seeds, beta=WALKER_BETA, mode="cg_j", prob_tol=np.inf, channel_axis=-1
        )
        mask = Image.fromarray(np.asarray(labels == 1, np.uint8) * 255)
        return np.asarray(mask.resize((width, height), Image.Resampling.NEAREST)) > 0

    return answer


def grabcut(rgb: Picture) -> Baseline:
    """OpenCV's GrabCut from the box."""
    import cv2

    def answer(_click: tuple[int, int], box: NDArray[np.float64], _area_px: int) -> Mask:
        x0, y0, x1, y1 = (round(side) for side in box.tolist())
        labels = np.full(rgb.shape[:2], cv2.GC_BGD, np.uint8)
        labels[y0 : y1 + 1, x0 : x1 + 1] = cv2.GC_PR_FGD
        if (labels == cv2.GC_PR_FGD).all():  # no background is left to learn from
            return np.ones(rgb.shape[:2], np.bool_)
        background, foreground = np.zeros((2, 1, 65))
        cv2.setRNGSeed(0)
        bgr = np.ascontiguousarray(rgb[..., ::-1])
        mode = cv2.GC_INIT_WITH_MASK  # the rectangle is not looked at then
        cv2.grabCut(bgr, labels, (0, 0, 1, 1), background, foreground, GRABCUT_ROUNDS, mode)
        return np.asarray((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD))

    return answer


BASELINES: Final[Mapping[str, Callable[[Picture], Baseline]]] = MappingProxyType(
    {"circle": circle, "flood": flood, "walker": walker, "grabcut": grabcut}
)
_NEEDS: Final = {"flood": "skimage", "walker": "skimage", "grabcut": "cv2"}


def available(names: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those that can be run here, and a note for each of the others."""
    missing = {name for name in names if name in _NEEDS and find_spec(_NEEDS[name]) is None}
    notes = tuple(
        f"baseline {name} was skipped: "
        + str(MissingExtraError(_NEEDS[name], "evaluation", "for it"))
        for name in names
        if name in missing
    )
    return tuple(name for name in names if name not in missing), notes
