from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps

from anymask.apps.edit import adjustments
from anymask.apps.edit.adjustments import adjusted, customised
from anymask.apps.edit.colours import luminance, parse_colour
from anymask.apps.edit.pixels import colours_of
from anymask.errors import ImageError, MaskError
from anymask.geometry.colour_spaces import to_lab
from editing import disc, noise, plain, replayed, within

SIZE = (61, 83)
MASK = disc(SIZE, (40, 30), 15)
STEPS = [
    "brightness:factor=1.5",
    "contrast:factor=1.7",
    "saturation:factor=0.2",
    "hue:degrees=120",
    "white-balance:temperature=60,tint=-20,auto=yes",
    "recolour:colour=#1f5fbf",
    "greyscale:where=object",
    "duotone",
    "sharpen:amount=2",
    "blur:radius=6",
    "pixelate:size=5",
]


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("step", STEPS)
def test_outside_the_mask_and_its_feather_ring_every_bit_stays(step, dtype, channels):
    image = noise(SIZE, channels, dtype)
    for edge, ring in (("edge=hard", MASK), ("edge=feather,edge_width=3", within(MASK, 4))):
        words = f"{step}{',' if ':' in step else ':'}{edge}"
        found = replayed(image, MASK, words)
        assert found.shape == image.shape
        assert found.dtype == dtype
        np.testing.assert_array_equal(found[~ring], image[~ring])
        assert (found[MASK] != image[MASK]).any()
        np.testing.assert_array_equal(found[..., 3:], image[..., 3:])


@pytest.mark.parametrize("step", STEPS)
def test_the_background_instead_leaves_the_object_as_it_was(step):
    image = noise(SIZE)
    words = step.replace("where=object", "amount=1")
    found = replayed(
        image, MASK, f"{words}{',' if ':' in words else ':'}edge=hard,where=background"
    )
    np.testing.assert_array_equal(found[MASK], image[MASK])
    assert (found[~MASK] != image[~MASK]).any()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    "step",
    [
        "brightness:factor=1",
        "contrast:factor=1",
        "saturation:factor=1",
        "recolour:amount=0",
        "greyscale:amount=0,where=object",
        "sharpen:amount=0",
        "pixelate:size=1,edge=soft",
    ],
)
def test_a_step_that_asks_for_nothing_changes_nothing(step, dtype):
    image = noise(SIZE, 3, dtype)
    np.testing.assert_array_equal(replayed(image, MASK, step), image)


def test_sixteen_bits_are_not_thinned_out():
    ramp = np.arange(20000, 20000 + 83 * 61, dtype=np.uint16).reshape(61, 83)
    deep = replayed(np.stack([ramp] * 3, axis=-1), np.ones(SIZE, bool), "brightness:factor=1.1")
    assert len(np.unique(deep)) == ramp.size
    np.testing.assert_allclose(deep[..., 0], ramp * 1.1, atol=0.6)


def test_brightness_and_contrast_are_those_of_css():
    image = plain((3, 3), (100, 128, 40))
    everything = np.ones((3, 3), bool)
    assert replayed(image, everything, "brightness:factor=2")[0, 0].tolist() == [200, 255, 80]
    found = replayed(image, everything, "contrast:factor=2")[0, 0]
    np.testing.assert_allclose(found, [72.5, 128.5, 0], atol=1)


def test_greyscale_except_the_object():
    image = noise(SIZE)
    found = replayed(image, MASK, "greyscale:edge=hard")
    np.testing.assert_array_equal(found[MASK], image[MASK])
    assert (np.ptp(found[~MASK], axis=1) <= 1).all()
    np.testing.assert_allclose(
        luminance(colours_of(found)), luminance(colours_of(image)), atol=1 / 255
    )


def test_white_balance_takes_a_cast_away_by_itself():
    cast = noise(SIZE).astype(np.float32) * np.array([0.9, 0.7, 0.4])
    found = colours_of(
        replayed(cast.astype(np.uint8), np.ones(SIZE, bool), "white-balance:auto=on")
    )
    light = found**2.2
    assert np.ptp(light.mean(axis=(0, 1))) < 0.02
    grey = np.full((2, 2, 3), 0.5, np.float32)
    warm = adjustments.white_balance(grey, 80, 0)[0, 0]
    pink = adjustments.white_balance(grey, 0, 80)[0, 0]
    assert warm[0] > warm[1] > warm[2]
    assert pink[1] < pink[0] == pytest.approx(pink[2])


def test_recolouring_keeps_light_and_shade():
    shade = np.linspace(0.15, 1, 83)[None, :, None] * np.ones((61, 1, 1))
    image = np.rint(shade * np.array([170, 40, 30])).astype(np.uint8)
    blue = parse_colour("#1f5fbf")
    found = replayed(image, np.ones(SIZE, bool), "recolour:colour=#1f5fbf")
    lab, before = to_lab(colours_of(found)), to_lab(colours_of(image))
    assert (np.diff(lab[0, :, 0]) >= 0).all(), "lighter stays lighter"
    assert np.corrcoef(lab[0, :, 0], before[0, :, 0])[0, 1] > 0.95
    np.testing.assert_allclose(found[30, 41] / 255, blue, atol=0.08)
    hue = np.arctan2(lab[0, 20:60, 2], lab[0, 20:60, 1])
    assert np.ptp(hue) < 0.25


def test_duotone_runs_from_the_one_colour_to_the_other():
    image = np.stack([np.array([[0, 128, 255]], np.uint8)] * 3, axis=-1)
    found = replayed(image, np.ones((1, 3), bool), "duotone:dark=#102040,light=#ffd9a0")
    np.testing.assert_allclose(found[0, 0], [0x10, 0x20, 0x40], atol=1)
    np.testing.assert_allclose(found[0, 2], [0xFF, 0xD9, 0xA0], atol=1)


def test_a_blurred_object_takes_nothing_in_from_around_it():
    image = plain(SIZE, (200, 30, 30))
    image[~MASK] = (0, 0, 255)
    found = replayed(image, MASK, "blur:radius=20")
    assert np.abs(found[MASK].astype(int) - [200, 30, 30]).max() <= 1


def test_pixelating_leaves_squares_of_the_mean_and_no_detail():
    image = noise((40, 40))
    mask = np.zeros((40, 40), bool)
    mask[8:32, 8:32] = True
    found = replayed(image, mask, "pixelate:size=8")
    blocks = found[8:32, 8:32].reshape(3, 8, 3, 8, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()
    expected = image[8:16, 8:16].reshape(-1, 3).mean(axis=0)
    np.testing.assert_allclose(found[8, 8], expected, atol=0.51)


@pytest.mark.parametrize("step", ["blur", "pixelate"])
def test_privacy_steps_hide_by_the_size_of_the_object_by_default(step):
    image = np.zeros((160, 160, 3), np.uint8)
    image[:, ::16] = image[::16] = 255  # lines that a plate's letters could be
    mask = np.zeros((160, 160), bool)
    mask[20:148, 20:148] = True
    found = replayed(image, mask, step)[mask].astype(float)
    assert found.std() < image[mask].std() / 4


def test_sharpening_looks_a_little_beyond_the_mask():
    image = plain(SIZE, (50, 50, 50))
    image[:, 41:] = 150
    half = np.zeros(SIZE, bool)
    half[:, :41] = True
    found = replayed(image, half, "sharpen:amount=1,radius=2,edge=hard")
    assert found[30, 40, 0] < 50
    np.testing.assert_array_equal(found[:, 41:], image[:, 41:])


def test_any_function_of_arrays_or_pillow_images():
    image = noise(SIZE)
    inverted = customised(image, MASK, lambda rgb: 255 - rgb)
    np.testing.assert_array_equal(inverted[MASK], 255 - image[MASK])
    np.testing.assert_array_equal(inverted[~MASK], image[~MASK])
    pillow = customised(image, MASK, lambda rgb: ImageOps.invert(Image.fromarray(rgb)))
    np.testing.assert_array_equal(pillow, inverted)
    embossed = customised(
        image, MASK, lambda rgb: Image.fromarray(rgb).filter(ImageFilter.EMBOSS).convert("L")
    )
    assert (np.ptp(embossed[MASK], axis=1) == 0).all()
    deep = noise(SIZE, 4, np.uint16)
    found = customised(deep, MASK, lambda rgb: rgb // 2)
    np.testing.assert_array_equal(found[MASK][:, :3], deep[MASK][:, :3] // 2)
    np.testing.assert_array_equal(found[..., 3], deep[..., 3])
    with pytest.raises(ImageError, match="as it was given"):
        customised(image, MASK, lambda rgb: rgb[1:])
    with pytest.raises(ImageError, match="as it was given"):
        customised(image, MASK, lambda rgb: rgb / 255)


def test_a_function_cannot_write_into_the_original():
    image = noise(SIZE)
    before = image.copy()

    def spoil(rgb):
        rgb[:] = 0
        return rgb

    customised(image, MASK, spoil)
    np.testing.assert_array_equal(image, before)


def test_a_matte_of_another_size_is_refused():
    with pytest.raises(MaskError, match="size of the image"):
        adjusted(noise(SIZE), MASK.T, lambda colours, _: colours)
