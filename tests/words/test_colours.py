"""Colours of regions, and in phrases."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.types.records import CompactMask
from anymask.words.colours import COLOURS, colour_shares, split_colour


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("red car", ("red", "car")),
        ("Red  sports car", ("red", "sports car")),
        ("gray cat", ("grey", "cat")),
        ("green coloured bottle", ("green", "bottle")),
        ("orange", (None, "orange")),
        ("orange orange", ("orange", "orange")),
        ("redwood tree", (None, "redwood tree")),
        ("car", (None, "car")),
        ("", (None, "")),
    ],
)
def test_a_phrase_may_begin_with_a_colour(phrase: str, expected: tuple[str | None, str]) -> None:
    assert split_colour(phrase) == expected


def test_shares_are_those_of_the_pixels_inside_the_mask() -> None:
    image = np.zeros((10, 20, 3), np.uint8)
    image[:, :10], image[:, 10:15] = (200, 20, 25), (25, 70, 190)
    mask = np.zeros((10, 20), bool)
    mask[2:8, 5:15] = True
    shares = dict(
        zip(COLOURS, colour_shares(image, CompactMask.from_array(mask)).tolist(), strict=True)
    )
    assert shares["red"] == shares["blue"] == 0.5
    assert sum(shares.values()) == 1


def test_an_empty_region_has_no_colour() -> None:
    empty = CompactMask.from_array(np.zeros((4, 4), bool))
    assert not colour_shares(np.zeros((4, 4, 3), np.uint8), empty).any()
