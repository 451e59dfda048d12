"""Phrases find masks, each by itself; finding none is a normal answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anymask.errors import PromptError
from anymask.types.records import CompactMask
from anymask.words.find import TextSettings, match_phrases, without_strays
from words.conftest import BLUE, GREEN, RED, ColourScorer, record


def test_each_phrase_finds_its_own_masks(scorer: ColourScorer, picture: np.ndarray) -> None:
    red, blue = match_phrases(scorer, picture, [RED, GREEN, BLUE], ["something red", "blue"])
    assert [one.record for one in red.found] == [RED]
    assert [one.record for one in blue.found] == [BLUE]
    assert red.phrase == "something red"
    assert red.presence == red.found[0].score
    assert red.presence > 0.9


def test_what_is_not_there_is_an_empty_answer_with_its_presence(
    scorer: ColourScorer, picture: np.ndarray
) -> None:
    (blue,) = match_phrases(scorer, picture, [RED, GREEN], ["blue"])
    assert blue.found == ()
    assert 0 <= blue.presence < 0.1


def test_a_picture_without_regions_is_an_empty_answer(
    scorer: ColourScorer, picture: np.ndarray
) -> None:
    (red,) = match_phrases(scorer, picture, [record(0, 0, 0, 0)], ["red"])
    assert red.found == ()
    assert red.presence == 0


def test_other_phrases_change_nothing(scorer: ColourScorer, picture: np.ndarray) -> None:
    alone = match_phrases(scorer, picture, [RED, GREEN, BLUE], ["red"])
    together = match_phrases(scorer, picture, [RED, GREEN, BLUE], ["blue", "red", "green"])
    assert alone[0] == together[1]


def test_a_threshold_of_the_callers_counts(scorer: ColourScorer, picture: np.ndarray) -> None:
    everything = match_phrases(scorer, picture, [RED, GREEN], ["red"], TextSettings(threshold=0))
    assert [one.record for one in everything[0].found] == [RED, GREEN]
    strict = match_phrases(scorer, picture, [RED], ["red"], TextSettings(threshold=0.99))
    assert strict[0].found == ()


def test_a_negative_phrase_takes_away_what_fits_it_better(
    scorer: ColourScorer, picture: np.ndarray
) -> None:
    settings = TextSettings(threshold=0, negative=("green",))
    (red,) = match_phrases(scorer, picture, [RED, GREEN], ["red"], settings)
    assert [one.record for one in red.found] == [RED]


def test_parts_and_doubles_of_a_better_mask_are_left_out(
    scorer: ColourScorer, picture: np.ndarray
) -> None:
    part, double = record(5, 5, 9, 9), record(4, 4, 15, 15)
    (red,) = match_phrases(scorer, picture, [double, RED, part], ["red"])
    assert [one.record for one in red.found] == [RED]


def test_no_more_than_asked_for(scorer: ColourScorer, picture: np.ndarray) -> None:
    settings = TextSettings(threshold=0, most=1)
    (red,) = match_phrases(scorer, picture, [GREEN, RED, BLUE], ["red"], settings)
    assert [one.record for one in red.found] == [RED]


@pytest.mark.parametrize("phrases", [[], ["  "], "red", ["red", ""], [3]])
def test_what_is_no_phrase_is_refused(
    scorer: ColourScorer, picture: np.ndarray, phrases: object
) -> None:
    with pytest.raises(PromptError, match="phrases"):
        match_phrases(scorer, picture, [RED], phrases)  # type: ignore[arg-type]


def test_stray_pieces_are_no_part_of_what_is_found(
    scorer: ColourScorer, picture: np.ndarray
) -> None:
    mask = RED.array
    mask[2, 50] = True
    (red,) = match_phrases(
        scorer, picture, [replace(RED, mask=CompactMask.from_array(mask))], ["red"]
    )
    assert [one.record for one in red.found] == [RED]
    mask[2, 51] = True  # two of 102 pixels are a piece
    larger = replace(RED, mask=CompactMask.from_array(mask))
    assert without_strays(larger) == larger


def test_a_mask_of_many_small_pieces_stays_as_it_is() -> None:
    leaves = np.zeros(RED.size_hw, np.bool_)
    leaves[::2, ::2] = True
    leaves[10:13, 10:13] = True
    scattered = replace(RED, mask=CompactMask.from_array(leaves))
    assert without_strays(scattered) == scattered
