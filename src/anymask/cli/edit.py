"""``anymask edit``: steps on objects and on what lies behind them, as a recipe to be replayed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from anymask.cli.exits import DONE, UsageError, echo_columns
from anymask.cli.model_choice import (
    CheckpointOption,
    DeviceOption,
    EngineOption,
    ImageSizeOption,
    ModelChoice,
    ModelOption,
    OfflineOption,
    PrecisionOption,
    check_model,
)
from anymask.cli.models import CacheDirOption, JsonOption, ModelDirOption
from anymask.cli.prompts import (
    DEFAULT_OUT,
    OUTPUT_PANEL,
    BackgroundOption,
    BoxOption,
    ImagesArgument,
    InputOption,
    MaxPixelsOption,
    ObjectOption,
    OutOption,
    PointOption,
    PromptsOption,
    PromptWords,
    ReadyMaskOption,
    RecursiveOption,
    with_prompts,
)

if TYPE_CHECKING:
    from anymask.apps.edit.recipe import Recipe

_STEPS = "What to do"


def _list_steps(wanted: bool) -> None:
    if wanted:
        from anymask.apps.edit.recipe import step_lines

        echo_columns(step_lines())
        raise typer.Exit(DONE)


def edit(
    *,
    images: ImagesArgument = None,
    input_: InputOption = None,
    step: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:KEY=VALUE,...",
            help="What to do, such as recolour:colour=#1f5fbf; may be repeated, done in order.",
            rich_help_panel=_STEPS,
        ),
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json",
            help="Steps, and their masks, that were saved; --step adds to them.",
            rich_help_panel=_STEPS,
        ),
    ] = None,
    list_steps: Annotated[  # noqa: ARG001  # its callback does the work
        bool,
        typer.Option(
            "--list-steps",
            callback=_list_steps,
            is_eager=True,
            help="Print all steps with their parameters.",
            rich_help_panel=_STEPS,
        ),
    ] = False,
    point: PointOption = None,
    background: BackgroundOption = None,
    box: BoxOption = None,
    mask: ReadyMaskOption = None,
    object_: ObjectOption = None,
    prompts: PromptsOption = None,
    recursive: RecursiveOption = False,
    max_pixels: MaxPixelsOption = None,
    out: OutOption = DEFAULT_OUT,
    format_: Annotated[
        Literal["png", "jpg", "webp"],
        typer.Option(
            "--format",
            help="png and webp keep every pixel; png also 16 bits.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = "png",
    save_recipe: Annotated[
        bool,
        typer.Option(
            "--save-recipe",
            help="Also save steps and masks as JSON, for --recipe.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = False,
    as_json: JsonOption = False,
    model: ModelOption = None,
    checkpoint: CheckpointOption = None,
    device: DeviceOption = "auto",
    engine: EngineOption = "auto",
    precision: PrecisionOption = "fp32",
    image_size: ImageSizeOption = 1024,
    model_dir: ModelDirOption = None,
    cache_dir: CacheDirOption = None,
    offline: OfflineOption = False,
) -> None:
    """Edit objects in pictures, or what lies behind them; the pictures themselves stay.

    Example: anymask edit photo.jpg --point 320,240 --step background-blur:radius=12
    """
    from anymask.cli.edit_work import EditSettings, edit_picture
    from anymask.cli.editing import run_jobs
    from anymask.cli.plan import find_images
    from anymask.io.images import DEFAULT_MAX_PIXELS

    words = PromptWords(
        point or [], background or [], box or [], mask or [], object_ or [], prompts
    )
    choice = ModelChoice(
        model, checkpoint, device, engine, precision, image_size, model_dir, cache_dir, offline
    )
    asked = _asked(recipe, step or [])
    settings = EditSettings(
        asked,
        recipe.parent if recipe else Path(),
        format_,
        save_recipe,
        max_pixels or DEFAULT_MAX_PIXELS,
    )
    check_model(choice)
    found = find_images([*(images or []), *(input_ or [])], out, recursive=recursive)
    ready = bool(asked.masks) and not words.given
    code = run_jobs(
        [(image, ()) for image in found] if ready else with_prompts(found, words),
        choice,
        lambda job, loaded: edit_picture(job, loaded, settings),
        out,
        as_json=as_json,
        stage="edit",
        without_objects=ready,
    )
    raise typer.Exit(code)


def _asked(path: Path | None, steps: list[str]) -> Recipe:
    """The recipe of a file with the steps of the command line behind its own."""
    from anymask.apps.edit.recipe import Recipe, parse_words, read_recipe

    saved = read_recipe(path) if path is not None else Recipe(())
    entries = (*saved.entries, *(parse_words(text) for text in steps))
    if not entries:
        raise UsageError(
            "nothing to do; give --step NAME, such as --step background-blur, or --recipe FILE; "
            "--list-steps tells all steps"
        )
    return Recipe(entries, saved.masks)
