from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from anymask.apps.inpaint.damage import DamageSettings, find_dust, find_scratches
from anymask.apps.inpaint.restore import STEPS, RestoreSettings, restore
from anymask.apps.inpaint.tone import denoised, noise_level, unfaded
from anymask.errors import ImageError


def drawn(image: np.ndarray, draw) -> tuple[np.ndarray, np.ndarray]:
    plane = Image.new("1", (image.shape[1], image.shape[0]))
    draw(ImageDraw.Draw(plane))
    mask = np.array(plane)
    damaged = image.copy()
    damaged[mask] = 245
    return damaged, mask


@pytest.fixture(scope="module")
def cat() -> np.ndarray:
    from skimage import data

    return np.asarray(data.chelsea())


def scratches(draw: ImageDraw.ImageDraw) -> None:
    draw.line([(60, 5), (75, 290)], fill=1, width=2)
    draw.line([(330, 20), (300, 280)], fill=1, width=2)


def specks(draw: ImageDraw.ImageDraw) -> None:
    for x, y in [(100, 60), (200, 250), (160, 120), (260, 90)]:
        draw.ellipse((x, y, x + 4, y + 4), fill=1)


def lightness(image: np.ndarray) -> np.ndarray:
    return image.astype(np.float32).mean(axis=2)


def test_scratches_are_found_and_little_else(cat):
    damaged, mask = drawn(cat, scratches)
    found = find_scratches(lightness(damaged))
    assert found[mask].mean() > 0.8
    assert find_scratches(lightness(cat)).mean() < 0.02


def test_dust_is_found_and_little_else(cat):
    damaged, mask = drawn(cat, specks)
    found = find_dust(lightness(damaged))
    assert found[mask].mean() > 0.8
    assert find_dust(lightness(cat)).mean() < 0.01


def test_dark_damage_is_found_too(cat):
    damaged, mask = drawn(cat, scratches)
    damaged[mask] = 0
    assert find_scratches(lightness(damaged))[mask].mean() > 0.8


def test_a_flat_picture_has_no_damage_at_any_size():
    for size_hw in ((1, 1), (1, 50), (50, 1), (3, 4), (40, 41)):
        flat = np.full(size_hw, 90, np.float32)
        assert not find_scratches(flat).any()
        assert not find_dust(flat).any()


def test_higher_contrast_finds_less(cat):
    damaged, _ = drawn(cat, scratches)
    few = find_scratches(lightness(damaged), DamageSettings(contrast=120.0))
    assert few.sum() < find_scratches(lightness(damaged)).sum()


def test_every_step_is_told_and_only_its_mask_changes(cat):
    damaged, mask = drawn(cat, lambda draw: (scratches(draw), specks(draw)))
    first, second = restore(damaged, ["scratches", "dust"])
    np.testing.assert_array_equal(first.image[~first.mask], damaged[~first.mask])
    np.testing.assert_array_equal(second.image[~second.mask], first.image[~second.mask])
    assert "pixels of scratches" in first.told
    assert "filled by exemplar" in first.told
    before = np.abs(damaged.astype(int) - cat)[mask].mean()
    assert np.abs(second.image.astype(int) - cat)[mask].mean() < before / 4


def test_faded_colours_come_back(cat):
    faded = (cat * np.array([0.35, 0.3, 0.25]) + np.array([130, 110, 80])).astype(np.uint8)
    (step,) = restore(faded, ["fading"])
    assert step.mask is None
    assert (step.image.std(axis=(0, 1)) > 2 * faded.std(axis=(0, 1))).all()
    spread = np.ptp(step.image.mean(axis=(0, 1)))
    assert spread < np.ptp(faded.mean(axis=(0, 1)))


def test_sepia_stays_sepia():
    grey = np.tile(np.linspace(80, 150, 60, dtype=np.float32), (50, 1))[..., None]
    sepia = grey * np.array([1.0, 0.85, 0.65], np.float32)
    warm = unfaded(sepia)
    assert (warm[..., 0].mean() - warm[..., 2].mean()) > (sepia[..., 0] - sepia[..., 2]).mean()
    assert np.ptp(warm) > np.ptp(sepia)


def test_noise_is_measured_and_taken_out(cat):
    noisy = cat + np.random.default_rng(0).normal(0, 12, cat.shape).astype(np.float32)
    noisy = noisy.astype(np.float32)
    assert noise_level(noisy) == pytest.approx(12, rel=0.15)
    clean = denoised(noisy)
    assert np.square(clean - cat).mean() < 0.5 * np.square(noisy - cat).mean()
    np.testing.assert_array_equal(denoised(noisy, 0), noisy)


@pytest.mark.parametrize("shape", [(50, 61), (50, 61, 2), (50, 61, 3), (50, 61, 4), (1, 7, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_any_kind_of_picture_keeps_shape_depth_and_alpha(shape, dtype):
    rng = np.random.default_rng(0)
    image = rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)
    for step in restore(image):
        assert step.image.shape == shape
        assert step.image.dtype == dtype
        if len(shape) == 3 and shape[2] in (2, 4):
            np.testing.assert_array_equal(step.image[..., -1], image[..., -1])


def test_strength_0_changes_nothing(cat):
    settings = RestoreSettings(fading=0.0, denoise=0.0)
    for step in restore(cat, ["fading", "denoise"], settings):
        np.testing.assert_array_equal(step.image, cat)


def test_unknown_steps_and_pictures_are_refused(cat):
    with pytest.raises(ImageError, match="give some of scratches, dust, fading, denoise"):
        restore(cat, ["scratch"])
    with pytest.raises(ImageError, match="no step was named"):
        restore(cat, [])
    with pytest.raises(ImageError, match="uint8 or uint16"):
        restore(cat.astype(np.float32))


def test_progress_is_told(cat):
    told = []
    restore(cat[:60, :60], STEPS, on_step=lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
