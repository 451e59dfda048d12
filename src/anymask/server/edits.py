"""Edits of uploaded pictures: a recipe that was checked, replayed on the picture's file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, cast

from anymask.apps.edit.colours import parse_colour
from anymask.apps.edit.parameters import Choice, Colour, Flag, Name, Number, kind_of_field
from anymask.apps.edit.recipe import Recipe, parse_recipe, step_name
from anymask.apps.edit.scene import Scene, Tools
from anymask.apps.edit.steps import STEPS
from anymask.apps.edit.steps.step import Step
from anymask.apps.inpaint.inpainters import AutoInpainter
from anymask.io.originals import png_bytes, read_original
from anymask.server import schemas
from anymask.server.errors import ApiError
from anymask.server.limits import Limits
from anymask.server.pictures import Picture


def checked_recipe(value: dict[str, Any], picture: Picture, limits: Limits) -> Recipe:
    """The recipe of a request, all that can be told without the pixels checked.

    Args:
        value: as `Recipe.document` gives it.
        picture: that it is for.
        limits: of steps, pixels and masks.

    Raises:
        ApiError: 413, too large a picture; 422, too many steps or masks, a mask of another size,
            or a step that would read a file.
        FileFormatError: something else that is wrong.
    """
    _check_room(value, picture, limits)
    recipe = parse_recipe(value)
    for name, codes in recipe.masks.items():
        for key, code in codes.items():
            _check_size(f"mask {name!r}: {key}", code["size"], picture)
    for number, entry in enumerate(recipe.entries):
        if _reads_files(type(entry.step)):
            raise ApiError(
                422,
                "step_refused",
                f"step {number} is {step_name(entry.step)!r}, which reads a file; the server opens "
                "no file that a request names: take another background, or use `anymask edit`",
            )
    return recipe


def edited_png(content: bytes, recipe: Recipe, stopped: Callable[[], bool]) -> bytes:
    """The edited picture as a PNG file of the same size and depth.

    Args:
        content: the picture's file.
        recipe: of `checked_recipe`.
        stopped: asked between steps and while a place is filled: whether to give up.

    Raises:
        ApiError: 503, it was told to give up.
        ImageError, MaskError: a step that cannot be done, such as filling a hole as large as the
            picture.
    """

    def go_on(_: object = None) -> None:
        if stopped():
            raise ApiError(503, "stopping", "the server is stopping; ask again when it is back")

    original = read_original(content)
    tools = Tools(fill=AutoInpainter(progress=go_on))
    scene = Scene.of(original.pixels, recipe.objects(), tools)
    for entry in recipe.entries:
        go_on()
        scene = entry.step.run(scene, entry.selection)
    edited = dataclasses.replace(original, pixels=scene.picture)
    return png_bytes(edited)


def catalogue() -> list[schemas.EditStep]:
    """Every step that the server does, with what a form needs to know of its parameters."""
    return [
        schemas.EditStep(
            step=name,
            about=kind.about,
            edge=kind.edge,
            parameters=[_parameter(one) for one in dataclasses.fields(kind)],
        )
        for name, kind in STEPS.items()
        if not _reads_files(kind)
    ]


def _parameter(field: dataclasses.Field[Any]) -> schemas.EditParameter:
    kind, default = kind_of_field(field), cast("bool | float | str", field.default)
    about = str(field.metadata["about"])
    known = schemas.EditParameter(name=field.name, about=about, kind="flag", default=default)
    match kind:
        case Flag():
            return known
        case Number(low, high):
            return known.model_copy(update={"kind": "number", "low": low, "high": high})
        case Choice(options):
            return known.model_copy(update={"kind": "choice", "options": list(options)})
        case Colour():
            colour = bytes(round(255 * float(part)) for part in parse_colour(str(default)))
            update = {"kind": "colour", "default": f"#{colour.hex()}"}
            return known.model_copy(update=update)
    raise TypeError(f"the page has no form for {type(kind).__name__}")


def _reads_files(kind: type[Step]) -> bool:
    return any(isinstance(kind_of_field(one), Name) for one in dataclasses.fields(kind))


def _check_room(value: dict[str, Any], picture: Picture, limits: Limits) -> None:
    pixels, steps = picture.width * picture.height, len(value["steps"])
    masks = sum(len(codes) for codes in value["masks"].values())
    if pixels > limits.edit_pixels:
        raise ApiError(
            413,
            "too_many_pixels",
            f"the picture has {picture.width} x {picture.height} = {pixels} pixels; at most "
            f"{limits.edit_pixels} are edited here: make it smaller, or use `anymask edit`",
        )
    if steps > limits.edit_steps:
        raise ApiError(
            422,
            "too_many_steps",
            f"steps has {steps} entries; at most {limits.edit_steps} are taken",
        )
    if masks * pixels > limits.edit_mask_pixels:
        raise ApiError(
            422,
            "too_many_masks",
            f"the recipe has {masks} masks of {pixels} pixels; together at most "
            f"{limits.edit_mask_pixels} are taken: leave out those that no step is on",
        )


def _check_size(name: str, size: list[int], picture: Picture) -> None:
    wanted = [picture.height, picture.width]
    if list(size) != wanted:
        raise ApiError(
            422,
            "mask_size",
            f"{name} has size {list(size)} but the picture has {wanted} (height, width); "
            "give a mask of the picture's size",
        )
