"""What the README shows is run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)


def blocks(language: str) -> list[str]:
    return [body for name, body in FENCED.findall(README) if name == language]


@pytest.mark.weights
def test_the_five_lines_of_python_run(default_weights) -> None:
    lines = [line for line in blocks("python")[0].splitlines() if line.strip()]
    assert len(lines) <= 5
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("(1, 400, 600)")


@pytest.mark.weights
def test_the_command_line_writes_what_it_says(default_weights, tmp_path: Path) -> None:
    (line,) = [block for block in blocks("") if block.startswith("anymask segment")]
    command = shlex.split(line.replace("--out anymask-out", f"--out {tmp_path}"))
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"coffee_mask.png", "coffee_overlay.png", "coffee_cutout.png", "coffee.json"}


def test_the_make_targets_it_names_exist() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"^make (\w+)", README, flags=re.MULTILINE))
    assert {"demo", "test"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)


def test_every_file_it_links_to_is_there() -> None:
    for document in REPOSITORY.glob("**/*.md"):
        if ".venv" in document.parts or "node_modules" in document.parts:
            continue
        prose = FENCED.sub("", document.read_text(encoding="utf-8"))
        prose = re.sub(r"`[^`]*`", "", prose)
        for link in re.findall(r"\]\(([^)#\s]+)", prose):
            if "://" not in link:
                assert (document.parent / link).exists(), f"{document.name} links to {link}"
