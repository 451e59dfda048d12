"""Truth from a COCO file: polygons, run-length codes, and the `ignore` code of unsure pixels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anymask.errors import FileFormatError
from anymask.evaluation.truth import DataSet, TruePicture, Truth
from anymask.formats.coco import read_coco

_FOLDERS = ("", "images", "..", "../images")
"""Where pictures lie, seen from the file, if their names alone do not say it."""


def read_coco_set(path: Path, name: str) -> DataSet:
    """Read a COCO file and find its pictures, beside it or in `images/`.

    Args:
        path: the file.
        name: of the set.

    Raises:
        FileFormatError: no such file, another form, or a picture that is not there.
    """
    document = read_coco(path)
    try:
        categories = {int(one["id"]): str(one["name"]) for one in document["categories"]}
        annotations = _by_image(document)
        pictures = tuple(
            _picture(image, annotations[image["id"]], path) for image in document["images"]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(
            f"{path} is no COCO file of masks: {type(error).__name__} {error}"
        ) from error
    return DataSet(name, path, pictures, categories)


def _by_image(document: Mapping[str, Any]) -> defaultdict[Any, list[Mapping[str, Any]]]:
    found: defaultdict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    for annotation in document["annotations"]:
        if annotation.get("segmentation"):
            found[annotation["image_id"]].append(annotation)
    return found


def _picture(
    image: Mapping[str, Any], annotations: list[Mapping[str, Any]], path: Path
) -> TruePicture:
    size_hw = int(image["height"]), int(image["width"])
    truths = tuple(_truth(one, size_hw) for one in annotations)
    return TruePicture(str(image["id"]), find_picture(path, image["file_name"]), truths, size_hw)


def _truth(annotation: Mapping[str, Any], size_hw: tuple[int, int]) -> Truth:
    return Truth(
        str(annotation["id"]),
        size_hw,
        annotation["segmentation"],
        annotation.get("ignore") or None,
        int(annotation.get("category_id") or 0),
        bool(annotation.get("iscrowd")),
        float(annotation["area"]) if "area" in annotation else None,
    )


def find_picture(path: Path, name: str) -> Path:
    """The picture a file of annotations names.

    Args:
        path: the file of annotations.
        name: as it stands there; it may have folders in front.

    Raises:
        FileFormatError: it is in none of the usual places.
    """
    for folder in _FOLDERS:
        for candidate in (name, Path(name).name):
            found = path.parent / folder / candidate
            if found.is_file():
                return found
    raise FileFormatError(
        f"{path} names the picture {name!r}, which is neither beside it nor in images/"
    )
