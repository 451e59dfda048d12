from __future__ import annotations

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photo(tmp_path):
    from skimage import data

    path = tmp_path / "photo.png"
    Image.fromarray(data.coffee()[:120, :160]).save(path)
    return path


@pytest.fixture
def given_mask(tmp_path):
    mask = np.zeros((120, 160), np.uint8)
    mask[50:70, 60:90] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return tmp_path / "mask.png"


def pixels(path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_a_mask_is_filled_and_the_choice_is_told(run, photo, stub, given_mask, tmp_path):
    ended = run("inpaint", photo, "--mask", given_mask, "--grow", 0, "--save-mask")
    assert ended.code == 0, ended.err
    assert not stub.calls
    assert "filled by exemplar: the hole is up to" in ended.out
    before, after = pixels(photo), pixels(tmp_path / "anymask-out/photo_inpainted.png")
    hole = pixels(tmp_path / "anymask-out/photo_hole.png") > 0
    np.testing.assert_array_equal(hole, pixels(given_mask) > 0)
    np.testing.assert_array_equal(after[~hole], before[~hole])
    assert (after[hole] != before[hole]).any()


def test_a_clicked_object_goes(run, photo, stub, tmp_path):
    ended = run("inpaint", photo, "--point", "80,60", "--json", "--method", "smooth")
    assert ended.code == 0, ended.err
    (record,) = ended.json["images"]
    assert record["saved"] == {"inpainted": ["anymask-out/photo_inpainted.png"]}
    result = record["result"]
    assert result["method"] == "smooth"
    assert result["filled_pixels"] > result["objects"][0]["area"] > 0


def test_a_mark_goes_from_every_picture(run, photo, tmp_path, stub):
    mark = np.zeros((14, 30, 4), np.uint8)
    mark[2:12, 3:27:4] = 255
    mark[6:8, 3:27] = 255
    Image.fromarray(mark).save(tmp_path / "mark.png")
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for number, (x, y) in enumerate([(20, 30), (100, 80)]):
        stamped = pixels(photo).copy()
        stamped[y : y + 14, x : x + 30][mark[..., 3] > 0] = 255
        Image.fromarray(stamped).save(shelf / f"{number}.png")
    ended = run("inpaint", shelf, "--template", tmp_path / "mark.png", "--grow", 1, "--json")
    assert ended.code == 0, ended.err
    places = [record["result"]["marks"] for record in ended.json["images"]]
    assert [[(one["x"], one["y"]) for one in marks] for marks in places] == [
        [(20, 30)],
        [(100, 80)],
    ]
    unmarked = run("inpaint", photo, "--template", tmp_path / "mark.png")
    assert "0 marks found" in unmarked.out
    assert "left as it was" in unmarked.out


def test_cmyk_and_16_bit_files(run, photo, stub, given_mask, tmp_path):
    Image.open(photo).convert("CMYK").save(tmp_path / "print.tif")
    deep = (pixels(photo)[..., 0].astype(np.uint16) * 256) + 7
    Image.fromarray(deep).save(tmp_path / "deep.png")
    ended = run("inpaint", tmp_path / "print.tif", tmp_path / "deep.png", "--mask", given_mask)
    assert ended.code == 0, ended.err
    assert pixels(tmp_path / "anymask-out/print_inpainted.png").shape == (120, 160, 3)
    after = pixels(tmp_path / "anymask-out/deep_inpainted.png")
    assert after.dtype == np.uint16
    np.testing.assert_array_equal(after[:40], deep[:40])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--words", "the cup"], "--words needs"),
        (["--point", "80,60", "--method", "lama"], "give its path by --network"),
        (["--point", "80,60", "--network", "lama.onnx"], "does not go with --method auto"),
        ([], "no prompt was given"),
    ],
)
def test_wishes_that_cannot_be_met_are_refused(run, photo, stub, words, message):
    ended = run("inpaint", photo, *words)
    assert ended.code == 2
    assert message in ended.err


def test_a_network_that_is_not_there(run, photo, stub):
    ended = run("inpaint", photo, "--point", "80,60", "--method", "lama", "--network", "no.onnx")
    assert ended.code == 1
    assert "does not exist" in ended.err


def test_a_full_mask_is_refused(run, photo, stub, tmp_path):
    Image.new("L", (160, 120), 255).save(tmp_path / "full.png")
    ended = run("inpaint", photo, "--mask", tmp_path / "full.png")
    assert ended.code == 2
    assert "covers the whole picture" in ended.err


def test_restoring_tells_and_saves_each_step(run, photo, tmp_path):
    ended = run("restore", photo, "--steps", "scratches,fading", "--save-steps")
    assert ended.code == 0, ended.err
    assert "scratches: " in ended.out
    assert "fading: contrast" in ended.out
    assert sorted(path.name for path in (tmp_path / "anymask-out").iterdir()) == [
        "photo_restored.png",
        "photo_restored_1_scratches.png",
        "photo_restored_1_scratches_mask.png",
        "photo_restored_2_fading.png",
    ]
    last = pixels(tmp_path / "anymask-out/photo_restored_2_fading.png")
    np.testing.assert_array_equal(last, pixels(tmp_path / "anymask-out/photo_restored.png"))


def test_restoring_for_machines(run, photo):
    (record,) = run("restore", photo, "--steps", "denoise", "--json").json["images"]
    assert record["saved"] == {"restored": ["anymask-out/photo_restored.png"]}
    assert [one["step"] for one in record["result"]["steps"]] == ["denoise"]


def test_unknown_steps_are_refused(run, photo):
    ended = run("restore", photo, "--steps", "magic")
    assert ended.code == 2
    assert "give some of scratches, dust, fading, denoise" in ended.err
