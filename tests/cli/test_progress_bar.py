from __future__ import annotations

import io
import sys

import pytest

from anymask.cli.progress import ProgressBar, amount
from anymask.types.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("report", "text"),
    [
        (Progress("download", 12_300_000, 44_600_000, "bytes"), "12.3 of 44.6 MB"),
        (Progress("download", 12_300_000, None, "bytes"), "12.3 MB"),
        (Progress("segment", 3, 8, "images"), "3 of 8 images"),
    ],
)
def test_amounts_read_well(report, text):
    assert amount(report) == text


def test_nothing_is_drawn_where_nobody_watches(capsys):
    with ProgressBar() as bar:
        bar(Progress("segment", 1, 2, "images"))
    assert capsys.readouterr() == ("", "")


def test_the_bar_is_drawn_on_stderr_and_leaves_stdout_to_results(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    screen, pipe = Terminal(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(sys, "stdout", pipe)
    with ProgressBar() as bar:
        bar(Progress("segment", 1, 2, "images"))
        sys.stdout.write("result\n")
    assert "1 of 2 images" in screen.getvalue()
    assert "result" not in screen.getvalue()
    assert pipe.getvalue() == "result\n"
