"""Closed-form matting (Levin, Lischinski, Weiss: A Closed Form Solution to Natural Image Matting).

Within every window of 3 x 3 pixels alpha is taken to be linear in the colour; the misfit of all
windows is a quadratic form, the matting Laplacian, which is minimised over the unknown pixels.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import cg

from anymask.apps.edit.pixels import Unit

_REACH: Final = 2  # two pixels in one window lie at most so far apart
_SIDE: Final = 2 * _REACH + 1
_WINDOW: Final = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1))
_AT_ONCE: Final = 1 << 15  # windows, so that their 9 x 9 blocks stay small
_MAX_STEPS: Final = 400

Flat = NDArray[np.float64]


def solve(
    colours: Unit,
    known: NDArray[np.bool_],
    guess: Unit,
    *,
    trust: float,
    epsilon: float = 1e-7,
    tolerance: float = 1e-3,
) -> Unit:
    """Alpha of the unknown pixels.

    Args:
        colours: (H, W, 3) float32 in 0..1.
        known: (H, W) bool, where `guess` is alpha already.
        guess: (H, W) float32; in unknown pixels what is expected there.
        trust: how much weight the guess has in unknown pixels, beside the Laplacian's diagonal of
            about 9.
        epsilon: how linear alpha is in the colours of a window; larger is smoother.
        tolerance: relative residual at which the solver stops.

    Returns:
        (H, W) float32 in 0..1, equal to `guess` in known pixels.
    """
    padded = np.pad(~known, _REACH)
    numbers = np.full(padded.shape, -1)
    numbers[padded] = np.arange(np.count_nonzero(padded))
    if not padded.any():
        return guess
    alpha = np.pad(guess.astype(np.float64), _REACH, mode="edge")
    weights = _laplacian_rows(np.pad(colours, ((_REACH,) * 2, (_REACH,) * 2, (0, 0)), mode="edge"),
                              padded, numbers, epsilon)  # fmt: skip
    matrix, right = _system(weights, padded, numbers, alpha)
    expected = alpha[padded]
    diagonal = matrix.diagonal() + trust
    matrix = matrix + sparse.diags(np.full(len(expected), float(trust)))
    scale = sparse.diags(1 / diagonal)
    found, _ = cg(
        matrix, right + trust * expected, x0=expected, rtol=tolerance, maxiter=_MAX_STEPS, M=scale
    )
    result = guess.copy()
    result[~known] = np.clip(found, 0, 1)
    return result


def _laplacian_rows(
    colours: Unit, unknown: NDArray[np.bool_], numbers: NDArray[np.int64], epsilon: float
) -> Flat:
    """(N, 25) values of the Laplacian between each unknown pixel and those up to 2 away."""
    height, width = unknown.shape
    near = np.zeros((height - 2, width - 2), np.bool_)
    for dy, dx in _WINDOW:
        near |= unknown[1 + dy : height - 1 + dy, 1 + dx : width - 1 + dx]
    rows, columns = np.nonzero(near)
    places = (rows + 1) * width + columns + 1
    steps = np.array([dy * width + dx for dy, dx in _WINDOW])
    offsets = np.array(
        [[(b[0] - a[0] + _REACH) * _SIDE + b[1] - a[1] + _REACH for b in _WINDOW] for a in _WINDOW]
    )
    flat, number = colours.reshape(-1, 3).astype(np.float64), numbers.reshape(-1)
    count = int(number.max()) + 1
    values = np.zeros(count * _SIDE * _SIDE)
    for start in range(0, len(places), _AT_ONCE):
        members = places[start : start + _AT_ONCE, None] + steps  # (K, 9)
        blocks = _blocks(flat[members], epsilon)
        owner = number[members]
        wanted = owner >= 0
        target = owner[..., None] * _SIDE**2 + offsets  # (K, 9, 9)
        values += np.bincount(
            target[wanted].reshape(-1), blocks[wanted].reshape(-1), minlength=values.size
        )
    return values.reshape(count, _SIDE * _SIDE)


def _blocks(colours: Flat, epsilon: float) -> Flat:
    """(K, 9, 9): the form of each window with colours (K, 9, 3); equation 12 of the paper."""
    size = len(_WINDOW)
    centred = colours - colours.mean(axis=1, keepdims=True)
    covariance = centred.transpose(0, 2, 1) @ centred / size + epsilon / size * np.eye(3)
    like = centred @ np.linalg.inv(covariance) @ centred.transpose(0, 2, 1)
    return np.asarray(np.eye(size) - (1 + like) / size)


def _system(
    weights: Flat, unknown: NDArray[np.bool_], numbers: NDArray[np.int64], alpha: Flat
) -> tuple[sparse.csr_matrix, Flat]:
    """The equations of the unknown pixels; what is known stands on the right."""
    width = unknown.shape[1]
    steps = np.array(
        [dy * width + dx for dy in range(-_REACH, _REACH + 1) for dx in range(-_REACH, _REACH + 1)]
    )
    partners = np.flatnonzero(unknown)[:, None] + steps  # (N, 25)
    columns = numbers.reshape(-1)[partners]
    inside = columns >= 0
    right = -(weights * alpha.reshape(-1)[partners] * ~inside).sum(axis=1)
    starts = np.concatenate([[0], np.cumsum(inside.sum(axis=1))])
    count = len(partners)
    matrix = sparse.csr_matrix((weights[inside], columns[inside], starts), shape=(count, count))
    return matrix, right
