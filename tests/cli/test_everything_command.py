from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anymask.cli import everything_work
from anymask.formats import coco, labelmap, mask_folder, sa1b
from anymask.inference.backend import confident

FEW = ("--points-per-side", "4", "--stability-score-thresh", "0.5")


@pytest.fixture(autouse=True)
def answering(stub):
    """The disc engine answers everything mode as well."""
    backend = stub.backend
    backend.decode_confident = lambda images, prompts, least: confident(
        backend.decode(images, prompts), least
    )
    return stub


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def test_a_picture_gives_records_and_a_picture_of_all_masks(run, picture, tmp_path):
    ended = run("everything", picture(), *FEW)
    assert (ended.code, ended.err) == (0, "")
    assert names(tmp_path / "anymask-out") == ["photo_everything.png", "photo_masks.json"]
    assert str(Path("anymask-out/photo_masks.json")) in ended.out
    records = sa1b.read_records(tmp_path / "anymask-out/photo_masks.json")
    assert len(records) > 1
    assert {record.size_hw for record in records} == {(60, 80)}
    painted = np.asarray(Image.open(tmp_path / "anymask-out/photo_everything.png"))
    assert painted.shape == (60, 80, 3)
    assert (painted != (200, 120, 40)).any()


def test_every_format_is_saved_and_can_be_read(run, picture, tmp_path):
    ended = run(
        "everything", picture(), *FEW, "--format", "records,sa1b,coco,png,labelmap",
        "--no-overlay", "--json", "--out", "all",
    )  # fmt: skip
    assert ended.code == 0
    (image,) = ended.json["images"]
    count = image["masks"]
    out = tmp_path / "all"
    assert set(image["saved"]) == {"records", "sa1b", "coco", "png", "labelmap"}
    records = sa1b.read_records(out / "photo_masks.json")
    assert len(records) == count
    assert list(sa1b.read_sa1b(out / "photo_sa1b.json").records) == records
    assert len(coco.read_coco(out / "photo_coco.json")["annotations"]) == count
    assert mask_folder.read_mask_folder(out / "photo_masks") == records
    assert labelmap.read_label_map(out / "photo_labels.png").max() <= count


def test_the_original_flags_are_taken(run, picture, tmp_path):
    ended = run(
        "everything", "--input", picture(), "--output", "out", "--convert-to-rle",
        "--model-type", "vit_t", "--device", "cpu", "--points-per-side", "4",
        "--points-per-batch", "8", "--pred-iou-thresh", "0.5", "--stability-score-thresh", "0.3",
        "--stability-score-offset", "0.5", "--box-nms-thresh", "0.9", "--crop-n-layers", "1",
        "--crop-nms-thresh", "0.8", "--crop-overlap-ratio", "0.34",
        "--crop-n-points-downscale-factor", "2", "--min-mask-region-area", "5", "--no-overlay",
    )  # fmt: skip
    assert (ended.code, ended.err) == (0, "")
    assert names(tmp_path / "out") == ["photo_masks.json"]


def test_nothing_found_is_a_result(run, picture, tmp_path):
    ended = run("everything", picture(), "--pred-iou-thresh", "0.99", "--json")
    assert ended.code == 0
    assert ended.json["images"][0]["masks"] == 0
    assert sa1b.read_records(tmp_path / "anymask-out/photo_masks.json") == []


def test_the_precision_is_handed_on(run, picture, stub):
    assert run("everything", picture(), *FEW, "--precision", "auto").code == 0
    ((_, options),) = stub.calls
    assert options["precision"] == "auto"


def test_a_folder_goes_on_where_it_stopped(run, picture, stub, tmp_path):
    for name in ("in/a.png", "in/b.png", "in/c.png"):
        picture(name)
    out = tmp_path / "out"
    words = ("everything", "in", *FEW, "--out", "out", "--json")
    first = run(*words)
    assert [image["status"] for image in first.json["images"]] == ["done"] * 3
    (out / "b_masks.json").unlink()
    (out / "c_everything.png").unlink()
    kept = (out / "a_masks.json").stat().st_mtime_ns
    again = run(*words)
    status = {Path(image["file"]).name: image["status"] for image in again.json["images"]}
    assert status == {"a.png": "skipped", "b.png": "done", "c.png": "done"}
    assert (out / "a_masks.json").stat().st_mtime_ns == kept
    loads = len(stub.calls)
    nothing = run(*words)
    assert (nothing.code, nothing.json["done"], nothing.json["skipped"]) == (0, 0, 3)
    assert len(stub.calls) == loads, "no model is loaded when there is nothing to do"
    assert run(*words, "--overwrite").json["done"] == 3


def test_an_interrupted_folder_keeps_what_is_done(run, picture, tmp_path, monkeypatch):
    for name in ("in/a.png", "in/b.png"):
        picture(name)
    real = everything_work.everything

    def interrupted(model, image, settings, **options):
        if (tmp_path / "out/a_masks.json").exists():
            raise KeyboardInterrupt
        return real(model, image, settings, **options)

    monkeypatch.setattr(everything_work, "everything", interrupted)
    words = ("everything", "in", *FEW, "--out", "out", "--json")
    ended = run(*words)
    assert ended.code == 130
    assert ended.json["error"]["type"] == "Interrupted"
    assert names(tmp_path / "out") == ["a_everything.png", "a_masks.json"]
    monkeypatch.undo()


def test_workers_give_the_same_files(run, picture, tmp_path):
    for number in range(5):
        picture(f"in/{number}.png", (80 + number, 60))
    one = run("everything", "in", *FEW, "--out", "one", "--json")
    three = run("everything", "in", *FEW, "--out", "three", "--workers", "3", "--json")
    assert (one.code, three.code) == (0, 0)
    assert names(tmp_path / "one") == names(tmp_path / "three")
    for name in names(tmp_path / "one"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "three" / name).read_bytes()


def test_one_bad_picture_does_not_stop_the_others(run, picture, tmp_path):
    picture("in/good.png")
    (tmp_path / "in/bad.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    ended = run("everything", "in", *FEW, "--json")
    assert ended.code == 1
    assert (ended.json["done"], ended.json["failed"]) == (1, 1)
    assert "bad.png" in ended.err
    assert ended.json["error"]["type"] == "ImagesFailed"


def test_pictures_of_one_name_do_not_share_their_files(run, picture, tmp_path):
    picture("in/a.png")
    picture("in/a.jpg")
    run("everything", "in", *FEW, "--no-overlay", "--out", "out")
    found = names(tmp_path / "out")
    assert len(found) == 2
    assert "a_masks.json" in found


def test_several_pictures_make_one_coco_file_too(run, picture, tmp_path):
    picture("in/a.png")
    picture("in/b.png")
    ended = run("everything", "in", *FEW, "--format", "coco", "--no-overlay", "--json")
    document = coco.read_coco(tmp_path / "anymask-out/coco.json")
    assert [image["file_name"] for image in document["images"]] == ["a.png", "b.png"]
    assert len({one["id"] for one in document["annotations"]}) == len(document["annotations"])
    assert ended.json["saved"] == [str(Path("anymask-out/coco.json"))]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--format", "yolo"), "--format is 'yolo'; give some of records,sa1b,coco,png,labelmap"),
        (("--format", ""), "--format is empty"),
        (("--points-per-side", "0"), "points-per-side 0"),
        (("--tile-px", "256", "--tile-overlap-px", "256"), "--tile-overlap-px is 256"),
        (("--skip-full-image",), "--skip-full-image leaves nothing to look at"),
        (("--preset", "quick"), "quick"),
        (("--point", "3,4"), "--point"),
    ],
)
def test_wrong_options_are_told_in_one_line(run, picture, words, message):
    ended = run("everything", picture(), *words)
    assert ended.code == 2
    assert message in ended.err
    assert ended.err.count("\n") == 1


def test_json_of_a_failed_picture_says_why(run, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"nothing")
    ended = run("everything", "bad.png", "--json")
    assert ended.code == 1
    assert json.loads(ended.out)["error"]["type"] == "ImageError"


def test_presets_change_the_settings(run, picture, tmp_path):
    fast = run("everything", picture(), "--preset", "fast", *FEW, "--json")
    edges = run("everything", picture(), "--preset", "edges", "--overwrite", "--json")
    assert (fast.code, edges.code) == (0, 0)
