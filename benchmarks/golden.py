"""Makes the reference records of everything mode with the published code.

Usage (in the peers' environment): python benchmarks/golden.py [NAME ...]

Each record file says how it was made, and holds the records exactly as `SamAutomaticMaskGenerator`
returns them with `output_mode="coco_rle"`.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from allocator import keep_freed_memory
from original import default_state, mobile_sam

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "golden"
PACKAGES = ("mobilesam-mirror", "torch", "torchvision", "numpy", "pillow", "opencv-python-headless")
THREADS = 2


@dataclass(frozen=True)
class Case:
    """One picture of scikit-image with the parameters that differ from the defaults."""

    picture: str
    parameters: dict[str, Any] = field(default_factory=dict)


CASES = {
    "everything_astronaut": Case("astronaut"),
    "everything_coffee": Case("coffee"),
    "everything_chelsea_crops": Case(
        "chelsea",
        {"points_per_side": 12, "crop_n_layers": 1, "crop_n_points_downscale_factor": 2},
    ),
    "everything_coins_regions": Case("coins", {"points_per_side": 16, "min_mask_region_area": 100}),
    "everything_rocket_layers": Case(
        "rocket",
        {
            "points_per_side": 8,
            "pred_iou_thresh": 0.8,
            "stability_score_thresh": 0.9,
            "crop_n_layers": 2,
            "crop_n_points_downscale_factor": 2,
            "min_mask_region_area": 100,
        },
    ),
}


def picture(name: str) -> np.ndarray:
    """A picture of scikit-image, (H, W, 3) uint8; a gray one three times."""
    from skimage import data

    pixels = np.asarray(getattr(data, name)())
    return pixels if pixels.ndim == 3 else np.stack([pixels] * 3, axis=-1)


def records(case: Case, network: Any) -> list[dict[str, Any]]:
    """What the published code answers."""
    from mobile_sam import SamAutomaticMaskGenerator

    generator = SamAutomaticMaskGenerator(network, output_mode="coco_rle", **case.parameters)
    return generator.generate(picture(case.picture))


def write(name: str, network: Any) -> None:
    """One file, a record a line."""
    case = CASES[name]
    started = time.perf_counter()
    found = records(case, network)
    about = {
        "made_with": "mobile_sam.SamAutomaticMaskGenerator of mobilesam-mirror, unchanged, "
        "output_mode='coco_rle', default weights, CPU, float32",
        "made_by": f"benchmarks/golden.py {name}",
        "versions": {package: version(package) for package in PACKAGES},
        "threads": THREADS,
        "image": f"skimage.data.{case.picture}()"
        + ("" if case.picture != "coins" else ", gray repeated three times"),
        "parameters": case.parameters,
    }
    head = json.dumps(about, separators=(",", ":"))[:-1]
    body = ",\n".join(json.dumps(record, separators=(",", ":")) for record in found)
    (FOLDER / f"{name}.json").write_text(f'{head},"records":[\n{body}\n]}}\n', encoding="utf-8")
    seconds = time.perf_counter() - started
    sys.stderr.write(f"{name}: {len(found)} records in {seconds:.0f} s\n")


def main() -> None:
    """Make the named files, or all."""
    keep_freed_memory()  # half the time; the numbers are the same
    torch.set_num_threads(THREADS)
    network = mobile_sam(default_state())
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or CASES:
        write(name, network)


if __name__ == "__main__":
    main()
