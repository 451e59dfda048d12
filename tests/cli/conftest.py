"""A model without a network: it finds a disc around whatever is pointed at."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anymask.cli import main
from anymask.inference.backend import Candidates, Decoded, PromptBatch, confident
from anymask.inference.segment import Model


class DiscBackend:
    """Answers every prompt by discs around the middle of its points or box."""

    name = "discs"
    device = "cpu"
    canvas_px = 256

    def __init__(self) -> None:
        self.before_decode: Callable[[], None] = lambda: None

    def encode(self, image: np.ndarray) -> np.ndarray:
        return np.zeros((1, 4, 4), np.float32)

    def decode(self, images: Sequence[Any], prompts: PromptBatch) -> Decoded:
        self.before_decode()
        side = self.canvas_px // 4
        ys, xs = np.mgrid[:side, :side] + 0.5
        radii = np.array([8.0, 8.0, 12.0, 4.0])[list(prompts.tokens)]
        logits = []
        for coords, labels in zip(prompts.coords, prompts.labels, strict=True):
            asked = coords[labels > 0]
            x, y = (asked.mean(axis=0) if len(asked) else np.full(2, 128.0)) / 4
            logits.append(radii[:, None, None] - np.hypot(xs - x, ys - y))
        iou = np.tile(np.array([0.7, 0.7, 0.9, 0.8])[list(prompts.tokens)], (len(prompts), 1))
        return Decoded(np.array(logits, np.float32), iou.astype(np.float32))

    def decode_confident(
        self, images: Sequence[Any], prompts: PromptBatch, min_iou: float
    ) -> Candidates:
        return confident(self.decode(images, prompts), min_iou)


@dataclass
class LoadCall:
    """What the command asked `load_model` for."""

    backend: DiscBackend
    calls: list[tuple[str, dict[str, Any]]]


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> LoadCall:
    """Puts the disc model in the place of real ones."""
    call = LoadCall(DiscBackend(), [])

    def load_model(name: str = "auto", **options: Any) -> Model:
        call.calls.append((name, options))
        return Model(call.backend, model_id="discs@0", architecture="vit_t")

    monkeypatch.setattr("anymask.inference.load.load_model", load_model)
    return call


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        assert self.out.count("\n") == 1, "one object on one line and nothing else"
        return json.loads(self.out)


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ended]:
    """Runs the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> Ended:
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Ended(code, captured.out, captured.err)

    return run


@pytest.fixture
def picture(tmp_path: Path) -> Callable[..., Path]:
    """Makes a picture file, 80 wide and 60 high."""

    def make(name: str = "photo.png", size: tuple[int, int] = (80, 60)) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (200, 120, 40)).save(path)
        return path

    return make
