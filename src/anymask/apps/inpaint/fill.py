"""Something taken out of a picture: the mask grown, the hole filled, the seam softened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.apps.inpaint.inpainters import AutoInpainter, Inpainter, choose
from anymask.apps.inpaint.parts import around
from anymask.apps.inpaint.smooth import Hole
from anymask.errors import ImageError, MaskError
from anymask.geometry.boxes import as_mask

GROW_PX: Final = 4
"""Masks end at an object's edge; its blurred rim and its glow lie a little outside."""
FEATHER_PX: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class Inpainted:
    """A picture with a part painted anew.

    Attributes:
        image: of the shape and kind of the one given; outside `hole` it is that one bit for bit.
        hole: (H, W) bool, the mask as it was grown.
        method: what filled it, such as "exemplar".
        reason: why, for people.
    """

    image: NDArray[Any]
    hole: Hole
    method: str
    reason: str


def inpaint(
    image: NDArray[Any],
    mask: ArrayLike,
    *,
    inpainter: Inpainter | None = None,
    grow_px: float = GROW_PX,
    feather_px: float = FEATHER_PX,
) -> Inpainted:
    """Fill a part of a picture with what could be behind it.

    Args:
        image: (H, W) grey, (H, W, 2) grey and alpha, (H, W, 3) RGB or (H, W, 4) RGBA; uint8 or
            uint16. Alpha stays as it is.
        mask: (H, W) bool, what is to go. An empty one changes nothing.
        inpainter: what fills; by default the built-in fill that suits.
        grow_px: how far the mask is grown first.
        feather_px: over how many pixels, all outside the mask itself and inside the grown one, the
            fill gives way to the picture.

    Returns:
        The picture, the hole and how it was filled.

    Raises:
        ImageError: not such a picture.
        MaskError: not such a mask, or one that covers the picture, grown or not.

    Example:
        >>> picture = np.full((9, 9, 3), 200, np.uint8)
        >>> mask = np.zeros((9, 9), bool)
        >>> picture[4, 4], mask[4, 4] = 0, True
        >>> inpaint(picture, mask, grow_px=1).image.min()
        np.uint8(200)
    """
    colours, alpha = _split(image)
    inside = as_mask(mask)
    if inside.shape != image.shape[:2]:
        raise MaskError(
            f"mask has shape {inside.shape} but the image has {image.shape[:2]} "
            "(height, width); give the mask at the size of the image"
        )
    if not inside.any():
        return Inpainted(image.copy(), inside.copy(), "none", choose(inside).reason)
    hole, share = grown(inside, grow_px, feather_px)
    if hole.all():
        told = "mask" if inside.all() else f"mask, grown by {grow_px:g} px,"
        raise MaskError(f"{told} covers the whole picture; leave something to go by")
    method, reason = _told(inpainter, hole)
    filled = (inpainter or AutoInpainter())(colours, hole)
    mixed = _mixed(colours, filled, hole, share)
    return Inpainted(_joined(mixed, alpha, image), hole, method, reason)


def grown(mask: Hole, grow_px: float, feather_px: float) -> tuple[Hole, NDArray[np.float32]]:
    """A mask made larger, and how much of the fill shows at each pixel of it.

    Args:
        mask: (H, W) bool, not empty.
        grow_px: how far, by Euclidean distance.
        feather_px: how many of those pixels are a transition.

    Returns:
        (H, W) bool, and (H, W) float32: 1 on the mask, falling to nearly 0 at the grown one's edge.

    Raises:
        MaskError: a negative number.
    """
    from scipy.ndimage import distance_transform_edt

    if not (grow_px >= 0 and feather_px >= 0 and np.isfinite(grow_px + feather_px)):
        raise MaskError(f"grow is {grow_px} px and feather {feather_px} px; give 0 or more")
    hole, share = mask.copy(), mask.astype(np.float32)
    window = around(mask, int(np.ceil(grow_px)))
    distance = distance_transform_edt(~mask[window])
    hole[window] = distance <= grow_px
    soft = min(feather_px, grow_px)
    falling = np.clip((grow_px + 1 - distance) / (soft + 1), 0, 1)
    share[window] = np.where(hole[window], falling, 0)
    return hole, share


def check_kind(image: NDArray[Any]) -> None:
    """Refuse what is no picture of 8 or 16 bits.

    Raises:
        ImageError: another shape, or another kind of number.
    """
    kind = image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (1, 2, 3, 4))
    if not kind or 0 in image.shape or image.dtype not in (np.uint8, np.uint16):
        raise ImageError(
            f"image has shape {image.shape} and dtype {image.dtype}; "
            "give (H, W) or (H, W, 1 to 4) uint8 or uint16"
        )


def _split(image: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """(H, W, 3) colours, and alpha if there is any."""
    check_kind(image)
    planes = image[..., None] if image.ndim == 2 else image
    alpha = planes[..., -1:] if planes.shape[2] in (2, 4) else None
    colours = planes if alpha is None else planes[..., :-1]
    return np.repeat(colours, 3, axis=2) if colours.shape[2] == 1 else colours, alpha


def _told(inpainter: Inpainter | None, hole: Hole) -> tuple[str, str]:
    if inpainter is None or isinstance(inpainter, AutoInpainter):
        choice = choose(hole)
        return choice.method, choice.reason
    return getattr(inpainter, "name", type(inpainter).__name__), "asked for"


def _mixed(
    colours: NDArray[Any], filled: NDArray[Any], hole: Hole, share: NDArray[np.float32]
) -> NDArray[Any]:
    """The fill over the picture; whatever an inpainter did outside the hole is left out."""
    mixed = colours.copy()
    before, weight = colours[hole].astype(np.float32), share[hole][:, None]
    levels = before + (filled[hole].astype(np.float32) - before) * weight
    mixed[hole] = np.rint(levels).astype(colours.dtype)
    return mixed


def _joined(colours: NDArray[Any], alpha: NDArray[Any] | None, like: NDArray[Any]) -> NDArray[Any]:
    """Colours and alpha in the shape the picture came in."""
    count = (1 if like.ndim == 2 else like.shape[2]) - (alpha is not None)
    planes = colours[..., :count]
    joined = planes if alpha is None else np.concatenate([planes, alpha], axis=2)
    return np.ascontiguousarray(joined.reshape(like.shape))
