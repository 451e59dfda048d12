"""For each patch at a hole, a patch of the picture that looks like it.

Barnes et al., "PatchMatch", 2009: good places spread to neighbours, and random ones are tried
around them. Here all patches take each step at the same time, as arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anymask.apps.inpaint.patches import Vectors
from anymask.apps.inpaint.smooth import Hole

Places = NDArray[np.intp]
_BLOCK: Final = 1 << 15  # patches compared at a time: their vectors stay in the cache


@dataclass(slots=True, eq=False)
class Matches:
    """Where each patch was found again; changed in place by `improve`.

    Attributes:
        ys: (N,) rows of the patches at the hole.
        xs: (N,) columns.
        found: (N,) flat index of the like patch's centre.
        distances: (N,) float32, squared, between the two patches' vectors.
    """

    ys: Places
    xs: Places
    found: Places
    distances: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Where patches may be taken from.

    Attributes:
        vectors: (H * W, K) float32, of every patch.
        allowed: (H, W) bool.
    """

    vectors: Vectors
    allowed: Hole

    @property
    def size_hw(self) -> tuple[int, int]:
        """Of the picture."""
        return self.allowed.shape[0], self.allowed.shape[1]


def random_matches(ys: Places, xs: Places, allowed: Hole, rng: np.random.Generator) -> Matches:
    """Any allowed place for each patch; distances are still to be measured.

    Args:
        ys: (N,) rows of the patches wanted.
        xs: (N,) columns.
        allowed: (H, W) bool, somewhere true.
        rng: chooses the places.
    """
    places = np.flatnonzero(allowed)
    found = places[rng.integers(0, len(places), len(ys))]
    return Matches(ys, xs, found, np.full(len(ys), np.inf, np.float32))


def carried(
    coarse: Matches, ys: Places, xs: Places, allowed: Hole, rng: np.random.Generator
) -> Matches:
    """The places found at half the size, at this one; any place where they are not allowed.

    Args:
        coarse: at half the size.
        ys: (N,) rows of the patches wanted.
        xs: (N,) columns.
        allowed: (H, W) bool, at this size.
        rng: chooses the places that are missing.

    Returns:
        Matches whose distances are still to be measured.
    """
    height, width = allowed.shape
    half_width, half_height = (width + 1) // 2, (height + 1) // 2
    table = np.full((half_height, half_width), -1, np.intp)
    table[coarse.ys, coarse.xs] = coarse.found
    at = table[np.minimum(ys // 2, half_height - 1), np.minimum(xs // 2, half_width - 1)]
    found_y, found_x = at // half_width * 2 + ys % 2, at % half_width * 2 + xs % 2
    found_y, found_x = np.minimum(found_y, height - 1), np.minimum(found_x, width - 1)
    usable = (at >= 0) & allowed[found_y, found_x]
    matches = random_matches(ys, xs, allowed, rng)
    matches.found = np.where(usable, found_y * width + found_x, matches.found)
    return matches


def measure(matches: Matches, wanted: Vectors, source: Source) -> None:
    """Compare each patch with what was found for it.

    Args:
        matches: whose distances are renewed.
        wanted: (N, K) float32, the patches' vectors.
        source: the picture's.
    """
    matches.distances = _distances(wanted, matches.found, source.vectors)


def improve(
    matches: Matches,
    wanted: Vectors,
    source: Source,
    rng: np.random.Generator,
    *,
    jumps: Sequence[int] = (1,),
    largest_step_px: int | None = None,
) -> None:
    """One round: what neighbours found, then random places around what was found.

    Args:
        matches: measured; changed for the better.
        wanted: (N, K) float32, the patches' vectors.
        source: the picture's.
        rng: chooses the random places.
        jumps: how far away the neighbours are.
        largest_step_px: the first random steps' reach, halved until it is 1; by default the whole
            picture.
    """
    height, width = source.size_hw
    number = np.full((height, width), -1, np.intp)
    number[matches.ys, matches.xs] = np.arange(len(matches.ys))
    for jump in jumps:
        for dy, dx in ((-jump, 0), (jump, 0), (0, -jump), (0, jump)):
            _ask_neighbours(matches, wanted, source, number, (dy, dx))
    reach = max(height, width) if largest_step_px is None else largest_step_px
    while reach >= 1:
        steps = rng.integers(-reach, reach + 1, (2, len(matches.ys)))
        found_y, found_x = np.divmod(matches.found, width)
        _try(
            matches,
            wanted,
            source,
            np.arange(len(steps[0])),
            found_y + steps[0],
            found_x + steps[1],
        )
        reach //= 2


def _ask_neighbours(
    matches: Matches, wanted: Vectors, source: Source, number: Places, step: tuple[int, int]
) -> None:
    """What the neighbour found, moved back by as much as the neighbour lies away."""
    (dy, dx), (height, width) = step, source.size_hw
    y, x = matches.ys + dy, matches.xs + dx
    there = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    rows = np.flatnonzero(there)
    neighbours = number[y[rows], x[rows]]
    rows, neighbours = rows[neighbours >= 0], neighbours[neighbours >= 0]
    found_y, found_x = np.divmod(matches.found[neighbours], width)
    _try(matches, wanted, source, rows, found_y - dy, found_x - dx)


def _try(
    matches: Matches, wanted: Vectors, source: Source, rows: Places, y: Places, x: Places
) -> None:
    """Keep the places that are allowed and better than what was found."""
    height, width = source.size_hw
    usable = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    usable[usable] = source.allowed[y[usable], x[usable]]
    rows, places = rows[usable], y[usable] * width + x[usable]
    new = places != matches.found[rows]
    rows, places = rows[new], places[new]
    distances = _distances(wanted, places, source.vectors, rows)
    better = distances < matches.distances[rows]
    matches.found[rows[better]] = places[better]
    matches.distances[rows[better]] = distances[better]


def _distances(
    wanted: Vectors, places: Places, vectors: Vectors, rows: Places | None = None
) -> NDArray[np.float32]:
    distances = np.empty(len(places), np.float32)
    for start in range(0, len(places), _BLOCK):
        block = slice(start, start + _BLOCK)
        there = np.take(vectors, places[block], axis=0)
        there -= wanted[block] if rows is None else np.take(wanted, rows[block], axis=0)
        np.einsum("nk,nk->n", there, there, out=distances[block])
    return distances
