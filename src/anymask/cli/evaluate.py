"""``anymask evaluate``: how good the masks are, against truth."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

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
    RankOption,
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
)
from anymask.cli.models import CacheDirOption, JsonOption, ModelDirOption

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
    rank: RankOption = "model",
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
        options=ModelOptions(rank=rank),
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
        model, checkpoint, device, engine, image_size, model_dir, cache_dir, offline
    )
    raise typer.Exit(run(ClickTask(settings), find_mask_sets(data or []), order, choice))


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _counts(text: str) -> tuple[int, ...]:
    try:
        return tuple(sorted({int(word) for word in _words(text)}))
    except ValueError as error:
        raise UsageError(
            f"--points is {text!r}; give numbers of clicks such as --points 1,2,3,5,9"
        ) from error
