"""``anymask describe``: what a picture shows, and answers with evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
)
from anymask.cli.models import CacheDirOption, JsonOption, ModelDirOption
from anymask.cli.prompts import (
    DEFAULT_OUT,
    ImagesArgument,
    InputOption,
    MaxPixelsOption,
    OutOption,
    RecursiveOption,
)
from anymask.cli.words_options import (
    WORDS_PANEL,
    ExactOption,
    ScorerOption,
    ThresholdOption,
    VocabularyOption,
    run_words,
)


def describe(
    *,
    images: ImagesArgument = None,
    input_: InputOption = None,
    ask: Annotated[
        list[str] | None,
        typer.Option(
            metavar="QUESTION",
            help='Such as "how many cups?"; may be repeated.',
            rich_help_panel=WORDS_PANEL,
        ),
    ] = None,
    vlm: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="A vision-language model of yours, to describe and answer; see docs/describe.md.",
            rich_help_panel=WORDS_PANEL,
        ),
    ] = None,
    vocabulary: VocabularyOption = "coco",
    threshold: ThresholdOption = None,
    scorer: ScorerOption = "offline",
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
    """Say what pictures show, and answer questions, naming the masks that bear it out.

    Example: anymask describe photo.jpg --ask "what colour is the cup?"
    """
    from anymask.apps.describe.seen import load_vision_language
    from anymask.cli.describe_work import DescribeOrder, describe_picture
    from anymask.cli.plan import find_images
    from anymask.cli.words_work import with_preset
    from anymask.io.images import DEFAULT_MAX_PIXELS
    from anymask.words.find import TextSettings
    from anymask.words.vocabularies import read_vocabulary

    choice = ModelChoice(
        model, checkpoint, device, engine, precision, image_size, model_dir, cache_dir, offline
    )
    order = DescribeOrder(
        read_vocabulary(vocabulary),
        threshold,
        tuple(ask or ()),
        with_preset(TextSettings(), exact).regions,
        None if vlm is None else load_vision_language(vlm),
        max_pixels or DEFAULT_MAX_PIXELS,
    )
    check_model(choice)
    found = find_images([*(images or []), *(input_ or [])], out, recursive=recursive)
    code = run_words(
        [(image, ()) for image in found],
        choice,
        scorer,
        lambda job, loaded, known: describe_picture(job, loaded, known, order),
        out,
        as_json=as_json,
        stage="describe",
    )
    raise typer.Exit(code)
