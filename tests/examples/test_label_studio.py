from __future__ import annotations

import base64
import copy
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anymask_ml_backend.app import create_app
from anymask_ml_backend.context import Drawing
from anymask_ml_backend.encoded import EncodedPictures
from anymask_ml_backend.errors import RequestError
from anymask_ml_backend.interface import Interface
from anymask_ml_backend.pictures import locate
from anymask_ml_backend.regions import Region, regions
from anymask_ml_backend.settings import Settings
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from anymask.formats.labelstudio import decode_brush, pixel_points
from anymask.geometry.contours import Polygon, rasterise
from anymask.types.prompt import Prompt
from conftest import REPOSITORY
from examples.conftest import as_png

INTERFACE = """
<View>
  <!-- as Label Studio's template for Segment Anything has it -->
  <Style>.main { color: red }</Style>
  <Image name="image" value="$picture" zoom="true"/>
  <BrushLabels name="masks" toName="image"><Label value="Cat"/><Label value="Dog"/></BrushLabels>
  <PolygonLabels name="outlines" toName="image">
    <Label value="Cat"/><Label value="Dog"/>
  </PolygonLabels>
  <KeyPointLabels name="clicks" toName="image" smart="true"><Label value="Cat"/></KeyPointLabels>
  <RectangleLabels name="boxes" toName="image" smart="true"><Label value="Cat"/></RectangleLabels>
</View>
"""
KEYPOINT = {
    "original_width": 90,
    "original_height": 60,
    "image_rotation": 0,
    "value": {"x": 45.0, "y": 35.0, "width": 0.6, "keypointlabels": ["Cat"]},
    "is_positive": True,
    "id": "fBWv1t0S2L",
    "from_name": "clicks",
    "to_name": "image",
    "type": "keypointlabels",
    "origin": "manual",
}
RECTANGLE = {
    "original_width": 90,
    "original_height": 60,
    "image_rotation": 0,
    "value": {
        "x": 10.0,
        "y": 20.0,
        "width": 50.0,
        "height": 60.0,
        "rotation": 0,
        "rectanglelabels": ["Cat"],
    },
    "id": "k2Jd8Wq0aa",
    "from_name": "boxes",
    "to_name": "image",
    "type": "rectanglelabels",
    "origin": "manual",
}
# what the page needs to show a region; names and kinds as Label Studio's own exports have them
REGION_KEYS = {
    "id": str,
    "from_name": str,
    "to_name": str,
    "type": str,
    "original_width": int,
    "original_height": int,
    "image_rotation": int,
    "value": dict,
    "score": float,
    "readonly": bool,
    "origin": str,
}


def data_url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def predict_request(source: str, *drawn: dict[str, Any]) -> dict[str, Any]:
    """As Label Studio's server sends it."""
    return {
        "tasks": [{"id": 7, "data": {"picture": source}, "annotations": [], "predictions": []}],
        "model_version": None,
        "project": "3.1700000000",
        "label_config": INTERFACE,
        "params": {"login": None, "password": None, "context": {"result": list(drawn)}},
    }


def client_of(model: Any, **settings: Any) -> TestClient:
    return TestClient(create_app(model, Settings(**settings)))


@pytest.fixture
def client(tiny) -> TestClient:
    return client_of(tiny)


@pytest.fixture
def source(png: bytes) -> str:
    return data_url(png)


def result_of(client: TestClient, request: dict[str, Any]) -> list[dict[str, Any]]:
    response = client.post("/predict", json=request)
    assert response.status_code == 200, response.text
    (prediction,) = response.json()["results"]
    return prediction["result"]


def brush_mask(region: dict[str, Any]) -> np.ndarray:
    size_hw = region["original_height"], region["original_width"]
    return decode_brush(region["value"]["rle"], size_hw)


def refusal(client: TestClient, request: dict[str, Any], status: int = 400) -> str:
    response = client.post("/predict", json=request)
    assert response.status_code == status, response.text
    message = response.json()["error"]["message"]
    assert "\n" not in message
    return message


def changed(region: dict[str, Any], **change: Any) -> dict[str, Any]:
    region = copy.deepcopy(region)
    region["value"] |= change.pop("value", {})
    return region | change


def test_a_click_gives_a_region_that_the_page_can_show(client, source, tiny):
    response = client.post("/predict", json=predict_request(source, KEYPOINT)).json()
    assert response["model_version"] == tiny.model_id
    (prediction,) = response["results"]
    assert set(prediction) == {"model_version", "score", "result"}
    (region,) = prediction["result"]
    assert {name: type(value) for name, value in region.items()} == REGION_KEYS
    assert region["id"]
    assert region["value"]["format"] == "rle"
    assert region["value"]["brushlabels"] == ["Cat"]
    told = ("from_name", "to_name", "type", "original_width", "original_height", "image_rotation")
    assert [region[name] for name in told] == ["masks", "image", "brushlabels", 90, 60, 0]
    assert 0 <= region["score"] <= 1


def test_the_mask_is_that_of_the_model(client, source, tiny, picture):
    negative = changed(KEYPOINT, value={"x": 5.0, "y": 90.0}, is_positive=False)
    (region,) = result_of(client, predict_request(source, KEYPOINT, negative, RECTANGLE))
    prompt = Prompt(points=[(40.5, 21), (4.5, 54)], labels=[1, 0], box=(9, 12, 54, 48))
    assert np.array_equal(brush_mask(region), tiny.segment(picture, prompt).array[0])


def test_the_context_may_stand_beside_the_tasks(client, source):
    request = predict_request(source, KEYPOINT)
    beside = {**request, "context": request["params"]["context"], "params": {}}
    masks = [brush_mask(result_of(client, one)[0]) for one in (request, beside)]
    assert np.array_equal(*masks)


def test_each_answer_has_ids_of_its_own(client, source):
    request = predict_request(source, KEYPOINT)
    assert result_of(client, request)[0]["id"] != result_of(client, request)[0]["id"]


def test_polygons_are_in_per_cent_and_cover_the_mask(tiny, source, picture):
    both = client_of(tiny, output="both", tolerance_px=0.0)
    brush, *outlines = result_of(both, predict_request(source, RECTANGLE))
    assert outlines
    rings = []
    for region in outlines:
        assert (region["type"], region["from_name"]) == ("polygonlabels", "outlines")
        assert region["value"]["closed"] is True
        assert region["value"]["polygonlabels"] == ["Cat"]
        points = np.array(region["value"]["points"])
        assert (points >= 0).all()
        assert (points <= 100).all()
        rings.append(Polygon(pixel_points(points, (60, 90))))
    filled = rasterise(rings, (60, 90))
    assert not (brush_mask(brush) & ~filled).any()


def test_a_polygon_that_fills_a_hole_says_so():
    interface = Interface.parse(INTERFACE)
    (control,) = interface.chosen("polygon")
    ring = np.zeros((20, 30), np.bool_)
    ring[2:18, 2:28] = True
    options = {"image": "image", "label": "Cat", "score": 0.9, "tolerance_px": 0.0}
    (whole,) = regions(ring, control, **options)
    ring[8:12, 8:20] = False
    (holed,) = regions(ring, control, **options)
    assert whole.meta is None
    assert "cannot carry holes" in holed.meta["text"][0]


@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=30)), st.floats(-1, 2))
def test_every_mask_makes_valid_regions(mask, score):
    interface = Interface.parse(INTERFACE)
    options = {"image": "image", "label": "Dog", "score": score, "tolerance_px": 1.0}
    for control in interface.chosen("both"):
        for region in regions(mask, control, **options):
            assert Region.model_validate(region.model_dump()) == region
            if control.kind == "brushlabels":
                assert np.array_equal(brush_mask(region.model_dump()), mask)


def test_an_empty_mask_has_no_regions():
    options = {"image": "image", "label": "Cat", "score": 0.1, "tolerance_px": 1.0}
    for control in Interface.parse(INTERFACE).chosen("both"):
        assert regions(np.zeros((4, 6), np.bool_), control, **options) == []


def test_nothing_drawn_gives_no_prediction(client, source):
    request = predict_request(source)
    for context in ({"result": []}, {}, None):
        request["params"]["context"] = context
        response = client.post("/predict", json=request)
        assert (response.status_code, response.json()["results"]) == (200, [])


def test_a_turned_rectangle_asks_with_the_box_around_it():
    drawing = Drawing.parse({"result": [changed(RECTANGLE, value={"rotation": 90})]})
    assert drawing.prompt((60, 90)).box_xyxy == pytest.approx([0, 12, 9, 57])


def test_strokes_beyond_the_border_stop_at_it():
    drawing = Drawing.parse(
        {"result": [changed(RECTANGLE, value={"x": -5.0}), changed(KEYPOINT, value={"y": 104.0})]}
    )
    prompt = drawing.prompt((60, 90))
    assert prompt.box_xyxy[0] == 0
    assert prompt.points_xy.tolist() == [[40.5, 60]]


@pytest.mark.parametrize(
    ("drawn", "message"),
    [
        ([changed(KEYPOINT, type="ellipselabels")], "context.result[0] has type 'ellipselabels'"),
        ([RECTANGLE, RECTANGLE], "context.result has several rectangles"),
        ([changed(KEYPOINT, image_rotation=90)], "context.result[0] has image_rotation 90"),
        ([changed(KEYPOINT, value={"x": "5"})], "context.result[0].value.x is '5'"),
        ([changed(RECTANGLE, value={"height": None})], "context.result[0].value.height is None"),
        ([changed(KEYPOINT, original_width=60)], "context.result[0] has original_width"),
        (["text"], "context.result[0] must be a region"),
        ([changed(KEYPOINT, value={"keypointlabels": ["Cow"]})], "label 'Cow' is none of tag"),
    ],
)
def test_a_wrong_drawing_is_named(client, source, drawn, message):
    assert refusal(client, predict_request(source, *drawn)).startswith(message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tasks": []}, "tasks must be a list of the one task"),
        ({"tasks": [{"id": 1}]}, "tasks[0] has no data"),
        ({"tasks": [{"data": {"picture": 5}}]}, "the task's picture is 5"),
        ({"label_config": None}, "label_config is missing"),
        ({"label_config": "<View>"}, "label_config is not good XML"),
        (
            {"label_config": "<!DOCTYPE x><View/>"},
            "label_config is too long or has a document type",
        ),
        ({"label_config": "<View/>"}, "label_config must have an <Image"),
    ],
)
def test_a_wrong_request_is_named(client, source, change, message):
    assert refusal(client, predict_request(source, KEYPOINT) | change).startswith(message)


@pytest.mark.parametrize("content", [b"{", b"[]", b""])
def test_a_body_that_is_no_object_is_refused(client, content):
    headers = {"Content-Type": "application/json"}
    response = client.post("/predict", content=content, headers=headers)
    assert response.status_code == 400
    assert "JSON" in response.json()["error"]["message"]


def test_another_sites_page_cannot_send_its_plain_text(client):
    response = client.post("/predict", content=b"{}", headers={"Content-Type": "text/plain"})
    assert response.status_code == 415


def test_too_large_a_request_is_refused(tiny, source):
    small = client_of(tiny, most_bytes=2000)
    padded = predict_request(source, KEYPOINT) | {"padding": "x" * 2000}
    assert "2000 bytes" in refusal(small, padded, status=413)


def test_the_interface_tells_which_tags_to_answer_for():
    interface = Interface.parse(INTERFACE)
    assert (interface.image, interface.key) == ("image", "picture")
    assert [control.name for control in interface.chosen("auto")] == ["masks"]
    assert [control.name for control in interface.chosen("polygon")] == ["outlines"]
    assert [control.name for control in interface.chosen("both")] == ["masks", "outlines"]


def test_tags_of_another_picture_are_not_taken():
    interface = Interface.parse(
        '<View><Image name="a" value="$a"/><Image name="b" value="$b"/>'
        '<BrushLabels name="m" toName="b"><Label value="Cat" alias="c"/></BrushLabels></View>'
    )
    assert (interface.image, interface.key) == ("b", "b")
    assert interface.controls[0].labels == {"Cat", "c"}
    with pytest.raises(RequestError, match="set to answer with polygon"):
        interface.chosen("polygon")


def test_health_setup_versions_and_training_are_answered(client, tiny):
    assert client.get("/health").json()["status"] == "UP"
    assert client.get("/").status_code == 200
    assert client.get("/versions").json() == {"versions": [tiny.model_id]}
    setup = {"project": "3.17", "schema": INTERFACE, "hostname": "http://x", "access_token": "t"}
    assert client.post("/setup", json=setup).json() == {"model_version": tiny.model_id}
    event = {"action": "START_TRAINING", "project": {"id": 3}}
    for path in ("/webhook", "/train"):
        answer = client.post(path, json=event)
        assert (answer.status_code, answer.json()["status"]) == (200, "skipped")


def test_setup_refuses_an_interface_without_the_tags(client):
    config = '<View><Image name="image" value="$image"/></View>'
    response = client.post("/setup", json={"project": "3.17", "schema": config})
    assert response.status_code == 400
    assert "<BrushLabels>" in response.json()["error"]["message"]


def test_user_and_password_are_asked_for(tiny, source):
    closed = client_of(tiny, user="ls", password="secret")
    assert closed.get("/health").status_code == 200
    request = predict_request(source, KEYPOINT)
    assert closed.post("/predict", json=request).status_code == 401
    assert closed.post("/predict", json=request, auth=("ls", "wrong")).status_code == 401
    assert closed.post("/predict", json=request, auth=("ls", "secret")).status_code == 200


# pictures


class _LabelStudio(BaseHTTPRequestHandler):
    """Serves one picture to who brings the token, and sends some on to elsewhere."""

    picture = b""
    token = "Token abc"
    seen: list[str]

    def do_GET(self) -> None:
        type(self).seen.append(self.path)
        if self.path == "/elsewhere":
            self._answer(302, b"", Location="http://127.0.0.2:9/secret.png")
        elif self.path == "/here":
            self._answer(302, b"", Location="/data/upload/3/a.png")
        elif self.headers.get("Authorization") != self.token:
            self._answer(401, b"")
        else:
            self._answer(200, self.picture)

    def _answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None:
        """Quiet."""


@pytest.fixture
def label_studio(png: bytes) -> Iterator[tuple[str, list[str]]]:
    handler = type("Handler", (_LabelStudio,), {"picture": png, "seen": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", handler.seen
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["/data/upload/3/a.png", "/here"])
def test_a_picture_comes_from_label_studio_with_its_token(label_studio, png, path):
    host, _ = label_studio
    settings = Settings(host=host, token="abc")
    assert locate(path, settings).read() == png
    assert locate(host + path, settings).read() == png


def test_a_second_click_does_not_fetch_again(label_studio, tiny):
    host, seen = label_studio
    client = client_of(tiny, host=host, token="abc")
    for _ in range(2):
        result_of(client, predict_request("/data/upload/3/a.png", KEYPOINT))
    assert seen == ["/data/upload/3/a.png"]


def test_a_wrong_token_is_told(label_studio, tiny):
    host, _ = label_studio
    client = client_of(tiny, host=host, token="wrong")
    message = refusal(client, predict_request("/data/upload/3/a.png", KEYPOINT), status=502)
    assert "answered 401; is LABEL_STUDIO_API_KEY right?" in message


def test_a_host_that_does_not_answer_is_told(tiny):
    client = client_of(tiny, host="http://127.0.0.1:9", token="abc")
    message = refusal(client, predict_request("/data/upload/3/a.png", KEYPOINT), status=502)
    assert "cannot be fetched" in message


@pytest.mark.parametrize(
    "source",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1:1/data/upload/3/a.png",
        "//evil.example/a.png",
        "https://127.0.0.1/a.png",
        "http://127.0.0.1@evil.example/a.png",
        "file:///etc/passwd",
        "ftp://127.0.0.1/a.png",
        "s3://bucket/a.png",
        "http://[",
        "http://127.0.0.1:port/a.png",
    ],
)
def test_nothing_is_fetched_from_elsewhere(label_studio, source):
    host, seen = label_studio
    with pytest.raises(RequestError, match=r"fetches only from|is no address"):
        locate(source, Settings(host=host, token="abc"))
    assert seen == []


def test_the_token_is_not_sent_on_to_another_host(label_studio):
    host, seen = label_studio
    with pytest.raises(RequestError, match="another host"):
        locate("/elsewhere", Settings(host=host, token="abc")).read()
    assert seen == ["/elsewhere"]


def test_without_a_host_nothing_is_fetched():
    with pytest.raises(RequestError, match="set LABEL_STUDIO_URL"):
        locate("http://localhost/a.png", Settings())


def test_a_picture_below_the_folder_is_read(tmp_path: Path, png: bytes):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a b.png").write_bytes(png)
    settings = Settings(folder=tmp_path.resolve())
    for source in (
        "sub/a b.png",
        str(tmp_path / "sub/a b.png"),
        "/data/local-files/?d=sub/a%20b.png",
    ):
        assert locate(source, settings).read() == png


@pytest.mark.parametrize(
    "source", ["../secret.png", "/etc/passwd", "sub/../../secret.png", "link.png"]
)
def test_nothing_is_read_outside_the_folder(tmp_path: Path, png: bytes, source):
    (tmp_path / "secret.png").write_bytes(png)
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(RequestError, match=r"no picture .* in the folder"):
        locate(source, Settings(folder=folder.resolve()))


def test_a_picture_that_changed_is_another_one(tmp_path: Path, png: bytes):
    path = tmp_path / "a.png"
    path.write_bytes(png)
    settings = Settings(folder=tmp_path.resolve())
    before = locate("a.png", settings).key
    path.write_bytes(png + b"more")
    assert locate("a.png", settings).key != before


def test_sizes_are_limited(tmp_path: Path, png: bytes, label_studio, tiny):
    (tmp_path / "a.png").write_bytes(png)
    host, _ = label_studio
    settings = Settings(host=host, token="abc", folder=tmp_path.resolve(), most_bytes=len(png) - 1)
    for source in ("a.png", "/data/upload/3/a.png", data_url(png)):
        with pytest.raises(RequestError, match="more than") as caught:
            locate(source, settings).read()
        assert caught.value.status == 413
    few = client_of(tiny, most_pixels=60 * 90 - 1)
    assert "cannot be read" in refusal(few, predict_request(data_url(png), KEYPOINT))


@pytest.mark.parametrize("url", ["data:image/png,abc", "data:image/png;base64,###"])
def test_a_wrong_data_url_is_named(client, url):
    assert "data URL" in refusal(client, predict_request(url, KEYPOINT))


def test_a_picture_that_is_none_is_named(client):
    message = refusal(client, predict_request(data_url(b"no picture"), KEYPOINT))
    assert message.startswith("the task's picture cannot be read")


def test_only_the_last_pictures_are_kept(tiny):
    kept = EncodedPictures(2)
    pixels = {name: np.full((8, 8, 3), value, np.uint8) for value, name in enumerate("abc")}
    calls: list[str] = []

    def ask(name: str) -> None:
        kept.get(name, lambda: calls.append(name) or pixels[name], tiny.encode)

    for name in "abacab":
        ask(name)
    assert len(kept) == 2
    assert calls == ["a", "b", "c", "b"]


def test_threads_encode_a_picture_once(tiny, picture):
    kept = EncodedPictures(2)
    barrier = threading.Barrier(4)
    encoded: list[int] = []

    def encode(pixels: np.ndarray) -> Any:
        encoded.append(1)
        return tiny.encode(pixels)

    def read() -> np.ndarray:
        barrier.wait()
        return picture

    threads = [threading.Thread(target=kept.get, args=("a", read, encode)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(encoded) == 1


def test_settings_come_from_the_environment(tmp_path: Path):
    settings = Settings.from_environment(
        {
            "LABEL_STUDIO_URL": "http://localhost:8080/",
            "LABEL_STUDIO_API_KEY": "abc",
            "LABEL_STUDIO_FOLDER": str(tmp_path),
            "ANYMASK_OUTPUT": "both",
        }
    )
    assert (settings.host, settings.output) == ("http://localhost:8080", "both")
    for wrong in (
        {"ANYMASK_OUTPUT": "png"},
        {"LABEL_STUDIO_URL": "localhost"},
        {"BASIC_AUTH_USER": "a"},
    ):
        with pytest.raises(ValueError, match="give"):
            Settings.from_environment(wrong)


def test_the_interface_in_the_readme_is_good():
    text = (REPOSITORY / "examples/label_studio/README.md").read_text(encoding="utf-8")
    config = text.split("```xml\n")[1].split("```")[0]
    interface = Interface.parse(config)
    assert interface.chosen("auto")[0].kind == "brushlabels"


@pytest.mark.weights
def test_the_default_model_answers_as_in_python(default_weights, coffee):
    from anymask import load_model

    model = load_model("vit_t", offline=True)
    size = {"original_width": 600, "original_height": 400}
    click = changed(KEYPOINT, value={"x": 50.0, "y": 47.5}, **size)
    (region,) = result_of(client_of(model), predict_request(data_url(as_png(coffee)), click))
    expected = model.segment(coffee, Prompt(points=[(300, 190)])).array[0]
    assert expected.any()
    assert np.array_equal(brush_mask(region), expected)
    assert json.dumps(region)
