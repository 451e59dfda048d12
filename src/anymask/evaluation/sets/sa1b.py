"""Truth from a folder of SA-1B: a JSON file beside every picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from anymask.errors import FileFormatError
from anymask.evaluation.sets.coco import find_picture
from anymask.evaluation.truth import DataSet, TruePicture, Truth


def is_sa1b(path: Path) -> bool:
    """Whether a JSON file is one of SA-1B's."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and {"image", "annotations"} <= content.keys()


def read_sa1b_set(folder: Path, name: str) -> DataSet:
    """Read all files of a folder, in the order of their names.

    Raises:
        FileFormatError: a file of another form, or a picture that is not there.
    """
    files = [path for path in sorted(folder.glob("*.json")) if is_sa1b(path)]
    return DataSet(name, folder, tuple(map(_picture, files)), {})


def _picture(path: Path) -> TruePicture:
    content: dict[str, Any] = json.loads(path.read_bytes())
    try:
        image = content["image"]
        size_hw = int(image["height"]), int(image["width"])
        truths = tuple(
            Truth(str(one.get("id", number)), size_hw, one["segmentation"])
            for number, one in enumerate(content["annotations"])
        )
        return TruePicture(path.stem, find_picture(path, image["file_name"]), truths, size_hw)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileFormatError(
            f"{path} is no file of SA-1B: {type(error).__name__} {error}"
        ) from error
