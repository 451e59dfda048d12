"""``anymask cutout``: objects alone, on a transparent background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

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

if TYPE_CHECKING:
    from anymask.apps.edit.edges import Edge
    from anymask.cli.objects import FoundObject
    from anymask.cli.outputs import SavedPaths
    from anymask.cli.plan import Job
    from anymask.inference.segment import Model

EDGE_PANEL = "Edge"
EdgeOption = Annotated[
    Literal["hard", "feather", "soft"],
    typer.Option(
        help="As the mask is; blurred evenly; or worked out pixel by pixel, for hair and fur.",
        rich_help_panel=EDGE_PANEL,
    ),
]
EdgeWidthOption = Annotated[
    float | None,
    typer.Option(
        metavar="PIXELS",
        min=0,
        max=1000,
        help="How far to each side of the mask's edge; by default by the size of the picture.",
        rich_help_panel=EDGE_PANEL,
    ),
]
GrowOption = Annotated[
    float,
    typer.Option(
        metavar="PIXELS",
        min=-1000,
        max=1000,
        help="Grow the mask before, or shrink it by a negative number.",
        rich_help_panel=EDGE_PANEL,
    ),
]


@dataclass(frozen=True, slots=True)
class CutSettings:
    """How every picture is cut.

    Attributes:
        edge: what becomes of the edge.
        crop: cut down to the object.
        together: all objects in one picture.
        max_pixels: largest picture that is read.
    """

    edge: Edge
    crop: bool
    together: bool
    max_pixels: int


def cutout(
    *,
    images: ImagesArgument = None,
    input_: InputOption = None,
    point: PointOption = None,
    background: BackgroundOption = None,
    box: BoxOption = None,
    mask: ReadyMaskOption = None,
    object_: ObjectOption = None,
    prompts: PromptsOption = None,
    edge: EdgeOption = "soft",
    edge_width: EdgeWidthOption = None,
    grow: GrowOption = 0.0,
    crop: Annotated[
        bool,
        typer.Option("--crop/--full", help="Cut down to the object, or of the picture's size."),
    ] = True,
    together: Annotated[
        bool, typer.Option("--together", help="All objects in one picture, not one each.")
    ] = False,
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
    """Cut objects out of pictures, onto a transparent background.

    Example: anymask cutout photo.jpg --point 320,240
    """
    from anymask.apps.edit.edges import Edge
    from anymask.cli.editing import run_jobs
    from anymask.cli.plan import find_images
    from anymask.io.images import DEFAULT_MAX_PIXELS

    words = PromptWords(
        point or [], background or [], box or [], mask or [], object_ or [], prompts
    )
    choice = ModelChoice(
        model, checkpoint, device, engine, precision, image_size, model_dir, cache_dir, offline
    )
    settings = CutSettings(
        Edge(edge, edge_width, grow), crop, together, max_pixels or DEFAULT_MAX_PIXELS
    )
    check_model(choice)
    found = find_images([*(images or []), *(input_ or [])], out, recursive=recursive)
    code = run_jobs(
        with_prompts(found, words),
        choice,
        lambda job, model: _cut(job, model, settings),
        out,
        as_json=as_json,
        stage="cutout",
    )
    raise typer.Exit(code)


def _cut(job: Job, model: Model | None, settings: CutSettings) -> tuple[dict[str, Any], SavedPaths]:
    """Cut the objects of one picture out, and save them."""
    from anymask.apps.edit.cutouts import cutout as cut
    from anymask.cli.objects import find_objects, object_records
    from anymask.cli.outputs import all_or_none
    from anymask.formats.records import json_text
    from anymask.io.originals import read_original, save_original

    original = read_original(job.path, max_pixels=settings.max_pixels)
    height, width = original.pixels.shape[:2]
    found = find_objects(
        job.path, job.specs, model, size_hw=(height, width), max_pixels=settings.max_pixels
    )
    document = {"objects": object_records(found)}
    if settings.together:
        found = [_joined(found)]
    saved: list[str] = []
    with all_or_none() as written:
        for number, one in enumerate(found):
            rgba = cut(
                original.pixels, one.mask, crop=settings.crop, edge=settings.edge, unsure=one.unsure
            )
            path = replace(job.names, objects=len(found)).cutout(number)
            written.append(save_original(path, replace(original, pixels=rgba)))
            saved.append(json_text(str(path)))
    return document, {"cutout": saved}


def _joined(found: Sequence[FoundObject]) -> FoundObject:
    """All objects as one."""
    import numpy as np

    from anymask.cli.objects import FoundObject

    unsure = [one.unsure for one in found if one.unsure is not None]
    return FoundObject(
        np.logical_or.reduce([one.mask for one in found]),
        np.logical_or.reduce(unsure) if unsure else None,
    )
