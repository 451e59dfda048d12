"""Encoding and segmenting: one or many prompts, one or many images, every form of picture."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from anymask.errors import ImageError, PromptError, PromptTypeError
from anymask.inference.encoded import EncodedImage
from anymask.inference.segment import Model
from anymask.types.prompt import Prompt
from models import tiny_model

POINT = Prompt(points=[(40, 30)])
POINTS = Prompt(points=[(40, 30), (60, 50)], labels=[1, 0])
BOX = Prompt(box=(10, 20, 90, 70))
BOTH = Prompt(points=[(40, 30)], box=(10, 20, 90, 70))


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model()


@pytest.fixture(scope="module")
def image(coffee: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(coffee[::4, ::4])  # (100, 150, 3)


def test_one_point_gives_three_candidates_best_first(model, image) -> None:
    masks = model.segment(image, POINT)
    assert masks.array.shape == (1, 100, 150)
    assert masks.array.dtype == bool
    assert masks.candidate_counts.tolist() == [3]
    candidates = masks.candidates(0)
    assert candidates.array.shape == (3, 100, 150)
    assert (np.diff(candidates.predicted_iou) <= 0).all()
    assert candidates.predicted_iou[0] == masks.predicted_iou[0]
    assert np.array_equal(candidates.array[0], masks.array[0])


@pytest.mark.parametrize("prompt", [POINTS, BOX, BOTH])
def test_an_unambiguous_prompt_gives_one_mask(model, image, prompt) -> None:
    assert model.segment(image, prompt).candidate_counts.tolist() == [1]


def test_the_caller_chooses_how_many_candidates(model, image) -> None:
    assert model.segment(image, BOX, multimask=True).candidate_counts.tolist() == [3]
    assert model.segment(image, POINT, multimask=False).candidate_counts.tolist() == [1]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_the_rank_of_the_result_never_depends_on_the_number_of_prompts(model, image, count) -> None:
    masks = model.segment(image, [POINT] * count)
    assert masks.array.shape == (count, 100, 150)
    assert masks.logits.shape == (count, 100, 150)
    assert masks.low_res_logits.shape == (count, 32, 32)
    assert masks.probability.shape == (count, 100, 150)
    assert masks.predicted_iou.shape == masks.stability.shape == masks.areas.shape == (count,)
    assert masks.boxes_xyxy.shape == (count, 4)
    assert len(masks.rle()) == len(masks.polygons()) == count


def test_ragged_prompts_in_one_call_equal_single_calls(model, image) -> None:
    encoded = model.encode(image)
    logits = model.segment(encoded, POINT).low_res_logits[0]
    mask = np.zeros((100, 150), bool)
    mask[20:60, 30:90] = True
    prompts = [
        POINT,
        BOTH,
        Prompt(points=[(40, 30)], mask_logits=logits),
        BOX,
        Prompt(mask=mask),
        POINTS,
        Prompt(points=[(5, 5), (7, 7), (9, 9), (11, 11)]),
    ]
    together = model.segment(encoded, prompts)
    for row, prompt in enumerate(prompts):
        alone = model.segment(encoded, prompt)
        np.testing.assert_allclose(together[row].low_res_logits, alone.low_res_logits, atol=1e-5)
        np.testing.assert_allclose(together[row].candidate_iou, alone.candidate_iou, atol=1e-5)


def test_several_images_with_ragged_prompts_equal_single_calls(model, image) -> None:
    other = np.ascontiguousarray(image[:, :60].transpose(1, 0, 2))
    first, second = model.segment([image, other], [[POINT, BOX, POINTS], Prompt(points=[(9, 9)])])
    assert len(first) == 3
    assert second.array.shape == (1, 60, 100)
    np.testing.assert_allclose(
        first.low_res_logits, model.segment(image, [POINT, BOX, POINTS]).low_res_logits, atol=1e-5
    )
    alone = model.segment(other, Prompt(points=[(9, 9)]))
    np.testing.assert_allclose(second.low_res_logits, alone.low_res_logits, atol=1e-5)


def test_many_prompts_pass_in_parts(model, image, monkeypatch) -> None:
    encoded, prompts = model.encode(image), [Prompt(points=[(x, 20)]) for x in range(9)]
    whole = model.segment(encoded, prompts)
    monkeypatch.setattr("anymask.inference.choice.PROMPTS_PER_CALL", 2)
    parts = model.segment(encoded, prompts)
    np.testing.assert_allclose(whole.low_res_logits, parts.low_res_logits, atol=1e-5)


def test_a_label_changes_the_mask(model, image) -> None:
    inside = model.segment(image, Prompt(points=[(40, 30), (60, 50)], labels=[1, 1]))
    outside = model.segment(image, POINTS)
    assert not np.array_equal(inside.low_res_logits, outside.low_res_logits)


def test_no_negatives_equals_an_empty_list_of_them(model, image) -> None:
    points = np.concatenate([[(40, 30)], np.zeros((0, 2))])
    same = Prompt(points=points, labels=np.concatenate([[1], np.zeros(0)]))
    assert np.array_equal(
        model.segment(image, same).low_res_logits, model.segment(image, POINT).low_res_logits
    )


def test_a_picture_in_any_form_is_the_same_picture(model, image, tmp_path) -> None:
    path = tmp_path / "photo with spaces ü.png"
    Image.fromarray(image).save(path)
    expected = model.encode(image)
    forms = [path, str(path), path.read_bytes(), Image.fromarray(image), torch.from_numpy(image)]
    for form in forms:
        encoded = model.encode(form)
        assert np.array_equal(encoded.embedding, expected.embedding)
        assert encoded.image_sha256 == expected.image_sha256
    flipped = model.encode(image[..., ::-1], color="BGR")
    assert np.array_equal(flipped.embedding, expected.embedding)


def test_gray_pictures_equal_their_repeated_channel(model, image) -> None:
    gray = image[..., 0]
    expected = model.encode(np.repeat(gray[..., None], 3, axis=2)).embedding
    for form in (gray, gray[..., None], gray.astype(np.uint16) * 257):
        assert np.array_equal(model.encode(form).embedding, expected)


def test_opaque_alpha_changes_nothing(model, image) -> None:
    alpha = np.full((*image.shape[:2], 1), 255, np.uint8)
    encoded = model.encode(np.concatenate([image, alpha], axis=2))
    assert np.array_equal(encoded.embedding, model.encode(image).embedding)


def test_an_unreadable_picture_is_refused_by_name(model, tmp_path) -> None:
    path = tmp_path / "notes.jpg"
    path.write_text("no picture")
    with pytest.raises(ImageError, match=r"notes\.jpg"):
        model.segment(path, POINT)


def test_an_encoded_image_is_reused_saved_and_loaded(model, image, tmp_path) -> None:
    encoded = model.encode(image)
    assert model.encode(encoded) is encoded
    path = encoded.save(tmp_path / "deep" / "photo.npz")
    loaded = EncodedImage.load(path)
    assert np.array_equal(loaded.embedding, encoded.embedding)
    assert loaded.frame == encoded.frame
    assert (loaded.model_id, loaded.image_sha256) == (encoded.model_id, encoded.image_sha256)
    assert np.array_equal(model.segment(loaded, BOX).array, model.segment(image, BOX).array)


def test_an_encoded_image_cannot_be_changed(model, image) -> None:
    encoded = model.encode(image)
    with pytest.raises(ValueError, match="read-only"):
        encoded.embedding[0, 0, 0] = 1
    with pytest.raises(AttributeError):
        encoded.model_id = "other"  # type: ignore[misc]


def test_an_encoded_image_of_another_model_is_refused(model, image) -> None:
    other = Model(model.backend, model_id="other@0", architecture="tiny")
    with pytest.raises(PromptError, match=r"encoded by tiny@test.*this model is other@0"):
        other.segment(model.encode(image), POINT)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (Prompt(points=[(5, 5), (151, 5)]), r"points\[1\] = \(151, 5\) lies outside.*150 x 100"),
        (Prompt(points=[(-1, 5)]), r"points\[0\] = \(-1, 5\) lies outside"),
        (Prompt(points=[(1e9, 5)]), "lies outside the image"),
        (Prompt(box=(200, 0, 300, 50)), r"box \(200, 0, 300, 50\) lies outside"),
        (Prompt(mask=np.ones((10, 10))), r"mask has shape \(10, 10\).*\(100, 150\)"),
        (Prompt(mask_logits=np.full((9, 9), 2.0)), r"mask_logits must have shape \(32, 32\)"),
    ],
)
def test_a_prompt_that_does_not_fit_the_image_is_refused(model, image, prompt, message) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        model.segment(image, prompt)
    assert "\n" not in str(caught.value)


def test_a_box_that_sticks_out_is_taken(model, image) -> None:
    assert len(model.segment(image, Prompt(box=(-5, -5, 160, 120)))) == 1


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ("brain tumor", "prompts must be a Prompt or a list of them; got str 'brain tumor'"),
        ([(1, 2)], r"prompts\[0\] must be a Prompt; got tuple"),
        (None, "got NoneType"),
        (np.zeros((1, 2)), "got ndarray"),
    ],
)
def test_things_that_are_no_prompts_are_refused(model, image, prompts, message) -> None:
    with pytest.raises(PromptTypeError, match=message):
        model.segment(image, prompts)


def test_a_list_of_images_needs_one_entry_of_prompts_each(model, image) -> None:
    with pytest.raises(PromptError, match="prompts has 1 entries for 2 images"):
        model.segment([image, image], [POINT])
    with pytest.raises(PromptTypeError, match="one entry for each of the 2 images; got Prompt"):
        model.segment([image, image], POINT)


def test_a_mask_in_any_dtype_prompts_the_same(model, image) -> None:
    disc = np.hypot(*(np.mgrid[:100, :150] - np.array([50, 75])[:, None, None])) < 30
    results = [
        model.segment(image, Prompt(mask=mask)).low_res_logits
        for mask in (disc, disc.astype(np.uint8) * 255, disc.astype(int), disc.astype(float))
    ]
    assert all(np.array_equal(result, results[0]) for result in results)


def test_rows_are_taken_by_index_slice_and_list(model, image) -> None:
    masks = model.segment(image, [POINT, BOX, POINTS])
    assert len(masks[1]) == len(masks[-2]) == 1
    assert np.array_equal(masks[1].array[0], masks.array[1])
    assert masks[0].candidate_counts.tolist() == [3]
    assert masks[1:].candidate_counts.tolist() == [1, 1]
    assert masks[[2, 0]].candidate_counts.tolist() == [1, 3]
    assert [len(row) for row in masks] == [1, 1, 1]
    with pytest.raises(IndexError):
        masks[3]
    with pytest.raises(IndexError):
        masks.candidates(3)


def test_probabilities_agree_with_the_masks(model, image) -> None:
    masks = model.segment(image, [POINT, BOX])
    assert ((masks.probability > 0.5) == masks.array).mean() > 0.9999
    assert masks.probability.dtype == np.float32


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 600), (600, 1), (3, 2000), (8, 8)])
def test_tiny_and_thin_pictures_are_segmented(model, size_hw) -> None:
    image = np.full((*size_hw, 3), 90, np.uint8)
    masks = model.segment(image, Prompt(points=[(size_hw[1] / 2, size_hw[0] / 2)]))
    assert masks.array.shape == (1, *size_hw)
    assert np.isfinite(masks.stability).all()


def test_threads_share_a_model_without_mixing_their_images(model, image) -> None:
    pictures = [np.roll(image, 7 * k, axis=1) for k in range(6)]
    expected = [model.segment(picture, POINT).low_res_logits for picture in pictures]
    results: dict[int, np.ndarray] = {}

    def work(number: int) -> None:
        for _ in range(3):
            results[number] = model.segment(pictures[number], POINT).low_res_logits

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(6):
        np.testing.assert_allclose(results[number], expected[number], atol=1e-5)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"hello"])
def test_a_file_that_is_no_encoded_image_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.npz is not an encoded image"):
        EncodedImage.load(path)


def test_an_encoded_image_that_needs_pickle_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", about=np.array({"a": 1}, dtype=object), embedding=np.zeros(3))
    with pytest.raises(ValueError, match="is not an encoded image"):
        EncodedImage.load(tmp_path / "x.npz")


def test_an_encoded_image_of_another_schema_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", about=np.array('{"schema": "other/9"}'), embedding=np.zeros(3))
    with pytest.raises(ValueError, match="'other/9' but this version reads"):
        EncodedImage.load(tmp_path / "x.npz")


def test_a_missing_encoded_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no encoded image at"):
        EncodedImage.load(tmp_path / "none.npz")
