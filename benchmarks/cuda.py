"""Speed and agreement on one NVIDIA GPU, beside the published code where it can be imported.

Usage: python benchmarks/cuda.py [--out FILE] [--rounds N]
Needs `anymask models fetch vit_t`. Writes medians in ms, peak GPU memory and agreement as JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import describe
from PIL import Image

import anymask
from anymask.geometry.regions import mask_iou
from anymask.types.prompt import Prompt

PHOTOS = Path(__file__).parents[1] / "src" / "anymask" / "server" / "samples"
CLICKS = [Prompt(points=[(40 + 55 * x, 40 + 55 * y)]) for y in range(8) for x in range(8)]
WIDE_PX = 1920


def photo(name: str = "astronaut", width: int = 512) -> np.ndarray:
    """A sample photo, (h, w, 3) uint8, scaled to a width."""
    picture = Image.open(PHOTOS / f"{name}.jpg").convert("RGB")
    return np.asarray(picture.resize((width, round(width * picture.height / picture.width))))


def timed(call: Callable[[], Any], rounds: int) -> dict[str, float]:
    """Median and least of some calls in ms, after two that are not counted."""
    spans = []
    for _ in range(rounds + 2):
        torch.cuda.synchronize()
        start = time.perf_counter()
        call()
        torch.cuda.synchronize()
        spans.append(1e3 * (time.perf_counter() - start))
    return {"median_ms": round(statistics.median(spans[2:]), 2), "least_ms": round(min(spans), 2)}


def product(precision: str, rounds: int) -> dict[str, Any]:
    """The product's default model."""
    model = anymask.load_model("vit_t", device="cuda", engine="torch", precision=precision)
    small, wide = photo(), photo("coffee", WIDE_PX)
    held = model.encode(small)
    torch.cuda.reset_peak_memory_stats()
    return {
        "encode": timed(lambda: model.encode(small), 4 * rounds),
        "click": timed(lambda: model.segment(held, CLICKS[20]), 4 * rounds),
        "clicks_64": timed(lambda: model.segment(held, CLICKS), 2 * rounds),
        "everything_512": timed(lambda: anymask.everything(model, small), rounds),
        "everything_1920": timed(lambda: anymask.everything(model, wide), rounds),
        "peak_mb": round(torch.cuda.max_memory_allocated() / 2**20),
        "agreement_with_cpu": agreement(model, small),
    }


def agreement(model: anymask.Model, picture: np.ndarray) -> dict[str, float]:
    """IoU of the masks of 64 clicks with those of the CPU in float32."""
    cpu = anymask.load_model("vit_t", device="cpu", engine="torch")
    ours, theirs = (one.segment(one.encode(picture), CLICKS).array for one in (model, cpu))
    ious = [mask_iou(a, b) for a, b in zip(ours, theirs, strict=True)]
    return {"mean": round(float(np.mean(ious)), 5), "least": round(float(min(ious)), 5)}


def large(rounds: int) -> dict[str, Any]:
    """The ViT-B encoder, random weights, in both precisions."""
    from anymask.inference.torch_backend import TorchBackend
    from anymask.nn.zoo import build_sam

    sam = build_sam("vit_b")
    pixels = photo(width=1024)
    found = {}
    for precision in ("fp32", "bf16"):
        encode = partial(TorchBackend(sam, "cuda", precision).encode, pixels)
        found[precision] = timed(encode, rounds)
    return found


def published(rounds: int) -> dict[str, Any]:
    """The published code with the same weights on the same GPU."""
    from mobile_sam import SamAutomaticMaskGenerator, SamPredictor
    from original import mobile_sam
    from segment_anything import sam_model_registry

    sam = mobile_sam().to("cuda")
    predictor, small, wide = SamPredictor(sam), photo(), photo("coffee", WIDE_PX)
    predictor.set_image(small)
    coords = torch.tensor([p.points_xy[0] for p in CLICKS], device="cuda")[:, None] * 2.0
    labels = torch.ones(coords.shape[:2], device="cuda")
    generator = SamAutomaticMaskGenerator(sam, output_mode="coco_rle")
    torch.cuda.reset_peak_memory_stats()
    found = {
        "encode": timed(lambda: predictor.set_image(small), 4 * rounds),
        "click": timed(lambda: predictor.predict(np.array([(260, 150)]), np.ones(1)), 4 * rounds),
        "clicks_64": timed(lambda: predictor.predict_torch(coords, labels), 2 * rounds),
        "everything_512": timed(lambda: generator.generate(small), rounds),
        "everything_1920": timed(lambda: generator.generate(wide), rounds),
        "peak_mb": round(torch.cuda.max_memory_allocated() / 2**20),
    }
    vit_b = SamPredictor(sam_model_registry["vit_b"]().to("cuda").eval())
    found["vit_b"] = timed(lambda: vit_b.set_image(small), rounds)
    return found


def measure(rounds: int) -> dict[str, Any]:
    """All rows."""
    rows: dict[str, Any] = {
        "gpu": torch.cuda.get_device_name(),
        **describe(torch.get_num_threads()),
    }
    try:
        rows["original"] = published(rounds)
    except ImportError as error:
        rows["original"] = f"skipped: {error}"
    for precision in ("fp32", "bf16"):
        rows[precision] = product(precision, rounds)
    return {**rows, "vit_b": large(rounds)}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("PyTorch finds no CUDA device here")
    text = json.dumps(measure(options.rounds), indent=1)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
