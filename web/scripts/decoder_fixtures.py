"""Writes src/decoder/fixtures/frames.json: what geometry/frames.py makes of some sizes.

Usage: python web/scripts/decoder_fixtures.py (with anymask installed)
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from anymask.geometry.frames import Frame
from anymask.geometry.stability import stability_score

SIZES_HW = ((400, 600), (57, 33), (1, 5), (1024, 1024), (700, 525), (1300, 1733))
POINTS = ((0.0, 0.0), (0.25, 0.75), (1.0, 1.0))
"""As shares of width and height."""


def wave(shift: float) -> np.ndarray:
    """Low-res logits that the page's tests make by the same formula, (256, 256) float32."""
    y, x = np.mgrid[:256, :256].astype(np.float64)
    return (6 * np.sin(x / 17 + shift) * np.cos(y / 23) - 1).astype(np.float32)


def runs(mask: np.ndarray) -> list[int]:
    """Lengths of runs of equal pixels, row by row, beginning with those outside."""
    flat = mask.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return [0, *lengths] if flat[0] else lengths


def case(size_hw: tuple[int, int], shift: float) -> dict[str, object]:
    """All that the page must agree with for one size."""
    frame = Frame(size_hw)
    height, width = size_hw
    points = [(x * width, y * height) for x, y in POINTS]
    logits = wave(shift)
    rows, columns = (-(-side // 4) for side in frame.resized_hw)
    return {
        "size_hw": size_hw,
        "shift": shift,
        "resized_hw": frame.resized_hw,
        "points": points,
        "canvas_points": frame.points_to_canvas(points).tolist(),
        "mask_runs": runs(frame.logits_to_original(logits) > 0),
        "stability": float(stability_score(logits[:rows, :columns])),
    }


def main() -> None:
    """Write the file."""
    cases = [case(size_hw, 0.3 * number) for number, size_hw in enumerate(SIZES_HW)]
    path = Path(__file__).parents[1] / "src/decoder/fixtures/frames.json"
    path.write_text(json.dumps({"cases": cases}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
