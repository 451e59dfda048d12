from __future__ import annotations

import json
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anymask.geometry import rle


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def test_one_click_saves_overlay_mask_cutout_and_json(run, picture, stub, tmp_path):
    ended = run("segment", picture(), "--point", "40,30")
    assert (ended.code, ended.err) == (0, "")
    out = tmp_path / "anymask-out"
    assert names(out) == ["photo.json", "photo_cutout.png", "photo_mask.png", "photo_overlay.png"]
    for name in names(out):
        assert str(Path("anymask-out") / name) in ended.out
    mask = np.asarray(Image.open(out / "photo_mask.png"))
    assert mask.shape == (60, 80)
    assert set(np.unique(mask)) == {0, 255}
    document = json.loads((out / "photo.json").read_bytes())
    (found,) = document["objects"]
    np.testing.assert_array_equal(rle.decode(found["segmentation"]), mask > 0)
    assert len(found["candidates"]) == 3
    assert found["predicted_iou"] == pytest.approx(0.9)


def test_json_prints_one_object_with_the_results_and_the_files(run, picture, stub):
    ended = run("segment", picture(), "--point", "40,30", "--json", "--save", "mask,json")
    assert (ended.code, ended.err) == (0, "")
    (image,) = ended.json["images"]
    assert ended.json["model"] == {"id": "discs@0", "architecture": "vit_t"}
    assert image["status"] == "done"
    assert image["result"]["schema"] == "anymask.segment/1"
    assert image["result"]["image"] == {"file": "photo.png", "width": 80, "height": 60}
    assert all(Path(path).is_file() for paths in image["saved"].values() for path in paths)
    assert "error" not in ended.json


def test_zoom_looks_at_small_objects_in_a_window(run, picture, stub):
    small, large = "box=100,50,140,70", "box=5,5,275,155"
    photo = picture(size=(300, 200))
    words = ("segment", photo, "--object", small, "--object", large, "--json")
    first, second = run(*words, "--zoom").json["images"][0]["result"]["objects"]
    x0, y0, x1, y1 = first["window_xyxy"]
    assert (x1 - x0, y1 - y0) == (100, 100)
    assert "window_xyxy" not in second
    assert all(
        "window_xyxy" not in found for found in run(*words).json["images"][0]["result"]["objects"]
    )


def test_several_objects_are_numbered(run, picture, stub, tmp_path):
    ended = run(
        "segment", picture(), "--point", "10,10", "--background", "70,50",
        "--object", "box=20,20,60,50", "--object", "point=70,10 point=75,12",
        "--save", "mask,cutout",
    )  # fmt: skip
    assert ended.code == 0
    assert names(tmp_path / "anymask-out") == sorted(
        f"photo_{row}_{kind}.png" for row in range(3) for kind in ("mask", "cutout")
    )


def test_candidates_are_saved_only_when_asked_for(run, picture, stub, tmp_path):
    run("segment", picture(), "--point", "40,30", "--multimask", "--save", "mask", "--out", "many")
    assert names(tmp_path / "many") == [
        "photo_mask.png",
        *(f"photo_mask_candidate_{rank}.png" for rank in (1, 2, 3)),
    ]
    best = (tmp_path / "many/photo_mask.png").read_bytes()
    assert best == (tmp_path / "many/photo_mask_candidate_1.png").read_bytes()
    single = run("segment", picture(), "--point", "40,30", "--single", "--json").json
    assert single["images"][0]["result"]["objects"][0]["candidates"] == []


def test_a_prior_mask_is_a_prompt(run, picture, stub, tmp_path):
    prior = np.zeros((60, 80), np.uint8)
    prior[20:40, 20:50] = 255
    Image.fromarray(prior).save(tmp_path / "prior.png")
    ended = run("segment", picture(), "--mask", "prior.png", "--json")
    assert ended.json["images"][0]["result"]["objects"][0]["prompt"]["has_mask"]
    wrong_size = run("segment", picture(size=(81, 60)), "--mask", "prior.png", "--json")
    assert wrong_size.code == 2
    assert wrong_size.json["error"]["type"] == "MaskError"


def test_names_known_from_sam_are_accepted(run, picture, stub, tmp_path):
    checkpoint = tmp_path / "sam_vit_b_01ec64.pth"
    checkpoint.write_bytes(b"weights")
    ended = run(
        "segment", "--input", picture(), "--output", "o", "--model-type", "vit_b",
        "--checkpoint", checkpoint, "--device", "cpu", "--multimask-output", "--point", "4,4",
    )  # fmt: skip
    assert ended.code == 0
    ((name, options),) = stub.calls
    assert (name, options["checkpoint"], options["device"]) == ("vit_b", checkpoint, "cpu")
    assert (tmp_path / "o/photo_mask_candidate_3.png").is_file()


def test_the_precision_is_handed_on(run, picture, stub):
    assert run("segment", picture(), "--point", "4,4", "--precision", "bf16").code == 0
    ((_, options),) = stub.calls
    assert options["precision"] == "bf16"


def test_one_unreadable_file_does_not_stop_a_folder(run, picture, stub, tmp_path):
    picture("in/a.png")
    (tmp_path / "in/b.png").write_bytes(b"no picture")
    picture("in/c.png")
    ended = run("segment", "in", "--point", "40,30", "--save", "mask")
    assert ended.code == 1
    assert names(tmp_path / "anymask-out") == ["a_mask.png", "c_mask.png"]
    assert ended.err.startswith("error: ")
    assert ended.err.count("\n") == 1
    assert "2 of 3 images done, 1 failed" in ended.out
    assert "b.png" in ended.out.splitlines()[-1]


def test_json_of_a_partly_failed_folder_tells_each_error(run, picture, stub, tmp_path):
    picture("in/a.png")
    (tmp_path / "in/b.png").write_bytes(b"")
    ended = run("segment", "in", "--point", "40,30", "--json")
    assert ended.code == 1
    assert [image["status"] for image in ended.json["images"]] == ["done", "failed"]
    assert ended.json["images"][1]["error"]["type"] == "ImageError"
    assert ended.json["error"] == {"type": "ImagesFailed", "message": "1 of 2 images failed"}


def test_equal_stems_never_overwrite_each_other(run, picture, stub, tmp_path):
    for name in ("in/a.png", "in/a.jpg", "in/sub/a.png", "p/a.jpg", "q/a.jpg"):
        picture(name)
    run("segment", "in", "p/a.jpg", "q", "--recursive", "--point", "4,4", "--save", "mask")
    assert names(tmp_path / "anymask-out") == [
        "a_jpg-2_mask.png",
        "a_jpg_mask.png",
        "a_mask.png",
        "a_png_mask.png",
        "sub/a_mask.png",
    ]


def test_an_input_is_never_overwritten(run, picture, stub, tmp_path):
    picture("in/a.png")
    before = picture("in/a_mask.png").read_bytes()
    ended = run("segment", "in", "--out", "in", "--point", "4,4", "--save", "mask")
    assert ended.code == 0
    assert (tmp_path / "in/a_mask.png").read_bytes() == before
    assert (tmp_path / "in/a_png_mask.png").is_file()


def test_a_second_run_leaves_the_results_of_the_first_alone(run, picture, stub):
    picture("in/a.png")
    words = ("segment", "in", "--recursive", "--out", "in/results", "--point", "4,4", "--json")
    assert run(*words).json["total"] == 1
    assert run(*words).json["total"] == 1


def test_prompts_by_file_name(run, picture, stub, tmp_path):
    for name in ("in/a.png", "in/b.png", "in/c.png"):
        picture(name)
    content = {"a.png": [{"points": [[9, 9]]}], "b.png": [{"box": [1, 2, 30, 40]}] * 2, "z.png": [
        {"point_coords": [[1, 1]], "point_labels": [1]}
    ]}  # fmt: skip
    (tmp_path / "prompts.json").write_text(json.dumps(content))
    ended = run("segment", "in", "--prompts", "prompts.json", "--json")
    assert ended.code == 0
    assert [len(image["result"]["objects"]) for image in ended.json["images"]] == [1, 2]
    assert ended.json["skipped"] == [str(Path("in") / "c.png")]
    assert "z.png" in ended.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--point", "abc"], "--point 'abc' is malformed; give two numbers X,Y"),
        (["--point", "1,2,3"], "such as --point 320,240"),
        (["--point", "nan,2"], "points must be finite"),
        (["--box", "1,2,3"], "give four numbers X0,Y0,X1,Y1"),
        (["--box", "30,2,3,40"], "box must have x0 <= x1"),
        (["--box", "1,2,3,4", "--box", "1,2,3,4"], "box was given 2 times"),
        (["--object", "pint=3,4"], "has 'pint=3,4'; allowed are point="),
        (["--object", "point=3;4"], "point='3;4' is malformed"),
        (["--object", ""], "the prompt is empty"),
        (["--mask", "nowhere.png"], "'nowhere.png' does not exist"),
        (["--prompts", "nowhere.json"], "no prompts file at nowhere.json"),
        (["--point", "1,2", "--prompts", "x.json"], "--prompts was given with other prompts"),
        ([], "no prompt was given; give --point X,Y"),
        (["--point", "1,2", "--save", "mask,jpeg"], "--save names 'jpeg'; give one or more of"),
        (["--point", "1,2", "--model", "vit_x"], "'vit_x' is not known; choose one of vit_t"),
        (["--point", "1,2", "--model", "x.pth"], "'x.pth' does not exist"),
        (["--point", "1,2", "--checkpoint", "x.pth"], "'x.pth' does not exist"),
        (["--point", "1,2", "--image-size", "1000"], "--image-size is 1000"),
        (["--point", "1,2", "nowhere.jpg"], "'nowhere.jpg' does not exist"),
        (["--point", "1,2", "--bogus"], "No such option: --bogus"),
        (["--point", "1,2", "--polygon-tolerance", "-1"], "--polygon-tolerance"),
        (["--point", "1,2", "--image-size", "big"], "--image-size"),
        (["--point", "100,2"], "points[0] = (100, 2) lies outside the image"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(run, picture, stub, words, told):
    path = picture()
    plain = run("segment", path, *words)
    assert plain.code == 2
    assert plain.err.count("\n") == 1
    assert plain.err.startswith("error: ")
    assert told in plain.err
    assert plain.out == ""
    as_json = run("segment", path, *words, "--json")
    assert as_json.code == 2
    assert told in as_json.json["error"]["message"]


def test_no_picture_named(run, stub):
    ended = run("segment", "--point", "1,2")
    assert (ended.code, ended.err.count("\n")) == (2, 1)


def test_folder_without_pictures_names_the_flag_that_looks_deeper(run, stub, picture, tmp_path):
    picture("in/sub/a.png")
    ended = run("segment", "in", "--point", "1,2")
    assert ended.code == 2
    assert "--recursive" in ended.err
    assert run("segment", "in", "--point", "1,2", "--recursive").code == 0


def test_one_unreadable_picture_is_a_failure_not_wrong_usage(run, stub, tmp_path):
    (tmp_path / "a.png").write_bytes(b"text")
    ended = run("segment", "a.png", "--point", "1,2", "--json")
    assert ended.code == 1
    assert ended.json["error"]["type"] == "ImageError"


def test_ctrl_c_keeps_what_is_finished_and_names_it(run, picture, stub, tmp_path):
    for name in ("in/a.png", "in/b.png", "in/c.png"):
        picture(name)
    decoded = []

    def interrupt_the_second() -> None:
        decoded.append(1)
        if len(decoded) == 2:
            signal.raise_signal(signal.SIGINT)

    stub.backend.before_decode = interrupt_the_second
    ended = run("segment", "in", "--point", "40,30", "--json")
    assert ended.code == 130
    assert ended.err == (
        "interrupted: 1 of 3 images done (a.png); their files in anymask-out are complete\n"
    )
    assert ended.json["error"]["type"] == "Interrupted"
    assert ended.json["done"] == 1
    assert {name[0] for name in names(tmp_path / "anymask-out")} == {"a"}


def test_ctrl_c_while_saving_leaves_no_file_of_that_picture(
    run, picture, stub, tmp_path, monkeypatch
):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("anymask.cli.outputs.cutout", interrupted)
    ended = run("segment", picture(), "--point", "40,30")
    assert ended.code == 130
    assert names(tmp_path / "anymask-out") == []


def test_a_file_that_cannot_be_written_takes_the_others_of_its_picture_away(
    run, picture, stub, tmp_path
):
    in_the_way = tmp_path / "anymask-out" / "photo_1_cutout.png"
    in_the_way.mkdir(parents=True)
    objects = "--object", "point=40,30", "--object", "point=20,20"
    ended = run("segment", picture(), *objects)
    assert ended.code == 1
    assert "photo_1_cutout.png" in ended.err
    assert names(tmp_path / "anymask-out") == [in_the_way.name]


def test_output_folder_that_cannot_be_made_is_one_line(run, picture, stub, tmp_path):
    (tmp_path / "out").write_text("a file, not a folder")
    ended = run("segment", picture(), "--point", "4,4", "--out", "out")
    assert ended.code == 1
    assert ended.err.count("\n") == 1
    assert "Traceback" not in ended.err


def test_max_pixels_limits_what_is_read(run, picture, stub):
    assert run("segment", picture(), "--point", "4,4", "--max-pixels", 4000).code == 1
    assert run("segment", picture(), "--point", "4,4", "--max-pixels", 4800).code == 0


def test_a_picture_named_twice_is_worked_on_once(run, picture, stub):
    path = picture("in/a.png")
    assert run("segment", path, "in", path, "--point", "4,4", "--json").json["total"] == 1


def test_a_file_name_that_is_no_utf8_does_not_break_json(run, picture, stub, tmp_path):
    odd = tmp_path / "caf\udce9.png"
    try:
        picture().rename(odd)
    except OSError:
        pytest.skip("this file system takes no such names")
    ended = run("segment", odd, "--point", "4,4", "--json")
    assert ended.code == 0
    assert ended.json["images"][0]["result"]["image"]["file"] == "caf\N{REPLACEMENT CHARACTER}.png"
    assert run("segment", odd, "--point", "4,4").code == 0


def test_an_engine_out_of_memory_fails_one_picture_only(run, picture, stub):
    picture("in/a.png")
    picture("in/b.png")
    decoded = []

    def run_out_at_first() -> None:
        decoded.append(1)
        if len(decoded) == 1:
            raise RuntimeError("not enough memory")

    stub.backend.before_decode = run_out_at_first
    ended = run("segment", "in", "--point", "4,4", "--json")
    assert ended.code == 1
    assert [image["status"] for image in ended.json["images"]] == ["failed", "done"]


def test_a_bug_still_prints_one_json_object(run, picture, stub, capsys):
    def fail() -> None:
        raise KeyError("unforeseen")

    stub.backend.before_decode = fail
    with pytest.raises(KeyError):
        run("segment", picture(), "--point", "4,4", "--json")
    assert json.loads(capsys.readouterr().out)["error"]["type"] == "KeyError"
