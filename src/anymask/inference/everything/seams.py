"""Masks that tiles cut, joined across the seams.

Neighbouring tiles share a strip. Two masks of one thing agree there; they become one mask. What a
seam cut and nobody continues is dropped, as the published code drops what a crop cuts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from anymask.types.records import BoxXyxy, CompactMask, MaskRecord

AGREEMENT = 0.5
"""Least overlap, in the strip that two tiles share, of masks that are one thing."""
NEAR_PX = 2
"""A box so close to a side of its tile was cut by it."""


def join(records: Sequence[MaskRecord]) -> list[MaskRecord]:
    """Join what belongs together, drop what stays cut.

    Args:
        records: of all tiles; `crop_box_xyxy` is the tile.

    Returns:
        Uncut records as they are, joined ones with the box of all their tiles, the best estimates
        first. A joined record has the means of its parts, weighted by area, and the point of the
        largest.
    """
    groups = _groups(records)
    joined = []
    for group in groups:
        members = [records[number] for number in group]
        one = members[0] if len(members) == 1 else _union(members)
        if not is_cut(one):
            joined.append(one)
    return sorted(joined, key=lambda record: -record.predicted_iou)


def is_cut(record: MaskRecord) -> bool:
    """Whether the mask ends at a side of its tile that is no side of the image."""
    height, width = record.size_hw
    image = np.array((0, 0, width, height))
    tile, box = np.array(record.crop_box_xyxy), np.array(record.box_xyxy)
    return bool(((np.abs(box - tile) <= NEAR_PX) & (tile != image)).any())


def _groups(records: Sequence[MaskRecord]) -> list[list[int]]:
    """Numbers of the records that are one thing, by their agreement pair by pair."""
    parent = list(range(len(records)))

    def root(number: int) -> int:
        while parent[number] != number:
            number = parent[number]
        return number

    cut = [is_cut(record) for record in records]
    for first, one in enumerate(records):
        for second in range(first + 1, len(records)):
            if (cut[first] or cut[second]) and _agree(one, records[second]):
                parent[max(root(first), root(second))] = min(root(first), root(second))
    groups: dict[int, list[int]] = {}
    for number in range(len(records)):
        groups.setdefault(root(number), []).append(number)
    return list(groups.values())


def _agree(first: MaskRecord, second: MaskRecord) -> bool:
    """Whether two masks of different tiles are the same in the strip that the tiles share."""
    if first.crop_box_xyxy == second.crop_box_xyxy:
        return False
    strip = _common(first.crop_box_xyxy, second.crop_box_xyxy)
    if strip is None or _common(first.box_xyxy, second.box_xyxy) is None:
        return False
    one, other = _part(first.mask, strip), _part(second.mask, strip)
    either = np.count_nonzero(one | other)
    return bool(np.count_nonzero(one & other) >= AGREEMENT * either > 0)


def _common(first: BoxXyxy, second: BoxXyxy) -> BoxXyxy | None:
    x0, y0 = max(first[0], second[0]), max(first[1], second[1])
    x1, y1 = min(first[2], second[2]), min(first[3], second[3])
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def _part(mask: CompactMask, box: BoxXyxy) -> NDArray[np.bool_]:
    """The pixels of a mask inside a box of the image."""
    x0, y0, x1, y1 = box
    part = np.zeros((y1 - y0, x1 - x0), np.bool_)
    shared = _common(mask.box_xyxy, box)
    if shared is not None:
        left, top, right, bottom = shared
        dx, dy, _, _ = mask.box_xyxy
        part[top - y0 : bottom - y0, left - x0 : right - x0] = mask.crop[
            top - dy : bottom - dy, left - dx : right - dx
        ]
    return part


def _union(members: Sequence[MaskRecord]) -> MaskRecord:
    x0, y0, x1, y1 = box = _hull([record.box_xyxy for record in members])
    union = np.zeros((y1 - y0, x1 - x0), np.bool_)
    for record in members:
        union |= _part(record.mask, box)
    areas = np.array([record.area for record in members], np.float64)
    largest = members[int(areas.argmax())]
    return MaskRecord(
        CompactMask.from_crop(union, (x0, y0), largest.size_hw),
        float(np.average([record.predicted_iou for record in members], weights=areas)),
        float(np.average([record.stability_score for record in members], weights=areas)),
        largest.point_xy,
        _hull([record.crop_box_xyxy for record in members]),
    )


def _hull(boxes: Sequence[BoxXyxy]) -> BoxXyxy:
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)
