"""How masks lie to each other in the picture: left of, above, on, in, next to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from anymask.apps.describe.facts import Fact

Relation = Callable[[Fact, Fact], bool]
"""Whether the first stands in the relation to the second."""
APART: Final = 0.8
"""Middles must be this far apart to be beside or above each other; 1 is where boxes touch."""
ASIDE: Final = 1.25
"""What is further off along the other axis is neither beside nor above."""
WITHIN: Final = 0.8
NEAR: Final = 0.5
"""Things are next to each other when the gap is at most this share of the smaller one's size."""


def left_of(a: Fact, b: Fact) -> bool:
    """Clearly further left, and not clearly above or below."""
    return _offset(a, b, 0) <= -APART and abs(_offset(a, b, 1)) < ASIDE


def right_of(a: Fact, b: Fact) -> bool:
    """Clearly further right, and not clearly above or below."""
    return left_of(b, a)


def above(a: Fact, b: Fact) -> bool:
    """Clearly higher, and not clearly beside."""
    return _offset(a, b, 1) <= -APART and abs(_offset(a, b, 0)) < ASIDE


def below(a: Fact, b: Fact) -> bool:
    """Clearly lower, and not clearly beside."""
    return above(b, a)


def on(a: Fact, b: Fact) -> bool:
    """Stands on it: its lower edge lies on the other, of which it covers a part from above."""
    ax0, _, ax1, ay1 = a.record.box_xyxy
    bx0, by0, bx1, by1 = b.record.box_xyxy
    across = min(ax1, bx1) - max(ax0, bx0)
    higher = a.middle_xy[1] < b.middle_xy[1] or a.record.area < 0.5 * b.record.area
    return higher and across >= WITHIN * (ax1 - ax0) and by0 <= ay1 <= by1


def inside(a: Fact, b: Fact) -> bool:
    """Most of its box lies in the other's box, and it is smaller."""
    ax0, ay0, ax1, ay1 = a.record.box_xyxy
    bx0, by0, bx1, by1 = b.record.box_xyxy
    across, down = min(ax1, bx1) - max(ax0, bx0), min(ay1, by1) - max(ay0, by0)
    if across <= 0 or down <= 0 or a.record.area >= b.record.area:
        return False
    return across * down >= WITHIN * (ax1 - ax0) * (ay1 - ay0)


def next_to(a: Fact, b: Fact) -> bool:
    """The gap between the boxes is small beside the smaller of both."""
    ax0, ay0, ax1, ay1 = a.record.box_xyxy
    bx0, by0, bx1, by1 = b.record.box_xyxy
    gap = np.hypot(max(0, bx0 - ax1, ax0 - bx1), max(0, by0 - ay1, ay0 - by1))
    smaller = min(max(ax1 - ax0, ay1 - ay0), max(bx1 - bx0, by1 - by0))
    return bool(gap <= NEAR * smaller)


RELATIONS: Final[dict[str, Relation]] = {
    "left of": left_of,
    "right of": right_of,
    "above": above,
    "over": above,
    "below": below,
    "under": below,
    "inside": inside,
    "in": inside,
    "on": on,
    "next to": next_to,
    "beside": next_to,
    "near": next_to,
}
"""By the words that questions use; the picture's own left and right."""


def related(facts: Sequence[Fact], relation: str, to: Sequence[Fact]) -> list[Fact]:
    """The facts that stand in a relation to any of some others.

    Args:
        facts: of the picture.
        relation: of `RELATIONS`.
        to: the others; they are never in the answer.

    Returns:
        In the order of `facts`.
    """
    known = {one.id for one in to}
    holds = RELATIONS[relation]
    return [one for one in facts if one.id not in known and any(holds(one, other) for other in to)]


def _offset(a: Fact, b: Fact, axis: int) -> float:
    """How far the middles lie apart along an axis, in means of both half sides."""
    halves = [(one.record.box_xyxy[axis + 2] - one.record.box_xyxy[axis]) / 2 for one in (a, b)]
    return (a.middle_xy[axis] - b.middle_xy[axis]) / max(1.0, sum(halves))
