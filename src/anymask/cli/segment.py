"""``anymask segment``: options in, prompts and jobs out; the work is in `anymask.cli.work`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anymask.cli.exits import UsageError
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
    load,
)
from anymask.cli.models import CacheDirOption, JsonOption, ModelDirOption
from anymask.cli.progress import ProgressBar
from anymask.types.progress import Progress

if TYPE_CHECKING:
    from anymask.cli.plan import FoundImage
    from anymask.cli.work import Settings
    from anymask.formats.prompts_json import PromptSpec

_PROMPTS, _OUTPUT = "What to segment", "Output"


@dataclass(frozen=True, slots=True)
class PromptWords:
    """The prompts as they were written."""

    point: Sequence[str]
    background: Sequence[str]
    box: Sequence[str]
    mask: Sequence[Path]
    object: Sequence[str]
    file: Path | None


def segment(
    *,
    images: Annotated[
        list[Path] | None,
        typer.Argument(metavar="IMAGE|FOLDER", help="Pictures, or folders of them."),
    ] = None,
    input_: Annotated[
        list[Path] | None, typer.Option("--input", hidden=True, help="The same, as SAM names it.")
    ] = None,
    point: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X,Y",
            help="A pixel of the object; may be repeated.",
            rich_help_panel=_PROMPTS,
        ),
    ] = None,
    background: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X,Y",
            help="A pixel that is not of the object; may be repeated.",
            rich_help_panel=_PROMPTS,
        ),
    ] = None,
    box: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X0,Y0,X1,Y1", help="A box around the object.", rich_help_panel=_PROMPTS
        ),
    ] = None,
    mask: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PRIOR.png",
            help="A rough mask of the object, of the image's size.",
            rich_help_panel=_PROMPTS,
        ),
    ] = None,
    object_: Annotated[
        list[str] | None,
        typer.Option(
            "--object",
            metavar='"point=X,Y ..."',
            help="One more object, by point= background= box= mask=; may be repeated.",
            rich_help_panel=_PROMPTS,
        ),
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json",
            help="Objects for every image, or by file name; see docs/cli.md.",
            rich_help_panel=_PROMPTS,
        ),
    ] = None,
    coordinates: Annotated[
        str,
        typer.Option(
            metavar="pixel|map|EPSG:CODE",
            help="What points and boxes are given in; see docs/geo.md.",
            rich_help_panel=_PROMPTS,
        ),
    ] = "pixel",
    multimask: Annotated[
        bool | None,
        typer.Option(
            "--multimask/--single",
            help="Three candidates for each object, or one; by default three for one point.",
            rich_help_panel=_PROMPTS,
        ),
    ] = None,
    multimask_output: Annotated[
        bool, typer.Option("--multimask-output", hidden=True, help="--multimask, as SAM names it.")
    ] = False,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Also the folders inside a folder.")
    ] = False,
    max_pixels: Annotated[
        int | None,
        typer.Option(metavar="COUNT", min=1, help="Largest picture (width x height) that is read."),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "--output",
            "-o",
            metavar="FOLDER",
            help="Folder for the results.",
            rich_help_panel=_OUTPUT,
        ),
    ] = Path("anymask-out"),
    save: Annotated[
        str,
        typer.Option(
            metavar="KINDS",
            help="What to save, some of these; also geojson.",
            rich_help_panel=_OUTPUT,
        ),
    ] = "overlay,mask,cutout,json",
    polygon_tolerance: Annotated[
        float,
        typer.Option(
            metavar="PIXELS",
            min=0,
            help="Pixels that polygons may leave the outline; 0 is exact.",
            rich_help_panel=_OUTPUT,
        ),
    ] = 0.0,
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
    """Segment objects in pictures by points, boxes and masks.

    Example: anymask segment photo.jpg --point 320,240
    """
    from anymask.cli.options import parse_coordinates, parse_kinds
    from anymask.cli.outputs import Saving
    from anymask.cli.plan import find_images
    from anymask.cli.work import Settings
    from anymask.io.images import DEFAULT_MAX_PIXELS

    words = PromptWords(
        point or [], background or [], box or [], mask or [], object_ or [], prompts
    )
    choice = ModelChoice(
        model, checkpoint, device, engine, precision, image_size, model_dir, cache_dir, offline
    )
    multimask = True if multimask_output else multimask
    saving = Saving(parse_kinds(save), candidates=bool(multimask))
    settings = Settings(
        saving,
        multimask,
        polygon_tolerance,
        max_pixels or DEFAULT_MAX_PIXELS,
        parse_coordinates(coordinates),
    )
    check_model(choice)
    found = find_images([*(images or []), *(input_ or [])], out, recursive=recursive)
    raise typer.Exit(_run(_with_prompts(found, words), choice, settings, out, as_json=as_json))


def _run(
    images: Sequence[tuple[FoundImage, tuple[PromptSpec, ...]]],
    choice: ModelChoice,
    settings: Settings,
    out: Path,
    *,
    as_json: bool,
) -> int:
    """Work on the images that have prompts; returns the exit code."""
    from anymask.cli.plan import plan_jobs
    from anymask.cli.report import Report
    from anymask.cli.work import work

    jobs = plan_jobs([(image, specs) for image, specs in images if specs], out)
    skipped = [image.path for image, specs in images if not specs]
    report = Report(len(jobs), out, skipped, as_json=as_json)
    model, interrupted = None, False
    try:
        with ProgressBar() as progress:
            model = load(choice, progress)
            for number, outcome in enumerate(work(jobs, model, settings), start=1):
                report.add(outcome)
                if len(jobs) > 1:
                    progress(Progress("segment", number, len(jobs), "images"))
    except KeyboardInterrupt:
        interrupted = True
    return report.finish(model, interrupted=interrupted)


def _with_prompts(
    images: Sequence[FoundImage], words: PromptWords
) -> list[tuple[FoundImage, tuple[PromptSpec, ...]]]:
    """Each image with the objects asked of it; none for one that the prompts file leaves out."""
    if words.file is None:
        specs = _specs(words)
        return [(image, specs) for image in images]
    if any((words.point, words.background, words.box, words.mask, words.object)):
        raise UsageError("--prompts was given with other prompts; write them into the file as well")
    from anymask.formats.prompts_json import read_prompts

    prompts = read_prompts(words.file)
    matched = [(image, prompts.specs(image.path)) for image in images]
    if not any(specs for _, specs in matched):
        keys = ", ".join(sorted(prompts.by_name)[:5])
        raise UsageError(
            f"{words.file} names none of the {len(images)} images; it has {keys}; "
            "give file names as keys, or one list for every image"
        )
    used = {prompts.match(image.path) for image in images}
    _note_unused([key for key in prompts.by_name if key not in used], words.file)
    return matched


def _note_unused(names: Sequence[str], file: Path) -> None:
    """A misspelt file name would else go unnoticed."""
    if names:
        told = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        typer.echo(f"note: no image given has these names of {file}: {told}", err=True)


def _specs(words: PromptWords) -> tuple[PromptSpec, ...]:
    from anymask.cli.options import build_spec, parse_box, parse_object, parse_point

    specs = []
    if any((words.point, words.background, words.box, words.mask)):
        specs.append(
            build_spec(
                [parse_point(text, "--point ") for text in words.point],
                [parse_point(text, "--background ") for text in words.background],
                [parse_box(text, "--box ") for text in words.box],
                words.mask,
            )
        )
    specs += [parse_object(text) for text in words.object]
    if not specs:
        raise UsageError(
            "no prompt was given; give --point X,Y, --box X0,Y0,X1,Y1, --mask FILE, --object or "
            "--prompts FILE.json"
        )
    for spec in specs:
        if spec.mask is not None:
            spec.load()  # a mask that cannot be read is told before the model is loaded
    return tuple(specs)
