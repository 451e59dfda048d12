"""Phrases asked of the server."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anymask.errors import MissingExtraError
from anymask.geometry import rle
from anymask.inference.everything.generate import Cancelled
from anymask.inference.segment import Model
from anymask.server.jobs import Job
from anymask.server.words import TextOrder, WordSearch
from anymask.types.records import CompactMask, MaskRecord
from anymask.words.find import TextSettings
from anymask.words.scorer import RegionTextScorer
from scorers import ColourScorer
from servers import Served, client_for, error_of, picture, running

SIZE_HW = (20, 30)


def ask(served: Served, image_id: str, **body: object) -> dict:
    answer = served.client.post(f"/api/images/{image_id}/text", json=body)
    assert answer.status_code == 202, answer.text
    job = answer.json()["id"]
    status = served.wait_for(f"/api/jobs/{job}", {"done", "failed", "cancelled"})
    return status if status["error"] else served.client.get(f"/api/jobs/{job}/result").json()


def test_a_phrase_that_fits_nothing_is_answered_with_nothing(shared: Served) -> None:
    image_id = shared.upload(picture())["id"]
    found = ask(shared, image_id, phrases=[" a  red thing ", "a blue thing"], threshold=1)
    assert found["records"] == []
    assert [one["phrase"] for one in found["phrases"]] == ["a red thing", "a blue thing"]
    assert all(0 <= one["presence"] <= 1 for one in found["phrases"])


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"phrases": []},
        {"phrases": ["  "]},
        {"phrases": [""]},
        {"phrases": ["x" * 201]},
        {"phrases": ["a dog"] * 65},
        {"phrases": "a dog"},
        {"phrases": ["a dog"], "threshold": 2},
        {"phrases": ["a dog"], "most": 0},
        {"phrases": ["a dog"], "negative": [" "]},
        {"phrases": ["a dog"], "thresold": 0.5},
    ],
)
def test_a_malformed_question_is_refused(shared: Served, body: dict) -> None:
    image_id = shared.upload(picture())["id"]
    answer = shared.client.post(f"/api/images/{image_id}/text", json=body)
    assert error_of(answer)[:2] == (422, "invalid_request")


def test_an_unknown_picture_is_told(shared: Served) -> None:
    answer = shared.client.post(f"/api/images/{'0' * 64}/text", json={"phrases": ["a dog"]})
    assert error_of(answer)[:2] == (404, "image_unknown")


def test_without_the_packages_for_words_the_job_says_what_to_install(serve) -> None:
    def missing() -> RegionTextScorer:
        raise MissingExtraError("tokenizers", "text", "for words")

    served = serve(scorer=missing)
    status = ask(served, served.upload(picture())["id"], phrases=["a dog"])
    assert status["state"] == "failed"
    assert "anymask[text]" in status["error"]


def test_regions_of_a_picture_that_is_forgotten_meanwhile_are_not_kept(serve) -> None:
    looked: list[int] = []

    class Forgetting(ColourScorer):
        def embed_regions(self, image_rgb, regions):
            looked.append(len(regions))
            served.client.delete(f"/api/images/{image_id}")
            return super().embed_regions(image_rgb, regions)

    served = serve(scorer=Forgetting)
    for _ in range(2):
        image_id = served.upload(picture())["id"]
        assert ask(served, image_id, phrases=["red"])["records"] == []
    assert len(looked) == 2


def search() -> tuple[WordSearch, list[int], TextOrder]:
    return WordSearch(ColourScorer), [], TextOrder(("red",), TextSettings())


def red_records(asked: list[int]) -> list[MaskRecord]:
    asked.append(1)
    mask = np.zeros(SIZE_HW, bool)
    mask[2:9, 3:12] = True
    return [MaskRecord(CompactMask.from_array(mask), 0.9, 0.9, (5, 5), (0, 0, *SIZE_HW[::-1]))]


def red_pixels() -> np.ndarray:
    return np.full((*SIZE_HW, 3), (250, 2, 2), np.uint8)


def test_a_second_phrase_needs_no_second_search_for_regions() -> None:
    words, asked, order = search()
    for _ in range(2):
        (result,) = words.find("a", order, red_pixels, lambda: red_records(asked), Job("a"))
        assert [one.record.area for one in result.found] == [63]
    assert len(asked) == 1


def test_regions_of_forgotten_and_of_old_pictures_are_not_kept() -> None:
    words, asked, order = search()

    def find(name: str) -> None:
        words.find(name, order, red_pixels, lambda: red_records(asked), Job(name))

    find("a")
    words.forget("a")
    words.forget("never seen")
    find("a")
    assert len(asked) == 2
    for name in "bcde":
        find(name)
    find("a")
    assert len(asked) == 7


def test_a_stopped_job_ends_before_the_regions_are_looked_at() -> None:
    words, asked, order = search()
    job = Job("a")
    job.stop()
    with pytest.raises(Cancelled):
        words.find("a", order, red_pixels, lambda: red_records(asked), job)


@pytest.mark.weights
def test_a_cup_is_found_in_a_real_photo(
    default_model: Model,
    offline_scorer: RegionTextScorer,
    coffee: np.ndarray,
    tmp_path: Path,
) -> None:
    buffer = BytesIO()
    Image.fromarray(coffee).save(buffer, "PNG")
    with (
        running(default_model, tmp_path, scorer=lambda: offline_scorer) as (studio, port),
        client_for(port) as client,
    ):
        served = Served(client, studio, default_model.backend, port)
        image_id = served.upload(buffer.getvalue())["id"]
        found = ask(served, image_id, phrases=["a cup", "a zebra"], most=1)
    (cup,) = found["records"]
    assert cup["label"] == "a cup"
    assert rle.decode(cup["segmentation"])[190, 300]
    presence = {one["phrase"]: one["presence"] for one in found["phrases"]}
    assert cup["score"] == presence["a cup"] > presence["a zebra"]
