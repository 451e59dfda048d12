"""Small objects looked at in a window."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from anymask.errors import PromptError
from anymask.inference import zoom
from anymask.inference.segment import Model
from anymask.inference.zoom import segment_zoomed
from anymask.types.prompt import Prompt
from models import tiny_model

SMALL = Prompt(box=(300, 200, 340, 230))
LARGE = Prompt(box=(10, 10, 500, 350))


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model()


@pytest.fixture(scope="module")
def field(default_model: Model) -> tuple[np.ndarray, np.ndarray]:
    """1176 coins of 45 pixels, 2688 x 2121, and the mask of one, as found in 24 of them alone."""
    from skimage import data

    coins = data.coins()
    height, width = coins.shape
    mask = np.zeros((7 * height, 7 * width), bool)
    alone = default_model.segment(coins, Prompt(points=[(45, 120)])).array[0]
    mask[4 * height : 5 * height, 5 * width : 6 * width] = alone
    return np.tile(coins, (7, 7)), mask


COIN = Prompt(points=[(5 * 384 + 45, 4 * 303 + 120)])


def around(mask: np.ndarray) -> tuple[int, int, int, int]:
    ys, xs = np.nonzero(mask)
    return xs.min(), ys.min(), xs.max() + 1, ys.max() + 1


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return np.count_nonzero(a & b) / np.count_nonzero(a | b)


@pytest.mark.weights
def test_a_small_object_in_a_large_picture_is_found(
    default_model: Model, field: tuple[np.ndarray, np.ndarray]
) -> None:
    picture, coin = field
    prompts = [Prompt(box=around(coin)), COIN, Prompt(mask=coin)]
    plain = default_model.segment(picture, prompts).array
    zoomed = segment_zoomed(default_model, picture, prompts)
    for row in range(3):
        assert iou(zoomed.array[row], coin) > 0.9
        assert iou(plain[row], coin) < 0.8
    x0, y0, x1, y1 = zoomed.windows_xyxy[1]
    assert min(x1 - x0, y1 - y0) >= 1024  # a click gets a window at full resolution, no closer


@pytest.mark.weights
def test_a_large_object_is_answered_as_without(default_model: Model, astronaut: np.ndarray) -> None:
    large = np.asarray(Image.fromarray(astronaut).resize((1500, 1500)))
    prompts = [Prompt(points=[(660, 300)]), Prompt(box=(0, 0, 1440, 1500))]
    zoomed = segment_zoomed(default_model, large, prompts)
    assert zoomed.windows_xyxy == ()
    assert np.array_equal(zoomed.array, default_model.segment(large, prompts).array)


@pytest.mark.weights
def test_a_mask_that_the_window_cuts_is_not_taken(
    default_model: Model,
    monkeypatch: pytest.MonkeyPatch,
    field: tuple[np.ndarray, np.ndarray],
) -> None:
    whole = default_model.segment(field[0], COIN)
    monkeypatch.setattr(zoom, "_is_cut", lambda *_: True)
    masks = segment_zoomed(default_model, field[0], COIN)
    assert masks.windows_xyxy == ()
    assert np.array_equal(masks.array, whole.array)


@pytest.mark.parametrize(
    ("row", "cut"), [(slice(0, 30), True), (slice(1, 30), False), (slice(20, 50), True)]
)
def test_a_mask_is_cut_where_the_picture_goes_on(row: slice, cut: bool) -> None:
    mask = np.zeros((80, 100), bool)
    mask[row, 30:60] = True
    assert zoom._is_cut(mask, (20, 0, 70, 50)) == (cut and row.start > 0)


def test_rows_keep_their_order_and_their_windows(model: Model, coffee: np.ndarray) -> None:
    masks = segment_zoomed(model, coffee, [LARGE, SMALL, Prompt(points=[(300, 200)])])
    assert len(masks) == 3
    assert masks.windows_xyxy[0] is None
    assert masks.windows_xyxy[2] is None  # the picture has fewer pixels than the network sees
    x0, y0, x1, y1 = masks.windows_xyxy[1]
    assert (x1 - x0, y1 - y0) == (100, 100)  # 2.5 times the box
    assert x0 < 300
    assert x1 > 340
    assert masks.array.shape == (3, *coffee.shape[:2])
    outside = masks.array[1].copy()
    outside[y0:y1, x0:x1] = False
    assert not outside.any()
    assert masks[1].windows_xyxy == (masks.windows_xyxy[1],)
    assert np.array_equal(masks[1].array[0], masks.array[1])
    assert np.array_equal(masks.array[0], model.segment(coffee, LARGE).array[0])


def test_nothing_is_enlarged_more_than_four_times(model: Model, coffee: np.ndarray) -> None:
    speck = Prompt(box=(300, 200, 304, 203))
    x0, y0, x1, y1 = segment_zoomed(model, coffee, speck).windows_xyxy[0]
    assert (x1 - x0, y1 - y0) == (32, 32)  # the canvas has 128 pixels
    tiny = segment_zoomed(model, coffee[190:230, 290:330], Prompt(box=(10, 10, 14, 13)))
    assert tiny.windows_xyxy == ()


def test_every_candidate_of_a_zoomed_row_lies_in_its_window(
    model: Model, coffee: np.ndarray
) -> None:
    masks = segment_zoomed(model, coffee, SMALL, multimask=True)
    candidates = masks.candidates(0)
    assert candidates.array.shape == (3, *coffee.shape[:2])
    assert candidates.windows_xyxy == masks.windows_xyxy * 3
    assert np.array_equal(candidates.array[0], masks.array[0])


def test_boxes_alone_do_not_encode_the_picture(
    model: Model, coffee: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    encode = type(model.backend).encode
    monkeypatch.setattr(
        type(model.backend), "encode", lambda self, image: seen.append(1) or encode(self, image)
    )
    segment_zoomed(model, coffee, [SMALL, SMALL])
    assert len(seen) == 2
    encoded = model.encode(coffee)
    segment_zoomed(model, coffee, [LARGE, SMALL], encoded=encoded)
    assert len(seen) == 2 + 1 + 1


@pytest.mark.parametrize(
    "box", [(0, 0, 20, 20), (580, 380, 600, 400), (-30, 100, 10, 120), (590, 0, 640, 8)]
)
def test_windows_stay_in_the_picture(model: Model, coffee: np.ndarray, box: tuple) -> None:
    masks = segment_zoomed(model, coffee, Prompt(box=box))
    x0, y0, x1, y1 = masks.windows_xyxy[0]
    assert 0 <= x0 < x1 <= 600
    assert 0 <= y0 < y1 <= 400


def test_a_box_of_no_size_still_has_an_answer(model: Model, coffee: np.ndarray) -> None:
    masks = segment_zoomed(model, coffee, Prompt(box=(100, 100, 100, 100)))
    assert masks.array.shape == (1, 400, 600)


def test_a_prompt_beyond_the_picture_is_refused(model: Model, coffee: np.ndarray) -> None:
    with pytest.raises(PromptError, match="outside the image"):
        segment_zoomed(model, coffee, Prompt(box=(700, 100, 720, 120)))
    with pytest.raises(PromptError, match="outside the image"):
        segment_zoomed(model, coffee, Prompt(points=[(650, 100)]))


@pytest.mark.weights
def test_a_zoomed_mask_is_a_prompt_for_the_whole_picture_and_for_a_window(
    default_model: Model, field: tuple[np.ndarray, np.ndarray]
) -> None:
    picture, coin = field
    box = around(coin)
    logits = segment_zoomed(default_model, picture, Prompt(box=box)).low_res_logits[0]
    rows, columns = np.nonzero(logits > 0)
    middle = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    np.testing.assert_allclose((columns.mean() + 0.5) * 10.5, middle[0], atol=8)
    np.testing.assert_allclose((rows.mean() + 0.5) * 10.5, middle[1], atol=8)
    again = segment_zoomed(default_model, picture, Prompt(box=box, mask_logits=logits))
    assert iou(again.array[0], coin) > 0.9


def test_an_encoding_of_another_picture_is_refused(model: Model, coffee: np.ndarray) -> None:
    other = model.encode(coffee[:300])
    with pytest.raises(PromptError, match=r"encoded is of an image of \(300, 600\)"):
        segment_zoomed(model, coffee, SMALL, encoded=other)


def test_many_clicks_do_not_pile_up_masks_at_image_size(
    model: Model, coffee: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined, kept = zoom._Look.joined, []
    monkeypatch.setattr(
        zoom._Look, "joined", lambda self, rows: kept.extend(rows) or joined(self, rows)
    )
    segment_zoomed(model, coffee, [Prompt(points=[(300, 200)]), SMALL])
    assert not any("array" in vars(row) for row in kept)
