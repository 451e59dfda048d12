"""Connected parts found on runs, against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from anymask.geometry.runs import label

MASKS = arrays.arrays(np.bool_, st.tuples(st.integers(1, 14), st.integers(1, 14)))


@settings(deadline=None)
@given(MASKS, st.booleans())
def test_parts_are_those_of_scipy(mask: np.ndarray, corners: bool) -> None:
    structure = np.ones((3, 3)) if corners else None
    expected, count = ndimage.label(mask, structure=structure)
    found, number = label(mask, corners=corners)
    assert number == count
    assert found.dtype == np.int32
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("corners", [False, True])
def test_a_spiral_is_one_part(corners: bool) -> None:
    rows, columns = np.mgrid[:101, :101] - 50
    turns = (np.hypot(rows, columns) / 4 - np.arctan2(rows, columns) / (2 * np.pi)) % 1
    mask = turns < 0.6
    expected, count = ndimage.label(mask, structure=np.ones((3, 3)) if corners else None)
    found, number = label(mask, corners=corners)
    assert number == count
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("density", [0.3, 0.5, 0.9])
def test_noise_on_a_large_mask_is_labelled_alike(density: float) -> None:
    mask = np.random.default_rng(0).random((400, 300)) < density
    expected, count = ndimage.label(mask, structure=np.ones((3, 3)))
    found, number = label(mask, corners=True)
    assert number == count
    assert np.array_equal(found, expected)
