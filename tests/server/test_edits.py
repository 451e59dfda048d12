from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from anymask.apps.edit.recipe import parse_recipe
from anymask.geometry import rle
from anymask.server import edits
from servers import Served, error_of, picture, until

SIZE_HW = (40, 60)
UNKNOWN = "0" * 64


def disc(size_hw: tuple[int, int] = SIZE_HW) -> np.ndarray:
    rows, columns = np.mgrid[: size_hw[0], : size_hw[1]]
    return (rows - 20) ** 2 + (columns - 30) ** 2 < 100


def recipe(*steps: dict[str, Any], **masks: np.ndarray) -> dict[str, Any]:
    return {
        "schema": "anymask.edit/1",
        "masks": {name: {"mask": rle.encode(mask)} for name, mask in masks.items()},
        "steps": list(steps),
    }


def ask(served: Served, body: Any, content: bytes | None = None) -> httpx.Response:
    image_id = served.upload(content or picture())["id"]
    return served.client.post(f"/api/images/{image_id}/edit", json=body)


def edited(served: Served, body: Any, content: bytes | None = None) -> np.ndarray:
    answer = ask(served, body, content)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    return np.asarray(Image.open(BytesIO(answer.content)))


def photo(astronaut: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(astronaut).save(buffer, "PNG")
    return buffer.getvalue()


def test_without_steps_the_picture_comes_back_as_it_was(shared):
    original = np.asarray(Image.open(BytesIO(picture())))
    assert np.array_equal(edited(shared, recipe()), original)


def test_a_transparent_background_becomes_alpha_and_the_object_stays(shared):
    step = {"step": "background-transparent", "edge": "hard"}
    result = edited(shared, recipe(step, cup=disc()))
    original = np.asarray(Image.open(BytesIO(picture())))
    assert result.shape == (*SIZE_HW, 4)
    assert np.array_equal(result[..., 3], np.where(disc(), 255, 0))
    assert np.array_equal(result[disc()][:, :3], original[disc()])


def test_pixels_outside_the_object_are_identical(shared):
    step = {"step": "recolour", "colour": "#1f5fbf", "edge": "hard"}
    result = edited(shared, recipe(step, cup=disc()))
    original = np.asarray(Image.open(BytesIO(picture())))
    assert np.array_equal(result[~disc()], original[~disc()])
    assert (result[disc()] != original[disc()]).any()


def test_the_answer_is_what_the_recipe_gives_in_python(shared, astronaut):
    face = np.zeros(astronaut.shape[:2], bool)
    face[60:180, 170:270] = True
    body = recipe(
        {"step": "background-blur", "radius": 8},
        {"step": "outline", "on": ["face"], "colour": "yellow"},
        face=face,
    )
    expected = parse_recipe(body).apply(astronaut)
    assert np.array_equal(edited(shared, body, photo(astronaut)), expected)


def test_an_object_is_deleted_and_its_place_filled(shared, astronaut):
    patch = np.zeros(astronaut.shape[:2], bool)
    patch[400:440, 40:80] = True
    body = recipe({"step": "delete", "edge": "hard"}, patch=patch)
    result = edited(shared, body, photo(astronaut))
    around = np.zeros_like(patch)
    around[390:450, 30:90] = True
    assert np.array_equal(result[~around], astronaut[~around])
    assert (result[patch] != astronaut[patch]).any()


def test_who_begins_to_wait_after_the_server_stops_is_told_at_once(served):
    told = []
    served.studio.stop()
    with served.studio.when_stopping(lambda: told.append("stop")):
        assert told == ["stop"]


def test_depth_alpha_and_profile_of_the_file_are_kept(shared):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    buffer, pixels = BytesIO(), np.full((*SIZE_HW, 4), 130, np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG", icc_profile=profile)
    body = recipe({"step": "brightness", "factor": 0.5}, cup=disc())
    answer = Image.open(BytesIO(ask(shared, body, buffer.getvalue()).content))
    assert answer.info["icc_profile"] == profile
    assert (np.asarray(answer)[..., 3] == 130).all()


def test_a_turned_picture_is_edited_upright(shared):
    buffer, exif = BytesIO(), Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.open(BytesIO(picture(size=SIZE_HW))).save(buffer, "TIFF", exif=exif)
    step = {"step": "background-transparent", "edge": "hard"}
    result = edited(shared, recipe(step, cup=disc()), buffer.getvalue())
    assert np.array_equal(result[..., 3] > 0, disc())


def test_every_step_that_reads_a_file_is_refused(shared, tmp_path):
    secret = tmp_path / "secret.png"
    Image.new("RGB", (8, 8), "red").save(secret)
    step = {"step": "background-picture", "picture": str(secret)}
    status, code, message = error_of(ask(shared, recipe(step, cup=disc())))
    assert (status, code) == (422, "step_refused")
    assert "step 0" in message
    assert str(secret) not in message


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "schema"),
        ([], "body"),
        (recipe() | {"schema": "anymask.edit/9"}, "schema"),
        (recipe() | {"step": []}, "step"),
        (recipe({"step": "explode"}), "step 0 has the step 'explode'"),
        (recipe({"step": "blur", "radios": 3}), "radios"),
        (recipe({"step": "blur", "radius": 1e9}), "radius is 1000000000.0; give a number"),
        (recipe({"step": "recolour", "colour": "reddish"}), "colour"),
        (recipe({"step": "blur", "on": ["spoon"]}, cup=disc()), "is on 'spoon'"),
        (recipe({"step": "blur"}), "a step asks for an object"),
        (recipe({"step": "blur"}, cup=disc((41, 60))), "mask has size [41, 60]"),
        (recipe() | {"masks": {"cup": {}}}, "masks.cup.mask"),
        (recipe() | {"masks": {"cup": {"mask": {"size": [40, 60], "counts": "~"}}}}, "counts"),
        (recipe() | {"masks": {"a": {"mask": {"size": [40, 60], "counts": [5]}}}}, "add up to 5"),
        (recipe() | {"steps": ["blur"]}, "steps[0]"),
        (recipe({"step": "delete"}, all=np.ones(SIZE_HW, bool)), "covers the whole picture"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_named(shared, body, named):
    status, _, message = error_of(ask(shared, body))
    assert status == 422
    assert named in message


def test_an_empty_mask_changes_nothing(shared):
    nothing = np.zeros(SIZE_HW, bool)
    original = np.asarray(Image.open(BytesIO(picture())))
    for step in ("delete", "recolour", "pixelate", "outline"):
        assert np.array_equal(edited(shared, recipe({"step": step}, cup=nothing)), original)


def test_steps_masks_and_pixels_are_bounded(serve):
    served = serve(edit_steps=2, edit_mask_pixels=2 * 40 * 60)
    steps = [{"step": "blur"}] * 3
    assert error_of(ask(served, recipe(*steps, cup=disc())))[:2] == (422, "too_many_steps")
    masks = {name: disc() for name in "abc"}
    assert error_of(ask(served, recipe(**masks)))[:2] == (422, "too_many_masks")
    status, code, message = error_of(
        ask(serve(edit_pixels=100), recipe({"step": "blur"}, cup=disc()))
    )
    assert (status, code) == (413, "too_many_pixels")
    assert "60 x 40" in message


def test_a_body_beyond_the_limit_is_refused(serve):
    answer = ask(serve(json_bytes=500), recipe(*[{"step": "blur"}] * 60, cup=disc()))
    assert error_of(answer)[:2] == (413, "too_many_bytes")


def test_a_picture_that_is_not_here_cannot_be_edited(shared):
    answer = shared.client.post(f"/api/images/{UNKNOWN}/edit", json=recipe())
    assert error_of(answer)[:2] == (404, "image_unknown")


@pytest.fixture
def slow_edits(monkeypatch: pytest.MonkeyPatch):
    """Edits wait until they are let go; tells when the first has begun."""
    began, may_go_on = threading.Event(), threading.Event()

    def read(content: bytes) -> Any:
        began.set()
        assert may_go_on.wait(30)
        return original(content)

    original = edits.read_original
    monkeypatch.setattr(edits, "read_original", read)
    yield began, may_go_on
    may_go_on.set()


def test_edits_queue_up_to_a_bound_and_nobody_else_waits_for_them(serve, slow_edits):
    began, may_go_on = slow_edits
    served = serve(edit_queue=2)
    image_id = served.upload(picture())["id"]
    address = f"/api/images/{image_id}"
    body = recipe({"step": "recolour"}, cup=disc())
    with ThreadPoolExecutor(2) as clients:
        running = [
            clients.submit(served.client.post, f"{address}/edit", json=body) for _ in range(2)
        ]
        assert began.wait(10)
        until(lambda: served.studio._editors._places._value == 0)
        busy = served.client.post(f"{address}/edit", json=body)
        assert error_of(busy)[:2] == (429, "busy")
        assert int(busy.headers["retry-after"]) > 0
        prompts = {"prompts": [{"points": [[3, 3]]}]}
        assert served.client.post(f"{address}/masks", json=prompts).status_code == 200
        may_go_on.set()
        assert [one.result().status_code for one in running] == [200, 200]


def test_who_waits_for_an_edit_is_told_that_the_server_stops(served, slow_edits):
    began, may_go_on = slow_edits
    body = recipe({"step": "recolour"}, cup=disc())
    with ThreadPoolExecutor(1) as clients:
        asked = clients.submit(ask, served, body)
        assert began.wait(10)
        served.studio.stop()
        assert error_of(asked.result())[:2] == (503, "stopping")
        may_go_on.set()


def test_an_edit_gives_up_between_steps_when_the_server_stops():
    from anymask.server.errors import ApiError

    body = recipe({"step": "recolour"}, cup=disc())
    with pytest.raises(ApiError) as refusal:
        edits.edited_png(picture(), parse_recipe(body), lambda: True)
    assert refusal.value.status_code == 503
