"""``anymask restore``: old photos, step by step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anymask.cli.inpaint import FormatOption
from anymask.cli.model_choice import ModelChoice
from anymask.cli.models import JsonOption
from anymask.cli.prompts import (
    DEFAULT_OUT,
    OUTPUT_PANEL,
    ImagesArgument,
    InputOption,
    MaxPixelsOption,
    OutOption,
    RecursiveOption,
)

if TYPE_CHECKING:
    from anymask.apps.inpaint.restore import RestoreSettings
    from anymask.cli.outputs import SavedPaths
    from anymask.cli.plan import Job

_DAMAGE_PANEL, _TONE_PANEL = "Scratches and dust", "Fading and noise"
_NO_MODEL = ModelChoice(None, None, "auto", "auto", "fp32", 1024, None, None, False)


@dataclass(frozen=True, slots=True)
class _Settings:
    """How every picture is restored."""

    steps: list[str]
    restore: RestoreSettings
    format: str
    save_steps: bool
    max_pixels: int


def restore(
    *,
    images: ImagesArgument = None,
    input_: InputOption = None,
    steps: Annotated[
        str,
        typer.Option(metavar="NAMES", help="What to do, in this order; leave out what you like."),
    ] = "scratches,dust,fading,denoise",
    contrast: Annotated[
        float,
        typer.Option(
            metavar="LEVELS",
            min=1,
            max=255,
            help="How much damage differs from its surroundings; more finds less.",
            rich_help_panel=_DAMAGE_PANEL,
        ),
    ] = 30.0,
    unusual: Annotated[
        float,
        typer.Option(
            metavar="TIMES",
            min=1,
            max=100,
            help="How many times more it differs than is usual there; more finds less.",
            rich_help_panel=_DAMAGE_PANEL,
        ),
    ] = 4.0,
    width: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            min=1,
            max=100,
            help="The widest scratch; by default by the size of the picture.",
            rich_help_panel=_DAMAGE_PANEL,
        ),
    ] = None,
    fading: Annotated[
        float,
        typer.Option(metavar="0..1", min=0, max=1, help="How fully.", rich_help_panel=_TONE_PANEL),
    ] = 1.0,
    denoise: Annotated[
        float,
        typer.Option(metavar="0..2", min=0, max=2, help="How much.", rich_help_panel=_TONE_PANEL),
    ] = 1.0,
    recursive: RecursiveOption = False,
    max_pixels: MaxPixelsOption = None,
    out: OutOption = DEFAULT_OUT,
    format_: FormatOption = "png",
    save_steps: Annotated[
        bool,
        typer.Option(
            "--save-steps",
            help="Also save the picture after each step, and the mask of what it filled.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Restore old photos: fill scratches and dust, bring colours back, take noise out.

    Example: anymask restore old.jpg --steps scratches,dust,fading --save-steps
    """
    from anymask.apps.inpaint.damage import DamageSettings
    from anymask.apps.inpaint.restore import RestoreSettings, checked_steps
    from anymask.cli.editing import run_jobs
    from anymask.cli.plan import find_images
    from anymask.io.images import DEFAULT_MAX_PIXELS

    named = [word.strip() for word in steps.split(",") if word.strip()]
    checked_steps(named)
    settings = _Settings(
        named,
        RestoreSettings(DamageSettings(width, contrast, unusual), fading, denoise),
        format_,
        save_steps,
        max_pixels or DEFAULT_MAX_PIXELS,
    )
    found = find_images([*(images or []), *(input_ or [])], out, recursive=recursive)
    code = run_jobs(
        [(image, ()) for image in found],
        _NO_MODEL,
        lambda job, _: _restore(job, settings),
        out,
        as_json=as_json,
        stage="restore",
        without_objects=True,
    )
    raise typer.Exit(code)


def _restore(job: Job, settings: _Settings) -> tuple[dict[str, Any], SavedPaths]:
    """Restore one picture and save it."""
    from anymask.apps.inpaint.restore import restore as restored
    from anymask.cli.outputs import all_or_none
    from anymask.formats.records import json_text
    from anymask.io.files import save_png
    from anymask.io.originals import read_original, save_original

    original = read_original(job.path, max_pixels=settings.max_pixels)
    done = restored(original.pixels, settings.steps, settings.restore)
    saved: SavedPaths = {"restored": []}
    with all_or_none() as written:
        path = job.names.restored(settings.format)
        written.append(save_original(path, replace(original, pixels=done[-1].image)))
        saved["restored"].append(json_text(str(path)))
        for number, one in enumerate(done if settings.save_steps else [], start=1):
            path = job.names.step(number, one.step, settings.format)
            written.append(save_original(path, replace(original, pixels=one.image)))
            saved.setdefault("steps", []).append(json_text(str(path)))
            if one.mask is not None:
                written.append(save_png(job.names.step_mask(number, one.step), one.mask))
                saved.setdefault("masks", []).append(json_text(str(written[-1])))
    told = [f"{one.step}: {one.told}" for one in done]
    return {"steps": [{"step": one.step, "told": one.told} for one in done], "told": told}, saved
