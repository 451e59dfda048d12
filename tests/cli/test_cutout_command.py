from __future__ import annotations

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def given_mask(tmp_path):
    mask = np.zeros((60, 80), np.uint8)
    mask[20:40, 30:60] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return tmp_path / "mask.png"


def rgba(path):
    return np.asarray(Image.open(path))


def test_a_found_object_is_cut_out(run, picture, stub, tmp_path):
    ended = run("cutout", picture(), "--point", "40,30", "--json")
    assert ended.code == 0
    (record,) = ended.json["images"]
    assert record["saved"] == {"cutout": ["anymask-out/photo_cutout.png"]}
    (told,) = record["result"]["objects"]
    assert told["area"] > 0
    assert told["predicted_iou"] == pytest.approx(0.9)
    cut = rgba(tmp_path / "anymask-out/photo_cutout.png")
    assert cut.shape[2] == 4
    assert cut.shape[1] < 80


def test_a_mask_alone_is_taken_as_it_is_and_needs_no_model(
    run, picture, stub, given_mask, tmp_path
):
    ended = run("cutout", picture(), "--mask", given_mask, "--edge", "hard", "--full")
    assert ended.code == 0, ended.err
    assert not stub.calls
    alpha = rgba(tmp_path / "anymask-out/photo_cutout.png")[..., 3]
    np.testing.assert_array_equal(alpha, np.asarray(Image.open(given_mask)))


def test_a_mask_with_a_point_is_refined(run, picture, stub, given_mask):
    ended = run("cutout", picture(), "--mask", given_mask, "--point", "40,30", "--json")
    assert ended.code == 0
    assert len(stub.calls) == 1


def test_growing_and_feathering(run, picture, stub, given_mask, tmp_path):
    words = ("cutout", picture(), "--mask", given_mask, "--full", "--edge", "feather")
    run(*words, "--edge-width", "3", "--grow", "4")
    alpha = rgba(tmp_path / "anymask-out/photo_cutout.png")[..., 3]
    assert np.all(alpha[21:39, 31:59] == 255)
    assert not alpha[:, :22].any()
    assert 0 < alpha[30, 26] < 255


def test_several_objects_get_a_file_each_or_one_together(run, picture, stub, given_mask, tmp_path):
    words = ("cutout", picture(), "--mask", given_mask, "--object", "point=70,50", "--full")
    run(*words, "--out", "each")
    assert sorted(path.name for path in (tmp_path / "each").iterdir()) == [
        "photo_0_cutout.png",
        "photo_1_cutout.png",
    ]
    run(*words, "--out", "one", "--together", "--edge", "hard")
    (path,) = (tmp_path / "one").iterdir()
    assert path.name == "photo_cutout.png"
    assert rgba(path)[30, 40, 3] == 255
    assert rgba(path)[50, 70, 3] == 255


def test_a_folder_is_cut_and_a_bad_picture_does_not_stop_it(run, picture, stub, tmp_path):
    picture("shelf/a.png")
    picture("shelf/b.jpg")
    (tmp_path / "shelf/c.png").write_bytes(b"no picture")
    ended = run("cutout", "shelf", "--point", "40,30", "--json")
    assert ended.code == 1
    assert [record["status"] for record in ended.json["images"]] == ["done", "done", "failed"]
    assert (tmp_path / "anymask-out/b_cutout.png").exists()


def test_sixteen_bits_are_kept(run, stub, given_mask, tmp_path):
    from anymask.io.originals import Original, read_original, save_original

    deep = np.random.default_rng(0).integers(0, 65536, (60, 80, 3), np.uint16)
    save_original(tmp_path / "deep.png", Original(deep))
    run("cutout", "deep.png", "--mask", given_mask, "--edge", "hard")
    cut = read_original(tmp_path / "anymask-out/deep_cutout.png").pixels
    np.testing.assert_array_equal(cut[..., :3], deep[20:40, 30:60])


def test_mistakes_are_told_in_one_line(run, picture, stub, given_mask):
    photo = picture()
    for words, message in (
        ((), "no prompt was given"),
        (("--mask", "none.png"), "does not exist"),
        (("--point", "40,30", "--edge", "fuzzy"), "'fuzzy' is not one of"),
    ):
        ended = run("cutout", photo, *words)
        assert ended.code == 2
        assert message in ended.err
        assert ended.err.count("\n") == 1
    wrong = run("cutout", picture("wide.png", (81, 60)), "--mask", given_mask)
    assert wrong.code == 2
    assert "has 80 x 60 pixels but the picture has 81 x 60" in wrong.err
