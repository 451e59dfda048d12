"""``anymask evaluate``: how good the masks are, against truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from anymask.cli.evaluate_options import (
    DEFAULT_OUT,
    EmbeddingsOption,
    LimitOption,
    MaskDataArgument,
    MaxPixelsOption,
    Order,
    OutOption,
    OverwriteOption,
    PictureLimitOption,
    SeedOption,
    WorkersOption,
)
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
)
from anymask.cli.models import CacheDirOption, JsonOption, ModelDirOption
from anymask.cli.prompts import RankOption, ZoomOption

if TYPE_CHECKING:
    from anymask.inference.everything.settings import EverythingSettings

evaluate_app = typer.Typer(
    help="Measure how good the masks are, on data with truth.",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
)


@evaluate_app.command("clicks")
def evaluate_clicks(
    *,
    data: MaskDataArgument = None,
    points: Annotated[
        str, typer.Option(metavar="COUNTS", help="Numbers of clicks to tell of.")
    ] = "1,2,3,5,9",
    first: Annotated[
        Literal["centre", "random"], typer.Option(help="Where the first click goes.")
    ] = "centre",
    rank: RankOption = "plausibility",
    zoom: ZoomOption = False,
    unsure: Annotated[
        Literal["skip", "object"],
        typer.Option(help="Pixels marked as unsure belong to the object, or count for nothing."),
    ] = "object",
    noc: Annotated[
        bool, typer.Option("--noc", help="Also how many clicks 85 and 90 % IoU take, 20 at most.")
    ] = False,
    baselines: Annotated[
        str,
        typer.Option(metavar="NAMES", help="Compare with some of circle,flood,walker,grabcut."),
    ] = "",
    bootstrap: Annotated[
        int, typer.Option(metavar="COUNT", min=0, help="Repeats for the intervals.")
    ] = 1000,
    limit: LimitOption = None,
    seed: SeedOption = 0,
    out: OutOption = DEFAULT_OUT,
    workers: WorkersOption = 1,
    embeddings: EmbeddingsOption = None,
    overwrite: OverwriteOption = False,
    max_pixels: MaxPixelsOption = None,
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
    """Click on objects as a person would: IoU after 1, 2, 3, 5, 9 clicks, and for boxes.

    Example: anymask evaluate clicks ../shared/data/A --limit 40
    """
    from anymask.cli.evaluate_run import run
    from anymask.evaluation.baselines import available
    from anymask.evaluation.clicks import ClickTask
    from anymask.evaluation.clicks_settings import ClickSettings, ModelOptions
    from anymask.evaluation.sets.find import find_mask_sets

    settings = ClickSettings(
        limit=limit,
        seed=seed,
        points=_counts(points),
        first=first,
        unsure=unsure,
        options=ModelOptions(rank=rank, zoom=zoom),
        noc=noc,
        baselines=_words(baselines),
        bootstrap=bootstrap,
    )
    names, skipped = available(settings.baselines)
    for note in skipped:
        typer.echo(note, err=True)
    settings = replace(settings, baselines=names)
    order = Order(out, workers, embeddings, overwrite, max_pixels, as_json)
    choice = ModelChoice(
        model, checkpoint, device, engine, precision, image_size, model_dir, cache_dir, offline
    )
    raise typer.Exit(run(ClickTask(settings), find_mask_sets(data or []), order, choice))


@evaluate_app.command("boxes")
def evaluate_boxes(
    *,
    data: MaskDataArgument = None,
    detections: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A detector's boxes as COCO results; else the true boxes."
        ),
    ] = None,
    refine: Annotated[
        bool, typer.Option("--refine", help="Ask again with the box and the first answer.")
    ] = False,
    most: Annotated[
        int, typer.Option(metavar="COUNT", min=1, help="A detector's masks that count.")
    ] = 100,
    rank: RankOption = "plausibility",
    zoom: ZoomOption = False,
    limit: PictureLimitOption = None,
    seed: SeedOption = 0,
    out: OutOption = DEFAULT_OUT,
    workers: WorkersOption = 1,
    embeddings: EmbeddingsOption = None,
    overwrite: OverwriteOption = False,
    max_pixels: MaxPixelsOption = None,
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
    """Masks from boxes, true ones or a detector's: COCO's average precision.

    Example: anymask evaluate boxes ../shared/data/F --limit 20
    """
    from anymask.cli.evaluate_run import run
    from anymask.evaluation.box_prompts import BoxSettings, BoxTask
    from anymask.evaluation.clicks_settings import ModelOptions
    from anymask.evaluation.sets.find import find_mask_sets

    settings = BoxSettings(
        limit=limit,
        seed=seed,
        detections=detections,
        refine=refine,
        most=most,
        options=ModelOptions(rank=rank, zoom=zoom),
    )
    order = Order(out, workers, embeddings, overwrite, max_pixels, as_json)
    choice = ModelChoice(
        model, checkpoint, device, engine, precision, image_size, model_dir, cache_dir, offline
    )
    raise typer.Exit(run(BoxTask(settings), find_mask_sets(data or []), order, choice))


@evaluate_app.command("proposals")
def evaluate_proposals(
    *,
    data: MaskDataArgument = None,
    preset: Annotated[
        Literal["exact", "fast", "sa1b", "proposals", "edges"],
        typer.Option(help="Settings of everything mode; see docs/everything.md."),
    ] = "proposals",
    points_per_side: Annotated[
        int | None, typer.Option(metavar="COUNT", min=1, help="Instead of the preset's grid.")
    ] = None,
    limit: PictureLimitOption = None,
    seed: SeedOption = 0,
    out: OutOption = DEFAULT_OUT,
    workers: WorkersOption = 1,
    embeddings: EmbeddingsOption = None,
    overwrite: OverwriteOption = False,
    max_pixels: MaxPixelsOption = None,
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
    """How many objects are among 10, 100, 1000 masks of everything mode (AR@k).

    Example: anymask evaluate proposals ../shared/data/F --limit 5
    """
    from anymask.cli.evaluate_run import run
    from anymask.evaluation.proposals import ProposalSettings, ProposalTask
    from anymask.evaluation.sets.find import find_mask_sets

    asked = _everything(preset, points_per_side)
    task = ProposalTask(ProposalSettings(limit=limit, seed=seed, everything=asked))
    order = Order(out, workers, embeddings, overwrite, max_pixels, as_json)
    choice = ModelChoice(
        model, checkpoint, device, engine, precision, image_size, model_dir, cache_dir, offline
    )
    raise typer.Exit(run(task, find_mask_sets(data or []), order, choice))


@evaluate_app.command("everything")
def evaluate_everything(
    *,
    data: MaskDataArgument = None,
    preset: Annotated[
        Literal["exact", "fast", "sa1b", "proposals", "edges"],
        typer.Option(help="Settings of everything mode; see docs/everything.md."),
    ] = "exact",
    points_per_side: Annotated[
        int | None, typer.Option(metavar="COUNT", min=1, help="Instead of the preset's grid.")
    ] = None,
    limit: PictureLimitOption = None,
    seed: SeedOption = 0,
    out: OutOption = DEFAULT_OUT,
    workers: WorkersOption = 1,
    embeddings: EmbeddingsOption = None,
    overwrite: OverwriteOption = False,
    max_pixels: MaxPixelsOption = None,
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
    """What everything mode covers of the truth, and how much it says twice.

    Example: anymask evaluate everything ../shared/data/A --limit 2
    """
    from anymask.cli.evaluate_run import run
    from anymask.evaluation.coverage import CoverageSettings, CoverageTask
    from anymask.evaluation.sets.find import find_mask_sets

    asked = _everything(preset, points_per_side)
    task = CoverageTask(CoverageSettings(limit=limit, seed=seed, everything=asked))
    order = Order(out, workers, embeddings, overwrite, max_pixels, as_json)
    choice = ModelChoice(
        model, checkpoint, device, engine, precision, image_size, model_dir, cache_dir, offline
    )
    raise typer.Exit(run(task, find_mask_sets(data or []), order, choice))


@evaluate_app.command("edges")
def evaluate_edges(
    *,
    data: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="DATA",
            help="Folder with images/ and gt/ as in BSDS500, or a folder of such.",
            show_default=False,
        ),
    ] = None,
    points_per_side: Annotated[
        int, typer.Option(metavar="COUNT", min=1, help="Of the grid whose masks give the edges.")
    ] = 16,
    thresholds: Annotated[
        int, typer.Option(metavar="COUNT", min=1, help="Of edge strength that are tried.")
    ] = 99,
    tolerance: Annotated[
        float, typer.Option(metavar="SHARE", help="Largest distance, in diagonals.")
    ] = 0.0075,
    limit: PictureLimitOption = None,
    seed: SeedOption = 0,
    out: OutOption = DEFAULT_OUT,
    workers: WorkersOption = 1,
    embeddings: EmbeddingsOption = None,
    overwrite: OverwriteOption = False,
    max_pixels: MaxPixelsOption = None,
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
    """Edges from masks against edges drawn by people, beside Canny and Sobel.

    Example: anymask evaluate edges ../shared/data/B --limit 8
    """
    from anymask.cli.evaluate_run import run
    from anymask.evaluation.edges.task import EdgeSettings, EdgeTask
    from anymask.evaluation.sets.find import find_boundary_sets

    settings = EdgeSettings(
        limit=limit,
        seed=seed,
        points_per_side=points_per_side,
        thresholds=thresholds,
        tolerance=tolerance,
    )
    order = Order(out, workers, embeddings, overwrite, max_pixels, as_json)
    choice = ModelChoice(
        model, checkpoint, device, engine, precision, image_size, model_dir, cache_dir, offline
    )
    raise typer.Exit(run(EdgeTask(settings), find_boundary_sets(data or []), order, choice))


@evaluate_app.command("page")
def evaluate_page(
    *,
    reports: Annotated[
        list[Path] | None,
        typer.Argument(metavar="REPORT", help="JSON files of reports.", show_default=False),
    ] = None,
    speed: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="results.json of the benchmarks, to stand beside."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Markdown file; else it is printed."),
    ] = None,
) -> None:
    """Put reports, and the benchmarks' speed, on one Markdown page.

    Example: anymask evaluate page anymask-evaluation/clicks.json -o quality.md
    """
    from anymask.evaluation.page import page_markdown, read_report, read_speed
    from anymask.io.files import write_text_atomic

    if not reports:
        raise UsageError("no report was given; give the JSON files that anymask evaluate wrote")
    text = page_markdown(
        [read_report(path) for path in reports], None if speed is None else read_speed(speed)
    )
    if out is None:
        typer.echo(text, nl=False)
    else:
        typer.echo(f"  {write_text_atomic(out, text)}")


def _everything(name: str, points_per_side: int | None) -> EverythingSettings:
    from anymask.inference.everything.presets import preset

    settings = preset(name)
    if points_per_side is None:
        return settings
    return replace(settings, points_per_side=points_per_side)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _counts(text: str) -> tuple[int, ...]:
    try:
        return tuple(sorted({int(word) for word in _words(text)}))
    except ValueError as error:
        raise UsageError(
            f"--points is {text!r}; give numbers of clicks such as --points 1,2,3,5,9"
        ) from error
