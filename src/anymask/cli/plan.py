"""Which pictures a run works on, and under which names their results are saved."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from anymask.cli.exits import UsageError
from anymask.errors import ImageError
from anymask.formats.prompts_json import PromptSpec
from anymask.io.images import list_images

CANDIDATES = 3
"""Candidates that a prompt gets at most."""


EDITED_ENDINGS = ("png", "jpg", "webp")
"""What edited pictures may be saved as."""
WORD_KINDS = ("text", "detections", "description", "similar")
"""What commands that know words save."""
WORD_ENDINGS = ("png", "json", "csv", "txt")


@dataclass(frozen=True, slots=True)
class FoundImage:
    """One picture to work on.

    Attributes:
        path: where it lies.
        relative: its path inside the folder that was named, or its name alone.
    """

    path: Path
    relative: Path


@dataclass(frozen=True, slots=True)
class OutputNames:
    """Where the results of one picture go.

    Attributes:
        base: folder and the start of every name, such as ``out/photo``.
        objects: how many objects were asked for; with several, names carry the object's number.
    """

    base: Path
    objects: int

    @property
    def overlay(self) -> Path:
        """All objects painted over the picture."""
        return self._name("_overlay.png")

    @property
    def json(self) -> Path:
        """All objects as numbers."""
        return self._name(".json")

    @property
    def geojson(self) -> Path:
        """All outlines on the map."""
        return self._name(".geojson")

    @property
    def recipe(self) -> Path:
        """The steps and masks of an edit."""
        return self._name("_recipe.json")

    def edited(self, ending: str) -> Path:
        """The picture with the steps of an edit done, in one of `EDITED_ENDINGS`."""
        return self._name(f"_edited.{ending}")

    @property
    def hole(self) -> Path:
        """What was filled."""
        return self._name("_hole.png")

    def inpainted(self, ending: str) -> Path:
        """The picture without what was removed, in one of `EDITED_ENDINGS`."""
        return self._name(f"_inpainted.{ending}")

    def restored(self, ending: str) -> Path:
        """The picture after all steps of a restoration, in one of `EDITED_ENDINGS`."""
        return self._name(f"_restored.{ending}")

    def words(self, kind: str, ending: str) -> Path:
        """What words found in the picture: "text", "detections" and such."""
        return self._name(f"_{kind}.{ending}")

    def words_mask(self, kind: str, number: int) -> Path:
        """The mask of one of these objects."""
        return self._name(f"_{kind}_{number}_mask.png")

    def step(self, number: int, step: str, ending: str) -> Path:
        """The picture after one of them."""
        return self._name(f"_restored_{number}_{step}.{ending}")

    def step_mask(self, number: int, step: str) -> Path:
        """What one of them filled."""
        return self._name(f"_restored_{number}_{step}_mask.png")

    def mask(self, row: int) -> Path:
        """The mask of one object."""
        return self._name(f"{self._number(row)}_mask.png")

    def cutout(self, row: int) -> Path:
        """One object on a transparent background."""
        return self._name(f"{self._number(row)}_cutout.png")

    def candidate(self, row: int, rank: int) -> Path:
        """One of an object's candidates; rank 1 is the best."""
        return self._name(f"{self._number(row)}_mask_candidate_{rank}.png")

    def all(self) -> Iterator[Path]:
        """Every name that may be used."""
        yield self.overlay
        yield self.json
        yield self.geojson
        yield self.recipe
        yield self.hole
        for kind in WORD_KINDS:
            yield from (self.words(kind, ending) for ending in WORD_ENDINGS)
        for ending in EDITED_ENDINGS:
            yield from (self.edited(ending), self.inpainted(ending), self.restored(ending))
        for row in range(self.objects):
            yield self.mask(row)
            yield self.cutout(row)
            yield from (self.candidate(row, rank) for rank in range(1, CANDIDATES + 1))

    def _number(self, row: int) -> str:
        return f"_{row}" if self.objects > 1 else ""

    def _name(self, ending: str) -> Path:
        return self.base.with_name(self.base.name + ending)


@dataclass(frozen=True, slots=True)
class Job:
    """One picture with what is asked of it."""

    path: Path
    specs: tuple[PromptSpec, ...]
    names: OutputNames


def find_images(inputs: Sequence[Path], out: Path, *, recursive: bool) -> list[FoundImage]:
    """The pictures named and those in the folders named, each once.

    What lies in the output folder is left out when that is inside a folder named, so that a second
    run does not work on the results of the first.

    Raises:
        UsageError: nothing named, something that does not exist, or a folder without pictures.
    """
    if not inputs:
        raise UsageError("no picture was named; give picture files or folders")
    missing = [path for path in inputs if not path.exists()]
    if missing:
        raise UsageError(f"{str(missing[0])!r} does not exist; give a picture file or a folder")
    found: dict[str, FoundImage] = {}
    for path in inputs:
        images = _in_folder(path, out, recursive) if path.is_dir() else [_single(path)]
        for image in images:
            found.setdefault(os.path.realpath(image.path), image)
    return list(found.values())


def plan_jobs(images: Sequence[tuple[FoundImage, tuple[PromptSpec, ...]]], out: Path) -> list[Job]:
    """Give every picture names for its results that no other picture and no input has.

    Args:
        images: pictures with the objects asked of them.
        out: the output folder.

    Returns:
        One job a picture, in the same order.
    """
    taken = {_key(image.path) for image, _ in images}
    jobs = []
    for image, specs in images:
        names = next(
            names
            for names in _possible_names(out / image.relative, len(specs))
            if taken.isdisjoint(map(_key, names.all()))
        )
        taken.update(map(_key, names.all()))
        jobs.append(Job(image.path, specs, names))
    return jobs


def _single(path: Path) -> FoundImage:
    return FoundImage(path, Path(path.name))


def _in_folder(folder: Path, out: Path, recursive: bool) -> list[FoundImage]:
    try:
        paths = list_images(folder, recursive=recursive)
    except ImageError as error:
        message = str(error).replace("recursive=True", "--recursive")
        raise UsageError(message) from error
    root, results = Path(os.path.realpath(folder)), Path(os.path.realpath(out))
    if root in results.parents:
        paths = [path for path in paths if results not in Path(os.path.realpath(path)).parents]
    if not paths:
        raise UsageError(f"{str(folder)!r} has no pictures but the results in {str(out)!r}")
    return [FoundImage(path, path.relative_to(folder)) for path in paths]


def _possible_names(target: Path, objects: int) -> Iterator[OutputNames]:
    """photo, then photo_jpg for a second photo, then photo_jpg-2 and so on."""
    yield OutputNames(target.with_name(target.stem), objects)
    name = f"{target.stem}_{target.suffix.lstrip('.')}".rstrip("_")
    yield OutputNames(target.with_name(name), objects)
    yield from (OutputNames(target.with_name(f"{name}-{n}"), objects) for n in count(2))


def _key(path: Path) -> str:
    """What two paths to one file share, also where upper and lower case are the same."""
    return os.path.realpath(path).casefold()
