from __future__ import annotations

import numpy as np
import pytest

from anymask.apps.edit import backgrounds
from anymask.apps.edit.backgrounds import (
    gradient,
    harmonised,
    out_of_focus,
    over,
    placed_picture,
    without_background,
)
from anymask.apps.edit.colours import parse_colour
from anymask.apps.edit.pixels import colours_of
from anymask.errors import ImageError
from anymask.geometry.colour_spaces import to_lab
from editing import SIZES, TOOLS, disc, masks, noise, plain, replayed, within

SIZE = (61, 83)
MASK = disc(SIZE, (40, 30), 15)
STEPS = [
    "background-transparent",
    "background-colour:colour=#ff8800",
    "background-gradient:angle=30",
    "background-gradient:radial=yes",
    "background-blur:radius=8",
    "background-blur:radius=8,falloff=ground",
    "background-blur:radius=8,falloff=distance",
    "background-picture:picture=other.jpg",
    "background-picture:picture=other.jpg,fit=fit,harmonise=background,keep_shadow=on",
]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("step", STEPS)
def test_the_object_inside_its_feather_ring_is_equal_to_the_bit(step, dtype):
    image = noise(SIZE, 3, dtype)
    inner = ~within(~MASK, 4)
    end = f"{',' if ':' in step else ':'}edge=feather,edge_width=3"
    found = replayed(image, MASK, step + end)
    assert found.shape[:2] == SIZE
    assert found.dtype == dtype
    np.testing.assert_array_equal(found[inner][:, :3], image[inner])
    outside = ~within(MASK, 4)
    assert (found[outside][:, :3] != image[outside]).any()


@pytest.mark.parametrize("size_hw", SIZES)
@pytest.mark.parametrize("step", STEPS)
def test_full_masks_change_nothing_at_any_size(step, size_hw):
    image = noise(size_hw)
    found = replayed(image, np.ones(size_hw, bool), step)
    np.testing.assert_array_equal(found[..., :3], image)


def test_a_transparent_background_gives_nothing_of_it_away():
    image = noise(SIZE, 3, np.uint16)
    rgba = without_background(image, MASK)
    assert not rgba[~MASK].any()
    np.testing.assert_array_equal(rgba[MASK][:, :3], image[MASK])
    assert (rgba[MASK][:, 3] == 65535).all()


def test_one_colour_is_that_colour():
    found = replayed(noise(SIZE), MASK, "background-colour:colour=#ff8800,edge=hard")
    assert (found[~MASK] == (255, 136, 0)).all()


def test_no_halo_of_the_old_background_stays():
    alpha = np.clip((20 - np.hypot(*np.mgrid[-30:30, -30:30])) / 8 + 0.5, 0, 1).astype(np.float32)
    red, blue, white = np.array([[0.9, 0.1, 0.1], [0.1, 0.2, 0.9], [1, 1, 1]], np.float32)
    a = alpha[..., None]
    image = np.rint((red * a + blue * (1 - a)) * 255).astype(np.uint8)
    found = over(image, alpha, backgrounds.plain(alpha.shape, white))
    truth = np.rint((red * a + white * (1 - a)) * 255)
    assert np.abs(found - truth).max() < 8


def test_alpha_of_the_picture_lets_the_backdrop_through():
    image = noise((2, 2), 4)
    image[..., 3] = [[0, 255], [0, 255]]
    found = over(image, np.ones((2, 2), np.float32), backgrounds.plain((2, 2), np.ones(3)))
    assert found.shape == (2, 2, 3)
    assert (found[:, 0] == 255).all()
    np.testing.assert_array_equal(found[:, 1], image[:, 1, :3])


def test_gradients_start_and_end_where_they_should():
    start, end = parse_colour("white"), parse_colour("#102040")
    down = gradient((21, 9), start, end)
    np.testing.assert_allclose(down[0], np.tile(start, (9, 1)), atol=2e-3)
    np.testing.assert_allclose(down[-1], np.tile(end, (9, 1)), atol=2e-3)
    right = gradient((9, 21), start, end, angle=0)
    np.testing.assert_allclose(right[:, -1], np.tile(end, (9, 1)), atol=2e-3)
    round_ = gradient((21, 21), start, end, radial=True)
    np.testing.assert_allclose(round_[10, 10], start, atol=2e-3)
    np.testing.assert_allclose(round_[0, 0], end, atol=2e-3)
    steps = np.diff(to_lab(down)[:, 0, 0])
    np.testing.assert_allclose(steps, steps.mean(), atol=0.05)


@pytest.mark.parametrize("falloff", ["none", "ground", "distance"])
def test_a_blurred_background_has_nothing_of_the_object_in_it(falloff):
    image = plain((90, 120), (40, 90, 40))
    mask = disc((90, 120), (60, 45), 20)
    image[within(mask, 1)] = (255, 0, 0)
    found = out_of_focus(image, mask.astype(np.float32), 20, falloff=falloff)
    np.testing.assert_allclose(found * 255, plain((90, 120), (40, 90, 40)), atol=1)


def stripes(size_hw=(120, 160)):
    image = np.zeros((*size_hw, 3), np.uint8)
    image[:, ::4] = image[:, 1::4] = 200
    return image


def spread(image, where):
    return float(image[where].std(axis=1).mean())


def test_a_blur_may_leave_the_ground_and_what_is_near_sharp():
    mask = disc((120, 160), (80, 80), 15)
    image, alpha = stripes(), mask.astype(np.float32)
    even = out_of_focus(image, alpha, 12)
    ground = out_of_focus(image, alpha, 12, falloff="ground")
    near = out_of_focus(image, alpha, 12, falloff="distance")
    top, foot = np.s_[2:6, 5:50], np.s_[100:104, 5:50]
    assert spread(ground, foot) > 10 * spread(ground, top)
    assert spread(even, foot) < 0.02
    assert spread(near, np.s_[78:82, 100:110]) > 3 * spread(near, np.s_[78:82, 130:155])


def test_a_blur_keeps_the_alpha_of_the_picture():
    image = noise(SIZE, 4)
    found = replayed(image, MASK, "background-blur:radius=5,edge=hard")
    np.testing.assert_array_equal(found[..., 3], image[..., 3])
    np.testing.assert_array_equal(found[MASK], image[MASK])


def test_another_picture_covers_fits_or_is_stretched():
    picture = plain((10, 20), (0, 200, 0))
    picture[:, :10] = (200, 0, 0)
    cover = placed_picture(picture, (30, 30)) * 255
    assert (cover.sum(axis=-1) > 150).all()
    fit = placed_picture(picture, (30, 30), fit="fit", colour=parse_colour("white")) * 255
    np.testing.assert_allclose(fit[:7], 255)
    np.testing.assert_allclose(fit[15, 2], (200, 0, 0), atol=1)
    stretch = placed_picture(picture, (30, 30), fit="stretch") * 255
    np.testing.assert_allclose(stretch[2, 2], (200, 0, 0), atol=1)
    np.testing.assert_allclose(stretch[28, 28], (0, 200, 0), atol=1)
    with pytest.raises(ImageError, match="give cover, fit or stretch"):
        placed_picture(picture, (30, 30), fit="tile")


@pytest.mark.parametrize("size_hw", SIZES)
@pytest.mark.parametrize("fit", ["cover", "fit", "stretch"])
def test_backdrops_of_any_size_and_depth(fit, size_hw):
    for picture in (noise((7, 5), 4, np.uint16), noise((1, 40)), noise((3, 3), None)):
        found = placed_picture(picture, size_hw, fit=fit)
        assert found.shape == (*size_hw, 3)
        assert 0 <= found.min() <= found.max() <= 1


def test_a_transparent_part_of_another_picture_shows_the_colour_behind():
    picture = np.zeros((8, 8, 4), np.uint8)
    found = placed_picture(picture, (8, 8), colour=parse_colour("#ff8800"))
    np.testing.assert_allclose(found * 255, np.tile([255, 136, 0], (8, 8, 1)), atol=1e-3)


def test_harmonising_brings_mean_and_spread_nearer():
    rng = np.random.default_rng(0)
    cold = np.clip(rng.normal([0.3, 0.4, 0.6], 0.05, (40, 40, 3)), 0, 1).astype(np.float32)
    warm = np.clip(rng.normal([0.7, 0.5, 0.3], 0.08, (30, 30, 3)), 0, 1).astype(np.float32)
    ones = np.ones((40, 40), np.float32), np.ones((30, 30), np.float32)
    away = [
        np.abs(
            to_lab(harmonised(cold, warm, weight=ones[0], like_weight=ones[1], amount=amount)).mean(
                (0, 1)
            )
            - to_lab(warm).mean((0, 1))
        ).max()
        for amount in (0, 0.5, 1)
    ]
    assert away[0] > 1.8 * away[1]
    assert away[2] < 1.5
    same = harmonised(cold, warm, weight=ones[0] * 0, like_weight=ones[1], amount=1)
    np.testing.assert_array_equal(same, cold)


def test_harmonising_the_object_changes_it_towards_the_new_background():
    image = plain(SIZE, (60, 90, 160))
    step = "background-picture:picture=x,edge=hard,harmonise=object,amount=1"
    found = colours_of(replayed(image, MASK, step))
    assert TOOLS.load is not None
    behind = to_lab(colours_of(TOOLS.load("x"))).mean((0, 1))
    before, after = to_lab(colours_of(image))[MASK].mean(0), to_lab(found)[MASK].mean(0)
    assert np.linalg.norm(after - behind) < np.linalg.norm(before - behind) / 4


def test_a_kept_shadow_darkens_the_new_background():
    image = plain((100, 120), (190, 190, 190))
    mask = disc((100, 120), (60, 40), 18)
    shadow = disc((100, 120), (62, 66), 14) & ~mask
    image[shadow] = (90, 90, 90)
    image[mask] = (200, 30, 30)
    words = "background-colour:colour=#80a0ff,edge=hard"
    without = replayed(image, mask, words).astype(int)
    kept = replayed(image, mask, f"{words},keep_shadow=yes").astype(int)
    core = ~within(~shadow, 4)
    assert (kept[core] < without[core] * 0.8).all()
    far = ~within(mask | shadow, 25)
    np.testing.assert_allclose(kept[far], without[far], atol=6)


def test_masks_at_the_border_and_single_pixels():
    for size_hw in SIZES:
        image = noise(size_hw)
        for mask in masks(size_hw):
            for step in STEPS:
                found = replayed(image, mask, f"{step}{',' if ':' in step else ':'}edge=hard")
                np.testing.assert_array_equal(found[mask][:, :3], image[mask])
