"""The names of the classes are embedded once, and then lie in a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from anymask.words.classes import embedded_once, read_class_texts

TEXTS = ("cat", "dog", "a cup")


class Counted:
    """Embeds a text as its length, and counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        self.calls += 1
        return np.array([[len(text), self.calls] for text in texts], np.float32)


def test_every_class_has_a_text() -> None:
    table = read_class_texts()
    assert len(table.texts) == len(table.owner)
    assert np.unique(table.owner).tolist() == list(range(1000))


def test_the_second_time_the_file_answers(tmp_path: Path) -> None:
    embed = Counted()
    first = embedded_once(TEXTS, embed, tmp_path / "folder" / "classes")
    again = embedded_once(TEXTS, embed, tmp_path / "folder" / "classes")
    assert embed.calls == 1
    np.testing.assert_array_equal(first, again)
    assert embedded_once(TEXTS[:2], embed, tmp_path / "folder" / "classes").shape == (2, 2)
    assert embed.calls == 2


@pytest.mark.parametrize("content", [b"", b"no array", None])
def test_a_damaged_file_is_written_anew(tmp_path: Path, content: bytes | None) -> None:
    embed = Counted()
    embedded_once(TEXTS, embed, tmp_path / "classes")
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-3] if content is None else content)
    assert embedded_once(TEXTS, embed, tmp_path / "classes").shape == (3, 2)
    assert embed.calls == 2
    embedded_once(TEXTS, embed, tmp_path / "classes")
    assert embed.calls == 2


def test_where_nothing_can_be_kept_it_is_embedded_each_time(tmp_path: Path) -> None:
    embed = Counted()
    (tmp_path / "file").write_text("in the way")
    for kept in (None, tmp_path / "file" / "classes"):
        assert embedded_once(TEXTS, embed, kept).shape == (3, 2)
    assert embed.calls == 2
