"""``anymask inpaint``: objects and watermarks taken out of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from anymask.apps.inpaint.fill import FEATHER_PX, GROW_PX
from anymask.apps.inpaint.watermarks import MIN_SCORE
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
    ReadyMaskOption,
    RecursiveOption,
    with_prompts,
)

_FILL_PANEL = "How to fill"
FormatOption = Annotated[
    Literal["png", "jpg", "webp"],
    typer.Option(
        "--format",
        help="png and webp keep every pixel; png also 16 bits.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]


def inpaint(
    *,
    images: ImagesArgument = None,
    input_: InputOption = None,
    point: PointOption = None,
    background: BackgroundOption = None,
    box: BoxOption = None,
    mask: ReadyMaskOption = None,
    object_: ObjectOption = None,
    prompts: PromptsOption = None,
    template: Annotated[
        Path | None,
        typer.Option(
            metavar="MARK.png",
            help="A watermark to find in every picture; its alpha says which pixels are the mark.",
            rich_help_panel=PROMPTS_PANEL,
        ),
    ] = None,
    min_score: Annotated[
        float,
        typer.Option(
            metavar="0..1",
            min=0.05,
            max=1,
            help="How alike a place has to be to --template.",
            rich_help_panel=PROMPTS_PANEL,
        ),
    ] = MIN_SCORE,
    words: Annotated[
        str | None,
        typer.Option(
            metavar="PHRASE", help="What to remove, in words.", rich_help_panel=PROMPTS_PANEL
        ),
    ] = None,
    grow: Annotated[
        float,
        typer.Option(
            metavar="PIXELS",
            min=0,
            max=1000,
            help="Grow the mask before, over the object's blurred rim.",
            rich_help_panel=_FILL_PANEL,
        ),
    ] = GROW_PX,
    feather: Annotated[
        float,
        typer.Option(
            metavar="PIXELS",
            min=0,
            max=1000,
            help="How soft the seam is; it stays within what the mask was grown by.",
            rich_help_panel=_FILL_PANEL,
        ),
    ] = FEATHER_PX,
    method: Annotated[
        Literal["auto", "exemplar", "smooth", "lama", "diffusers"],
        typer.Option(
            help="Copy from the picture, or continue smoothly; a network takes --network.",
            rich_help_panel=_FILL_PANEL,
        ),
    ] = "auto",
    network: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|FOLDER",
            help="LaMa as .onnx or TorchScript (a program: trust its origin), or a pipeline.",
            rich_help_panel=_FILL_PANEL,
        ),
    ] = None,
    describe: Annotated[
        str,
        typer.Option(
            metavar="TEXT",
            help="What is to be seen instead, for --method diffusers.",
            rich_help_panel=_FILL_PANEL,
        ),
    ] = "background",
    seed: Annotated[
        int,
        typer.Option(
            metavar="NUMBER",
            min=0,
            help="Another number, another fill; the same, the same.",
            rich_help_panel=_FILL_PANEL,
        ),
    ] = 0,
    recursive: RecursiveOption = False,
    max_pixels: MaxPixelsOption = None,
    out: OutOption = DEFAULT_OUT,
    format_: FormatOption = "png",
    save_mask: Annotated[
        bool,
        typer.Option(
            "--save-mask", help="Also save what was filled.", rich_help_panel=OUTPUT_PANEL
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
    """Remove objects or watermarks, and fill what lay behind them.

    Example: anymask inpaint photo.jpg --point 320,240
    """
    from anymask.cli.editing import run_jobs
    from anymask.cli.inpaint_work import FillSettings, choose_inpainter, inpaint_picture, read_mark
    from anymask.cli.plan import find_images
    from anymask.io.images import DEFAULT_MAX_PIXELS

    if words is not None:
        raise UsageError(
            "--words needs a finder of words, which this version has not; "
            "give --point, --box, --mask or --template"
        )
    asked = PromptWords(
        point or [], background or [], box or [], mask or [], object_ or [], prompts
    )
    choice = ModelChoice(
        model, checkpoint, device, engine, precision, image_size, model_dir, cache_dir, offline
    )
    bar = ProgressBar()
    mark = read_mark(template, min_score) if template is not None else None
    settings = FillSettings(
        choose_inpainter(method, network, describe=describe, seed=seed, progress=bar),
        mark,
        grow,
        feather,
        format_,
        save_mask,
        max_pixels or DEFAULT_MAX_PIXELS,
    )
    check_model(choice)
    found = find_images([*(images or []), *(input_ or [])], out, recursive=recursive)
    only_mark = mark is not None and not asked.given
    code = run_jobs(
        [(image, ()) for image in found] if only_mark else with_prompts(found, asked),
        choice,
        lambda job, loaded: inpaint_picture(job, loaded, settings),
        out,
        as_json=as_json,
        stage="pictures",
        bar=bar,
        without_objects=mark is not None,
    )
    raise typer.Exit(code)
