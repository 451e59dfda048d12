from __future__ import annotations

import numpy as np
import pytest

from anymask.apps.edit.pixels import as_picture
from anymask.apps.edit.recipe import Recipe, parse_words
from anymask.apps.edit.scene import SceneObject
from anymask.apps.edit.steps import STEPS
from anymask.errors import MaskError
from editing import SIZES, TOOLS, masks, noise, replayed, same

KINDS = [(channels, dtype) for channels in (None, 2, 3, 4) for dtype in (np.uint8, np.uint16)]
NEVER_EMPTY = ("background-", "greyscale", "sticker")  # these are about what lies around


def words_of(step: str, edge: str) -> str:
    more = ",picture=other.png" if step == "background-picture" else ""
    return f"{step}:edge={edge}{more}"


@pytest.mark.parametrize(("channels", "dtype"), KINDS)
@pytest.mark.parametrize("step", STEPS)
def test_size_and_depth_stay_for_every_kind_of_picture_and_mask(step, channels, dtype):
    for size_hw in SIZES:
        image = noise(size_hw, channels, dtype)
        before = image.copy()
        for mask in masks(size_hw):
            for edge in ("feather", "soft"):
                recipe = Recipe((parse_words(words_of(step, edge)),))
                try:
                    found = recipe.with_objects({"0": SceneObject(mask)}).apply(image, TOOLS)
                except MaskError:
                    assert step in ("delete", "move")
                    assert max(size_hw) < 20, "only where nothing is left to fill from"
                    continue
                assert found.shape[:2] == size_hw
                assert found.dtype == dtype
        np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("edge", ["hard", "feather", "soft"])
@pytest.mark.parametrize("step", [name for name in STEPS if not name.startswith(NEVER_EMPTY)])
def test_an_empty_mask_changes_nothing(step, edge):
    for size_hw in SIZES:
        image = noise(size_hw, 4)
        assert same(replayed(image, np.zeros(size_hw, bool), words_of(step, edge)), image)


@pytest.mark.parametrize("step", STEPS)
def test_a_full_mask_is_done_or_refused_in_words(step):
    for size_hw in SIZES:
        image, full = noise(size_hw), np.ones(size_hw, bool)
        if step in ("delete", "move"):
            with pytest.raises(MaskError, match="covers the whole picture; nothing is left"):
                replayed(image, full, words_of(step, "soft"))
        else:
            assert replayed(image, full, words_of(step, "soft")).shape[:2] == size_hw


@pytest.mark.parametrize("step", STEPS)
def test_grey_pictures_are_edited_as_their_rgb(step):
    grey = noise((30, 40), None)
    mask = next(masks((30, 40)))
    words = words_of(step, "hard")
    np.testing.assert_array_equal(
        replayed(grey, mask, words), replayed(as_picture(grey), mask, words)
    )
