"""Truth from pictures with a mask file each: binary masks, or numbers of objects (index PNG)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anymask.errors import FileFormatError
from anymask.evaluation.truth import DataSet, TruePicture, Truth
from anymask.geometry import rle
from anymask.io.images import IMAGE_SUFFIXES, list_images

MASK_FOLDERS: Final = (
    "masks",
    "labels",
    "mask",
    "label",
    "annotations",
    "gt",
    "SegmentationObject",
)
IMAGE_FOLDERS: Final = ("images", "image", "imgs", "JPEGImages")
_ENDINGS: Final = ("_mask", "-mask", ".mask", "_gt", "_label", "_masks")
_MASK_SUFFIXES: Final = (".png", ".tif", ".tiff", ".bmp", ".gif")
_UNSURE: Final = 255
_MOST_OBJECTS: Final = 64  # more grey levels than this are the soft border of one object

Pair = tuple[Path, Path]


def find_pairs(folder: Path) -> list[Pair]:
    """Pictures of a folder with their mask files; empty where there are none.

    Found are `images/a.jpg` with `masks/a.png` (or labels/, annotations/, gt/), and `a.jpg` with
    `a_mask.png` or `a.png` beside it.
    """
    images = next((folder / name for name in IMAGE_FOLDERS if (folder / name).is_dir()), None)
    masks = next((folder / name for name in MASK_FOLDERS if (folder / name).is_dir()), None)
    if masks is not None:
        return list(_across(images or folder, masks))
    return list(_beside(images or folder))


def read_mask_set(folder: Path, name: str) -> DataSet:
    """Read all masks of a folder, in the order of the pictures' names.

    Raises:
        FileFormatError: a mask file that cannot be read.
    """
    pictures = tuple(_picture(image, mask) for image, mask in find_pairs(folder))
    return DataSet(name, folder, pictures, {})


def read_objects(path: Path) -> tuple[list[Truth], tuple[int, int]]:
    """The objects of a mask file.

    Args:
        path: with a palette, or with few grey levels: one object a value above 0, where 255 beside
            other values marks pixels nobody is sure of. With the values 0 and one other, or with
            many grey levels (a soft border): one object, from half grey upwards.

    Returns:
        The objects, and the (height, width) of the file.

    Raises:
        FileFormatError: it cannot be read.
    """
    values, is_index = _values(path)
    size_hw = values.shape[0], values.shape[1]
    numbers = [int(value) for value in np.unique(values) if value]
    if len(numbers) <= 1 and not is_index:
        return [_object("1", values > 0, None)] if numbers else [], size_hw
    if not is_index and len(numbers) > _MOST_OBJECTS:
        return [_object("1", values > max(numbers) / 2, None)], size_hw
    unsure = values == _UNSURE if _UNSURE in numbers and len(numbers) > 1 else None
    return [
        _object(str(number), values == number, unsure)
        for number in numbers
        if unsure is None or number != _UNSURE
    ], size_hw


def _object(key: str, mask: NDArray[np.bool_], unsure: NDArray[np.bool_] | None) -> Truth:
    band = None if unsure is None else rle.encode(unsure)
    return Truth(key, (mask.shape[0], mask.shape[1]), rle.encode(mask), band)


def _values(path: Path) -> tuple[NDArray[Any], bool]:
    """(H, W) numbers, and whether they surely are numbers of objects."""
    try:
        with Image.open(path) as image:
            if image.mode == "P":
                return np.asarray(image), True
            if image.mode == "1":
                return np.asarray(image), False
            if image.mode.startswith("I"):
                return np.asarray(image.convert("I")), True
            return np.asarray(image.convert("L")), False
    except (OSError, ValueError) as error:
        raise FileFormatError(f"mask file {path} cannot be read: {error}") from error


def _picture(image: Path, mask: Path) -> TruePicture:
    truths, size_hw = read_objects(mask)
    return TruePicture(image.stem, image, tuple(truths), size_hw)


def _pictures(folder: Path) -> list[Path]:
    has_any = any(path.suffix.lower() in IMAGE_SUFFIXES for path in folder.iterdir())
    return list_images(folder) if has_any else []


def _across(images: Path, masks: Path) -> Iterator[Pair]:
    by_stem = {os.path.normcase(path.stem): path for path in _pictures(masks)}
    for image in _pictures(images):
        stem = os.path.normcase(image.stem)
        found = next(
            (by_stem[stem + end] for end in ("", *_ENDINGS) if stem + end in by_stem), None
        )
        if found is not None:
            yield image, found


def _beside(folder: Path) -> Iterator[Pair]:
    pictures = _pictures(folder)
    for image in pictures:
        if image.stem.endswith(_ENDINGS):
            continue
        names = [image.with_name(image.stem + end + s) for end in _ENDINGS for s in _MASK_SUFFIXES]
        if image.suffix.lower() in (".jpg", ".jpeg"):
            names += [image.with_suffix(suffix) for suffix in _MASK_SUFFIXES]
        found = next((path for path in names if path in pictures), None)
        if found is not None:
            yield image, found
