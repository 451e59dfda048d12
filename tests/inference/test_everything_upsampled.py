"""Lazy measuring against the plain way: upsample everything, then look."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anymask.geometry.boxes import box_from_mask
from anymask.geometry.frames import Frame
from anymask.geometry.grids import Crop
from anymask.inference.everything.candidates import Candidate, CropView
from anymask.inference.everything.upsampled import Upsampler

SIZES = [(512, 512), (300, 451), (97, 131), (64, 1000), (1, 37), (600, 800), (2000, 40)]


def blobs(side: int, seed: int, level: float) -> np.ndarray:
    """Smooth hills with a few needles, so that outlines are both round and ragged."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(size=(9, 9))
    across = np.linspace(0, 8, side)
    low = np.clip(across.astype(int), 0, 7)
    part = (across - low)[:, None]
    rows = coarse[low] * (1 - part) + coarse[low + 1] * part
    hills = rows[:, low] * (1 - part.T) + rows[:, low + 1] * part.T
    needles = (rng.random((side, side)) < 0.002) * rng.normal(0, 8, (side, side))
    return (6 * hills + needles - level).astype(np.float32)


def candidate(frame: Frame, logits: np.ndarray, offset: float = 1.0) -> Candidate:
    height, width = frame.size_hw
    view = CropView(Crop((0, 0, width, height), 0), frame.size_hw, Upsampler(frame), offset)
    return Candidate(view, (0.0, 0.0), 0.9, logits)


@given(
    size_hw=st.sampled_from(SIZES),
    seed=st.integers(0, 10_000),
    level=st.sampled_from([-6.0, 0.0, 4.0, 9.0]),
    offset=st.sampled_from([0.0, 0.5, 1.0]),
)
@settings(max_examples=40, deadline=None)
def test_a_lazy_candidate_equals_the_upsampled_mask(size_hw, seed, level, offset) -> None:
    frame = Frame(size_hw, 512)
    logits = blobs(frame.low_res_px, seed, level)
    full = frame.logits_to_original(logits)
    # rounding decides about pixels that lie on a threshold
    near = sum(np.count_nonzero(np.abs(full - t) < 1e-4) for t in (-offset, 0, offset))
    one = candidate(frame, logits, offset)
    mask = full > 0
    assert np.count_nonzero(one.mask().array != mask) <= near
    inner, outer = np.count_nonzero(full > offset), np.count_nonzero(full > -offset)
    if outer:
        assert one.stability == pytest.approx(inner / outer, abs=(near + 1e-3) / outer)
    if near == 0:
        assert list(one.box) == box_from_mask(mask).tolist()


@given(size_hw=st.sampled_from(SIZES), seed=st.integers(0, 10_000), level=st.floats(-8, 10))
@settings(max_examples=60, deadline=None)
def test_the_box_lies_between_its_bounds(size_hw, seed, level) -> None:
    frame = Frame(size_hw, 512)
    one = candidate(frame, blobs(frame.low_res_px, seed, level))
    x0, y0, x1, y1 = one.box
    if x1 > x0:
        outer = one.outer_box
        assert outer[0] <= x0
        assert outer[1] <= y0
        assert outer[2] >= x1
        assert outer[3] >= y1
    if one.inner_box is not None:
        assert x0 <= one.inner_box[0] < one.inner_box[2] <= x1
        assert y0 <= one.inner_box[1] < one.inner_box[3] <= y1


@given(seed=st.integers(0, 10_000), level=st.floats(-8, 10), least=st.floats(0.05, 1))
@settings(max_examples=40, deadline=None)
def test_what_is_called_unstable_unmeasured_is_unstable(seed, level, least) -> None:
    frame = Frame((300, 451), 512)
    logits = blobs(frame.low_res_px, seed, level)
    quick, measured = candidate(frame, logits), candidate(frame, logits)
    assert quick.is_stable(least) == (measured.stability >= least)


def test_a_settled_candidate_keeps_its_answers_without_logits() -> None:
    frame = Frame((300, 451), 512)
    one, other = (candidate(frame, blobs(128, 3, 0.0)) for _ in range(2))
    one.settle()
    assert one.held_bytes == 0 < other.held_bytes
    assert (one.box, one.stability) == (other.box, other.stability)
    assert np.array_equal(one.mask().array, other.mask().array)


def test_a_mask_without_a_pixel_is_empty_and_unstable() -> None:
    one = candidate(Frame((30, 40), 512), np.full((128, 128), -9, np.float32))
    assert one.box == (0, 0, 0, 0)
    assert one.stability == 0
    assert not one.is_stable(0.01)
    assert one.mask().area == 0


@given(size_hw=st.tuples(st.integers(1, 3000), st.integers(1, 3000)))
def test_no_pixel_reads_beyond_the_visible_cells(size_hw) -> None:
    frame = Frame(size_hw)
    axes = (Upsampler(frame).rows, Upsampler(frame).columns)
    for axis, visible, side in zip(axes, frame.visible_low_res_hw, frame.resized_hw, strict=True):
        assert axis.used <= visible <= side / 4 + 2
