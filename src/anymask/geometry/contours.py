"""Outlines of masks along the edges of the pixels, and back.

One polygon is one 8-connected part of a mask: pixels that touch at a corner belong to the same
part, and its outline passes that corner twice. Holes are the 4-connected background it encloses.
Outer rings run clockwise on the screen (x right, y down), rings of holes the other way round.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import MaskError
from anymask.geometry.boxes import MAX_COORDINATE, as_mask, box_from_mask
from anymask.geometry.regions import components, mask_iou

Points = NDArray[np.float64]

# two sides of a pixel at right angles fit into no strip narrower than twice this, so that with a
# smaller tolerance no corner can be left out
_FINEST_TOLERANCE_PX: Final = 2**0.5 / 4

# a ring of so few points is a rectangle, or too little to leave something out of
_SIMPLEST_RING: Final = 4


@dataclass(frozen=True, eq=False)
class Polygon:
    """One outline with its holes; rings close by themselves.

    Attributes:
        exterior: (N, 2) float64 xy in pixels, at least three points.
        holes: any number of (M, 2) float64 rings likewise.

    Raises:
        MaskError: a ring of another shape, of fewer than three points, or with a coordinate that
            is no finite number.
    """

    exterior: Points
    holes: tuple[Points, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "exterior", _as_ring(self.exterior, "exterior"))
        holes = tuple(_as_ring(hole, f"holes[{i}]") for i, hole in enumerate(self.holes))
        object.__setattr__(self, "holes", holes)

    @property
    def rings(self) -> tuple[Points, ...]:
        """The exterior, then the holes."""
        return (self.exterior, *self.holes)


def polygons(mask: ArrayLike, tolerance_px: float = 0.0, *, min_iou: float = 0.98) -> list[Polygon]:
    """The outlines of all parts of a mask, with their holes.

    With tolerance 0 they follow the pixels exactly and `rasterise` gives the mask back. Otherwise
    corners are left out as long as the outline stays within the tolerance (Douglas-Peucker). A
    part whose IoU with its exact outline would fall below `min_iou` gets half the tolerance, and
    so on down to its exact outline: small parts and thin lines never vanish.

    Args:
        mask: (H, W) bool.
        tolerance_px: how far a left-out corner may lie from the outline, in pixels.
        min_iou: 0..1, the IoU every part keeps; 0 only keeps parts from vanishing.

    Returns:
        One polygon a part, in row-major order of their first pixel; none for an empty mask.

    Raises:
        MaskError: not one mask, a tolerance that is negative or not finite, or `min_iou` outside
            0..1.
    """
    array = as_mask(mask)
    if not 0 <= tolerance_px < MAX_COORDINATE:
        raise MaskError(f"tolerance_px is {tolerance_px}; give 0 or more pixels")
    if not 0 <= min_iou <= 1:
        raise MaskError(f"min_iou is {min_iou}; give a number from 0 to 1")
    exact = _exact_polygons(array)
    return _simplify(exact, tolerance_px, min_iou) if tolerance_px > 0 else exact


def rasterise(polygons: Sequence[Polygon], size_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """Fills polygons: pixels whose centre lies inside one.

    Inside is even-odd over the rings of one polygon, so rings may cross themselves. A pixel
    inside several polygons is filled. A centre exactly on an outline is inside if the outline
    is to its left or above it. What lies outside the picture is cut off.

    Args:
        polygons: outlines in pixels.
        size_hw: (height, width) of the result.

    Returns:
        (H, W) bool.

    Raises:
        MaskError: a size that is negative, or something else than polygons.
    """
    height, width = size_hw
    if height < 0 or width < 0:
        raise MaskError(f"size_hw is {size_hw}; give (height, width), neither of them negative")
    spans = _spans(_edges(polygons), size_hw)
    starts, ends = spans.row * width + spans.first, spans.row * width + spans.end
    return _fill(starts, ends, height * width).reshape(height, width)


def simplification_iou(mask: ArrayLike, polygons: Sequence[Polygon]) -> float:
    """What is left of a mask in its polygons: the IoU of the mask with the filled polygons.

    Args:
        mask: (H, W) bool.
        polygons: outlines in pixels of the mask.

    Returns:
        0..1; 1 if nothing was lost, also for an empty mask without polygons.

    Raises:
        MaskError: not one mask.
    """
    array = as_mask(mask)
    return mask_iou(array, rasterise(polygons, (array.shape[0], array.shape[1])))


def _as_ring(points: ArrayLike, name: str) -> Points:
    try:
        ring = np.array(points, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise MaskError(f"{name} cannot be read ({error}); give (x, y) points") from error
    if ring.ndim != 2 or ring.shape[1] != 2:
        raise MaskError(f"{name} has shape {ring.shape}; give (x, y) points, shape (number, 2)")
    if len(ring) < 3:
        raise MaskError(f"{name} has {len(ring)} points; give at least 3, a polygon has an inside")
    if not np.all(np.abs(ring) < MAX_COORDINATE):
        raise MaskError(f"{name} has a coordinate that is not finite; give (x, y) in pixels")
    ring.flags.writeable = False
    return ring


class _Rings(NamedTuple):
    """Closed outlines one after the other."""

    points: Points  # (P, 2) xy
    starts: NDArray[np.int64]  # (R,) index of each ring's first point

    def sizes(self) -> NDArray[np.int64]:
        """Points a ring, (R,)."""
        return np.diff(self.starts, append=len(self.points))

    def split(self) -> list[Points]:
        """The rings as (N, 2) each."""
        bounds = [*self.starts.tolist(), len(self.points)]
        return [self.points[i:j] for i, j in pairwise(bounds)]


class _Edges(NamedTuple):
    """Sides of polygons, the upper end first."""

    upper: Points  # (E, 2) xy
    lower: Points  # (E, 2) xy
    owner: NDArray[np.int64]  # (E,) index of the polygon


class _Spans(NamedTuple):
    """Pixels of one row inside one polygon: columns `first` up to, not including, `end`."""

    owner: NDArray[np.int64]
    row: NDArray[np.int64]
    first: NDArray[np.int64]
    end: NDArray[np.int64]


def _exact_polygons(mask: NDArray[np.bool_]) -> list[Polygon]:
    x0, y0, x1, y1 = box_from_mask(mask).tolist()
    if x1 == x0:
        return []
    part = mask[y0:y1, x0:x1]
    rings = _trace(np.pad(part, 1))
    is_hole, owner = _is_hole(rings), _owners(part, rings)
    placed = _Rings(rings.points + np.array([x0, y0]), rings.starts).split()
    holes: dict[int, list[Points]] = {}
    for index in np.flatnonzero(is_hole).tolist():
        holes.setdefault(owner[index], []).append(placed[index])
    outer = np.flatnonzero(~is_hole).tolist()
    return [Polygon(placed[index], tuple(holes.get(owner[index], ()))) for index in outer]


def _trace(padded: NDArray[np.bool_]) -> _Rings:
    """All rings of a mask that has a margin of one pixel of background.

    Args:
        padded: (H + 2, W + 2) bool.

    Returns:
        Rings on the grid of the mask without its margin, each from its first horizontal edge in
        row-major order on.
    """
    rows, columns = _corners(padded)
    # along a row, and along a column, every second corner begins an edge
    y, left, right = rows[0::2], columns[0::2], columns[1::2]
    order = np.lexsort((rows, columns))
    x, top, bottom = columns[order][0::2], rows[order][0::2], rows[order][1::2]
    # with the foreground on the right hand
    rightward, downward = padded[y + 1, left + 1], padded[top + 1, x]
    x_from, x_to = np.where(rightward, (left, right), (right, left))
    y_from, y_to = np.where(downward, (top, bottom), (bottom, top))
    stride = padded.shape[1]
    to_vertical = _match(
        y * stride + x_to, rightward, at_start=y_from * stride + x, direction=~downward
    )
    to_horizontal = _match(
        y_to * stride + x, downward, at_start=y * stride + x_from, direction=rightward
    )
    path, starts = _cycles(to_horizontal[to_vertical])
    ends = np.stack([x_from, y, x_to, y], axis=1)[path]
    return _Rings(ends.reshape(-1, 2).astype(np.float64), 2 * starts)


def _corners(padded: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the corners in row-major order; where two parts touch, both corners."""
    beside = padded[:, 1:] ^ padded[:, :-1]
    crossed = beside[1:] & beside[:-1]
    crossed &= padded[1:, :-1] ^ padded[:-1, :-1]
    found = np.flatnonzero((beside[1:] ^ beside[:-1]) | crossed)
    found = np.repeat(found, 1 + crossed.ravel()[found])
    return np.divmod(found, padded.shape[1] - 1)


def _match(
    at_end: NDArray[np.int64],
    turn: NDArray[np.bool_],
    *,
    at_start: NDArray[np.int64],
    direction: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """For every edge of one kind, the edge of the other kind that starts where it ends.

    Where two edges meet two others, `turn` and `direction` agree for a left turn, which joins
    pixels that touch at a corner.
    """
    matched = np.empty_like(at_end)
    matched[np.argsort(2 * at_end + turn)] = np.argsort(2 * at_start + direction)
    return matched


def _cycles(successor: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The cycles of a permutation, one after the other, and where each begins."""
    following = successor.tolist()
    seen = bytearray(len(following))
    path: list[int] = []
    starts: list[int] = []
    for first in range(len(following)):
        if seen[first]:
            continue
        starts.append(len(path))
        edge = first
        while not seen[edge]:
            seen[edge] = 1
            path.append(edge)
            edge = following[edge]
    return np.array(path, dtype=np.int64), np.array(starts, dtype=np.int64)


def _is_hole(rings: _Rings) -> NDArray[np.bool_]:
    """True for rings that run anticlockwise, (R,)."""
    x, y = rings.points.T
    # points come in pairs, the ends of a horizontal edge
    below_edges = (x[1::2] - x[0::2]) * y[0::2]
    is_hole: NDArray[np.bool_] = np.add.reduceat(below_edges, rings.starts // 2) > 0
    return is_hole


def _owners(mask: NDArray[np.bool_], rings: _Rings) -> list[int]:
    """The part of the mask that each ring bounds, as its number in `components`."""
    labels, _ = components(mask)
    first, second = rings.points[rings.starts], rings.points[rings.starts + 1]
    rightward = second[:, 0] > first[:, 0]
    rows = np.where(rightward, first[:, 1], first[:, 1] - 1).astype(np.int64)
    columns = np.minimum(first[:, 0], second[:, 0]).astype(np.int64)
    owners: list[int] = labels[rows, columns].tolist()
    return owners


def _simplify(exact: list[Polygon], tolerance_px: float, min_iou: float) -> list[Polygon]:
    result = list(exact)
    pending = [
        index
        for index, polygon in enumerate(exact)
        if any(len(ring) > _SIMPLEST_RING for ring in polygon.rings)
    ]
    while pending and tolerance_px >= _FINEST_TOLERANCE_PX:
        before = [exact[index] for index in pending]
        after = _leave_out_corners(before, tolerance_px)
        ious = _pairwise_iou(before, after)
        good = (ious >= min_iou) & (ious > 0)
        for index, polygon, is_good in zip(pending, after, good, strict=True):
            if is_good:
                result[index] = polygon
        pending = [index for index, is_good in zip(pending, good, strict=True) if not is_good]
        tolerance_px /= 2
    return result


def _leave_out_corners(polygons: Sequence[Polygon], tolerance_px: float) -> list[Polygon]:
    """Simplifies every ring of every polygon; one that would lose its inside stays as it is."""
    rings = [ring for polygon in polygons for ring in polygon.rings]
    closed = [np.concatenate([ring, ring[:1]]) for ring in rings]
    chains = _join(closed)
    kept = _kept_corners(chains, tolerance_px)
    counts = np.add.reduceat(kept.astype(np.int64), chains.starts)
    shorter = _Rings(chains.points[kept], np.cumsum(counts) - counts).split()
    chosen = iter([new if len(new) > 2 else old for new, old in zip(shorter, rings, strict=True)])
    return [Polygon(next(chosen), tuple(next(chosen) for _ in p.holes)) for p in polygons]


def _kept_corners(chains: _Rings, tolerance_px: float) -> NDArray[np.bool_]:
    """Douglas-Peucker on all rings at once, level by level of its recursion.

    Args:
        chains: rings whose first point is repeated at the end.
        tolerance_px: how far a left-out point may lie from its chord.

    Returns:
        (P,) true for points to keep, the repeated ones not among them.
    """
    points = chains.points
    first, last = chains.starts, chains.starts + chains.sizes() - 1
    farthest, _ = _farthest(points, first, last)
    kept = np.zeros(len(points), dtype=np.bool_)
    kept[first] = kept[farthest] = True
    low, high = np.concatenate([first, farthest]), np.concatenate([farthest, last])
    while low.size:
        has_inner = high - low > 1
        low, high = low[has_inner], high[has_inner]
        middle, distance = _farthest(points, low, high)
        split = distance > tolerance_px
        low, middle, high = low[split], middle[split], high[split]
        kept[middle] = True
        low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
    return kept


def _farthest(
    points: Points, low: NDArray[np.int64], high: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The point farthest from the chord of each stretch of points.

    Args:
        points: (P, 2).
        low: (S,) index of the first end of each chord.
        high: (S,) index of the other, at least two more.

    Returns:
        (S,) index of the point, and (S,) its distance.
    """
    inner, stretch = _ranges(low + 1, high)
    starts = np.flatnonzero(np.diff(stretch, prepend=-1))
    distance = _distance_to_chord(points[inner], points[low][stretch], points[high][stretch])
    if not inner.size:
        return inner, distance
    peak = np.maximum.reduceat(distance, starts)
    at_peak = np.flatnonzero(distance == peak[stretch])
    _, first_of_each = np.unique(stretch[at_peak], return_index=True)
    return inner[at_peak[first_of_each]], peak


def _distance_to_chord(points: Points, start: Points, end: Points) -> NDArray[np.float64]:
    """(K,) distances of points from line segments, all (K, 2)."""
    chord, offset = end - start, points - start
    squared = np.einsum("ij,ij->i", chord, chord)
    along = np.einsum("ij,ij->i", offset, chord) / np.where(squared > 0, squared, 1.0)
    nearest = np.clip(along, 0.0, 1.0)[:, None] * chord
    distance: NDArray[np.float64] = np.hypot(*(offset - nearest).T)
    return distance


def _pairwise_iou(a: Sequence[Polygon], b: Sequence[Polygon]) -> NDArray[np.float64]:
    """IoU in pixels of each polygon of one list with its like in another, (N,)."""
    edges_a, edges_b = _edges(a), _edges(b)
    # filling both under the even-odd rule leaves the pixels in which they differ
    both = _Edges(*(np.concatenate(pair) for pair in zip(edges_a, edges_b, strict=True)))
    right, bottom = np.maximum(both.upper, both.lower).max(axis=0)
    size_hw = math.ceil(bottom), math.ceil(right)
    area_a, area_b, area_different = (
        _pixel_counts(edges, size_hw, len(a)) for edges in (edges_a, edges_b, both)
    )
    total = area_a + area_b
    return (total - area_different) / (total + area_different)


def _pixel_counts(edges: _Edges, size_hw: tuple[int, int], count: int) -> NDArray[np.float64]:
    """Pixels inside each of `count` polygons."""
    spans = _spans(edges, size_hw)
    weights = (spans.end - spans.first).astype(np.float64)
    return np.bincount(spans.owner, weights, count).astype(np.float64)


def _join(rings: Sequence[Points]) -> _Rings:
    sizes = np.array([len(ring) for ring in rings], dtype=np.int64)
    points = np.concatenate(rings) if rings else np.zeros((0, 2))
    return _Rings(points, np.cumsum(sizes) - sizes)


def _edges(polygons: Sequence[Polygon]) -> _Edges:
    for index, polygon in enumerate(polygons):
        if not isinstance(polygon, Polygon):
            raise MaskError(
                f"polygons[{index}] is a {type(polygon).__name__}; make it a Polygon(points)"
            )
    joined = _join([ring for polygon in polygons for ring in polygon.rings])
    sizes = joined.sizes()
    following = np.arange(1, len(joined.points) + 1)
    following[joined.starts + sizes - 1] = joined.starts
    ends = np.stack([joined.points, joined.points[following]])
    # from above, so that a side two polygons share is computed alike in both
    upper, lower = np.where(ends[0, :, 1:] <= ends[1, :, 1:], ends, ends[::-1])
    ring_owner = np.repeat(np.arange(len(polygons)), [len(p.rings) for p in polygons])
    return _Edges(upper, lower, np.repeat(ring_owner, sizes))


def _spans(edges: _Edges, size_hw: tuple[int, int]) -> _Spans:
    """What lies between the first and second, third and fourth, ... crossing of each row."""
    height, width = size_hw
    (x0, y0), (x1, y1) = edges.upper.T, edges.lower.T
    rows, edge = _ranges(_first_centre(y0, height), _first_centre(y1, height))
    slant = (rows + 0.5 - y0[edge]) * (x1 - x0)[edge] / (y1 - y0)[edge]
    columns = _first_centre(x0[edge] + slant, width)
    # one number a crossing sorts several times faster than three
    crossings = np.sort((edges.owner[edge] * height + rows) * (width + 1) + columns)
    lines, columns = np.divmod(crossings, width + 1)
    owner, rows = np.divmod(lines[0::2], max(height, 1))
    return _Spans(owner, rows, columns[0::2], columns[1::2])


def _first_centre(positions: NDArray[np.float64], limit: int) -> NDArray[np.int64]:
    """The first pixel whose centre is not before a position, within 0..limit."""
    return np.clip(np.ceil(positions - 0.5), 0, limit).astype(np.int64)


def _ranges(
    starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All numbers of several half-open ranges, and for each the index of its range."""
    lengths = ends - starts
    index = np.repeat(np.arange(len(lengths)), lengths)
    before = np.cumsum(lengths) - lengths
    return np.arange(len(index)) - (before - starts)[index], index


def _fill(starts: NDArray[np.int64], ends: NDArray[np.int64], length: int) -> NDArray[np.bool_]:
    """(length,) bool, true from each start up to its end."""
    bounds = np.concatenate([starts, ends])
    steps = np.repeat([1, -1], [len(starts), len(ends)])
    order = np.argsort(bounds, kind="stable")
    is_covered = np.concatenate([[False], np.cumsum(steps[order]) > 0])
    return np.repeat(is_covered, np.diff(bounds[order], prepend=0, append=length))
