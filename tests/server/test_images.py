from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from anymask.geometry import rle
from anymask.inference.encoded import image_hash
from anymask.io.images import read_image
from anymask.types.prompt import Prompt
from servers import error_of, picture, until

UNKNOWN = "0" * 64


def parse(content: bytes) -> tuple[dict, np.ndarray]:
    """An embedding file, read as its description says."""
    assert content[:8] == b"ANYMASK1"
    length = int.from_bytes(content[8:12], "little")
    assert (12 + length) % 16 == 0
    header = json.loads(content[12 : 12 + length])
    numbers = np.frombuffer(content[12 + length :], np.dtype(header["dtype"]).newbyteorder("<"))
    return header, numbers.reshape(header["shape"])


def test_a_picture_is_named_by_its_pixels(shared):
    answer = shared.client.post("/api/images", content=picture(size=(60, 40)))
    assert answer.status_code == 201
    uploaded = answer.json()
    assert uploaded["id"] == image_hash(read_image(picture()))
    assert (uploaded["width"], uploaded["height"]) == (60, 40)
    assert uploaded["state"] in {"queued", "encoding", "ready"}
    bmp = shared.upload(picture(kind="BMP"))
    assert bmp["id"] == uploaded["id"], "the same pixels in another file"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP"])
def test_the_kind_of_file_is_told_by_its_content(shared, kind):
    for media_type in ("text/html", "application/json", "image/x-nonsense"):
        content = picture(size=(33, 21), kind=kind)
        answer = shared.client.post(
            "/api/images", content=content, headers={"Content-Type": media_type}
        )
        assert answer.status_code == 201, answer.text
        assert (answer.json()["width"], answer.json()["height"]) == (33, 21)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_the_embedding_file_holds_what_the_model_makes(shared, dtype):
    content = picture(seed=5, size=(70, 90))
    uploaded = shared.upload(content)
    answer = shared.embedding(uploaded["id"], dtype=dtype)
    assert int(answer.headers["content-length"]) == len(answer.content)
    header, numbers = parse(answer.content)
    expected = shared.studio.model.encode(content)
    assert header == {
        "dtype": dtype,
        "shape": [32, 8, 8],
        "size_hw": [90, 70],
        "canvas_px": 128,
        "pair_id": "pair-1",
        "image": uploaded["id"],
    }
    assert expected.image_sha256 == uploaded["id"]
    assert np.array_equal(numbers, expected.embedding.astype(dtype))


def test_the_embedding_is_half_precision_unless_asked_and_known_by_its_tag(shared):
    image_id = shared.upload(picture())["id"]
    answer = shared.embedding(image_id)
    assert parse(answer.content)[0]["dtype"] == "float16"
    address = f"/api/images/{image_id}/embedding"
    known = {"If-None-Match": answer.headers["etag"]}
    assert shared.client.get(address, headers=known).status_code == 304
    other = shared.client.get(address, params={"dtype": "float32"}, headers=known)
    assert other.status_code == 200


def test_an_upright_picture_is_shown_whatever_the_file(shared):
    buffer, exif = BytesIO(), Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.open(BytesIO(picture(size=(60, 40)))).save(buffer, "TIFF", exif=exif)
    uploaded = shared.upload(buffer.getvalue())
    assert (uploaded["width"], uploaded["height"]) == (40, 60)
    answer = shared.client.get(f"/api/images/{uploaded['id']}/picture")
    assert answer.headers["content-type"] == "image/png"
    shown = np.asarray(Image.open(BytesIO(answer.content)))
    assert np.array_equal(shown, read_image(buffer.getvalue()))
    known = {"If-None-Match": answer.headers["etag"]}
    again = shared.client.get(f"/api/images/{uploaded['id']}/picture", headers=known)
    assert again.status_code == 304


def test_the_queue_is_told(served):
    served.backend.may_encode.clear()
    first = served.upload(picture(1))
    assert served.backend.encoding.wait(10)
    second, third = served.upload(picture(2)), served.upload(picture(3))
    assert [one["state"] for one in (second, third)] == ["queued", "queued"]
    states = [
        served.client.get(f"/api/images/{one['id']}").json() for one in (first, second, third)
    ]
    assert [one["state"] for one in states] == ["encoding", "queued", "queued"]
    assert [one["queue_position"] for one in states] == [0, 0, 1]
    assert states[0]["encode_seconds"] is None
    served.backend.may_encode.set()
    ready = served.wait_for(f"/api/images/{third['id']}", {"ready"})
    assert ready["queue_position"] is None
    assert ready["encode_seconds"] > 0


def test_a_picture_is_encoded_once_however_often_it_is_sent(served):
    ids = {served.upload(picture(7))["id"] for _ in range(5)}
    (image_id,) = ids
    for _ in range(3):
        assert served.embedding(image_id).status_code == 200
    assert served.backend.encoded_count == 1


def test_a_failed_encoding_says_why_and_can_be_tried_again(served):
    served.backend.failure = RuntimeError("out of\nmemory")
    uploaded = served.upload(picture(8))
    failed = served.wait_for(f"/api/images/{uploaded['id']}", {"failed"})
    assert failed["error"] == "out of memory"
    served.backend.failure = None
    served.upload(picture(8))
    assert served.embedding(uploaded["id"]).status_code == 200


def test_an_embedding_that_cannot_be_made_is_an_error(served):
    served.backend.may_encode.clear()
    served.backend.failure = RuntimeError("no memory left on the device")
    image_id = served.upload(picture(9))["id"]
    served.backend.may_encode.set()
    status, code, message = error_of(served.embedding(image_id))
    assert (status, code) == (500, "encoding_failed")
    assert "no memory left on the device" in message


def test_a_deleted_picture_is_forgotten(served):
    image_id = served.upload(picture())["id"]
    assert served.embedding(image_id).status_code == 200
    gone = served.client.delete(f"/api/images/{image_id}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert error_of(served.embedding(image_id))[:2] == (404, "image_unknown")
    assert served.studio.embeddings.get(image_id) is None


def test_a_picture_deleted_while_it_is_encoded_leaves_no_file(served, tmp_path):
    served.backend.may_encode.clear()
    first, second = (served.upload(picture(seed))["id"] for seed in (1, 2))
    assert served.backend.encoding.wait(10)
    for image_id in (first, second):
        assert served.client.delete(f"/api/images/{image_id}").status_code == 204
    served.backend.may_encode.set()
    third = served.upload(picture(3))["id"]
    assert served.embedding(third).status_code == 200
    until(lambda: [path.stem for path in tmp_path.rglob("*.npz")] == [third])


@pytest.mark.parametrize("rest", ["", "/embedding", "/picture"])
def test_an_unknown_picture_is_not_found(shared, rest):
    status, code, message = error_of(shared.client.get(f"/api/images/{UNKNOWN}{rest}"))
    assert (status, code) == (404, "image_unknown")
    assert UNKNOWN in message
    assert "upload it" in message


@pytest.mark.parametrize("name", ["..%2f..%2fetc%2fpasswd", "A" * 64, "0" * 63, "%00", "lock"])
def test_what_is_no_id_is_refused(shared, name):
    for rest in ("", "/embedding", "/picture"):
        status, code, _ = error_of(shared.client.get(f"/api/images/{name}{rest}"))
        assert (status, code) in {(422, "invalid_request"), (404, "not_found")}
    assert error_of(shared.client.delete(f"/api/images/{name}"))[0] in (422, 404, 405)


def test_a_server_that_was_restarted_knows_no_picture_until_it_is_sent_again(serve, tmp_path):
    first = serve(folder=tmp_path)
    image_id = first.upload(picture(3))["id"]
    before = first.embedding(image_id, dtype="float32").content
    second = serve(folder=tmp_path)
    assert error_of(second.embedding(image_id))[:2] == (404, "image_unknown")
    uploaded = second.upload(picture(3))
    assert uploaded == {"id": image_id, "width": 60, "height": 40, "state": "ready"}
    assert second.embedding(image_id, dtype="float32").content == before
    assert second.backend.encoded_count == 0, "it came from the cache folder"


PROMPTS = [
    {"points": [[30, 20]]},
    {"points": [[30, 20], [5, 5]], "labels": [1, 0]},
    {"box": [10, 10, 50, 30]},
    {"box": [10, 10, 50, 30], "points": [[20, 20]]},
]


def test_masks_are_those_of_the_model(shared):
    content = picture(4)
    image_id = shared.upload(content)["id"]
    mask = np.zeros((40, 60), bool)
    mask[10:30, 20:50] = True
    prompts = [*PROMPTS, {"mask": dict(rle.encode(mask))}]
    answer = shared.client.post(f"/api/images/{image_id}/masks", json={"prompts": prompts})
    assert answer.status_code == 200, answer.text
    rows = answer.json()["masks"]
    expected = shared.studio.model.segment(
        content, [*(Prompt(**prompt) for prompt in PROMPTS), Prompt(mask=mask)]
    )
    assert [(row["prompt"], row["candidate"]) for row in rows] == [
        (0, 0), (0, 1), (0, 2), (1, 0), (2, 0), (3, 0), (4, 0)
    ]  # fmt: skip
    for row in rows:
        candidates = expected.candidates(row["prompt"])
        number = row["candidate"]
        assert row["segmentation"] == candidates.rle()[number]
        assert row["area"] == candidates.areas[number]
        assert row["predicted_iou"] == pytest.approx(float(candidates.predicted_iou[number]))
        assert row["stability_score"] == pytest.approx(float(candidates.stability[number]))
        x0, y0, x1, y1 = candidates.boxes_xyxy[number]
        assert row["bbox"] == [x0, y0, max(x1 - x0 - 1, 0), max(y1 - y0 - 1, 0)]


def test_multimask_decides_how_many_candidates_come(shared):
    image_id = shared.upload(picture())["id"]
    address = f"/api/images/{image_id}/masks"
    for multimask, count in ((True, 3), (False, 1)):
        body = {"prompts": [{"points": [[3, 3]]}], "multimask": multimask}
        assert len(shared.client.post(address, json=body).json()["masks"]) == count


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"prompts": []}, "prompts"),
        ({}, "prompts: Field required"),
        ({"prompts": [{}]}, "the prompt is empty"),
        ({"prompts": [{"points": [[1, 2, 3]]}]}, "prompts[0].points[0]"),
        ({"prompts": [{"points": [[1, "a"]]}]}, "prompts[0].points[0][1]"),
        ({"prompts": [{"points": [[1, 1]], "labels": [2]}]}, "prompts[0].labels[0]"),
        ({"prompts": [{"points": [[1, 1]], "labels": [1, 1]}]}, "labels has 2 entries"),
        ({"prompts": [{"points": [[100, 1]]}]}, "points[0] = (100, 1) lies outside"),
        ({"prompts": [{"box": [9, 9, 1, 1]}]}, "x0 <= x1"),
        ({"prompts": [{"box": [9, 9, 1]}]}, "prompts[0].box"),
        ({"prompts": [{"boxes": [9, 9, 19, 19]}]}, "prompts[0].boxes"),
        ({"prompts": [{"points": [[1, 1]]}], "multi_mask": True}, "multi_mask"),
        ({"prompts": [{"mask": {"size": [9, 9], "counts": "1"}}]}, "mask has size [9, 9]"),
        ({"prompts": [{"mask": {"size": [40, 60], "counts": "~"}}]}, "counts"),
        ({"prompts": [{"mask": {"size": [40, 60], "counts": [5]}}]}, "counts add up to 5"),
        ({"prompts": [{"points": [[1, 1]]}] * 300}, "at most 256"),
        ([], "body: Input should be a valid dictionary"),
    ],
)
def test_a_wrong_prompt_is_named(shared, body, named):
    image_id = shared.upload(picture())["id"]
    answer = shared.client.post(f"/api/images/{image_id}/masks", json=body)
    status, _, message = error_of(answer)
    assert status == 422
    assert named in message


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b'{"prompts": [{"points": [[NaN, 1]]}]}', b"[" * 5000]
)
def test_what_is_no_json_is_refused(shared, content):
    image_id = shared.upload(picture())["id"]
    answer = shared.client.post(
        f"/api/images/{image_id}/masks",
        content=content,
        headers={"Content-Type": "application/json"},
    )
    assert error_of(answer)[0] in (400, 422)


def test_who_waits_for_an_embedding_is_told_that_the_server_stops(serve):
    served = serve()
    served.backend.may_encode.clear()
    ids = [served.upload(picture(seed))["id"] for seed in range(2)]
    assert served.backend.encoding.wait(10)
    with ThreadPoolExecutor(2) as clients:
        asked = [clients.submit(served.embedding, one) for one in ids]
        until(lambda: len(served.studio._leaving) == 2)
        served.studio.stop()
        for answer in asked:
            assert error_of(answer.result())[:2] == (503, "stopping")
    assert error_of(served.client.get("/api/about"))[:2] == (503, "stopping")
