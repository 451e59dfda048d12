"""The offline scorer on real photos."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.types.records import CompactMask
from anymask.words.classes import read_class_texts
from anymask.words.colours import COLOURS
from anymask.words.naming import name_regions
from anymask.words.scorer import RegionTextScorer, score
from anymask.words.views import GREY, region_views

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def cat() -> tuple[np.ndarray, CompactMask]:
    """A photo of a cat and an ellipse on it."""
    from skimage import data

    photo = np.asarray(data.chelsea())
    ys, xs = np.mgrid[: photo.shape[0], : photo.shape[1]]
    mask = ((xs - 225) / 170) ** 2 + ((ys - 150) / 130) ** 2 < 1
    return photo, CompactMask.from_array(mask)


def test_a_cat_is_named_a_cat(
    offline_scorer: RegionTextScorer, cat: tuple[np.ndarray, CompactMask]
) -> None:
    photo, region = cat
    words = ["dog", "car", "cat", "table", "tree", "person"]
    (name,) = name_regions(offline_scorer, photo, [region], words)
    assert name.label == "cat"
    assert name.score > 0.5


def test_a_phrase_with_an_article_is_the_same_phrase(offline_scorer: RegionTextScorer) -> None:
    plain, with_article = offline_scorer.embed_phrases(["cat", "  A  cat"])
    np.testing.assert_allclose(plain, with_article, atol=1e-6)


def test_phrases_do_not_depend_on_their_neighbours(offline_scorer: RegionTextScorer) -> None:
    together = offline_scorer.embed_phrases(["a red car", "dog", "a long phrase about a cup"])
    for row, phrase in enumerate(["a red car", "dog", "a long phrase about a cup"]):
        np.testing.assert_allclose(
            together[row], offline_scorer.embed_phrases([phrase])[0], atol=1e-4
        )


def test_present_things_score_higher_than_absent_ones(
    offline_scorer: RegionTextScorer, cat: tuple[np.ndarray, CompactMask]
) -> None:
    photo, region = cat
    regions = offline_scorer.embed_regions(photo, [region])
    present, absent, nonsense = score(
        regions, offline_scorer.embed_phrases(["a cat", "a truck", "qwertz"])
    )[0]
    assert present > offline_scorer.threshold > absent
    assert nonsense < offline_scorer.threshold


def test_regions_are_probabilities_of_classes(
    offline_scorer: RegionTextScorer, cat: tuple[np.ndarray, CompactMask]
) -> None:
    photo, region = cat
    found = offline_scorer.embed_regions(photo, [region, region])
    assert found.shape == (2, 1000 * (1 + len(COLOURS)))
    np.testing.assert_allclose(found[:, :1000].sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
    assert offline_scorer.embed_regions(photo, []).shape == (0, found.shape[1])


def test_a_red_cup_is_a_cup_that_is_red(
    offline_scorer: RegionTextScorer, coffee: np.ndarray
) -> None:
    mask = np.zeros(coffee.shape[:2], bool)
    mask[110:270, 210:400] = True
    recoloured = coffee[:, :, ::-1].copy()
    phrases = offline_scorer.embed_phrases(["cup", "the red cup", "a blue cup", "red zebra"])
    regions = [
        offline_scorer.embed_regions(photo, [CompactMask.from_array(mask)])
        for photo in (coffee, recoloured)
    ]
    cup, red, blue, zebra = score(regions[0], phrases)[0]
    assert cup >= red > 2 * blue
    assert zebra < offline_scorer.threshold
    _, red, blue, _ = score(regions[1], phrases)[0]
    assert blue > 2 * red


def test_every_class_has_a_text() -> None:
    table = read_class_texts()
    assert sorted(set(table.owner.tolist())) == list(range(1000))
    assert len(table.texts) == len(table.owner)


def test_views_are_the_region_alone_and_with_what_is_around_it() -> None:
    photo = np.full((20, 30, 3), 200, np.uint8)
    mask = np.zeros((20, 30), bool)
    mask[0:10, 0:10] = True
    alone, plain = region_views(photo, CompactMask.from_array(mask), 46)
    middle, corner, outside = (23, 23), (44, 44), (0, 0)
    assert alone[middle].tolist() == plain[middle].tolist() == [200] * 3
    assert alone[corner].tolist() == [GREY] * 3
    assert plain[corner].tolist() == [200] * 3
    assert plain[outside].tolist() == [GREY] * 3  # beyond the picture


def test_a_region_of_one_pixel_has_views() -> None:
    mask = np.zeros((20, 30), bool)
    mask[19, 29] = True
    views = region_views(np.zeros((20, 30, 3), np.uint8), CompactMask.from_array(mask), 16)
    assert views.shape == (2, 16, 16, 3)
