"""Regions like a given one, on a real photo."""

from __future__ import annotations

import numpy as np
import pytest

from anymask import Prompt, everything
from anymask.apps.similar import find_similar, region_embedding, region_embeddings
from anymask.inference.segment import Model
from anymask.types.records import CompactMask, MaskRecord
from anymask.words.find import REGIONS


@pytest.fixture(scope="module")
def coins() -> np.ndarray:
    from skimage import data

    return np.repeat(np.asarray(data.coins())[..., None], 3, axis=2)


def as_record(mask: np.ndarray) -> MaskRecord:
    height, width = mask.shape
    return MaskRecord(CompactMask.from_array(mask), 1, 1, (0, 0), (0, 0, width, height))


@pytest.mark.weights
def test_the_other_coins_come_before_all_else(default_model: Model, coins: np.ndarray) -> None:
    encoded = default_model.encode(coins)
    given = CompactMask.from_array(
        default_model.segment(encoded, Prompt(points=[(100, 56)])).array[0]
    )
    records = everything(default_model, encoded, REGIONS)
    wanted = region_embedding(encoded, given)
    found = find_similar(wanted, encoded, records, without=given, most=10)
    assert len(found) == 10
    coin_sized = [given.area / 2.5 < one.record.area < given.area * 2.5 for one in found]
    assert sum(coin_sized) >= 9
    assert [one.similarity for one in found] == sorted(
        (one.similarity for one in found), reverse=True
    )


@pytest.mark.weights
def test_the_given_region_is_no_answer_and_is_like_itself(
    default_model: Model, coins: np.ndarray
) -> None:
    encoded = default_model.encode(coins)
    mask = default_model.segment(encoded, Prompt(points=[(100, 56)])).array[0]
    given = CompactMask.from_array(mask)
    wanted = region_embedding(encoded, given)
    assert find_similar(wanted, encoded, [as_record(mask)], without=given) == []
    (itself,) = find_similar(wanted, encoded, [as_record(mask)])
    assert itself.similarity == pytest.approx(1, abs=1e-5)


@pytest.mark.weights
def test_embeddings_have_unit_length_whatever_the_masks(
    default_model: Model, coins: np.ndarray
) -> None:
    encoded = default_model.encode(coins)
    pixel, whole = np.zeros(coins.shape[:2], bool), np.ones(coins.shape[:2], bool)
    pixel[0, 0] = True
    half = whole.copy()
    half[:, 200:] = False
    rows = region_embeddings(encoded, [CompactMask.from_array(one) for one in (pixel, half)])
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert region_embeddings(encoded, []).shape == (0, rows.shape[1])
    assert np.isfinite(region_embedding(encoded, CompactMask.from_array(whole))).all()
