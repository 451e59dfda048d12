"""Resampling as matrices, against torch as an oracle."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from anymask.geometry import resample
from anymask.geometry.resample import (
    Bands,
    area_matrix,
    average,
    bilinear_matrix,
    mask_upsampling_matrix,
    upsample_masks,
)

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


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 3), st.integers(1, 600))
def test_a_product_by_bands_is_the_whole_product(n: int, m: int, cells: int, width: int) -> None:
    matrix = area_matrix(m, n, cells * m / n).astype(np.float32)  # its last rows may be empty
    x = np.random.default_rng(n).normal(size=(m, width)).astype(np.float32)
    np.testing.assert_allclose(Bands(matrix).times(x), matrix @ x, atol=1e-5)


def test_masks_of_any_number_of_axes_are_upsampled_one_by_one() -> None:
    low_res = np.random.default_rng(0).normal(size=(2, 3, 16, 16)).astype(np.float32)
    logits = upsample_masks(low_res, 64, (64, 48), (100, 75))
    rows, columns = mask_upsampling_matrix(16, 64, 64, 100), mask_upsampling_matrix(16, 64, 48, 75)
    np.testing.assert_allclose(logits, rows @ low_res @ columns.T, atol=1e-5)
    assert upsample_masks(low_res[:0], 64, (64, 48), (100, 75)).shape == (0, 3, 100, 75)


@pytest.mark.parametrize("size_hw", [(512, 512), (3000, 4000), (1, 5000), (5000, 1)])
def test_no_product_is_large_enough_to_wake_the_threads_of_a_blas(
    size_hw: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    matmul = np.matmul

    def noted(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> np.ndarray:
        sizes.append(a.size * b.shape[1])
        return matmul(a, b, out=out)

    monkeypatch.setattr(resample.np, "matmul", noted)
    height, width = size_hw
    resized_hw = (1024 * height // max(size_hw) or 1, 1024 * width // max(size_hw) or 1)
    upsample_masks(np.zeros((256, 256), np.float32), 1024, resized_hw, size_hw)
    cells = (4 * height / resized_hw[0], 4 * width / resized_hw[1])
    average(np.zeros(size_hw, np.float32), (256, 256), cells)
    assert 0 < max(sizes) <= resample.SMALL_PRODUCT
