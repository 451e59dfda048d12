from __future__ import annotations

import json

import numpy as np
import pytest

from anymask.errors import FileFormatError
from anymask.formats.records import (
    json_text,
    numbers,
    read_result,
    result_document,
    write_result,
)
from anymask.geometry import rle
from anymask.geometry.contours import Polygon, rasterise
from anymask.geometry.frames import Frame
from anymask.types.masks import Masks
from anymask.types.prompt import Prompt

FRAME = Frame((48, 64), 64)


def ring_logits(outer: float, inner: float = 0) -> np.ndarray:
    """A ring around the middle of the picture, on the low-res grid."""
    ys, xs = np.mgrid[:16, :16] + 0.5
    radius = np.hypot(xs - 8, ys - 6)
    return np.minimum(outer - radius, radius - inner).astype(np.float32)


def masks_of(*rows: list[np.ndarray], iou: float = 0.5) -> Masks:
    logits = [candidate for row in rows for candidate in row]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.intp)
    return Masks(FRAME, np.array(logits), np.full(len(logits), iou, np.float32), offsets, "m@0")


def test_every_form_of_the_mask_says_the_same():
    masks = masks_of([ring_logits(5, 2)])
    document = result_document(masks, [Prompt(points=[(20, 24)])], file="a.png")
    (found,) = document["objects"]
    mask = masks.array[0]
    np.testing.assert_array_equal(rle.decode(found["segmentation"]), mask)
    polygons = [Polygon(np.array(p["exterior"]), tuple(p["holes"])) for p in found["polygons"]]
    assert len(polygons[0].holes) == 1
    np.testing.assert_array_equal(rasterise(polygons, (48, 64)), mask)
    x0, y0, x1, y1 = found["box_xyxy"]
    assert mask[y0:y1, x0:x1].sum() == mask.sum() == found["area"]
    assert found["bbox"] == [x0, y0, x1 - x0 - 1, y1 - y0 - 1]
    assert document["image"] == {"file": "a.png", "width": 64, "height": 48}


def test_polygons_get_coarser_on_request():
    masks, prompts = masks_of([ring_logits(5)]), [Prompt(points=[(20, 24)])]
    exact = result_document(masks, prompts)["objects"][0]["polygons"][0]
    coarse = result_document(masks, prompts, polygon_tolerance_px=1)["objects"][0]["polygons"][0]
    assert len(coarse["exterior"]) < len(exact["exterior"])


def test_candidates_are_there_for_ambiguous_prompts_alone():
    masks = masks_of([ring_logits(5), ring_logits(3), ring_logits(2)], [ring_logits(4)])
    document = result_document(masks, [Prompt(points=[(1, 1)]), Prompt(box=(0, 0, 9, 9))])
    ambiguous, clear = document["objects"]
    assert [one["area"] for one in ambiguous["candidates"]] == masks.candidates(0).areas.tolist()
    assert ambiguous["candidates"][0]["segmentation"] == ambiguous["segmentation"]
    assert clear["candidates"] == []
    assert (ambiguous["id"], clear["id"]) == (0, 1)


def test_an_empty_mask_has_empty_values():
    document = result_document(masks_of([ring_logits(-1)]), [Prompt(points=[(1, 1)])])
    (found,) = document["objects"]
    assert (found["area"], found["polygons"]) == (0, [])
    assert found["box_xyxy"] == found["bbox"] == [0, 0, 0, 0]
    json.dumps(document, allow_nan=False)


def test_numbers_that_are_not_finite_become_null():
    document = result_document(masks_of([ring_logits(3)], iou=np.nan), [Prompt(points=[(1, 1)])])
    assert document["objects"][0]["predicted_iou"] is None
    json.dumps(document, allow_nan=False)


def test_the_prompt_is_told():
    prompt = Prompt(points=[(1, 2.5), (3, 4)], labels=[1, 0], box=(0, 1, 20, 30))
    document = result_document(masks_of([ring_logits(3)]), [prompt])
    assert document["objects"][0]["prompt"] == {
        "points": [[1.0, 2.5], [3.0, 4.0]],
        "labels": [1, 0],
        "box": [0, 1, 20, 30],
        "has_mask": False,
    }


def test_another_number_of_prompts_is_refused():
    with pytest.raises(FileFormatError, match="prompts has 0 entries but masks has 1"):
        result_document(masks_of([ring_logits(3)]), [])


def test_no_objects_at_all():
    empty = Masks(
        FRAME, np.zeros((0, 16, 16), np.float32), np.zeros(0, np.float32), np.zeros(1, np.intp)
    )
    assert result_document(empty, [])["objects"] == []


def test_written_and_read_again(tmp_path):
    document = result_document(masks_of([ring_logits(3)]), [Prompt(points=[(1, 1)])])
    write_result(tmp_path / "new" / "a.json", document)
    assert read_result(tmp_path / "new" / "a.json") == document


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[]", "has schema None"),
        (b'{"schema": "anymask.segment/2"}', "has schema 'anymask.segment/2' but this version"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, content, told):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=told):
        read_result(path)
    with pytest.raises(FileFormatError, match="no result file"):
        read_result(tmp_path / "b.json")


def test_whole_numbers_are_written_without_a_point():
    assert json.dumps(numbers(np.array([[1.0, 2.0]]))) == "[[1, 2]]"
    assert json.dumps(numbers(np.array([[1.0, 2.5]]))) == "[[1.0, 2.5]]"
    assert numbers(np.zeros((0, 2))) == []


def test_file_names_that_are_no_text_can_be_written():
    assert json_text("caf\udce9").encode() == "caf\N{REPLACEMENT CHARACTER}".encode()
