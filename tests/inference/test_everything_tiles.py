"""Tiles, seams, crops without the whole picture: a model that sees nothing but bright pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from anymask.errors import PromptError
from anymask.geometry.frames import LOW_RES_STRIDE_PX
from anymask.inference.backend import Candidates, Decoded, confident
from anymask.inference.encoded import EncodedImage
from anymask.inference.everything.generate import everything
from anymask.inference.everything.settings import EverythingSettings
from anymask.inference.segment import Model


class BrightBackend:
    """Answers a point with the connected bright area it lies in; the embedding is the picture."""

    name, device, canvas_px = "bright", "cpu", 256

    def __init__(self) -> None:
        self.encoded_sizes: list[tuple[int, int]] = []

    def encode(self, image: np.ndarray) -> np.ndarray:
        self.encoded_sizes.append(image.shape[:2])
        canvas = np.zeros((256, 256), np.float32)
        canvas[: image.shape[0], : image.shape[1]] = image[..., 0] / 255
        cells = canvas.reshape(64, LOW_RES_STRIDE_PX, 64, LOW_RES_STRIDE_PX).mean(axis=(1, 3))
        return cells[None]

    def decode_confident(self, images, prompts, min_iou) -> Candidates:
        labels, _ = ndimage.label(images[0].embedding[0] > 0.5)
        answers = []
        for x, y in (prompts.coords[:, 0] // LOW_RES_STRIDE_PX).astype(int):
            mine = (labels == labels[y, x]) & (labels[y, x] > 0)
            answers.append(np.where(mine, 20.0, -20.0))
        logits = np.array(answers, np.float32)[:, None]
        sure = np.where((logits > 0).any(axis=(2, 3)), 0.95, 0.1).astype(np.float32)
        return confident(Decoded(logits, sure), min_iou)


@pytest.fixture
def bright() -> Model:
    return Model(BrightBackend(), model_id="bright@0", architecture="none")


def picture(height: int, width: int, *boxes: tuple[int, int, int, int]) -> np.ndarray:
    image = np.zeros((height, width, 3), np.uint8)
    for x0, y0, x1, y1 in boxes:
        image[y0:y1, x0:x1] = 255
    return image


TILED = EverythingSettings(
    points_per_side=16, stability_score_thresh=0.5, tile_px=256, tile_overlap_px=64
)


def test_a_bar_across_two_tiles_comes_back_whole(bright: Model) -> None:
    bar = (80, 100, 380, 140)
    (record,) = everything(bright, picture(256, 448, bar), TILED)
    assert len(bright.backend.encoded_sizes) == 2
    np.testing.assert_allclose(record.box_xyxy, bar, atol=4)
    assert ndimage.label(record.array)[1] == 1
    assert record.crop_box_xyxy == (0, 0, 448, 256)


def test_a_thing_across_four_tiles_comes_back_whole(bright: Model) -> None:
    square = (120, 120, 320, 320)
    (record,) = everything(bright, picture(448, 448, square), TILED)
    np.testing.assert_allclose(record.box_xyxy, square, atol=4)
    assert record.area == pytest.approx(200 * 200, rel=0.06)


def test_a_thing_in_the_strip_that_tiles_share_is_found_once(bright: Model) -> None:
    small = (208, 100, 240, 132)
    (record,) = everything(bright, picture(256, 448, small), TILED)
    np.testing.assert_allclose(record.box_xyxy, small, atol=4)


def test_things_of_their_own_tiles_stay_apart(bright: Model) -> None:
    apart = [(20, 20, 60, 60), (350, 180, 420, 230)]
    records = everything(bright, picture(256, 448, *apart), TILED)
    assert sorted(record.box_xyxy[0] // 100 for record in records) == [0, 3]


def test_a_picture_smaller_than_a_tile_is_one_tile(bright: Model) -> None:
    (record,) = everything(bright, picture(200, 200, (50, 50, 100, 90)), TILED)
    assert len(bright.backend.encoded_sizes) == 1
    assert record.crop_box_xyxy == (0, 0, 200, 200)


def test_crops_can_be_looked_at_without_the_whole_picture(bright: Model) -> None:
    seen: list[tuple[int, int]] = []
    real: Callable[..., EncodedImage] = bright.encode

    def spy(image: np.ndarray) -> EncodedImage:
        seen.append(image.shape[:2])
        return real(image)

    bright.encode = spy  # type: ignore[method-assign]
    settings = EverythingSettings(
        points_per_side=8,
        crop_n_layers=2,
        crop_n_points_downscale_factor=2,
        skip_full_image=True,
        stability_score_thresh=0.5,
    )
    everything(bright, picture(256, 256, (30, 30, 60, 60)), settings)
    assert len(seen) == 4 + 16
    assert (256, 256) not in seen


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"skip_full_image": True}, "skip_full_image leaves nothing"),
        ({"tile_px": 256, "crop_n_layers": 1}, "give one of tile_px or crop_n_layers"),
        ({"tile_px": 64, "tile_overlap_px": 64}, "give an overlap of 0 to 63"),
        ({"novel_share": 0.0}, "novel_share must lie in"),
        ({"max_masks": 0}, "max_masks must be at least 1"),
    ],
)
def test_parts_that_contradict_each_other_are_refused(options: dict, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        EverythingSettings(**options)


def test_an_encoded_image_is_taken_where_there_are_no_crops(bright: Model) -> None:
    image = picture(256, 256, (50, 50, 100, 90))
    plain = EverythingSettings(points_per_side=8, stability_score_thresh=0.5)
    from_pixels = everything(bright, image, plain)
    from_encoded = everything(bright, bright.encode(image), plain)
    assert [r.box_xyxy for r in from_pixels] == [r.box_xyxy for r in from_encoded]
    assert from_pixels
    with pytest.raises(PromptError, match="give the picture itself"):
        everything(bright, bright.encode(picture(256, 448)), TILED)


def test_a_mask_of_the_whole_picture_can_be_dropped(bright: Model) -> None:
    image = picture(256, 256, (0, 0, 256, 256))
    loose = EverythingSettings(points_per_side=2, stability_score_thresh=0.5)
    assert len(everything(bright, image, loose)) == 1
    strict = EverythingSettings(points_per_side=2, max_mask_share=0.95)
    assert everything(bright, image, strict) == []


def test_dropping_small_masks_and_cleaning_masks_are_two_things(bright: Model) -> None:
    image = picture(256, 256, (20, 20, 28, 28), (100, 100, 180, 180))
    image[132:140, 132:140] = 0  # a hole of 64 pixels in the larger one

    def areas(**options: int) -> list[int]:
        settings = EverythingSettings(points_per_side=32, stability_score_thresh=0.1, **options)
        return sorted(record.area for record in everything(bright, image, settings))

    small, ring = areas()
    assert small < 100
    assert ring < 6400
    assert areas(min_mask_area=100) == [ring]
    cleaned_small, filled = areas(min_mask_region_area=100)
    assert cleaned_small == small
    assert filled > ring
    assert len(areas(min_mask_region_area=100, drop_all_small=True)) == 1
