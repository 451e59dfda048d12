"""From a mask to a matte: hard, feathered, or soft by alpha matting."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from scipy import ndimage

from anymask.apps.edit import closed_form
from anymask.apps.edit.blurs import blurred
from anymask.apps.edit.edges import Edge
from anymask.apps.edit.pixels import Picture, Unit, as_matte, colours_of, window_of
from anymask.apps.edit.trimaps import edge_band
from anymask.geometry.boxes import as_mask

MAX_UNKNOWN: Final = 120_000
"""Pixels of the band that are solved for at once; a larger band is solved at a smaller size."""

_TRUST: Final = 0.005
_CONTEXT_PX: Final = 4
_SURE: Final = 0.03  # alphas this close to 0 or 1 are taken for it


def matte(
    image: Picture, mask: ArrayLike, edge: Edge, *, unsure: NDArray[np.bool_] | None = None
) -> Unit:
    """The matte of an object.

    Args:
        image: (H, W, 3 or 4) uint8 or uint16.
        mask: (H, W) bool.
        edge: what becomes of the mask's edge.
        unsure: (H, W) bool, where a model was unsure (`unsure_pixels`): a soft edge is looked for
            there too.

    Returns:
        (H, W) float32 in 0..1.

    Raises:
        MaskError: a mask of another size.
    """
    as_matte(as_mask(mask), image)
    inside = regrown(mask, edge.grow_px)
    if edge.kind == "feather":
        width = default_feather_px(inside.shape) if edge.width_px is None else edge.width_px
        return feathered(inside, width)
    if edge.kind == "soft":
        width_px = None if edge.width_px is None else round(edge.width_px)
        return soft(image, inside, edge_band(inside, unsure, band_px=width_px))
    return inside.astype(np.float32)


def regrown(mask: ArrayLike, radius_px: float) -> NDArray[np.bool_]:
    """A mask grown by a radius, or shrunk by a negative one.

    Args:
        mask: (H, W) bool.
        radius_px: pixels no farther than this from the mask join it; of a shrunk one, those no
            farther from its outside leave it. The picture's border is no edge.

    Returns:
        (H, W) bool.
    """
    inside = as_mask(mask)
    window = window_of(inside, int(np.ceil(abs(radius_px))) + 1)
    if radius_px == 0 or window is None or inside.all():
        return inside
    part, result = inside[window], np.zeros_like(inside)
    if radius_px > 0:
        result[window] = ndimage.distance_transform_edt(~part) <= radius_px
    else:
        result[window] = ndimage.distance_transform_edt(part) > -radius_px
    return result


def default_feather_px(size_hw: tuple[int, ...]) -> float:
    """A feather that looks the same on pictures of any size."""
    return max(1.0, max(size_hw) / 500)


def feathered(mask: ArrayLike, width_px: float) -> Unit:
    """A mask whose edge runs evenly from 1 to 0.

    Args:
        mask: (H, W) bool.
        width_px: how far the edge reaches to each side.

    Returns:
        (H, W) float32: 1 deeper inside than the width, 0 farther outside.
    """
    inside = as_mask(mask)
    if width_px <= 0 or inside.all() or not inside.any():
        return inside.astype(np.float32)
    result = np.zeros(inside.shape, np.float32)
    window = window_of(inside, int(np.ceil(width_px)) + 2) or np.s_[:, :]
    part = inside[window]
    depth = ndimage.distance_transform_edt(part) - 0.5
    height = ndimage.distance_transform_edt(~part) - 0.5
    signed = np.where(part, depth, -height)
    share = np.clip(signed / (2 * width_px) + 0.5, 0, 1)
    result[window] = share * share * (3 - 2 * share)
    return result


def soft(image: Picture, mask: ArrayLike, band: NDArray[np.bool_]) -> Unit:
    """The matte by closed-form matting in a band around the mask's edge.

    Args:
        image: (H, W, 3 or 4) uint8 or uint16.
        mask: (H, W) bool.
        band: (H, W) bool, the pixels to be worked out.

    Returns:
        (H, W) float32, equal to the mask outside the band.
    """
    inside = as_mask(mask)
    result = as_matte(inside, image).copy()
    window = window_of(as_matte(band, image), _CONTEXT_PX)
    if window is None:
        return result
    colours, part, unknown = colours_of(image[window]), inside[window], band[window]
    shrink = float(np.sqrt(MAX_UNKNOWN / max(int(np.count_nonzero(unknown)), 1)))
    if shrink < 1:
        found = _solved_small(colours, part, unknown, shrink)
    else:
        found = _solved(colours, part.astype(np.float32), unknown)
    found = np.clip((found - _SURE) / (1 - 2 * _SURE), 0, 1)
    result[window] = np.where(unknown, found, result[window])
    return result


def _solved(colours: Unit, coverage: Unit, unknown: NDArray[np.bool_]) -> Unit:
    expected = np.where(unknown, blurred(coverage, _spread(unknown)), coverage)
    return closed_form.solve(colours, ~unknown, expected, trust=_TRUST)


def _spread(unknown: NDArray[np.bool_]) -> float:
    """Deviation of the blur that makes a mask the expectation of a matte, by the band's width."""
    widest = float(ndimage.distance_transform_edt(np.pad(unknown, 1)).max())
    return max(0.7, widest / 4)


def _solved_small(
    colours: Unit, inside: NDArray[np.bool_], unknown: NDArray[np.bool_], shrink: float
) -> Unit:
    """Solved at a smaller size, and brought back along the colours of the full one."""
    height, width = inside.shape
    size = max(1, round(height * shrink)), max(1, round(width * shrink))
    small = np.stack([resized(colours[..., c], size) for c in range(3)], axis=-1)
    covered, within = resized(inside.astype(np.float32), size), resized(unknown * 1.0, size) > 0
    alpha = _solved(small, covered, within)
    slope, offset = _linear_model(small, alpha)
    full = np.stack([resized(slope[..., c], inside.shape) for c in range(3)], axis=-1)
    found = (full * colours).sum(axis=-1) + resized(offset, inside.shape)
    return np.asarray(np.clip(found, 0, 1))


def _linear_model(colours: Unit, alpha: Unit, *, epsilon: float = 1e-5) -> tuple[Unit, Unit]:
    """Alpha as a linear function of the colour around each pixel (He, Sun: Fast Guided Filter)."""

    def mean(values: NDArray[Any]) -> NDArray[np.float64]:
        sizes = (3, 3, 1, 1)[: values.ndim]
        return np.asarray(ndimage.uniform_filter(values.astype(np.float64), sizes, mode="nearest"))

    m_colour, m_alpha = mean(colours), mean(alpha)
    outer = mean(colours[..., :, None] * colours[..., None, :].astype(np.float64))
    covariance = outer - m_colour[..., :, None] * m_colour[..., None, :] + epsilon * np.eye(3)
    shared = mean(colours * alpha[..., None]) - m_colour * m_alpha[..., None]
    slope = np.linalg.solve(covariance, shared[..., None])[..., 0]
    offset = m_alpha - (slope * m_colour).sum(axis=-1)
    return mean(slope).astype(np.float32), mean(offset).astype(np.float32)


def resized(plane: NDArray[Any], size_hw: tuple[int, ...]) -> Unit:
    """(H, W) numbers at another size, antialiased."""
    picture = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    height, width = size_hw
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR), np.float32)
