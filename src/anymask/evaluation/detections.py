"""Boxes that a detector found, as COCO's result files keep them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anymask.errors import FileFormatError


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """A box with its class.

    Attributes:
        box_xyxy: (4,) in pixels of the picture.
        category: number of its class.
        score: how sure the detector is.
    """

    box_xyxy: NDArray[np.float64]
    category: int
    score: float


def read_detections(path: Path) -> Mapping[str, Sequence[Detection]]:
    """Read a result file: a list of image_id, category_id, bbox (x, y, width, height), score.

    Returns:
        The picture's id as text -> its boxes, in the file's order.

    Raises:
        FileFormatError: another form.
    """
    found: defaultdict[str, list[Detection]] = defaultdict(list)
    try:
        for entry in json.loads(path.read_bytes()):
            x, y, width, height = (float(side) for side in entry["bbox"])
            box = np.array([x, y, x + width, y + height])
            category, score = int(entry["category_id"]), float(entry["score"])
            found[str(entry["image_id"])].append(Detection(box, category, score))
    except FileNotFoundError:
        raise FileFormatError(f"there is no file at {path}") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise FileFormatError(
            f"{path} is no COCO result file ({type(error).__name__} {error}); give a JSON list of "
            "objects with image_id, category_id, bbox and score"
        ) from error
    return dict(found)
