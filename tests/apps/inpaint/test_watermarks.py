from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from anymask.apps.inpaint.fill import inpaint
from anymask.apps.inpaint.watermarks import find_marks, marks_mask
from anymask.errors import ImageError


@pytest.fixture(scope="module")
def mark() -> np.ndarray:
    """A word with transparent surroundings, (30, 110, 4) uint8."""
    plane = Image.new("RGBA", (110, 30), (255, 255, 255, 0))
    font = ImageFont.load_default(size=22)
    ImageDraw.Draw(plane).text((4, 2), "SAMPLE", font=font, fill=(255, 255, 255, 255))
    return np.asarray(plane)


def stamped(image: np.ndarray, mark: np.ndarray, places: list[tuple[int, int]], opacity: float):
    out = image.astype(float)
    for x, y in places:
        window = out[y : y + mark.shape[0], x : x + mark.shape[1]]
        alpha = mark[..., 3:] / 255 * opacity
        window += (255 - window) * alpha
    return np.rint(out).astype(np.uint8)


@pytest.mark.parametrize("opacity", [0.45, 0.9])
def test_every_copy_is_found_on_any_background(coffee, astronaut, mark, opacity):
    places = [(40, 30), (300, 200), (420, 340)]
    template, shape = np.where(mark[..., 3:] > 127, 255, 0)[..., 0], mark[..., 3] > 60
    for image in (coffee, astronaut):
        picture = stamped(image, mark, [p for p in places if p[0] < image.shape[1] - 110], opacity)
        wanted = sorted(p for p in places if p[0] < image.shape[1] - 110)
        found = find_marks(picture, template, shape)
        assert sorted((one.x, one.y) for one in found) == wanted
        assert not find_marks(image, template, shape)


def test_the_mark_goes_and_the_picture_stays(coffee, mark):
    shape = mark[..., 3] > 0
    picture = stamped(coffee, mark, [(300, 200)], 0.7)
    found = find_marks(picture, mark[..., 3], shape)
    mask = marks_mask(picture.shape[:2], found, shape)
    result = inpaint(picture, mask, grow_px=1, feather_px=0)
    before = np.abs(picture.astype(int) - coffee)[mask].mean()
    assert np.abs(result.image.astype(int) - coffee)[mask].mean() < before / 4
    np.testing.assert_array_equal(result.image[~result.hole], picture[~result.hole])


def test_templates_that_cannot_be_found_are_refused(coffee, mark):
    with pytest.raises(ImageError, match="only"):
        find_marks(coffee[:20], mark)
    with pytest.raises(ImageError, match="flat"):
        find_marks(coffee, np.zeros((20, 20), np.uint8))
    with pytest.raises(ImageError, match="min_score"):
        find_marks(coffee, mark, min_score=0)
    with pytest.raises(ImageError, match="but the template"):
        find_marks(coffee, mark, np.ones((3, 3), bool))
