"""`ResizeLongestSide` against Pillow, the published sizes, and its own tensor twin."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from anymask.compat import ResizeLongestSide
from anymask.errors import ImageError, PromptError
from anymask.geometry.frames import Frame

SIDES = st.integers(1, 3000)


@pytest.mark.parametrize(
    ("size", "resized"),
    [
        ((1500, 2250), (683, 1024)),
        ((480, 640), (768, 1024)),
        ((720, 1280), (576, 1024)),
        ((1080, 1920), (576, 1024)),
        ((534, 800), (684, 1024)),
        ((1024, 1024), (1024, 1024)),
        ((3, 4000), (1, 1024)),
        ((1, 5000), (1, 1024)),
    ],
)
def test_sizes_are_the_published_ones(size, resized) -> None:
    assert ResizeLongestSide.get_preprocess_shape(*size, 1024) == resized


@given(SIDES, SIDES)
def test_sizes_agree_with_the_frame(height, width) -> None:
    shape = ResizeLongestSide.get_preprocess_shape(height, width, 1024)
    assert shape == Frame((height, width), 1024).resized_hw


def test_any_target_length_is_allowed() -> None:
    assert ResizeLongestSide.get_preprocess_shape(300, 600, 518) == (259, 518)


def test_images_are_resized_by_pillow(coffee) -> None:
    resized = ResizeLongestSide(1024).apply_image(coffee)
    expected = Image.fromarray(coffee).resize((1024, 683), Image.Resampling.BILINEAR)
    assert resized.dtype == np.uint8
    assert resized.flags.writeable
    assert np.array_equal(resized, np.asarray(expected))


def test_points_scale_by_the_ratio_of_rounded_sizes_and_are_not_changed_in_place() -> None:
    points = np.array([[10, 20], [799, 533]])
    moved = ResizeLongestSide(1024).apply_coords(points, (534, 800))
    np.testing.assert_allclose(moved, points * [1024 / 800, 684 / 534], rtol=1e-6)
    assert points.tolist() == [[10, 20], [799, 533]]
    assert moved.dtype == np.float32


@given(st.lists(st.tuples(*[st.floats(0, 2000)] * 4), min_size=1, max_size=5), SIDES, SIDES)
def test_tensors_move_as_arrays_do(boxes, height, width) -> None:
    transform, array = ResizeLongestSide(1024), np.array(boxes)
    moved = transform.apply_boxes(array, (height, width))
    assert moved.shape == (len(boxes), 4)
    tensor = transform.apply_boxes_torch(torch.tensor(array), (height, width))
    assert tensor.dtype == torch.float32
    np.testing.assert_allclose(tensor.numpy(), moved, rtol=1e-5, atol=1e-6)
    points = transform.apply_coords_torch(torch.tensor(array)[:, None, :2], (height, width))
    np.testing.assert_allclose(points.numpy()[:, 0], moved[:, :2], rtol=1e-5, atol=1e-6)


def test_a_single_box_becomes_one_row() -> None:
    transform = ResizeLongestSide(200)
    assert transform.apply_boxes([1, 2, 3, 4], (50, 100)).tolist() == [[2, 4, 6, 8]]
    box = transform.apply_boxes_torch(torch.tensor([1, 2, 3, 4]), (50, 100))
    assert box.tolist() == [[2, 4, 6, 8]]


def test_a_batch_of_images_is_resized_by_its_last_two_axes(coffee) -> None:
    transform = ResizeLongestSide(1024)
    assert transform.apply_image_torch(torch.zeros(2, 3, 300, 600)).shape == (2, 3, 512, 1024)
    assert transform.apply_image_torch(torch.zeros(3, 300, 600)).shape == (3, 512, 1024)
    tensor = torch.tensor(coffee).permute(2, 0, 1)
    resized = transform.apply_image_torch(tensor).permute(1, 2, 0).numpy()
    difference = np.abs(resized - transform.apply_image(coffee).astype(np.float32))
    assert difference.max() < 2
    smaller = ResizeLongestSide(128)
    resized = smaller.apply_image_torch(tensor).permute(1, 2, 0).numpy()
    assert np.abs(resized - smaller.apply_image(coffee).astype(np.float32)).max() < 2


@pytest.mark.parametrize("shape", [(300, 600, 3), (1, 300, 600, 3), (300, 600), (1, 1, 3, 30, 60)])
def test_channels_last_and_other_ranks_are_refused(shape) -> None:
    with pytest.raises(ImageError, match="channels first; got shape"):
        ResizeLongestSide(1024).apply_image_torch(torch.zeros(shape))


def test_wrong_shapes_are_refused_by_name() -> None:
    transform = ResizeLongestSide(1024)
    with pytest.raises(PromptError, match=r"original_size must be \(height, width\)"):
        transform.apply_coords([[1, 2]], (30, 40, 3))
    with pytest.raises(PromptError, match=r"coords must have shape \(..., 2\)"):
        transform.apply_coords([[1, 2, 3]], (30, 40))
    with pytest.raises(PromptError, match=r"coords must have shape \(..., 2\)"):
        transform.apply_coords_torch(torch.zeros(2, 3), (30, 40))
    with pytest.raises(PromptError, match=r"boxes must have shape \(B, 4\)"):
        transform.apply_boxes([[1, 2], [3, 4]], (30, 40))
    with pytest.raises(PromptError, match=r"boxes must have shape \(B, 4\)"):
        transform.apply_boxes_torch(torch.zeros(2, 2), (30, 40))
