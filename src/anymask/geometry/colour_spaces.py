"""Colour spaces of arrays: sRGB, linear light, CIE Lab."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Unit = NDArray[np.float32]

# sRGB to XYZ (D65), and the white that Lab is measured from
_TO_XYZ: Final = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ],
    np.float32,
)
_WHITE: Final = _TO_XYZ.sum(axis=1)
_EPSILON: Final = 216 / 24389
_KAPPA: Final = 24389 / 27


def to_linear(colours: Unit) -> Unit:
    """SRGB values to linear light, both 0..1."""
    low, high = colours / 12.92, ((np.maximum(colours, 0) + 0.055) / 1.055) ** 2.4
    return np.where(colours <= 0.04045, low, high).astype(np.float32)


def from_linear(light: Unit) -> Unit:
    """Linear light to sRGB values, both 0..1."""
    low, high = light * 12.92, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, low, high).astype(np.float32)


def to_lab(colours: Unit) -> Unit:
    """(..., 3) sRGB in 0..1 to CIE L* (0..100), a*, b* under D65."""
    xyz = to_linear(colours) @ (_TO_XYZ / _WHITE[:, None]).T
    f = np.where(xyz > _EPSILON, np.cbrt(xyz), (_KAPPA * xyz + 16) / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1).astype(np.float32)


def from_lab(lab: Unit) -> Unit:
    """CIE Lab to (..., 3) sRGB, clipped to 0..1."""
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    xyz = np.where(f**3 > _EPSILON, f**3, (116 * f - 16) / _KAPPA) * _WHITE
    light = np.clip(xyz @ np.linalg.inv(_TO_XYZ).T.astype(np.float32), 0, 1)
    return np.clip(from_linear(light.astype(np.float32)), 0, 1)
