from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from anymask.formats.sa1b import sam_record
from anymask.inference.everything.generate import everything
from anymask.inference.everything.presets import preset
from servers import client_for, error_of, picture, until

ALL = {"points_per_side": 6, "pred_iou_thresh": 0, "stability_score_thresh": 0}
UNKNOWN = "0" * 32


def start(served, image_id: str, **settings: Any) -> str:
    answer = served.client.post(f"/api/images/{image_id}/everything", json={**ALL, **settings})
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def events(response: httpx.Response) -> Iterator[tuple[str, Any]]:
    """Name and data of each event, comments as ("", text)."""
    name = ""
    for line in response.iter_lines():
        if line.startswith(":"):
            yield "", line
        elif line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def watch(served, job: str) -> list[tuple[str, Any]]:
    with served.client.stream("GET", f"/api/jobs/{job}/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        return list(events(response))


@pytest.mark.parametrize(
    "settings",
    [{}, {"crop_n_layers": 1}, {"tile_px": 64, "tile_overlap_px": 8}, {"min_mask_region_area": 9}],
)
def test_a_job_finds_what_everything_mode_finds(shared, settings):
    content = picture(size=(90, 70))
    job = start(shared, shared.upload(content)["id"], **settings)
    seen = watch(shared, job)
    assert seen[-1] == ("done", {})
    progress = [data for name, data in seen if name == "progress"]
    assert progress[-1]["done"] == progress[-1]["total"] > 0
    expected = everything(shared.studio.model, content, replace(preset("exact"), **ALL, **settings))
    result = shared.client.get(f"/api/jobs/{job}/result").json()
    assert len(expected) > 0
    assert result["records"] == json.loads(json.dumps([sam_record(one) for one in expected]))


def test_the_state_of_a_job_can_be_asked(shared):
    image_id = shared.upload(picture())["id"]
    job = start(shared, image_id)
    status = shared.wait_for(f"/api/jobs/{job}", {"done"})
    assert status == {
        "id": job, "state": "done", "image": image_id, "done": 36, "total": 36, "error": None
    }  # fmt: skip


def test_a_watcher_that_comes_back_sees_the_rest_and_the_end(served):
    served.backend.may_decode.clear()
    job = start(served, served.upload(picture())["id"])
    assert served.backend.decoding.wait(10)
    with (
        client_for(served.port) as leaving,
        leaving.stream("GET", f"/api/jobs/{job}/events") as response,
    ):
        assert next(events(response))[0] == "progress"
    assert served.client.get(f"/api/jobs/{job}").json()["state"] == "running"
    served.backend.may_decode.set()
    assert watch(served, job)[-1] == ("done", {})
    assert watch(served, job)[-1] == ("done", {}), "also when it is long over"


def test_signs_of_life_come_while_nothing_happens(serve):
    served = serve(heartbeat_seconds=0.05)
    served.backend.may_decode.clear()
    job = start(served, served.upload(picture())["id"])
    assert served.backend.decoding.wait(10)
    with served.client.stream("GET", f"/api/jobs/{job}/events") as response:
        stream = events(response)
        beats = 0
        while beats < 3:
            beats += next(stream)[0] == ""
        served.backend.may_decode.set()
        assert list(stream)[-1] == ("done", {})


def test_a_running_job_is_cancelled_at_its_next_step(served):
    served.backend.may_decode.clear()
    job = start(served, served.upload(picture())["id"], points_per_side=40)
    assert served.backend.decoding.wait(10)
    cancelled = served.client.delete(f"/api/jobs/{job}")
    assert cancelled.status_code == 202
    served.backend.may_decode.set()
    assert watch(served, job)[-1] == ("cancelled", {})
    status = served.client.get(f"/api/jobs/{job}").json()
    assert status["state"] == "cancelled"
    assert status["done"] < status["total"] == 1600
    answer = error_of(served.client.get(f"/api/jobs/{job}/result"))
    assert answer[:2] == (409, "job_not_done")
    assert "is cancelled" in answer[2]


def test_a_waiting_job_is_cancelled_at_once(served):
    served.backend.may_decode.clear()
    image_id = served.upload(picture())["id"]
    first, second = start(served, image_id), start(served, image_id)
    assert served.backend.decoding.wait(10)
    assert served.client.delete(f"/api/jobs/{second}").json()["state"] == "cancelled"
    served.backend.may_decode.set()
    assert served.wait_for(f"/api/jobs/{first}", {"done"})
    assert served.client.delete(f"/api/jobs/{first}").json()["state"] == "done"


def test_a_job_that_fails_says_why(served):
    image_id = served.upload(picture())["id"]
    assert served.embedding(image_id).status_code == 200
    served.backend.failure = RuntimeError("no memory left\non the device")
    job = start(served, image_id)
    assert watch(served, job)[-1] == ("failed", {"error": "no memory left on the device"})
    assert served.client.get(f"/api/jobs/{job}").json()["error"] == "no memory left on the device"
    served.backend.failure = None
    assert watch(served, start(served, image_id))[-1] == ("done", {})


def test_a_job_that_fails_by_a_bug_keeps_its_details_inside(served, caplog):
    image_id = served.upload(picture())["id"]
    assert served.embedding(image_id).status_code == 200
    served.backend.failure = KeyError("secret detail")
    job = start(served, image_id)
    name, data = watch(served, job)[-1]
    assert name == "failed"
    assert "secret" not in data["error"]
    assert "secret detail" in caplog.text


def test_the_number_of_jobs_is_bounded(serve):
    served = serve(jobs=2)
    served.backend.may_decode.clear()
    image_id = served.upload(picture())["id"]
    jobs = [start(served, image_id) for _ in range(2)]
    answer = served.client.post(f"/api/images/{image_id}/everything", json=ALL)
    assert error_of(answer)[:2] == (429, "jobs_full")
    assert int(answer.headers["retry-after"]) > 0
    served.client.delete(f"/api/jobs/{jobs[1]}")
    jobs.append(start(served, image_id))
    served.backend.may_decode.set()
    assert served.wait_for(f"/api/jobs/{jobs[2]}", {"done"})


def test_old_results_make_room_for_new_ones(serve):
    served = serve(result_bytes=1)
    image_id = served.upload(picture())["id"]
    first = start(served, image_id)
    assert watch(served, first)[-1] == ("done", {})
    assert served.client.get(f"/api/jobs/{first}/result").status_code == 200
    second = start(served, image_id)
    assert watch(served, second)[-1] == ("done", {})
    until(lambda: served.client.get(f"/api/jobs/{first}").status_code == 404)
    assert served.client.get(f"/api/jobs/{second}/result").status_code == 200


@pytest.mark.parametrize(
    ("method", "rest"), [("GET", ""), ("DELETE", ""), ("GET", "/events"), ("GET", "/result")]
)
def test_an_unknown_job_is_not_found(shared, method, rest):
    answer = shared.client.request(method, f"/api/jobs/{UNKNOWN}{rest}")
    status, code, message = error_of(answer)
    assert (status, code) == (404, "job_unknown")
    assert UNKNOWN in message
    assert error_of(shared.client.request(method, f"/api/jobs/..%2f{rest}"))[0] in (404, 405, 422)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"preset": "best"}, "preset"),
        ({"points_per_side": 0}, "points_per_side"),
        ({"points_per_side": "many"}, "points_per_side"),
        ({"pred_iou_tresh": 0.5}, "pred_iou_tresh"),
        ({"tile_px": 64, "crop_n_layers": 1}, "tile_px was given with crops"),
        ({"tile_px": 64}, "tile_overlap_px is 128"),
        ({"points_per_side": 512, "crop_n_layers": 2}, "at most 262144"),
        ({"crop_n_layers": 4}, "no room for crops in layer 4"),
    ],
)
def test_wrong_settings_are_named(shared, settings, named):
    image_id = shared.upload(picture())["id"]
    answer = shared.client.post(f"/api/images/{image_id}/everything", json=settings)
    status, _, message = error_of(answer)
    assert status == 422
    assert named in message


def test_a_server_that_ends_cancels_its_jobs_and_tells_who_watches(tmp_path):
    from anymask.inference.segment import Model
    from servers import Gated, running

    backend, seen = Gated(), []
    backend.may_decode.clear()
    model = Model(backend, model_id="tiny@test", architecture="tiny")
    watching = threading.Event()

    def follow(port: int, job: str) -> None:
        with (
            client_for(port) as client,
            client.stream("GET", f"/api/jobs/{job}/events") as response,
        ):
            for event in events(response):
                seen.append(event)
                watching.set()

    with running(model, tmp_path) as (_, port):
        with client_for(port) as client:
            image_id = client.post("/api/images", content=picture()).json()["id"]
            body = {"points_per_side": 40}
            job = client.post(f"/api/images/{image_id}/everything", json=body).json()["id"]
        assert backend.decoding.wait(10)
        thread = threading.Thread(target=follow, args=(port, job))
        thread.start()
        assert watching.wait(10)
        threading.Timer(0.3, backend.open).start()
    thread.join(10)
    assert seen[-1] == ("cancelled", {})
