"""A hole in parts, each worked on with its surroundings instead of the whole picture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from anymask.apps.inpaint.smooth import Hole

_CELL_PX: Final = 512
_THIN_PX: Final = 16.0  # a long hole no deeper than this may be filled piece by piece
_MARGINS_PX: Final = (64, 1024)
_MARGIN_BY_DEPTH: Final = 3

Window = tuple[slice, slice]


def depth_px(hole: Hole) -> float:
    """How far the deepest pixel of a hole lies from what is known; the picture's border is not.

    Args:
        hole: (H, W) bool, not full.
    """
    from scipy.ndimage import distance_transform_edt

    if not hole.any():
        return 0.0
    window = around(hole, 1)
    return float(distance_transform_edt(hole[window]).max())


def around(mask: Hole, margin_px: int) -> Window:
    """The box around a mask that is not empty, wider by a margin, within the picture."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return _span(rows, margin_px, mask.shape[0]), _span(columns, margin_px, mask.shape[1])


def _span(places: NDArray[np.intp], margin_px: int, length: int) -> slice:
    return slice(max(int(places[0]) - margin_px, 0), min(int(places[-1]) + 1 + margin_px, length))


def parts(hole: Hole) -> Iterator[tuple[Window, Hole]]:
    """Split a hole into what lies together; long thin ones into pieces.

    Args:
        hole: (H, W) bool, not full.

    Yields:
        A window of the picture, and (h, w) bool, the pixels to fill in it. Every pixel of the hole
        comes exactly once.
    """
    from scipy.ndimage import find_objects, label

    numbers, count = label(hole, np.ones((3, 3), bool))
    boxes: list[Window] = find_objects(numbers)
    cells: dict[tuple[int, ...], list[NDArray[np.intp]]] = {}
    for number, box in zip(range(1, count + 1), boxes, strict=True):
        ys, xs = np.nonzero(numbers[box] == number)
        places = np.stack([ys + box[0].start, xs + box[1].start])
        for key, piece in _pieces(places, numbers[box] == number, number):
            cells.setdefault(key, []).append(piece)
    for pieces in cells.values():
        yield _part(np.concatenate(pieces, axis=1), hole.shape)


def _pieces(
    places: NDArray[np.intp], shape: Hole, number: int
) -> Iterator[tuple[tuple[int, ...], NDArray[np.intp]]]:
    """A component under the cell its middle lies in, or its pieces under theirs."""
    if max(shape.shape) <= _CELL_PX:
        yield tuple((places.mean(axis=1) // _CELL_PX).astype(int).tolist()), places
    elif depth_px(np.pad(shape, 1)) > _THIN_PX:
        yield (-1, -1, number), places
    else:
        cells, which = np.unique(places // _CELL_PX, axis=1, return_inverse=True)
        for row, cell in enumerate(cells.T.tolist()):
            yield tuple(cell), places[:, which.reshape(-1) == row]


def _part(places: NDArray[np.intp], size_hw: tuple[Any, ...]) -> tuple[Window, Hole]:
    own = np.zeros(size_hw, bool)
    own[places[0], places[1]] = True
    depth = depth_px(np.pad(own[around(own, 0)], 1))
    window = around(own, int(np.clip(_MARGIN_BY_DEPTH * depth, *_MARGINS_PX)))
    return window, own[window]
