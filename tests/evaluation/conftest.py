"""A model that finds discs, and data sets of discs for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anymask.geometry import rle
from anymask.inference.backend import Candidates, Decoded, PromptBatch, confident
from anymask.inference.segment import Model


class DiscBackend:
    """Answers every prompt by discs around the middle of its foreground points or box."""

    name = "discs"
    device = "cpu"
    canvas_px = 256

    def __init__(self) -> None:
        self.encoded = 0

    def encode(self, image: np.ndarray) -> np.ndarray:
        self.encoded += 1
        return np.zeros((1, 4, 4), np.float32)

    def decode(self, images: Sequence[Any], prompts: PromptBatch) -> Decoded:
        side = self.canvas_px // 4
        ys, xs = np.mgrid[:side, :side] + 0.5
        radii = np.array([8.0, 8.0, 12.0, 4.0])[list(prompts.tokens)]
        logits = []
        for coords, labels in zip(prompts.coords, prompts.labels, strict=True):
            x, y = coords[labels > 0].mean(axis=0) / 4
            logits.append(radii[:, None, None] - np.hypot(xs - x, ys - y))
        iou = np.tile(np.array([0.7, 0.7, 0.9, 0.8])[list(prompts.tokens)], (len(prompts), 1))
        return Decoded(np.array(logits, np.float32), iou.astype(np.float32))

    def decode_confident(
        self, images: Sequence[Any], prompts: PromptBatch, min_iou: float
    ) -> Candidates:
        return confident(self.decode(images, prompts), min_iou)


@pytest.fixture
def discs() -> Model:
    return Model(DiscBackend(), model_id="discs@0", architecture="vit_t")


def disc(size_hw: tuple[int, int], centre_xy: tuple[float, float], radius: float) -> np.ndarray:
    ys, xs = np.mgrid[: size_hw[0], : size_hw[1]] + 0.5
    return np.hypot(xs - centre_xy[0], ys - centre_xy[1]) < radius


@pytest.fixture
def disc_set(tmp_path: Path) -> Callable[..., Path]:
    """Makes a COCO folder: pictures of 256 pixels, each with some discs."""

    def make(name: str = "discs", pictures: int = 2, objects: int = 2, radius: float = 32) -> Path:
        folder = tmp_path / name
        (folder / "images").mkdir(parents=True)
        images, annotations = [], []
        for number in range(1, pictures + 1):
            file = f"{number}.png"
            Image.new("RGB", (256, 256), (90, 40 * number % 256, 60)).save(folder / "images" / file)
            images.append({"id": number, "file_name": file, "width": 256, "height": 256})
            for place in range(objects):
                mask = disc((256, 256), (64 + 128 * (place % 2), 64 + 128 * (place // 2)), radius)
                annotations.append(annotation(len(annotations) + 1, number, mask))
        content = {
            "images": images,
            "annotations": annotations,
            "categories": [{"id": 1, "name": "disc"}],
        }
        (folder / "instances.json").write_text(json.dumps(content))
        return folder

    return make


def annotation(number: int, image: int, mask: np.ndarray, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "segmentation": rle.encode(mask),
        "area": int(mask.sum()),
        "iscrowd": 0,
        **more,
    }
