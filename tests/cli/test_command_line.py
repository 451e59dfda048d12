from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from anymask.cli import main
from anymask.version import __version__

HEAVY = ("torch", "scipy", "PIL", "onnxruntime", "transformers", "pillow_heif")


def python(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize(
    "words", [["--help"], ["-h"], ["segment", "-h"], ["models", "fetch", "-h"]]
)
def test_help_is_plain_ascii_when_piped(words):
    ended = python("-m", "anymask", *words)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "Usage: anymask" in ended.stdout
    assert ended.stdout.isascii()


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from anymask.cli import main; main(['--help']);"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    assert python("-c", code).stdout.splitlines()[-1] == "[]"


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"anymask {__version__}\n"


def test_no_words_print_the_help(capsys):
    assert main([]) == 0
    assert "segment" in capsys.readouterr().out


def test_unknown_command_is_wrong_usage(capsys):
    assert main(["segmnet"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: No such command 'segmnet'")
    assert captured.err.count("\n") == 1


def test_error_of_a_real_process_has_no_traceback(tmp_path):
    ended = python("-m", "anymask", "segment", str(tmp_path / "no.jpg"), "--point", "1,2", "--json")
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert json.loads(ended.stdout)["error"]["type"] == "UsageError"


def test_a_closed_pipe_is_no_traceback():
    script = (
        "import os, sys; r, w = os.pipe(); os.close(r); os.dup2(w, 1);"
        "from anymask.cli import main; sys.exit(main(['models', '--json']))"
    )
    ended = python("-c", script)
    assert (ended.returncode, ended.stderr) == (1, "")


def test_warnings_of_the_library_are_shown_as_lines(capsys, monkeypatch):
    import logging

    from anymask.cli import models

    def warn(*_: object) -> dict[str, object]:
        logging.getLogger("anymask.io").warning("a file\nis damaged")
        return {"name": "x", "problem": None, "paths": []}

    monkeypatch.setattr(models, "model_record", warn)
    monkeypatch.setattr(models, "ZOO", models.ZOO[:1])
    monkeypatch.setattr(models, "TEXT_ZOO", ())
    assert main(["models", "--json"]) == 0
    assert capsys.readouterr().err == "warning: a file is damaged\n"
    assert logging.getLogger("anymask").handlers == []
