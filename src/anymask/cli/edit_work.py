"""The work of ``anymask edit`` on one picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from anymask.apps.edit.placement import Inpainter
from anymask.apps.edit.recipe import Recipe, step_name
from anymask.apps.edit.scene import SceneObject, Tools
from anymask.cli.objects import FoundObject, find_objects, object_records
from anymask.cli.outputs import SavedPaths, all_or_none
from anymask.cli.plan import Job
from anymask.formats.records import json_text
from anymask.inference.segment import Model
from anymask.io.files import write_json_atomic
from anymask.io.originals import read_original, save_original

_INPAINTERS = "anymask.apps.inpaint.inpainters"


@dataclass(frozen=True, slots=True)
class EditSettings:
    """How every picture is edited.

    Attributes:
        recipe: the steps; its masks are used where no objects are asked for.
        folder: what the names of pictures in the steps are relative to.
        format: ending of the results.
        save_recipe: also write the recipe.
        max_pixels: largest picture that is read.
    """

    recipe: Recipe
    folder: Path
    format: str
    save_recipe: bool
    max_pixels: int


def edit_picture(
    job: Job, model: Model | None, settings: EditSettings
) -> tuple[dict[str, Any], SavedPaths]:
    """Edit one picture and save the result.

    Returns:
        What was done, and the files written.
    """
    original = read_original(job.path, max_pixels=settings.max_pixels)
    recipe, found = _recipe(job, model, settings, original.pixels.shape[:2])
    edited = recipe.apply(original.pixels, _tools(settings))
    steps = [step_name(entry.step) for entry in recipe.entries]
    saved: SavedPaths = {"edited": []}
    with all_or_none() as written:
        path = job.names.edited(settings.format)
        written.append(save_original(path, replace(original, pixels=edited)))
        saved["edited"].append(json_text(str(path)))
        if settings.save_recipe:
            written.append(write_json_atomic(job.names.recipe, recipe.document(), indent=1))
            saved["recipe"] = [json_text(str(job.names.recipe))]
    return {"objects": object_records(found), "steps": steps}, saved


def _recipe(
    job: Job, model: Model | None, settings: EditSettings, size_hw: tuple[int, ...]
) -> tuple[Recipe, list[FoundObject]]:
    """The steps with the objects of this picture, named by their numbers."""
    if not job.specs:
        known = settings.recipe.objects().values()
        return settings.recipe, [FoundObject(one.mask, one.unsure) for one in known]
    found = find_objects(
        job.path,
        job.specs,
        model,
        size_hw=(size_hw[0], size_hw[1]),
        max_pixels=settings.max_pixels,
    )
    objects = {str(row): SceneObject(one.mask, one.unsure) for row, one in enumerate(found)}
    return settings.recipe.with_objects(objects), found


def _tools(settings: EditSettings) -> Tools:
    def load(name: str) -> NDArray[Any]:
        path = settings.folder / Path(name).expanduser()
        return read_original(path, max_pixels=settings.max_pixels).pixels

    return Tools(default_fill(), load)


def default_fill() -> Inpainter | None:
    """What fills the place of deleted and moved objects, where it is installed."""
    try:
        inpainters = import_module(_INPAINTERS)
    except ModuleNotFoundError:
        return None
    fill: Inpainter = inpainters.AutoInpainter()
    return fill
