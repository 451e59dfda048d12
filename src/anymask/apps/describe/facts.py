"""`Fact`: what can be said of one mask: label, colours, place, size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anymask.formats.detections import LabelledMask
from anymask.types.records import MaskRecord

COLOURS: Final[dict[str, tuple[tuple[int, int, int], ...]]] = {
    "black": ((0, 0, 0), (35, 35, 38)),
    "grey": ((85, 85, 88), (130, 130, 130), (180, 180, 180)),
    "white": ((255, 255, 255), (228, 228, 228)),
    "red": ((200, 20, 25), (140, 15, 20), (225, 60, 55)),
    "orange": ((240, 130, 20), (215, 95, 20)),
    "yellow": ((245, 220, 40), (210, 180, 30)),
    "green": ((30, 140, 50), (20, 75, 30), (120, 170, 70), (110, 200, 120)),
    "turquoise": ((40, 180, 180), (90, 215, 205)),
    "blue": ((25, 70, 190), (15, 30, 90), (90, 150, 220)),
    "purple": ((115, 45, 150), (150, 100, 190)),
    "pink": ((240, 140, 175), (225, 75, 140)),
    "brown": ((110, 65, 35), (150, 100, 60), (70, 40, 25)),
    "beige": ((215, 190, 155), (190, 160, 125)),
}
"""What colour names are given to, as sRGB samples; the nearest one in CIELAB names a pixel."""
LEAST_SHARE: Final = 0.25
"""Of a mask's pixels, for a colour to be told."""
SAMPLES: Final = 4000
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
    if not record.area:
        return ()
    x0, y0, x1, y1 = record.box_xyxy
    pixels = image_rgb[y0:y1, x0:x1][record.mask.crop]
    pixels = pixels[:: max(1, len(pixels) // SAMPLES)]
    names = list(COLOURS)
    samples = np.array([rgb for name in names for rgb in COLOURS[name]], np.float64)
    owner = np.array([number for number, name in enumerate(names) for _ in COLOURS[name]])
    distances = np.linalg.norm(_lab(pixels)[:, None] - _lab(samples)[None], axis=2)
    shares = np.bincount(owner[distances.argmin(axis=1)], minlength=len(names)) / len(pixels)
    order = np.argsort(-shares, kind="stable")[:2]
    return tuple(names[number] for number in order if shares[number] >= LEAST_SHARE)


def _lab(rgb: NDArray[np.generic]) -> NDArray[np.float64]:
    """SRGB 0..255 (N, 3) to CIELAB under D65 (CIE 15:2004)."""
    unit = np.asarray(rgb, np.float64) / 255
    light = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = light @ to_xyz.T / (0.9505, 1.0, 1.089)
    root = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = root.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)
