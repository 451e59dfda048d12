"""``anymask text``: masks for phrases."""

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
    OUTPUT_PANEL,
    BackgroundOption,
    BoxOption,
    MaxPixelsOption,
    OutOption,
    PointOption,
    PromptWords,
    RecursiveOption,
    with_prompts,
)
from anymask.cli.words_options import (
    WORDS_PANEL,
    ExactOption,
    ScorerOption,
    ThresholdOption,
    TopOption,
    only_pictures,
    run_words,
)


def text(
    *,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar='IMAGE|FOLDER "PHRASE" ...', help="A picture, then phrases."),
    ] = None,
    negative: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PHRASE",
            help="What is not wanted: regions that fit it better are left out; may be repeated.",
            rich_help_panel=WORDS_PANEL,
        ),
    ] = None,
    threshold: ThresholdOption = None,
    top: TopOption = None,
    scorer: ScorerOption = "offline",
    token: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A text token of `train text-token`: phrases become prompts; see docs/text.md.",
            rich_help_panel=WORDS_PANEL,
        ),
    ] = None,
    exact: ExactOption = False,
    point: PointOption = None,
    background: BackgroundOption = None,
    box: BoxOption = None,
    recursive: RecursiveOption = False,
    max_pixels: MaxPixelsOption = None,
    out: OutOption = DEFAULT_OUT,
    save: Annotated[
        str,
        typer.Option(
            metavar="KINDS", help="What to save, some of these.", rich_help_panel=OUTPUT_PANEL
        ),
    ] = "overlay,mask,json",
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
    """Find what phrases name; with a point or a box, among what lies there.

    Example: anymask text photo.jpg "a cup" "a spoon"
    """
    paths, phrases = only_pictures(words or [])
    from anymask.cli.plan import find_images
    from anymask.cli.words_work import TEXT_KINDS, TextOrder, find_text, parse_words, with_preset
    from anymask.io.images import DEFAULT_MAX_PIXELS
    from anymask.words.find import TextSettings
    from anymask.words.naming import check_phrases

    prompts = PromptWords(point or [], background or [], box or [], [], [], None)
    choice = ModelChoice(
        model,
        checkpoint,
        device,
        "torch" if token is not None and engine == "auto" else engine,  # no other takes tokens
        precision,
        image_size,
        model_dir,
        cache_dir,
        offline,
    )
    unwanted = check_phrases(negative, "--negative") if negative else []
    settings = TextSettings(threshold=threshold, most=top, negative=tuple(unwanted))
    order = TextOrder(
        tuple(check_phrases(phrases, "phrases")),
        with_preset(settings, exact),
        token,
        parse_words(save, TEXT_KINDS, "--save"),
        max_pixels or DEFAULT_MAX_PIXELS,
    )
    check_model(choice)
    found = find_images(paths, out, recursive=recursive)
    images = with_prompts(found, prompts) if prompts.given else [(image, ()) for image in found]
    code = run_words(
        images,
        choice,
        scorer,
        lambda job, loaded, known: find_text(job, loaded, known, order),
        out,
        as_json=as_json,
        stage="text",
    )
    raise typer.Exit(code)
