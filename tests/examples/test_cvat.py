from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from anymask.geometry.contours import Polygon, rasterise
from anymask.types.prompt import Prompt
from conftest import REPOSITORY
from examples.conftest import as_png

MANIFEST = REPOSITORY / "examples/cvat/function.yaml"


@dataclass
class Logger:
    lines: list[str] = field(default_factory=list)

    def info(self, line: str) -> None:
        self.lines.append(line)

    warn = info


def context_with(interactor: Any) -> SimpleNamespace:
    """What nuclio hands to a handler."""
    return SimpleNamespace(
        logger=Logger(),
        user_data=SimpleNamespace(interactor=interactor),
        Response=SimpleNamespace,
    )


@pytest.fixture
def context(cvat: ModuleType, tiny):
    return context_with(cvat.Interactor(tiny))


@pytest.fixture
def request_body(png: bytes) -> dict[str, Any]:
    """As CVAT's server sends it when a person clicked and drew no box."""
    image = base64.b64encode(png).decode()
    return {"image": image, "pos_points": [[40.5, 20]], "neg_points": [], "obj_bbox": []}


def call(cvat: ModuleType, context: Any, body: Any) -> tuple[int, dict[str, Any]]:
    response = cvat.handler(context, SimpleNamespace(body=body))
    assert response.content_type == "application/json"
    return response.status_code, json.loads(response.body)


def refusal(cvat: ModuleType, context: Any, body: Any) -> str:
    status, answer = call(cvat, context, body)
    assert status == 400
    message = answer["error"]["message"]
    assert "\n" not in message
    assert context.logger.lines[-1] == f"refused: {message}"
    return message


def test_the_mask_comes_as_rows_of_0_and_1_at_the_frames_size(cvat, context, request_body):
    status, answer = call(cvat, context, request_body)
    assert status == 200
    assert set(answer) == {"mask", "points"}
    assert [len(answer["mask"]), {len(row) for row in answer["mask"]}] == [60, {90}]
    assert {type(value) for row in answer["mask"] for value in row} == {int}
    assert {value for row in answer["mask"] for value in row} <= {0, 1}


def test_the_mask_is_that_of_the_model(cvat, context, request_body, tiny, picture):
    request_body |= {"neg_points": [[5, 50]], "obj_bbox": [[10, 8], [80, 55]]}
    _, answer = call(cvat, context, request_body)
    prompt = Prompt(points=[(40.5, 20), (5, 50)], labels=[1, 0], box=(10, 8, 80, 55))
    assert np.array_equal(answer["mask"], tiny.segment(picture, prompt).array[0])


@pytest.mark.parametrize(
    "box",
    [
        [[10, 8], [80, 55]],
        [[80, 55], [10, 8]],
        [[10, 55], [80, 8]],
        [10, 8, 80, 55],
    ],
    ids=["two corners", "backwards", "the other diagonal", "four numbers"],
)
def test_every_way_to_send_a_box_means_the_same(cvat, context, request_body, tiny, picture, box):
    _, answer = call(cvat, context, request_body | {"pos_points": [], "obj_bbox": box})
    expected = tiny.segment(picture, Prompt(box=(10, 8, 80, 55))).array[0]
    assert np.array_equal(answer["mask"], expected)


@pytest.mark.parametrize("absent", [{"obj_bbox": None}, {"neg_points": None}, {"obj_bbox": []}])
def test_what_was_not_drawn_may_be_empty_or_null(cvat, context, request_body, absent):
    _, expected = call(cvat, context, request_body)
    assert call(cvat, context, request_body | absent) == (200, expected)


@pytest.mark.parametrize("form", [json.dumps, lambda body: json.dumps(body).encode()])
def test_a_body_that_nuclio_did_not_read_is_read(cvat, context, request_body, form):
    assert call(cvat, context, form(request_body)) == call(cvat, context, request_body)


def test_base64_with_line_breaks_or_a_data_url_is_read(cvat, context, request_body, png):
    expected = call(cvat, context, request_body)
    broken = base64.encodebytes(png).decode()
    assert call(cvat, context, request_body | {"image": broken}) == expected
    url = f"data:image/png;base64,{request_body['image']}"
    assert call(cvat, context, request_body | {"image": url}) == expected


def test_an_image_survives_the_way_through_base64(cvat, png):
    body = {"image": base64.b64encode(png).decode(), "pos_points": [[1, 1]]}
    assert cvat.Interaction.parse(body).image == png


def test_a_cropped_mask_has_the_size_of_its_bounds(cvat, context, request_body, tiny):
    _, full = call(cvat, context, request_body)
    _, cropped = call(cvat, context_with(cvat.Interactor(tiny, crop=True)), request_body)
    left, top, right, bottom = cropped["bounds"]
    mask = np.zeros((60, 90), np.uint8)
    mask[top : bottom + 1, left : right + 1] = cropped["mask"]
    assert np.array_equal(mask, full["mask"])
    assert cropped["points"] == full["points"]


def test_the_points_go_round_the_largest_part(cvat):
    mask = np.zeros((30, 40), np.bool_)
    mask[2:5, 2:5] = mask[10:25, 12:34] = True
    outline = Polygon(np.array(cvat._outline(mask)))
    mask[2:5, 2:5] = False
    assert np.array_equal(rasterise([outline], mask.shape), mask)


def test_an_empty_mask_has_no_points(cvat):
    empty = np.zeros((3, 4), np.bool_)
    assert cvat._full_reply(empty) == {"mask": [[0] * 4] * 3, "points": []}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": None}, "image is missing"),
        ({"image": "###"}, "image is not base64"),
        ({"image": base64.b64encode(b"no picture").decode()}, "image cannot be read"),
        ({"pos_points": "40,20"}, "pos_points is text; give a list of [x, y]"),
        ({"pos_points": [[1, 2], [3]]}, "pos_points[1] is [3]; give [x, y]"),
        ({"pos_points": [40, 20]}, "pos_points[0] is 40; give [x, y]"),
        ({"neg_points": [["1", "2"]]}, 'neg_points[0] is ["1", "2"]; give [x, y]'),
        ({"neg_points": [[1, True]]}, "neg_points[0] is [1, true]"),
        ({"pos_points": [[1, float("nan")]]}, "pos_points[0] is [1, NaN]"),
        ({"pos_points": [[91, 5]]}, "pos_points[0] = [91, 5] lies outside the image, which is 90"),
        ({"neg_points": [[5, -1]]}, "neg_points[0] = [5, -1] lies outside the image"),
        ({"obj_bbox": [1, 2, 3]}, "obj_bbox is [1, 2, 3]; give two corners"),
        ({"obj_bbox": [[1, 2], [3, 4], [5, 6]]}, "obj_bbox is [[1, 2], [3, 4], [5, 6]]"),
        ({"obj_bbox": [[100, 2], [130, 4]]}, "obj_bbox = [[100, 2], [130, 4]] lies outside"),
        ({"pos_points": []}, "pos_points, neg_points and obj_bbox are all empty"),
    ],
)
def test_a_wrong_argument_is_named(cvat, context, request_body, change, message):
    assert refusal(cvat, context, request_body | change).startswith(message)


@pytest.mark.parametrize("body", [b"{", "[]", None, 7, [1]])
def test_a_body_that_is_no_object_is_refused(cvat, context, body):
    assert "the body is" in refusal(cvat, context, body)


def test_too_many_pixels_are_refused_before_they_are_decoded(
    cvat, context, request_body, monkeypatch
):
    monkeypatch.setattr(cvat, "MOST_PIXELS", 60 * 90 - 1)
    assert refusal(cvat, context, request_body).startswith("image cannot be read")


def test_a_frame_is_encoded_once_for_all_its_clicks(cvat, context, request_body, tiny, monkeypatch):
    encoded: list[int] = []
    encode = tiny.backend.encode
    monkeypatch.setattr(tiny.backend, "encode", lambda image: encoded.append(1) or encode(image))
    for x in (10, 20, 30):
        call(cvat, context, request_body | {"pos_points": [[x, 20]]})
    assert len(encoded) == 1


def test_only_the_last_frames_are_kept(cvat, tiny):
    interactor = cvat.Interactor(tiny)
    for shade in range(cvat.FRAMES_KEPT + 3):
        image = as_png(np.full((8, 8, 3), shade, np.uint8))
        interactor.answer(cvat.Interaction(image, np.array([[4.0, 4.0]]), np.zeros((0, 2)), None))
    assert len(interactor._frames) == cvat.FRAMES_KEPT


def test_the_manifest_names_the_handler_and_what_cvat_must_know(cvat):
    text = MANIFEST.read_text(encoding="utf-8")
    module, name = re.search(r"handler: (\w+):(\w+)", text).groups()
    assert (module, callable(getattr(cvat, name))) == ("main", True)
    yaml = pytest.importorskip("yaml")
    manifest = yaml.safe_load(text)
    annotations = manifest["metadata"]["annotations"]
    assert annotations["type"] == "interactor"
    assert annotations["version"] >= 2
    assert annotations["startswith_box_optional"] is True
    variables = {entry["name"] for entry in manifest["spec"]["env"]}
    assert {cvat.MODEL_VARIABLE, cvat.CROP_VARIABLE} <= variables


@pytest.mark.weights
def test_the_default_model_answers_as_in_python(cvat, default_weights, coffee, monkeypatch):
    from anymask import load_model

    monkeypatch.delenv(cvat.MODEL_VARIABLE, raising=False)
    context = context_with(None)
    cvat.init_context(context)
    image = base64.b64encode(as_png(coffee)).decode()
    body = {"image": image, "pos_points": [[300, 190]], "neg_points": [[80, 40]], "obj_bbox": None}
    status, answer = call(cvat, context, body)
    prompt = Prompt(points=[(300, 190), (80, 40)], labels=[1, 0])
    expected = load_model("vit_t", offline=True).segment(coffee, prompt).array[0]
    assert status == 200
    assert expected.any()
    assert np.array_equal(answer["mask"], expected)
