"""The published code as a script: weights, picture, one click, a mask on disk."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from original import mobile_sam
from PIL import Image


def main() -> None:
    """Arguments: weights, picture, x, y, the mask's file."""
    import torch
    from mobile_sam import SamPredictor

    weights, photo, x, y, target = sys.argv[1:]
    predictor = SamPredictor(mobile_sam(torch.load(weights, weights_only=True)))
    predictor.set_image(np.asarray(Image.open(photo).convert("RGB")))
    masks, scores, _ = predictor.predict(np.array([[float(x), float(y)]]), np.array([1]))
    Image.fromarray(masks[scores.argmax()]).save(Path(target))


if __name__ == "__main__":
    main()
