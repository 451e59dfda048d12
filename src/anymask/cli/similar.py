"""``anymask similar``: other regions like one that a prompt shows."""

from __future__ import annotations

from typing import Annotated

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
)
from anymask.cli.models import CacheDirOption, JsonOption, ModelDirOption
from anymask.cli.prompts import (
    DEFAULT_OUT,
    BackgroundOption,
    BoxOption,
    ImagesArgument,
    InputOption,
    MaxPixelsOption,
    OutOption,
    PointOption,
    PromptWords,
    ReadyMaskOption,
    RecursiveOption,
    with_prompts,
)
from anymask.cli.words_options import WORDS_PANEL, ExactOption, TopOption, run_words


def similar(
    *,
    images: ImagesArgument = None,
    input_: InputOption = None,
    point: PointOption = None,
    background: BackgroundOption = None,
    box: BoxOption = None,
    mask: ReadyMaskOption = None,
    least: Annotated[
        float,
        typer.Option(
            metavar="SIMILARITY",
            min=-1,
            max=1,
            help="Least similarity of an answer.",
            rich_help_panel=WORDS_PANEL,
        ),
    ] = 0.5,
    top: TopOption = None,
    exact: ExactOption = False,
    recursive: RecursiveOption = False,
    max_pixels: MaxPixelsOption = None,
    out: OutOption = DEFAULT_OUT,
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
    """Find regions like one of the first picture, there and in the pictures named after it.

    Example: anymask similar coins.png more-coins/ --point 120,80
    """
    from anymask.cli.plan import find_images
    from anymask.cli.similar_work import SimilarOrder, SimilarSearch
    from anymask.cli.words_work import with_preset
    from anymask.io.images import DEFAULT_MAX_PIXELS
    from anymask.words.find import TextSettings

    prompts = PromptWords(point or [], background or [], box or [], mask or [], [], None)
    choice = ModelChoice(
        model, checkpoint, device, engine, precision, image_size, model_dir, cache_dir, offline
    )
    order = SimilarOrder(
        least,
        top,
        with_preset(TextSettings(), exact).regions,
        max_pixels or DEFAULT_MAX_PIXELS,
    )
    if not prompts.given:
        raise UsageError("nothing to compare with; give --point X,Y, --box or --mask")
    check_model(choice)
    first, *others = find_images([*(images or []), *(input_ or [])], out, recursive=recursive)
    search = SimilarSearch(order)
    code = run_words(
        [*with_prompts([first], prompts), *((image, ()) for image in others)],
        choice,
        None,
        lambda job, loaded, _: search(job, loaded),
        out,
        as_json=as_json,
        stage="similar",
    )
    raise typer.Exit(code)
