"""Prompts in a JSON file: one list of objects for every image, or one list for each file name.

An object is ``{"points": [[x, y], ...], "labels": [1, 0], "box": [x0, y0, x1, y1], "mask":
"prior.png"}`` with any of these keys; SAM's ``point_coords`` and ``point_labels`` mean the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path, PurePath
from typing import Any

from anymask.errors import FileFormatError, PromptError, PromptTypeError
from anymask.formats.json_input import kind_of, read_json
from anymask.io.images import read_mask
from anymask.types.prompt import Prompt

_SAM_NAMES = {"point_coords": "points", "point_labels": "labels"}
_KEYS = ("points", "labels", "box", "mask")
_ALLOWED = f"allowed are {', '.join(_KEYS)}, and SAM's {' and '.join(_SAM_NAMES)}"


@dataclass(frozen=True, eq=False)
class PromptSpec:
    """A prompt whose mask is still a file, so that a thousand of them fit into memory.

    Attributes:
        points: as `Prompt` takes them, or None.
        labels: as `Prompt` takes them, or None.
        box: as `Prompt` takes it, or None.
        mask: the picture file of a prior mask, or None.

    Raises:
        PromptError: nothing given, or a wrong shape or value.
        PromptTypeError: something that is not made of numbers.
    """

    points: Any = None
    labels: Any = None
    box: Any = None
    mask: Path | None = None

    def __post_init__(self) -> None:
        """Check all but the mask's pixels."""
        # one covered pixel stands in for the file, so that a prompt of a mask alone is not empty
        stand_in = None if self.mask is None else [[1]]
        Prompt(points=self.points, labels=self.labels, box=self.box, mask=stand_in)
        if self.mask is not None and not self.mask.is_file():
            raise PromptError(f"mask file {str(self.mask)!r} does not exist")

    def load(self) -> Prompt:
        """The prompt, its mask read.

        Raises:
            ImageError: a mask file that cannot be read.
            MaskError: a picture that is no mask.
            PromptError: a mask that covers nothing, alone.
        """
        mask = None if self.mask is None else read_mask(self.mask)
        return Prompt(points=self.points, labels=self.labels, box=self.box, mask=mask)


@dataclass(frozen=True, eq=False)
class PromptsFile:
    """What a prompts file asks for.

    Attributes:
        path: the file.
        for_all: objects asked of every image; None where the file goes by name.
        by_name: file name or trailing part of a path ("shelf/a.jpg") -> objects.
    """

    path: Path
    for_all: tuple[PromptSpec, ...] | None
    by_name: Mapping[str, tuple[PromptSpec, ...]]

    def match(self, image: PurePath) -> str | None:
        """The key that names this image, the one with most folders first; None for none."""
        parts = image.parts
        names = ("/".join(parts[start:]).replace("//", "/") for start in range(len(parts)))
        return next((name for name in names if name in self.by_name), None)

    def specs(self, image: PurePath) -> tuple[PromptSpec, ...]:
        """The objects asked of an image; empty when the file does not name it."""
        if self.for_all is not None:
            return self.for_all
        key = self.match(image)
        return () if key is None else self.by_name[key]


def read_prompts(path: str | PathLike[str]) -> PromptsFile:
    """Read a prompts file and check all of it.

    Args:
        path: a JSON file; the masks it names lie relative to its folder.

    Returns:
        The objects asked for.

    Raises:
        FileFormatError: no such file, no JSON, or something in it that is no prompt; the message
            says where.
    """
    path = Path(path)
    content = read_json(path, "prompts file")
    if isinstance(content, list):
        return PromptsFile(path, _objects(content, f"{path}", path.parent), {})
    if not isinstance(content, dict):
        raise FileFormatError(
            f"{path} holds {kind_of(content)}; give a list of objects, or lists by file name"
        )
    stray = [key for key in (*_KEYS, *_SAM_NAMES) if key in content]
    if stray:
        raise FileFormatError(
            f"{path} has the key {stray[0]!r} at the top; put the object into a list: "
            '[{"points": [[320, 240]]}]'
        )
    named = {
        name: _objects(value, f"{path}: {name!r}", path.parent) for name, value in content.items()
    }
    if not named:
        raise FileFormatError(f"{path} is empty; give a list of objects, or lists by file name")
    return PromptsFile(path, None, named)


def _objects(value: Any, where: str, folder: Path) -> tuple[PromptSpec, ...]:
    if not isinstance(value, list):
        raise FileFormatError(f"{where} is {kind_of(value)}; give a list of objects")
    if not value:
        raise FileFormatError(f"{where} is an empty list; give at least one object")
    return tuple(_object(one, f"{where}, object {n}", folder) for n, one in enumerate(value))


def _object(value: Any, where: str, folder: Path) -> PromptSpec:
    if not isinstance(value, dict):
        raise FileFormatError(
            f'{where} is {kind_of(value)}; give one such as {{"points": [[320, 240]]}}'
        )
    values: dict[str, Any] = {}
    for key, one in value.items():
        name = _SAM_NAMES.get(key, key)
        if name not in _KEYS:
            raise FileFormatError(f"{where} has the unknown key {key!r}; {_ALLOWED}")
        if name in values:
            raise FileFormatError(f"{where} has {name} under two names; give one of them")
        values[name] = one
    if values.get("mask") is not None:
        values["mask"] = _mask_path(values["mask"], where, folder)
    try:
        return PromptSpec(**values)
    except (PromptError, PromptTypeError) as error:
        raise FileFormatError(f"{where}: {error}") from error


def _mask_path(value: Any, where: str, folder: Path) -> Path:
    if not isinstance(value, str):
        raise FileFormatError(f"{where}: mask is {kind_of(value)}; give the name of a picture file")
    return folder / value
