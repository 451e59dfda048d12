"""Cold start: whole processes, from their start to the mask on disk and their end."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import judge
import numpy as np
from crew import FOLDER, SkippedError, environment
from inputs import CLICK_XY, REPOSITORY, Inputs
from PIL import Image

OWN = str(REPOSITORY / ".venv" / "bin" / "python")


@dataclass(frozen=True)
class ColdStart:
    """One way to get a mask from the command line.

    Attributes:
        name: the row's name.
        script: a script of this folder, or None for anymask's own command.
        options: further options of anymask's command.
        python: runs anymask's command; left out, the peers' environment.
    """

    name: str
    script: str | None = None
    options: tuple[str, ...] = ()
    python: str = sys.executable

    def command(self, inputs: Inputs, target: Path) -> list[str]:
        """The command line."""
        x, y = (f"{value:g}" for value in CLICK_XY)
        photo = str(inputs.png("small"))
        if self.script:
            weights = str(inputs.checkpoint("vit_t"))
            mask = str(mask_file(target))
            return [sys.executable, str(FOLDER / self.script), weights, photo, x, y, mask]
        click = ["--point", f"{x},{y}", "--out", str(target), "--save", "mask", "--offline"]
        return [self.python, "-m", "anymask", "segment", photo, *click, *self.options]


WAYS = (
    ColdStart("original (PyTorch, eager)", "cold_original.py"),
    ColdStart("onnxruntime, the model's files", "cold_onnxruntime.py"),
    ColdStart("anymask segment"),
    ColdStart("anymask segment --engine torch", options=("--engine", "torch")),
    ColdStart("anymask segment --engine onnx", options=("--engine", "onnx")),
    # What a user has: PyTorch's import takes its build's time, and the peers need another build.
    *(
        ColdStart(f"anymask segment --engine {engine}, in .venv", None, ("--engine", engine), OWN)
        for engine in ("torch", "onnx")
        if Path(OWN).exists()
    ),
)


@dataclass(frozen=True)
class ColdRun:
    """One process: seconds on the wall and of the processor, peak of memory."""

    seconds: float
    cpu_seconds: float
    peak_rss_mb: float


def mask_file(target: Path) -> Path:
    """Where a script puts its mask."""
    return target / "mask.png"


def run(way: ColdStart, inputs: Inputs, target: Path, threads: int) -> ColdRun:
    """Start it, wait for its end.

    Raises:
        SkippedError: the command has no such option.
    """
    target.mkdir(parents=True, exist_ok=True)
    log = target / "log.txt"
    done = subprocess.run(
        [sys.executable, str(FOLDER / "launch.py"), str(log), *way.command(inputs, target)],
        stdout=subprocess.PIPE,
        check=True,
        env=environment(threads),
    )
    answer = json.loads(done.stdout)
    if code := answer.pop("code"):
        raise SkippedError(_reason(log, code))
    return ColdRun(**answer)


def quality(target: Path, reference: Path) -> dict[str, float]:
    """IoU of the mask on disk with the original's."""
    masks = [_read_mask(folder)[None] for folder in (reference, target)]
    return judge.summary(judge.mask_ious(*masks))


def _read_mask(folder: Path) -> np.ndarray:
    """The one mask in a folder of results."""
    path = next(iter(sorted(folder.rglob("*mask*.png"))))
    return np.asarray(Image.open(path).convert("L")) > 0


def _reason(log: Path, code: int) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip("│ ") if lines else f"ended with {code}"
