"""Resampling as matrices, against torch as an oracle."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from anymask.geometry.resample import area_matrix, bilinear_matrix, mask_upsampling_matrix

LENGTHS = st.integers(1, 40)


@given(LENGTHS, LENGTHS)
def test_bilinear_resize_equals_torch(length_in: int, length_out: int) -> None:
    signal = np.random.default_rng(length_in).normal(size=length_in)
    expected = F.interpolate(
        torch.from_numpy(signal)[None, None], size=length_out, mode="linear"
    ).numpy()[0, 0]
    np.testing.assert_allclose(bilinear_matrix(length_in, length_out) @ signal, expected, atol=1e-6)


@given(LENGTHS, LENGTHS)
def test_area_average_keeps_the_mean(length_in: int, length_out: int) -> None:
    matrix = area_matrix(length_in, length_out, length_in / length_out)
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    np.testing.assert_allclose(matrix.sum(axis=0), length_out / length_in)


def test_a_cell_beyond_the_samples_counts_as_zero() -> None:
    np.testing.assert_allclose(area_matrix(3, 2, 2.0), [[0.5, 0.5, 0], [0, 0, 0.5]])


@settings(deadline=None)
@given(st.integers(1, 64), st.integers(1, 200))
def test_composed_upsampling_equals_the_published_steps(resized: int, original: int) -> None:
    low_res = torch.from_numpy(np.random.default_rng(resized).normal(size=16)).float()
    canvas = F.interpolate(low_res[None, None], size=64, mode="linear")[..., :resized]
    expected = F.interpolate(canvas, size=original, mode="linear")[0, 0].numpy()
    got = mask_upsampling_matrix(16, 64, resized, original) @ low_res.numpy()
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_shared_matrices_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="read-only"):
        mask_upsampling_matrix(16, 64, 48, 30)[0, 0] = 1
