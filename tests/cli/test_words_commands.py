"""``anymask text`` and ``anymask detect``, with a scorer that knows colours."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image

from anymask.formats.detections import LabelledBox
from anymask.geometry import rle
from words.conftest import ColourScorer


@pytest.fixture
def colours(monkeypatch):
    """Words without weights: "red", "green", "blue"."""
    monkeypatch.setattr("anymask.words.load.load_scorer", lambda *a, **k: ColourScorer())


@pytest.fixture
def red_picture(tmp_path):
    """Red all over, so that every region is."""
    path = tmp_path / "red.png"
    Image.new("RGB", (120, 80), (250, 5, 5)).save(path)
    return path


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_phrases_find_masks_and_say_what_they_did_not_find(
    run, red_picture, stub, colours, tmp_path
):
    ended = run("text", red_picture, "something red", "blue", "--json")
    assert ended.code == 0, ended.err
    (record,) = ended.json["images"]
    red, blue = record["result"]["phrases"]
    assert red["phrase"] == "something red"
    assert red["found"] >= 1
    assert red["presence"] > 0.9
    assert blue == {"phrase": "blue", "presence": pytest.approx(0, abs=0.05), "found": 0}
    out = tmp_path / "anymask-out"
    assert pixels(out / "red_text.png").shape == (80, 120, 3)
    found = json.loads((out / "red_text.json").read_text())["objects"]
    mask = pixels(out / "red_text_0_mask.png") > 0
    np.testing.assert_array_equal(rle.decode(found[0]["segmentation"]).astype(bool), mask)
    assert {one["label"] for one in found} == {"something red"}


def test_finding_nothing_is_no_error(run, red_picture, stub, colours, tmp_path):
    ended = run("text", red_picture, "blue")
    assert ended.code == 0
    assert "blue: none found" in ended.out
    ended = run("text", red_picture, "red", "--top", "1")
    assert "object 0: red 1.00, " in ended.out or "object 0: red 0.9" in ended.out
    assert (tmp_path / "anymask-out" / "red_text.png").exists()


def test_a_point_lets_words_choose_among_what_lies_there(run, red_picture, stub, colours):
    ended = run("text", red_picture, "red", "--point", "60,40", "--json")
    assert ended.code == 0
    (record,) = ended.json["images"]
    (one,) = record["result"]["objects"]
    x0, y0, x1, y1 = one["box_xyxy"]
    assert x0 < 60 < x1
    assert y0 < 40 < y1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "no picture was named"),
        (("PICTURE",), "no phrase was given"),
        (("PICTURE", " "), "give words"),
        (("nowhere.png", "red"), "does not exist"),
        (("PICTURE", "red", "--save", "film"), "film"),
        (("PICTURE", "red", "--negative", ""), "--negative[0]"),
        (("PICTURE", "red", "--threshold", "2"), "threshold"),
        (("PICTURE", "red", "--point", "900,900"), "outside the image"),
    ],
)
def test_wrong_words_get_one_clear_message(run, red_picture, stub, colours, words, told):
    ended = run("text", *[str(red_picture) if word == "PICTURE" else word for word in words])
    assert ended.code == 2
    assert told in ended.err
    assert ended.err.count("\n") == 1


def test_detections_come_as_coco_yolo_csv_and_a_picture(run, red_picture, stub, colours, tmp_path):
    ended = run("detect", red_picture, "--vocabulary", "green,red", "--format", "coco,yolo,csv,png")
    assert ended.code == 0, ended.err
    out = tmp_path / "anymask-out"
    coco = json.loads((out / "red_detections.json").read_text())
    assert [one["name"] for one in coco["categories"]] == ["green", "red"]
    assert {one["category_id"] for one in coco["annotations"]} == {2}
    x, y, width, height = coco["annotations"][0]["bbox"]
    (first, *_) = (out / "red_detections.txt").read_text().splitlines()
    number, *sides, score = map(float, first.split())
    assert number == 1
    assert 0 < score <= 1
    expected = [(x + width / 2) / 120, (y + height / 2) / 80, width / 120, height / 80]
    assert sides == pytest.approx(expected, abs=1e-5)
    with (out / "red_detections.csv").open() as handle:
        row = next(csv.DictReader(handle))
    assert row["label"] == "red"
    assert [int(row[side]) for side in ("x0", "y0", "x1", "y1")] == [x, y, x + width, y + height]
    assert pixels(out / "red_detections.png").shape == (80, 120, 3)


def test_nothing_fits_is_an_empty_list(run, red_picture, stub, colours, tmp_path):
    ended = run("detect", red_picture, "--vocabulary", "blue", "--format", "coco,csv,png")
    assert ended.code == 0
    coco = json.loads((tmp_path / "anymask-out" / "red_detections.json").read_text())
    assert coco["annotations"] == []


def test_a_detectors_boxes_become_masks_with_its_labels_and_no_scorer(
    run, red_picture, stub, monkeypatch, tmp_path
):
    def never(*args, **options):
        raise AssertionError("a scorer was loaded")

    monkeypatch.setattr("anymask.words.load.load_scorer", never)
    boxes = tmp_path / "boxes.csv"
    boxes.write_text(
        "file,label,score,x0,y0,x1,y1\nred.png,thing,0.7,30,20,90,60\nother.png,x,1,0,0,9,9\n"
    )
    ended = run("detect", red_picture, "--boxes", boxes, "--format", "coco")
    assert ended.code == 0, ended.err
    coco = json.loads((tmp_path / "anymask-out" / "red_detections.json").read_text())
    (one,) = coco["annotations"]
    assert one["score"] == 0.7
    assert coco["categories"][one["category_id"] - 1]["name"] == "thing"


def test_faces_are_found_by_opencv_and_need_no_scorer(run, red_picture, stub, monkeypatch):
    def never(*args, **options):
        raise AssertionError("a scorer was loaded")

    def one_face(image):
        return [LabelledBox((30, 20, 60, 50), "face", 0.8)]

    monkeypatch.setattr("anymask.words.load.load_scorer", never)
    monkeypatch.setattr("anymask.apps.faces.face_finder", lambda model: one_face)
    ended = run("detect", red_picture, "--vocabulary", "face", "--json")
    assert ended.code == 0, ended.err
    (record,) = ended.json["images"]
    (face,) = record["result"]["objects"]
    assert (face["label"], face["score"]) == ("face", 0.8)
    ended = run("detect", red_picture, "--vocabulary", "face", "--threshold", "0.9", "--json")
    assert ended.json["images"][0]["result"]["objects"] == []


def test_faces_stand_beside_what_words_find(run, red_picture, stub, colours, monkeypatch):
    monkeypatch.setattr(
        "anymask.apps.faces.face_finder",
        lambda model: lambda image: [LabelledBox((30, 20, 60, 50), "face", 0.8)],
    )
    ended = run("detect", red_picture, "--vocabulary", "red,face", "--json")
    labels = [one["label"] for one in ended.json["images"][0]["result"]["objects"]]
    assert labels.count("face") == 1
    assert "red" in labels


def test_a_file_that_is_no_detector_of_faces_is_refused(run, red_picture, stub, colours, tmp_path):
    pytest.importorskip("cv2", reason="needs OpenCV")
    ended = run("detect", red_picture, "--face-model", tmp_path / "none.onnx")
    assert ended.code == 1
    assert "no file of YuNet" in ended.err
    assert ended.err.count("\n") == 1


def test_boxes_without_labels_are_named(run, red_picture, stub, colours, tmp_path):
    boxes = tmp_path / "boxes.json"
    boxes.write_text(json.dumps([{"bbox": [30, 20, 60, 40]}]))
    words = ("--boxes", boxes, "--vocabulary", "blue,red", "--format", "csv")
    ended = run("detect", red_picture, *words)
    assert ended.code == 0, ended.err
    assert ",red," in (tmp_path / "anymask-out" / "red_detections.csv").read_text()


@pytest.mark.parametrize("content", ["x,y\n1,2\n", "[1, 2]", '[{"box": 3}]', "\x00\x01"])
def test_a_file_that_holds_no_boxes_is_refused(run, red_picture, stub, colours, tmp_path, content):
    boxes = tmp_path / "boxes.csv"
    boxes.write_text(content)
    ended = run("detect", red_picture, "--boxes", boxes)
    assert ended.code == 2, ended.out
    assert "no list of boxes" in ended.err


def test_a_vocabulary_without_words_is_refused(run, red_picture, stub, colours):
    ended = run("detect", red_picture, "--vocabulary", ",")
    assert ended.code == 2
    assert "has no words" in ended.err


def test_a_picture_is_described_and_questions_answered_with_evidence(
    run, red_picture, stub, colours, tmp_path
):
    words = ("--vocabulary", "red,blue", "--ask", "how many reds?", "--ask", "where is the blue?")
    ended = run("describe", red_picture, *words, "--ask", "why?", "--json")
    assert ended.code == 0, ended.err
    (record,) = ended.json["images"]
    result = record["result"]
    assert "red" in result["title"].lower()
    many, where, why = result["answers"]
    assert many["known"]
    assert many["evidence"] == [one["id"] for one in result["objects"]]
    assert not where["known"]
    assert where["answer"] == "not known: no blue was found"
    assert "not understood" in why["answer"]
    assert result["objects"][0]["colours"] == ["red"]
    assert pixels(tmp_path / "anymask-out" / "red_description.png").shape == (80, 120, 3)
    saved = json.loads((tmp_path / "anymask-out" / "red_description.json").read_text())
    assert saved["answers"] == result["answers"]


def test_a_model_of_yours_has_the_word_and_masks_are_its_evidence(
    run, red_picture, stub, colours, monkeypatch, tmp_path
):
    class Speaks:
        def describe(self, image, wish):
            return "A red field" if "title" in wish else "All of it is red."

        def answer(self, image, question):
            return None if "blue" in question else "one red thing"

    monkeypatch.setattr("anymask.apps.describe.seen.load_vision_language", lambda f: Speaks())
    asked = ("--ask", "how many reds?", "--ask", "where is the blue?")
    ended = run(
        "describe", red_picture, "--vocabulary", "red,blue", "--vlm", tmp_path, *asked, "--json"
    )
    assert ended.code == 0, ended.err
    result = ended.json["images"][0]["result"]
    assert (result["title"], result["title_source"]) == ("A red field", "model")
    assert (result["description"], result["description_source"]) == ("All of it is red.", "model")
    many, where = result["answers"]
    assert (many["answer"], many["source"]) == ("one red thing", "model")
    assert many["evidence"] == [one["id"] for one in result["objects"]]
    assert "red" in many["by_masks"]
    assert (where["source"], where["known"]) == ("masks", False)


def test_a_folder_without_a_vision_language_model_is_refused(run, red_picture, stub, colours):
    ended = run("describe", red_picture, "--vlm", "nowhere")
    assert ended.code == 1
    assert "'nowhere' is no folder" in ended.err


def test_answers_are_printed_with_their_masks(run, red_picture, stub, colours):
    ended = run("describe", red_picture, "--vocabulary", "red", "--ask", "is there a red?")
    assert ended.code == 0
    assert "is there a red? yes, " in ended.out
    assert "[mask" in ended.out


def test_regions_like_the_clicked_one_are_found_in_all_pictures(
    run, red_picture, picture, stub, tmp_path
):
    other = picture("other.png")
    words = ("--point", "60,40", "--least", "-1", "--json")
    ended = run("similar", red_picture, other, *words)
    assert ended.code == 0, ended.err
    first, second = ended.json["images"]
    assert first["result"]["schema"] == second["result"]["schema"] == "anymask.similar/1"
    assert second["result"]["objects"]
    out = tmp_path / "anymask-out"
    assert pixels(out / "red_similar.png").shape == (80, 120, 3)
    assert (out / "other_similar.json").exists()


def test_without_a_prompt_there_is_nothing_to_compare(run, red_picture, stub):
    ended = run("similar", red_picture)
    assert ended.code == 2
    assert "--point" in ended.err
