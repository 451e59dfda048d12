"""What becomes of a mask's edge, as a value that is cheap to name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from anymask.errors import MaskError

EdgeKind = Literal["hard", "feather", "soft"]
EDGE_KINDS: Final = ("hard", "feather", "soft")


@dataclass(frozen=True, slots=True)
class Edge:
    """What becomes of a mask's edge.

    Attributes:
        kind: "hard" keeps the mask; "feather" blurs it evenly; "soft" works out how much of each
            pixel near the edge the object covers, for hair and fur.
        width_px: how far to each side a feather reaches, or a soft edge is looked for; None
            chooses by the size of the picture.
        grow_px: how far the mask is grown before, or shrunk where negative.

    Raises:
        MaskError: another kind, or a number out of range.
    """

    kind: EdgeKind = "hard"
    width_px: float | None = None
    grow_px: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what no edge can be."""
        if self.kind not in EDGE_KINDS:
            raise MaskError(f"edge is {self.kind!r}; give one of {', '.join(EDGE_KINDS)}")
        if self.width_px is not None and not 0 <= self.width_px <= 1000:
            raise MaskError(f"the edge's width is {self.width_px:g} px; give 0 to 1000")
        if not -1000 <= self.grow_px <= 1000:
            raise MaskError(f"the mask is grown by {self.grow_px:g} px; give -1000 to 1000")


HARD: Final = Edge()
