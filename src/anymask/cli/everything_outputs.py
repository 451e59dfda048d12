"""The files that ``anymask everything`` saves of one picture."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anymask.apps.draw import PALETTE, fill, outline
from anymask.cli.exits import UsageError
from anymask.cli.plan import FoundImage
from anymask.formats import coco, labelmap, mask_folder, sa1b
from anymask.inference.everything.partition import Policy, label_map
from anymask.io.files import save_png
from anymask.types.records import MaskRecord

OVERLAY: Final = "overlay"
_OPACITY = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """One picture with its masks.

    Attributes:
        name: of the picture, as files name it.
        image_rgb: (H, W, 3) uint8.
        records: its masks.
        policy: who gets a pixel of the label map.
    """

    name: str
    image_rgb: NDArray[np.uint8]
    records: Sequence[MaskRecord]
    policy: Policy

    @property
    def size_hw(self) -> tuple[int, int]:
        """(height, width) of the picture."""
        return self.image_rgb.shape[0], self.image_rgb.shape[1]


def _write_records(path: Path, found: Found) -> None:
    sa1b.write_records(path, found.records)


def _write_sa1b(path: Path, found: Found) -> None:
    number = sa1b.image_id(found.name)
    file = sa1b.Sa1bFile(number, found.name, found.size_hw, tuple(found.records))
    sa1b.write_sa1b(path, file)


def _write_coco(path: Path, found: Found) -> None:
    image = coco.CocoImage(found.name, found.size_hw, found.records)
    coco.write_coco(path, coco.coco_document([image]))


def _write_folder(path: Path, found: Found) -> None:
    mask_folder.write_mask_folder(path, found.records)


def _write_labels(path: Path, found: Found) -> None:
    labelmap.write_label_map(path, label_map(found.records, found.size_hw, found.policy))


def _write_overlay(path: Path, found: Found) -> None:
    save_png(path, painted(found.image_rgb, found.records))


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of result.

    Attributes:
        ending: of its name, after the picture's.
        write: writes it, whole or not at all.
    """

    ending: str
    write: Callable[[Path, Found], None]


KINDS: Final = {
    "records": Kind("_masks.json", _write_records),
    "sa1b": Kind("_sa1b.json", _write_sa1b),
    "coco": Kind("_coco.json", _write_coco),
    "png": Kind("_masks", _write_folder),
    "labelmap": Kind("_labels.png", _write_labels),
    OVERLAY: Kind("_everything.png", _write_overlay),
}


@dataclass(frozen=True, slots=True)
class Job:
    """One picture to work on.

    Attributes:
        image: the picture.
        targets: kind -> where it goes.
    """

    image: FoundImage
    targets: dict[str, Path]

    @property
    def is_done(self) -> bool:
        """Whether all its results are there."""
        return all(path.exists() for path in self.targets.values())


def parse_formats(text: str) -> tuple[str, ...]:
    """The kinds that ``--format`` lists, each once.

    Raises:
        UsageError: none, or one that does not exist.
    """
    names = [name for name in KINDS if name != OVERLAY]
    wanted = [word.strip() for word in text.split(",") if word.strip()]
    unknown = [word for word in wanted if word not in names]
    if unknown or not wanted:
        told = repr(unknown[0]) if unknown else "empty"
        raise UsageError(f"--format is {told}; give some of {','.join(names)}")
    return tuple(dict.fromkeys(wanted))


def plan(images: Sequence[FoundImage], out: Path, kinds: Sequence[str]) -> list[Job]:
    """Give every picture names for its results; the same pictures always get the same names.

    Args:
        images: the pictures.
        out: the output folder.
        kinds: of `KINDS`.
    """
    taken = {_key(image.path) for image in images}
    jobs = []
    for image in images:
        name = next(name for name in _names(image.relative) if _free(out / name, kinds, taken))
        targets = _targets(out / name, kinds)
        taken.update(map(_key, targets.values()))
        jobs.append(Job(image, targets))
    return jobs


def painted(image_rgb: NDArray[np.uint8], records: Sequence[MaskRecord]) -> NDArray[np.uint8]:
    """All masks over their picture, small ones on top; one mask at image size at a time.

    Args:
        image_rgb: (H, W, 3) uint8.
        records: masks of this picture.

    Returns:
        (H, W, 3) uint8, a new array.
    """
    canvas = image_rgb.copy()
    order = sorted(range(len(records)), key=lambda number: -records[number].area)
    for number in order:
        mask, colour = records[number].array, PALETTE[number % len(PALETTE)]
        fill(canvas, mask, colour, _OPACITY)
        outline(canvas, mask, colour)
    return canvas


def _names(relative: Path) -> list[Path]:
    """photo, or photo_jpg where another picture has that, or with a number."""
    ending = relative.suffix.lstrip(".")
    longer = f"{relative.stem}_{ending}".rstrip("_")
    plain = [relative.stem, longer, *(f"{longer}-{number}" for number in range(2, 1000))]
    return [relative.with_name(name) for name in plain]


def _targets(base: Path, kinds: Sequence[str]) -> dict[str, Path]:
    return {kind: base.with_name(base.name + KINDS[kind].ending) for kind in kinds}


def _free(base: Path, kinds: Sequence[str], taken: set[str]) -> bool:
    return taken.isdisjoint(map(_key, _targets(base, kinds).values()))


def _key(path: Path) -> str:
    """What two paths to one file share, also where upper and lower case are the same."""
    return os.path.realpath(path).casefold()
