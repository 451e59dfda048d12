from __future__ import annotations

import numpy as np
import pytest

from anymask.apps.edit.colours import parse_colour, rotated_hue
from anymask.apps.edit.pixels import colours_of
from anymask.errors import ImageError
from anymask.geometry.colour_spaces import from_lab, from_linear, to_lab, to_linear
from editing import noise


@pytest.mark.parametrize(
    ("text", "rgb"),
    [
        ("#1f5fbf", (0x1F, 0x5F, 0xBF)),
        ("1f5fbf", (0x1F, 0x5F, 0xBF)),
        ("#FA0", (255, 170, 0)),
        (" White ", (255, 255, 255)),
        ("gray", (128, 128, 128)),
    ],
)
def test_colours_as_people_write_them(text, rgb):
    np.testing.assert_allclose(parse_colour(text) * 255, rgb, atol=1e-4)


@pytest.mark.parametrize("text", ["", "#12345", "#gggggg", "nile", "#1234567", "rgb(1,2,3)"])
def test_what_is_no_colour_is_refused(text):
    with pytest.raises(ImageError, match="is no colour; write #rrggbb"):
        parse_colour(text)


def test_colour_spaces_agree_with_scikit_image_and_back():
    skimage = pytest.importorskip("skimage.color")
    colours = colours_of(noise((20, 30)))
    np.testing.assert_allclose(to_lab(colours), skimage.rgb2lab(colours), atol=0.02)
    np.testing.assert_allclose(from_lab(to_lab(colours)), colours, atol=1e-4)
    np.testing.assert_allclose(from_linear(to_linear(colours)), colours, atol=1e-5)


def test_turning_the_hue_keeps_lightness_and_a_full_turn_changes_nothing():
    colours = colours_of(noise((20, 30))) * 0.12 + 0.44  # far from the gamut's edge
    np.testing.assert_allclose(rotated_hue(colours, 360), colours, atol=1e-3)
    turned = to_lab(rotated_hue(colours, 90))
    np.testing.assert_allclose(turned[..., 0], to_lab(colours)[..., 0], atol=0.5)
    np.testing.assert_allclose(turned[..., 1], -to_lab(colours)[..., 2], atol=1.0)
