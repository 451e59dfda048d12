"""An object elsewhere: deleted, moved, scaled, turned, duplicated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anymask.apps.edit.blurs import blurred_within
from anymask.apps.edit.cutouts import lifted
from anymask.apps.edit.mattes import regrown
from anymask.apps.edit.pixels import (
    Picture,
    Unit,
    as_matte,
    as_picture,
    colours_of,
    coverage_of,
    quantised,
    window_of,
)
from anymask.errors import ImageError, MaskError

_RIM_PX: Final = 2.0  # what is left of an object around its matte


class Inpainter(Protocol):
    """Fills a hole in a picture by what lies around it."""

    def __call__(self, image: NDArray[Any], mask: NDArray[np.bool_], /) -> NDArray[Any]:
        """The picture with the hole filled.

        Args:
            image: (H, W, 3) uint8 or uint16.
            mask: (H, W) bool, the hole.

        Returns:
            As much, of the same depth.
        """


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an object goes.

    Attributes:
        x_px: to the right.
        y_px: down.
        scale: times its size, about its middle.
        degrees: turned clockwise, about its middle.

    Raises:
        ImageError: a scale that is not positive, or numbers that are none.
    """

    x_px: float = 0.0
    y_px: float = 0.0
    scale: float = 1.0
    degrees: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what no object can be put to."""
        numbers = (self.x_px, self.y_px, self.scale, self.degrees)
        if not (np.isfinite(numbers).all() and 0.01 <= self.scale <= 100):
            raise ImageError(f"the object cannot be placed by {self}; give a scale of 0.01 to 100")

    @property
    def whole(self) -> bool:
        """Whether pixels stay pixels."""
        stays = self.scale == 1 and self.degrees % 360 == 0
        return stays and self.x_px == round(self.x_px) and self.y_px == round(self.y_px)


def without_object(image: Picture, matte: Unit, fill: Inpainter) -> Picture:
    """Delete an object and fill its place.

    Args:
        image: (H, W, 3) or (H, W, 4), uint8 or uint16.
        matte: (H, W) float32 in 0..1.
        fill: fills the hole, which is two pixels larger than the matte.

    Returns:
        The picture, of the same form; pixels outside the hole are equal to the bit.

    Raises:
        MaskError: an object that covers the whole picture.
        ImageError: a filled picture of another shape or depth.
    """
    picture = as_picture(image)
    hole = regrown(as_matte(matte, picture) > 0, _RIM_PX)
    if not hole.any():
        return picture
    if hole.all():
        raise MaskError("the object covers the whole picture; nothing is left to fill its place by")
    filled = fill(np.ascontiguousarray(picture[..., :3]), hole)
    if filled.shape != (*picture.shape[:2], 3) or filled.dtype != picture.dtype:
        raise ImageError(
            f"the inpainter gave shape {filled.shape} and dtype {filled.dtype} for "
            f"{(*picture.shape[:2], 3)} and {picture.dtype}"
        )
    result = picture.copy()
    result[hole, :3] = filled[hole]
    if picture.shape[2] == 4:
        cover = blurred_within(coverage_of(picture)[..., None], (~hole).astype(np.float32), 8.0)
        result[hole, 3] = quantised(cover[hole, 0], picture)
    return result


def placed(
    image: Picture, matte: Unit, placement: Placement, *, fill: Inpainter | None = None
) -> tuple[Picture, Unit]:
    """Put an object elsewhere.

    Args:
        image: (H, W, 3) or (H, W, 4), uint8 or uint16.
        matte: (H, W) float32 in 0..1.
        placement: where to; what leaves the picture is cut off.
        fill: fills the place the object leaves; None leaves the object there as well.

    Returns:
        The picture, of the same form, and the matte of the object at its new place.

    Raises:
        MaskError: an object that covers the whole picture, to be moved.
    """
    picture = as_picture(image)
    alpha = as_matte(matte, picture)
    base = picture if fill is None else without_object(picture, alpha, fill)
    window = window_of(alpha, 1)
    if window is None:
        return base, alpha
    layer = lifted(picture, alpha)
    cover = coverage_of(layer)
    # colours times alpha, so that those of transparent pixels do not come in where it is scaled
    planes = np.moveaxis(colours_of(layer) * cover[..., None], -1, 0)
    # neither clipped before they are divided: both overshoot by as much along the edge
    *colours, cover = (_interpolated(plane, window, placement) for plane in (*planes, cover))
    own = np.stack(colours, axis=-1) / np.maximum(cover, 1e-4)[..., None]
    levels = quantised(np.concatenate([own, cover[..., None]], axis=-1), layer)
    return _laid(base, levels), moved(alpha, window, placement)


def moved(plane: Unit, window: tuple[slice, slice], placement: Placement) -> Unit:
    """Numbers from 0 to 1 at another place.

    Args:
        plane: (H, W) float32; what lies outside the window is left out.
        window: rows and columns, whose middle is that of scaling and turning.
        placement: where to.

    Returns:
        (H, W) float32 in 0..1, 0 where nothing comes to lie.
    """
    return np.clip(_interpolated(plane, window, placement), 0, 1)


def _interpolated(plane: Unit, window: tuple[slice, slice], placement: Placement) -> Unit:
    """As `moved`, but beyond 0 and 1 where a cubic curve overshoots."""
    part = np.ascontiguousarray(plane[window], np.float32)
    if placement.whole:
        return _shifted(part, window, plane.shape, placement)
    # made smaller first, with all pixels taken in; the rest is an interpolation
    shrink = min(placement.scale, 1.0)
    small = tuple(max(1, round(side * shrink)) for side in part.shape)
    turned = Image.fromarray(part).resize((small[1], small[0]), Image.Resampling.BOX)
    matrix = _inverse(window, part.shape, small, placement)
    size, cubic = (plane.shape[1], plane.shape[0]), Image.Resampling.BICUBIC
    found = turned.transform(size, Image.Transform.AFFINE, matrix, cubic, fillcolor=0)
    return np.asarray(found, np.float32)


def _shifted(
    part: Unit, window: tuple[slice, slice], size_hw: tuple[int, ...], placement: Placement
) -> Unit:
    """Moved by whole pixels, exactly."""
    result = np.zeros(size_hw, np.float32)
    there, here = [], []
    for rows, shift, side in zip(window, (placement.y_px, placement.x_px), size_hw, strict=True):
        start = rows.start + round(shift)
        low = min(max(start, 0), side)
        high = max(min(rows.stop + round(shift), side), low)
        there.append(slice(low, high))
        here.append(slice(low - start, high - start))
    result[tuple(there)] = part[tuple(here)]
    return result


def _inverse(
    window: tuple[slice, slice], size: tuple[int, ...], small: tuple[int, ...], place: Placement
) -> tuple[float, ...]:
    """From a pixel of the picture to one of the resized part, as Pillow takes it."""
    middle_y, middle_x = ((part.start + part.stop) / 2 for part in window)
    angle = np.deg2rad(place.degrees)
    cos, sin = np.cos(angle) / place.scale, np.sin(angle) / place.scale
    down, across = small[0] / size[0], small[1] / size[1]
    x, y = middle_x + place.x_px, middle_y + place.y_px
    return (
        across * cos,
        across * sin,
        across * (size[1] / 2 - cos * x - sin * y),
        -down * sin,
        down * cos,
        down * (size[0] / 2 + sin * x - cos * y),
    )


def _laid(base: Picture, layer: Picture) -> Picture:
    """An RGBA layer over a picture; where the layer is opaque its pixels are taken as they are."""
    alpha, below = coverage_of(layer), coverage_of(base)
    together = alpha + below * (1 - alpha)
    share = (alpha / np.maximum(together, 1e-6))[..., None]
    touched = alpha > 0
    result = base.copy()
    laid = colours_of(base) * (1 - share) + colours_of(layer) * share
    result[touched, :3] = quantised(laid[touched], base)
    if base.shape[2] == 4:
        result[touched, 3] = quantised(together[touched], base)
    return result
