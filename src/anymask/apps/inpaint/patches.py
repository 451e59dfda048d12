"""Small squares of a picture as short vectors that can be compared quickly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from anymask.apps.inpaint.smooth import Hole, Levels

RADIUS: Final = 3
SIDE: Final = 2 * RADIUS + 1
_SAMPLES: Final = 4000
_TEXTURE_PX: Final = 9
_ROWS: Final = 32  # of patches laid out at a time, so that memory stays small

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """The directions in which the patches of a picture differ most.

    Attributes:
        directions: (SIDE * SIDE * C, K) float32, orthonormal.
    """

    directions: Vectors

    def of_picture(self, levels: Levels) -> Vectors:
        """The vectors of all patches that lie inside a picture.

        Args:
            levels: (H, W, C) float32.

        Returns:
            (H, W, K) float32 by centre; zeros where the patch would stick out.
        """
        height, width = levels.shape[:2]
        vectors = np.zeros((height, width, self.directions.shape[1]), np.float32)
        views = _views(levels)
        for row in range(0, len(views), _ROWS):
            block = views[row : row + _ROWS]
            flat = block.reshape(-1, len(self.directions)) @ self.directions
            at = slice(row + RADIUS, row + RADIUS + len(block))
            vectors[at, RADIUS : width - RADIUS] = flat.reshape(*block.shape[:2], -1)
        return vectors

    def at(self, levels: Levels, ys: NDArray[np.intp], xs: NDArray[np.intp]) -> Vectors:
        """The vectors of the patches around some pixels.

        Args:
            levels: (H, W, C) float32.
            ys: (N,) rows of the centres, whose patches lie inside.
            xs: (N,) columns.

        Returns:
            (N, K) float32.
        """
        return np.asarray(patches_at(levels, ys, xs) @ self.directions, np.float32)


def learn_basis(levels: Levels, centres: Hole, size: int, rng: np.random.Generator) -> Basis:
    """Find the main directions among the patches around some pixels.

    Args:
        levels: (H, W, C) float32.
        centres: (H, W) bool, which patches to learn from; at least one.
        size: K, the number of directions wanted.
        rng: chooses a sample of them.

    Returns:
        The basis, of at most `size` directions.
    """
    ys, xs = np.nonzero(centres)
    if len(ys) > _SAMPLES:
        chosen = rng.choice(len(ys), _SAMPLES, replace=False)
        ys, xs = ys[chosen], xs[chosen]
    patches = patches_at(levels, ys, xs).astype(np.float64)
    # not centred: a patch that is lighter than another must stay different from it
    _, directions = np.linalg.eigh(patches.T @ patches)
    return Basis(np.ascontiguousarray(directions[:, ::-1][:, :size], np.float32))


def patches_at(levels: Levels, ys: NDArray[np.intp], xs: NDArray[np.intp]) -> Levels:
    """The patches around some pixels.

    Args:
        levels: (H, W, C) float32.
        ys: (N,) rows of the centres, whose patches lie inside.
        xs: (N,) columns.

    Returns:
        (N, SIDE * SIDE * C) float32.
    """
    patches = _views(levels)[ys - RADIUS, xs - RADIUS]
    return np.ascontiguousarray(patches.reshape(len(ys), -1), np.float32)


def texture(levels: Levels, hole: Hole) -> Levels:
    """How rough the picture is around each pixel: mean absolute slopes of its lightness.

    Args:
        levels: (H, W, C) float32.
        hole: (H, W) bool, whose slopes are not looked at.

    Returns:
        (H, W, 2) float32, down and across; 0 where nothing around is known.
    """
    lightness, known = levels.mean(axis=2), ~hole
    slopes = np.zeros((*hole.shape, 2), np.float32)
    _mean_slope(lightness, known, slopes[..., 0])
    _mean_slope(lightness.T, known.T, slopes[..., 1].T)
    return slopes


def _mean_slope(lightness: Levels, known: Hole, mean: Levels) -> None:
    """Downward slopes between known pixels, averaged; written into `mean`."""
    from scipy.ndimage import uniform_filter

    count = np.zeros(known.shape, np.float32)
    count[:-1] = known[:-1] & known[1:]
    slope = np.zeros(known.shape, np.float32)
    slope[:-1] = np.abs(np.diff(lightness, axis=0)) * count[:-1]
    share = uniform_filter(count, _TEXTURE_PX)
    np.divide(uniform_filter(slope, _TEXTURE_PX), share, out=mean, where=share > 1e-4)


def whole(hole: Hole) -> Hole:
    """The pixels whose patch lies inside the picture and outside the hole."""
    from scipy.ndimage import binary_dilation

    near = np.asarray(binary_dilation(hole, np.ones((SIDE, SIDE), bool)), np.bool_)
    return np.asarray(inside(hole.shape) & ~near)


def touching(hole: Hole) -> Hole:
    """The pixels whose patch lies inside the picture and has pixels of the hole."""
    from scipy.ndimage import binary_dilation

    near = np.asarray(binary_dilation(hole, np.ones((SIDE, SIDE), bool)), np.bool_)
    return np.asarray(inside(hole.shape) & near)


def inside(size_hw: tuple[int, ...]) -> Hole:
    """The pixels whose patch lies inside the picture."""
    centres = np.zeros(size_hw, bool)
    centres[RADIUS : size_hw[0] - RADIUS, RADIUS : size_hw[1] - RADIUS] = True
    return centres


def _views(levels: Levels) -> Levels:
    """(H - 6, W - 6, SIDE, SIDE, C), without copying."""
    return np.moveaxis(sliding_window_view(levels, (SIDE, SIDE), axis=(0, 1)), 2, 4)
