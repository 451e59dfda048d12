"""``anymask everything``: all masks of pictures and folders; the work is in `everything_work`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

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
    from anymask.cli.everything_outputs import Job
    from anymask.cli.everything_work import Work
    from anymask.inference.everything.settings import EverythingSettings
    from anymask.inference.segment import Model

Preset = Literal["exact", "fast", "sa1b", "proposals", "edges"]
LabelPolicy = Literal["smallest", "largest", "best"]
_METHOD, _OUTPUT = "Method (the preset's value if not given)", "Output"


def _method(help_text: str, metavar: str = "NUMBER") -> Any:
    """An option that changes one value of the preset."""
    return typer.Option(metavar=metavar, help=help_text, rich_help_panel=_METHOD)


def everything(
    *,
    images: Annotated[
        list[Path] | None,
        typer.Argument(metavar="IMAGE|FOLDER", help="Pictures, or folders of them."),
    ] = None,
    input_: Annotated[
        list[Path] | None, typer.Option("--input", hidden=True, help="The same, as SAM names it.")
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Also the folders inside a folder.")
    ] = False,
    max_pixels: Annotated[
        int | None,
        typer.Option(metavar="COUNT", min=1, help="Largest picture (width x height) that is read."),
    ] = None,
    workers: Annotated[
        int, typer.Option(metavar="COUNT", min=1, help="Pictures worked on at once.")
    ] = 1,
    preset: Annotated[
        Preset,
        typer.Option(help="exact, fast, sa1b, proposals or edges; see docs/everything.md."),
    ] = "exact",
    points_per_side: Annotated[int | None, _method("Points on each side of the grid.")] = None,
    points_per_batch: Annotated[int | None, _method("Points given to the engine at once.")] = None,
    pred_iou_thresh: Annotated[float | None, _method("Least predicted IoU of a mask.")] = None,
    stability_score_thresh: Annotated[float | None, _method("Least stability of a mask.")] = None,
    stability_score_offset: Annotated[
        float | None, _method("Distance of the logits that stability compares.")
    ] = None,
    box_nms_thresh: Annotated[
        float | None, _method("Overlap of boxes above which the lesser mask goes.")
    ] = None,
    crop_n_layers: Annotated[int | None, _method("Layers of crops to look at as well.")] = None,
    crop_nms_thresh: Annotated[float | None, _method("The same overlap, between crops.")] = None,
    crop_overlap_ratio: Annotated[float | None, _method("What crops share, 0 to 1.")] = None,
    crop_n_points_downscale_factor: Annotated[
        int | None, _method("How many times fewer points a side each layer has.")
    ] = None,
    min_mask_region_area: Annotated[
        int | None, _method("Clean: fill holes, remove islands of fewer pixels.", "PIXELS")
    ] = None,
    min_mask_area: Annotated[int | None, _method("Drop masks of fewer pixels.", "PIXELS")] = None,
    skip_full_image: Annotated[
        bool | None,
        typer.Option("--skip-full-image", help="Look at the crops only.", rich_help_panel=_METHOD),
    ] = None,
    tile_px: Annotated[
        int | None, _method("Cut into tiles, for very large pictures.", "PIXELS")
    ] = None,
    tile_overlap_px: Annotated[int | None, _method("What tiles share.", "PIXELS")] = None,
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
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="KINDS",
            help="Some of records,sa1b,coco,png,labelmap.",
            rich_help_panel=_OUTPUT,
        ),
    ] = "records",
    convert_to_rle: Annotated[
        bool,
        typer.Option("--convert-to-rle", hidden=True, help="--format records, as SAM names it."),
    ] = False,
    overlay: Annotated[
        bool,
        typer.Option(
            "--overlay/--no-overlay",
            help="Also save a picture of all masks.",
            rich_help_panel=_OUTPUT,
        ),
    ] = True,
    labels: Annotated[
        LabelPolicy,
        typer.Option(
            help="Who gets a pixel of the label map: smallest, largest or best mask.",
            rich_help_panel=_OUTPUT,
        ),
    ] = "smallest",
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Also redo pictures whose results are there.",
            rich_help_panel=_OUTPUT,
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
    """Find all masks of pictures, without any prompt.

    Example: anymask everything photo.jpg
    """
    from anymask.cli.everything_outputs import OVERLAY, parse_formats, plan
    from anymask.cli.everything_work import Work
    from anymask.cli.plan import find_images
    from anymask.io.images import DEFAULT_MAX_PIXELS

    changes = {
        "points_per_side": points_per_side,
        "points_per_batch": points_per_batch,
        "pred_iou_thresh": pred_iou_thresh,
        "stability_score_thresh": stability_score_thresh,
        "stability_score_offset": stability_score_offset,
        "box_nms_thresh": box_nms_thresh,
        "crop_n_layers": crop_n_layers,
        "crop_nms_thresh": crop_nms_thresh,
        "crop_overlap_ratio": crop_overlap_ratio,
        "crop_n_points_downscale_factor": crop_n_points_downscale_factor,
        "min_mask_region_area": min_mask_region_area,
        "min_mask_area": min_mask_area,
        "skip_full_image": skip_full_image,
        "tile_px": tile_px,
        "tile_overlap_px": tile_overlap_px,
    }
    kinds = ("records",) if convert_to_rle else parse_formats(format_)
    kinds += (OVERLAY,) if overlay else ()
    choice = ModelChoice(
        model, checkpoint, device, engine, precision, image_size, model_dir, cache_dir, offline
    )
    work = Work(_settings(preset, changes), labels, max_pixels or DEFAULT_MAX_PIXELS, workers)
    check_model(choice)
    found = find_images([*(images or []), *(input_ or [])], out, recursive=recursive)
    order = _Order(plan(found, out, kinds), out, overwrite, as_json)
    raise typer.Exit(_run(order, choice, work))


@dataclass(frozen=True, slots=True)
class _Order:
    """What is to be done, and how to tell of it."""

    jobs: list[Job]
    out: Path
    overwrite: bool
    as_json: bool


def _settings(preset_name: str, changes: dict[str, Any]) -> EverythingSettings:
    """The preset with the values that were given."""
    from anymask.errors import PromptError
    from anymask.inference.everything.presets import preset

    given = {name: value for name, value in changes.items() if value is not None}
    try:
        return replace(preset(preset_name), **given)
    except PromptError as error:
        message = str(error)
        for name in given:
            message = message.replace(name, f"--{name.replace('_', '-')}")
        raise UsageError(message) from error


def _run(order: _Order, choice: ModelChoice, work: Work) -> int:
    """Work on the pictures that are not done; returns the exit code."""
    from anymask.cli.everything_report import Report
    from anymask.cli.everything_work import run

    skipped = [job for job in order.jobs if job.is_done and not order.overwrite]
    left = [job for job in order.jobs if job not in skipped]
    report = Report(skipped, len(order.jobs), order.out, as_json=order.as_json)
    model: Model | None = None
    interrupted = False
    try:
        with ProgressBar() as progress:
            model = load(choice, progress) if left else None
            for number, outcome in enumerate(
                run(left, model, work, progress) if model else (), start=1
            ):
                report.add(outcome)
                if len(left) > 1:
                    progress(Progress("everything", number, len(left), "images"))
    except KeyboardInterrupt:
        interrupted = True
    extra = [] if interrupted else _together(order.jobs, order.out)
    return report.finish(model, extra, interrupted=interrupted)


def _together(jobs: list[Job], out: Path) -> list[Path]:
    """One COCO file about several pictures, made of theirs."""
    from anymask.formats import coco

    parts = [job.targets["coco"] for job in jobs if "coco" in job.targets]
    parts = [path for path in parts if path.exists()]
    if len(parts) < 2:
        return []
    path = out / "coco.json"
    coco.write_coco(path, coco.merge(coco.read_coco(part) for part in parts))
    return [path]
