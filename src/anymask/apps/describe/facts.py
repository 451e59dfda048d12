"""`Fact`: what can be said of one mask: label, colours, place, size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anymask.formats.detections import LabelledMask
from anymask.types.records import MaskRecord
from anymask.words.colours import COLOURS, colour_shares

LEAST_SHARE: Final = 0.25
"""Of a mask's pixels, for a colour to be told."""
LARGE: Final = 0.25
SMALL: Final = 0.01


@dataclass(frozen=True, slots=True)
class Fact:
    """What can be said of one mask.

    Attributes:
        id: its number, which answers name as evidence.
        label: what it is taken to be.
        score: how well the label fits, 0..1.
        record: the mask.
        share: of the picture, 0..1.
        place: such as "upper left" or "middle".
        size: "large", "medium" or "small".
        colours: names of at most two main colours, the commoner first; may be empty.
    """

    id: int
    label: str
    score: float
    record: MaskRecord
    share: float
    place: str
    size: str
    colours: tuple[str, ...]

    @property
    def middle_xy(self) -> tuple[float, float]:
        """The middle of its box, in pixels."""
        x0, y0, x1, y1 = self.record.box_xyxy
        return (x0 + x1) / 2, (y0 + y1) / 2


def facts_of(image_rgb: NDArray[np.uint8], objects: Sequence[LabelledMask]) -> list[Fact]:
    """What can be said of each object.

    Args:
        image_rgb: (H, W, 3) uint8.
        objects: of the picture; their order numbers the facts from 0.

    Returns:
        One fact an object.
    """
    height, width = image_rgb.shape[:2]
    facts = []
    for number, one in enumerate(objects):
        share = one.record.area / (height * width)
        size = "large" if share >= LARGE else "small" if share < SMALL else "medium"
        facts.append(
            Fact(
                number,
                one.label,
                one.score,
                one.record,
                share,
                place_of(one.record, (height, width)),
                size,
                colours_of(image_rgb, one.record),
            )
        )
    return facts


def place_of(record: MaskRecord, size_hw: tuple[int, int]) -> str:
    """Which of nine fields of the picture the middle of a mask's box lies in."""
    x0, y0, x1, y1 = record.box_xyxy
    row = min(2, int(3 * (y0 + y1) / 2 / size_hw[0]))
    column = min(2, int(3 * (x0 + x1) / 2 / size_hw[1]))
    names = [["upper ", "", "lower "][row], ["left", "middle", "right"][column]]
    return "".join(names)


def colours_of(image_rgb: NDArray[np.uint8], record: MaskRecord) -> tuple[str, ...]:
    """Names of the main colours of a mask, see `Fact.colours`."""
    shares = colour_shares(image_rgb, record.mask)
    names = list(COLOURS)
    order = np.argsort(-shares, kind="stable")[:2]
    return tuple(names[number] for number in order if shares[number] >= LEAST_SHARE)
