"""Every region gets one of the caller's words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anymask.errors import FileFormatError, PromptError
from anymask.words.naming import name_regions
from anymask.words.vocabularies import COCO, read_vocabulary
from words.conftest import BLUE, GREEN, RED, ColourScorer


def test_the_best_word_is_the_name(scorer: ColourScorer, picture: np.ndarray) -> None:
    regions = [one.mask for one in (BLUE, RED, GREEN)]
    names = name_regions(scorer, picture, regions, ["green", "blue", "red"])
    assert [name.label for name in names] == ["blue", "red", "green"]
    assert all(name.score > 0.9 for name in names)
    assert all(0.9 < name.sure <= 1 for name in names)


def test_no_regions_no_names(scorer: ColourScorer, picture: np.ndarray) -> None:
    assert name_regions(scorer, picture, [], ["red"]) == []


def test_a_word_that_fits_nothing_is_told_by_its_score(
    scorer: ColourScorer, picture: np.ndarray
) -> None:
    (name,) = name_regions(scorer, picture, [RED.mask], ["violet"])
    assert (name.label, name.score) == ("violet", 0)


def test_vocabularies_come_by_name_from_a_file_or_from_a_list(tmp_path: Path) -> None:
    assert read_vocabulary("coco") == COCO
    assert len(set(COCO)) == 80
    lvis = read_vocabulary("LVIS")
    assert (len(set(lvis)), lvis[0], lvis[-1]) == (1203, "aerosol can", "zucchini")
    assert read_vocabulary(" red , green,red ") == ("red", "green")
    file = tmp_path / "words.txt"
    file.write_text("a cup\n\n  a  spoon \n", "utf-8")
    assert read_vocabulary(str(file)) == ("a cup", "a spoon")


def test_a_vocabulary_that_has_no_words_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="has no words"):
        read_vocabulary(" , ")
    file = tmp_path / "words.txt"
    file.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(FileFormatError, match="one word a line"):
        read_vocabulary(str(file))
