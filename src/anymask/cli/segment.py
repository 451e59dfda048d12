"""``anymask segment``: options in, prompts and jobs out; the work is in `anymask.cli.work`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
from anymask.cli.prompts import (
    DEFAULT_OUT,
    OUTPUT_PANEL,
    PROMPTS_PANEL,
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
    RankOption,
    RecursiveOption,
    ZoomOption,
    with_prompts,
)
from anymask.types.progress import Progress

if TYPE_CHECKING:
    from anymask.cli.plan import FoundImage
    from anymask.cli.work import Settings
    from anymask.formats.prompts_json import PromptSpec


def segment(
    *,
    images: ImagesArgument = None,
    input_: InputOption = None,
    point: PointOption = None,
    background: BackgroundOption = None,
    box: BoxOption = None,
    mask: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PRIOR.png",
            help="A rough mask of the object, of the image's size.",
            rich_help_panel=PROMPTS_PANEL,
        ),
    ] = None,
    object_: ObjectOption = None,
    prompts: PromptsOption = None,
    coordinates: Annotated[
        str,
        typer.Option(
            metavar="pixel|map|EPSG:CODE",
            help="What points and boxes are given in; see docs/geo.md.",
            rich_help_panel=PROMPTS_PANEL,
        ),
    ] = "pixel",
    multimask: Annotated[
        bool | None,
        typer.Option(
            "--multimask/--single",
            help="Three candidates for each object, or one; by default three for one point.",
            rich_help_panel=PROMPTS_PANEL,
        ),
    ] = None,
    multimask_output: Annotated[
        bool, typer.Option("--multimask-output", hidden=True, help="--multimask, as SAM names it.")
    ] = False,
    rank: RankOption = "plausibility",
    zoom: ZoomOption = False,
    recursive: RecursiveOption = False,
    max_pixels: MaxPixelsOption = None,
    out: OutOption = DEFAULT_OUT,
    save: Annotated[
        str,
        typer.Option(
            metavar="KINDS",
            help="What to save, some of these; also geojson.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = "overlay,mask,cutout,json",
    polygon_tolerance: Annotated[
        float,
        typer.Option(
            metavar="PIXELS",
            min=0,
            help="Pixels that polygons may leave the outline; 0 is exact.",
            rich_help_panel=OUTPUT_PANEL,
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
        rank,
        zoom,
    )
    check_model(choice)
    found = find_images([*(images or []), *(input_ or [])], out, recursive=recursive)
    raise typer.Exit(_run(with_prompts(found, words), choice, settings, out, as_json=as_json))


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
