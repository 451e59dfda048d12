"""What a path holds: one data set or several, told by what lies there."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from anymask.errors import FileFormatError
from anymask.evaluation.sets.boundaries import find_boundaries, read_boundary_set
from anymask.evaluation.sets.coco import read_coco_set
from anymask.evaluation.sets.mask_files import find_pairs, read_mask_set
from anymask.evaluation.sets.sa1b import is_sa1b, read_sa1b_set
from anymask.evaluation.truth import DataSet

Reader = Callable[[Path, str], DataSet]


def find_mask_sets(paths: Sequence[Path]) -> list[DataSet]:
    """Data sets of masks.

    Args:
        paths: each a COCO file, a folder with one, a folder of SA-1B, a folder of pictures with
            mask files, or a folder of such folders.

    Raises:
        FileFormatError: nothing usable there; the message tells what is looked for.
    """
    return _found(
        paths,
        _mask_reader,
        "a COCO file (instances.json with images/), files of SA-1B, pictures with masks "
        "(images/ and masks/), or a folder of such folders",
    )


def find_boundary_sets(paths: Sequence[Path]) -> list[DataSet]:
    """Data sets of edges.

    Args:
        paths: each a folder with images/ and gt/ (.npz or .mat of BSDS), or a folder of such.

    Raises:
        FileFormatError: nothing usable there.
    """
    wanted = "edges drawn by people (images/ and gt/NAME.npz with boundaries)"
    return _found(paths, _boundary_reader, wanted)


def _found(
    paths: Sequence[Path], reader: Callable[[Path], Reader | None], wanted: str
) -> list[DataSet]:
    if not paths:
        raise FileFormatError(f"no data was given; give {wanted}")
    sets = [one for path in paths for one in _at(path, reader, wanted)]
    return _with_names(sets)


def _at(path: Path, reader: Callable[[Path], Reader | None], wanted: str) -> list[DataSet]:
    if not path.exists():
        raise FileFormatError(f"there is nothing at {path}; give {wanted}")
    read = reader(path)
    if read is not None:
        return [read(path, _name(path))]
    inside = sorted(entry for entry in path.iterdir() if entry.is_dir()) if path.is_dir() else []
    readers = [(entry, reader(entry)) for entry in inside if not entry.name.startswith(".")]
    sets = [read(entry, entry.name) for entry, read in readers if read is not None]
    if not sets:
        raise FileFormatError(f"{path} holds no truth to compare with; give {wanted}")
    return sets


def _mask_reader(path: Path) -> Reader | None:
    if path.is_file():
        return read_coco_set if path.suffix.lower() == ".json" else None
    coco = _coco_file(path)
    if coco is not None:
        return lambda _, name: read_coco_set(coco, name)
    if any(is_sa1b(file) for file in path.glob("*.json")):
        return read_sa1b_set
    return read_mask_set if find_pairs(path) else None


def _boundary_reader(path: Path) -> Reader | None:
    return read_boundary_set if path.is_dir() and find_boundaries(path) else None


def _coco_file(folder: Path) -> Path | None:
    """The one COCO file of a folder.

    Raises:
        FileFormatError: there are several.
    """
    usual = folder / "instances.json"
    if usual.is_file():
        return usual
    places = [folder, folder / "annotations"]
    files = [path for place in places for path in sorted(place.glob("*.json")) if _is_coco(path)]
    if len(files) > 1:
        names = ", ".join(path.name for path in files)
        raise FileFormatError(f"{folder} has several COCO files ({names}); give one of them")
    return files[0] if files else None


def _is_coco(path: Path) -> bool:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and {"images", "annotations"} <= content.keys()


def _name(path: Path) -> str:
    resolved = path.resolve()
    return resolved.stem if resolved.is_file() else resolved.name


def _with_names(sets: list[DataSet]) -> list[DataSet]:
    """No two sets of one name."""
    taken: dict[str, int] = {}
    unique = []
    for one in sets:
        count = taken[one.name] = taken.get(one.name, 0) + 1
        unique.append(one if count == 1 else replace(one, name=f"{one.name}-{count}"))
    return unique
