"""``anymask detect``: objects with masks, boxes, labels and scores."""

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
    TopOption,
    VocabularyOption,
    run_words,
)


def detect(
    *,
    images: ImagesArgument = None,
    input_: InputOption = None,
    vocabulary: VocabularyOption = "coco",
    boxes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Boxes of a detector (CSV or JSON), to become masks; see docs/text.md.",
            rich_help_panel=WORDS_PANEL,
        ),
    ] = None,
    face_model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="ONNX file of YuNet, to find faces with; else by what OpenCV brings.",
            rich_help_panel=WORDS_PANEL,
        ),
    ] = None,
    threshold: ThresholdOption = None,
    top: TopOption = None,
    scorer: ScorerOption = "offline",
    exact: ExactOption = False,
    recursive: RecursiveOption = False,
    max_pixels: MaxPixelsOption = None,
    out: OutOption = DEFAULT_OUT,
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="KINDS",
            help="Some of coco,yolo,csv,png.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = "coco,png",
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
    """Find the objects that a vocabulary has words for; or make masks of a detector's boxes.

    Example: anymask detect photo.jpg --vocabulary "cup,spoon,plate"
    """
    from anymask.apps.faces import FACE, face_finder
    from anymask.cli.plan import find_images
    from anymask.cli.words_work import (
        DETECTION_KINDS,
        DetectOrder,
        find_detections,
        labels_missing,
        parse_words,
        with_preset,
    )
    from anymask.io.images import DEFAULT_MAX_PIXELS
    from anymask.words.find import TextSettings
    from anymask.words.vocabularies import read_vocabulary

    choice = ModelChoice(
        model, checkpoint, device, engine, precision, image_size, model_dir, cache_dir, offline
    )
    words = read_vocabulary(vocabulary)
    order = DetectOrder(
        words,
        threshold,
        boxes,
        face_finder(face_model) if face_model or FACE in words else None,
        with_preset(TextSettings(most=top), exact),
        parse_words(format_, DETECTION_KINDS, "--format"),
        max_pixels or DEFAULT_MAX_PIXELS,
    )
    check_model(choice)
    found = find_images([*(images or []), *(input_ or [])], out, recursive=recursive)
    needed = bool(order.scored_words) if boxes is None else labels_missing(boxes, found)
    code = run_words(
        [(image, ()) for image in found],
        choice,
        scorer if needed else None,
        lambda job, loaded, known: find_detections(job, loaded, known, order),
        out,
        as_json=as_json,
        stage="detect",
    )
    raise typer.Exit(code)
