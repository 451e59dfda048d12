from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image, ImageCms
from skimage import data

from anymask.io.originals import Original, read_original, save_original

OUT = "anymask-out"


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(data.coffee()[100:220, 200:360]).save(path)
    return path


@pytest.fixture
def given_mask(tmp_path):
    mask = np.zeros((120, 160), np.uint8)
    mask[40:80, 50:100] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return tmp_path / "mask.png"


def pixels(path) -> np.ndarray:
    return np.asarray(Image.open(path))


def inside(given_mask) -> np.ndarray:
    return pixels(given_mask) > 0


def test_a_found_object_is_edited_and_nothing_else(run, photo, stub, tmp_path):
    ended = run("edit", photo, "--point", "80,60", "--step", "greyscale:edge=hard", "--json")
    assert ended.code == 0, ended.err
    (record,) = ended.json["images"]
    assert record["saved"] == {"edited": [f"{OUT}/photo_edited.png"]}
    assert record["result"]["steps"] == ["greyscale"]
    (told,) = record["result"]["objects"]
    before, after = pixels(photo), pixels(tmp_path / OUT / "photo_edited.png")
    kept = (after == before).all(axis=2) & (np.ptp(before, axis=2) > 2)
    assert 0.8 * told["area"] < kept.sum() <= told["area"]


def test_steps_are_done_in_order_on_a_given_mask_without_a_model(
    run, photo, stub, given_mask, tmp_path
):
    steps = ("--step", "brightness:factor=0,edge=hard", "--step", "outline:colour=red,width=3")
    ended = run("edit", photo, "--mask", given_mask, *steps)
    assert ended.code == 0, ended.err
    assert not stub.calls
    after = pixels(tmp_path / OUT / "photo_edited.png")
    assert not after[inside(given_mask)].any()
    assert (after[60, 48] == (255, 0, 0)).all()
    np.testing.assert_array_equal(after[:30], pixels(photo)[:30])


def test_a_saved_recipe_replayed_on_the_original_gives_the_same_pixels(
    run, photo, stub, given_mask, tmp_path
):
    words = ("--object", "point=30,30", "--object", f"mask={given_mask}")
    steps = ("--step", "recolour:colour=blue,on=1", "--step", "move:x=12,y=8,on=0")
    ended = run("edit", photo, *words, *steps, "--save-recipe")
    assert ended.code == 0, ended.err
    recipe = tmp_path / OUT / "photo_recipe.json"
    assert str(recipe.relative_to(tmp_path)) in ended.out
    assert len(stub.calls) == 1
    again = run("edit", photo, "--recipe", recipe, "--out", "again")
    assert again.code == 0, again.err
    assert len(stub.calls) == 1, "the masks are in the recipe"
    first = pixels(tmp_path / OUT / "photo_edited.png")
    np.testing.assert_array_equal(pixels(tmp_path / "again/photo_edited.png"), first)

    document = json.loads(recipe.read_text())
    del document["steps"][1]
    recipe.write_text(json.dumps(document))
    undone = run("edit", photo, "--recipe", recipe, "--out", "undone")
    assert undone.code == 0, undone.err
    without = run("edit", photo, *words, *steps[:2], "--out", "without")
    assert without.code == 0, without.err
    np.testing.assert_array_equal(
        pixels(tmp_path / "undone/photo_edited.png"), pixels(tmp_path / "without/photo_edited.png")
    )


def test_the_steps_of_a_recipe_are_used_with_objects_of_other_pictures(
    run, photo, picture, stub, tmp_path
):
    (tmp_path / "grey.json").write_text(
        '{"schema": "anymask.edit/1", "steps": [{"step": "greyscale"}, {"step": "glow"}]}'
    )
    words = ("--point", "30,30", "--recipe", "grey.json", "--step", "blur", "--json")
    ended = run("edit", photo, picture("other.png"), *words)
    assert ended.code == 0, ended.err
    assert [one["result"]["steps"] for one in ended.json["images"]] == [
        ["greyscale", "glow", "blur"]
    ] * 2


def test_pictures_named_by_a_recipe_lie_beside_it(run, photo, stub, given_mask, tmp_path):
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    Image.new("RGB", (40, 30), (0, 200, 0)).save(shelf / "lawn.png")
    step = {"step": "background-picture", "picture": "lawn.png", "edge": "hard"}
    (shelf / "edit.json").write_text(json.dumps({"schema": "anymask.edit/1", "steps": [step]}))
    ended = run("edit", photo, "--mask", given_mask, "--recipe", shelf / "edit.json")
    assert ended.code == 0, ended.err
    outside = ~inside(given_mask)
    assert (pixels(tmp_path / OUT / "photo_edited.png")[outside] == (0, 200, 0)).all()
    there = run("edit", photo, "--mask", given_mask, "--step", "background-picture:picture=no.png")
    assert there.code == 1
    assert "no.png" in there.err
    assert there.err.count("\n") <= 2


def test_exif_and_the_colour_profile_are_kept(run, stub, given_mask, photo, tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.open(photo).save(tmp_path / "camera.jpg", exif=exif, icc_profile=profile, quality=95)
    for ending in ("png", "jpg", "webp"):
        words = ("--mask", given_mask, "--step", "saturation:factor=0", "--format", ending)
        ended = run("edit", tmp_path / "camera.jpg", *words)
        assert ended.code == 0, ended.err
        with Image.open(tmp_path / OUT / f"camera_edited.{ending}") as found:
            assert found.getexif()[0x010F] == "A camera"
            assert found.info["icc_profile"] == profile
            assert found.size == (160, 120)


@pytest.mark.parametrize("channels", [None, 3, 4])
def test_sixteen_bits_are_kept_outside_the_object_to_the_bit(
    run, stub, given_mask, tmp_path, channels
):
    shape = (120, 160) if channels is None else (120, 160, channels)
    deep = np.random.default_rng(0).integers(0, 65536, shape, np.uint16)
    save_original(tmp_path / "deep.png", Original(deep))
    words = ("--mask", given_mask, "--step", "brightness:factor=0.5,edge=hard")
    ended = run("edit", tmp_path / "deep.png", *words)
    assert ended.code == 0, ended.err
    after = read_original(tmp_path / OUT / "deep_edited.png").pixels
    assert after.dtype == np.uint16
    mask = inside(given_mask)
    rgb = np.stack([deep] * 3, axis=-1) if channels is None else deep
    np.testing.assert_array_equal(after[~mask], rgb[~mask])
    np.testing.assert_allclose(after[mask][:, :3], rgb[mask][:, :3] / 2, atol=0.51)


@pytest.mark.parametrize("mode", ["CMYK", "L", "LA", "P", "RGBA", "1"])
def test_every_kind_of_file_keeps_its_size(run, photo, stub, given_mask, tmp_path, mode):
    ending = "tif" if mode == "CMYK" else "png"
    Image.open(photo).convert(mode).save(tmp_path / f"kind.{ending}")
    words = ("--mask", given_mask, "--step", "recolour:edge=hard", "--step", "shadow")
    ended = run("edit", tmp_path / f"kind.{ending}", *words)
    assert ended.code == 0, ended.err
    after = pixels(tmp_path / OUT / "kind_edited.png")
    assert after.shape == (120, 160, 4 if mode in ("LA", "RGBA") else 3)
    before = read_original(tmp_path / f"kind.{ending}").pixels
    first = before if before.ndim == 2 else before[..., 0]
    np.testing.assert_array_equal(after[:20, :20, 0], first[:20, :20])


def test_odd_narrow_pictures(run, stub, tmp_path):
    for size in ((1, 33), (33, 1), (7, 5)):
        width, height = size
        Image.new("RGB", size, (200, 100, 50)).save(tmp_path / "narrow.png")
        mask = Image.new("L", size)
        mask.putpixel((0, 0), 255)
        mask.save(tmp_path / "dot.png")
        words = ("--mask", "dot.png", "--step", "background-blur", "--step", "glow")
        ended = run("edit", "narrow.png", *words)
        assert ended.code == 0, ended.err
        assert pixels(tmp_path / OUT / "narrow_edited.png").shape == (height, width, 3)


def test_empty_masks_are_refused_and_full_ones_cannot_be_deleted(run, photo, stub, tmp_path):
    Image.new("L", (160, 120), 0).save(tmp_path / "empty.png")
    Image.new("L", (160, 120), 255).save(tmp_path / "full.png")
    ended = run("edit", photo, "--mask", "empty.png", "--step", "brightness")
    assert ended.code == 2
    assert "mask covers no pixel" in ended.err
    refused = run("edit", photo, "--mask", "full.png", "--step", "delete", "--out", "none")
    assert refused.code == 2
    assert "the object covers the whole picture" in refused.err
    assert not list((tmp_path / "none").glob("*"))


def test_a_folder_is_edited_and_a_bad_picture_does_not_stop_it(run, picture, stub, tmp_path):
    picture("shelf/a.png")
    picture("shelf/b.jpg")
    picture("shelf/deeper/d.png")
    (tmp_path / "shelf/c.png").write_bytes(b"no picture")
    words = ("--point", "40,30", "--step", "background-transparent", "--recursive", "--json")
    ended = run("edit", "shelf", *words)
    assert ended.code == 1
    assert [record["status"] for record in ended.json["images"]] == [
        "done",
        "done",
        "failed",
        "done",
    ]
    assert (tmp_path / OUT / "b_edited.png").exists()
    assert (tmp_path / OUT / "deeper/d_edited.png").exists()


def test_ctrl_c_keeps_what_is_finished_and_names_it(run, picture, stub, tmp_path):
    for name in "abc":
        picture(f"in/{name}.png")
    decoded = []

    def interrupt_the_second() -> None:
        decoded.append(True)
        if len(decoded) == 2:
            raise KeyboardInterrupt

    stub.backend.before_decode = interrupt_the_second
    ended = run("edit", "in", "--point", "40,30", "--step", "blur", "--json")
    assert ended.code == 130
    assert "interrupted: 1 of 3 images done (a.png)" in ended.err
    assert ended.json["error"]["type"] == "Interrupted"
    assert [path.name for path in (tmp_path / OUT).iterdir()] == ["a_edited.png"]


def test_ctrl_c_while_saving_leaves_no_file_of_that_picture(
    run, picture, stub, tmp_path, monkeypatch
):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("anymask.cli.edit_work.write_json_atomic", interrupted)
    ended = run("edit", picture(), "--point", "40,30", "--step", "blur", "--save-recipe")
    assert ended.code == 130
    assert not list((tmp_path / OUT).glob("*"))


def test_the_steps_are_listed(run):
    ended = run("edit", "--list-steps")
    assert ended.code == 0
    assert "background-blur" in ended.out
    assert "0 to 1000" in ended.out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--point", "80,60"], 2, "nothing to do; give --step NAME"),
        (["--step", "blur"], 2, "no prompt was given"),
        (["--point", "80,60", "--step", "blurr"], 2, "has the step 'blurr'; give one of"),
        (["--point", "80,60", "--step", "blur:radius=x"], 2, "give a number from 0 to 1000"),
        (["--point", "80,60", "--step", "blur:on=cup"], 2, "the objects are: 0"),
        (["--point", "80,60", "--recipe", "none.json"], 2, "there is no recipe at none.json"),
        (
            ["--point", "80,60", "--step", "sticker", "--format", "jpg"],
            1,
            "transparent parts, which JPEG cannot hold",
        ),
    ],
)
def test_mistakes_are_told_in_one_line(run, photo, stub, words, code, message):
    ended = run("edit", photo, *words)
    assert message in ended.err
    assert ended.err.count("\n") == 1
    assert ended.code == code


@pytest.mark.weights
def test_the_default_model_finds_the_cup_and_a_new_background_leaves_it_alone(
    run, tmp_path, default_weights
):
    coffee = data.coffee()
    Image.fromarray(coffee).save(tmp_path / "coffee.png")
    words = ("--point", "300,190", "--step", "background-colour:colour=#ff00ff", "--save-recipe")
    ended = run("edit", "coffee.png", *words, "--offline", "--json")
    assert ended.code == 0, ended.err
    (told,) = ended.json["images"][0]["result"]["objects"]
    assert told["predicted_iou"] > 0.85
    after = pixels(tmp_path / OUT / "coffee_edited.png")
    np.testing.assert_array_equal(after[180:200, 290:310], coffee[180:200, 290:310])
    assert (after[:10, :10] == (255, 0, 255)).all()
    again = run("edit", "coffee.png", "--recipe", f"{OUT}/coffee_recipe.json", "--out", "again")
    assert again.code == 0, again.err
    np.testing.assert_array_equal(pixels(tmp_path / "again/coffee_edited.png"), after)


@pytest.mark.weights
def test_the_default_model_cuts_hair_out_softly(run, tmp_path, default_weights):
    Image.fromarray(data.astronaut()).save(tmp_path / "astronaut.png")
    words = ("--point", "220,120", "--point", "220,400", "--full", "--offline")
    assert run("cutout", "astronaut.png", *words).code == 0
    assert run("cutout", "astronaut.png", *words, "--edge", "hard", "--out", "hard").code == 0
    soft = pixels(tmp_path / OUT / "astronaut_cutout.png")
    hard = pixels(tmp_path / "hard/astronaut_cutout.png")
    assert soft.shape == hard.shape == (512, 512, 4)
    partly = (soft[..., 3] > 0) & (soft[..., 3] < 255)
    assert partly.sum() > 1000
    assert set(np.unique(hard[..., 3])) == {0, 255}
    assert ((soft[..., 3] > 127) == (hard[..., 3] > 127)).mean() > 0.98
