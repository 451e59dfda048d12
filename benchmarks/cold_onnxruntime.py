"""The default model's files as a script on onnxruntime: picture, one click, a mask on disk."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from subject_onnxruntime import OnnxRuntime

from anymask.geometry.frames import Frame


def main() -> None:
    """Arguments: weights (unused: they are in the cache), picture, x, y, the mask's file."""
    weights, photo, x, y, target = sys.argv[1:]
    engine = OnnxRuntime("vit_t", Path(weights), int(os.environ["OMP_NUM_THREADS"]))
    image = Image.open(photo).convert("RGB")
    size_hw = (image.height, image.width)
    height, width = Frame(size_hw).resized_hw
    pixels = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    engine.hold(engine.encode(pixels), size_hw)
    Image.fromarray(engine.mask((float(x), float(y)))).save(Path(target))


if __name__ == "__main__":
    main()
