"""``anymask export``: a model as ONNX files, kept only if they answer as the model does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from anymask.cli.exits import (
    DONE,
    INTERRUPTED,
    UsageError,
    echo_columns,
    echo_json,
    error_record,
    exit_code,
    fail,
)
from anymask.cli.model_choice import (
    CheckpointOption,
    DeviceOption,
    EngineOption,
    ModelChoice,
    ModelOption,
    OfflineOption,
    check_model,
    load,
)
from anymask.cli.models import CacheDirOption, JsonOption, ModelDirOption, megabytes
from anymask.cli.progress import ProgressBar
from anymask.errors import WeightsError

if TYPE_CHECKING:
    from anymask.export.export import Export
    from anymask.export.parity import Parity
    from anymask.export.parts import ExportOptions

Layout = Literal["batched", "original"]
SCHEMA: Final = "anymask.export_run/1"
_PHOTO: Final = "coffee.jpg"
_DECODER, _OUTPUT = "Decoder", "Output"


def export(
    *,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "--output",
            "-o",
            metavar="FOLDER",
            help="Folder for the files.",
            rich_help_panel=_OUTPUT,
        ),
    ] = Path("anymask-export"),
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace the export that is there.", rich_help_panel=_OUTPUT),
    ] = False,
    parts: Annotated[
        str, typer.Option(metavar="PARTS", help="encoder, decoder, or both.")
    ] = "encoder,decoder",
    layout: Annotated[
        Layout,
        typer.Option(
            help="batched: many prompts a call, low-res logits; original: the six inputs of the "
            "published decoder, one prompt a call.",
            rich_help_panel=_DECODER,
        ),
    ] = "batched",
    static: Annotated[
        str | None,
        typer.Option(
            metavar="N,T",
            help="All shapes constant: N prompts of up to T points (a box has two).",
            rich_help_panel=_DECODER,
        ),
    ] = None,
    quantize: Annotated[
        bool,
        typer.Option("--quantize", help="Weights in 8 and 16 bits.", rich_help_panel=_DECODER),
    ] = False,
    single_mask: Annotated[
        bool,
        typer.Option(
            "--single-mask",
            "--return-single-mask",
            help="One mask a prompt instead of all four (layout original).",
            rich_help_panel=_DECODER,
        ),
    ] = False,
    picture: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Compare on this picture instead of a photo of a cup of coffee."
        ),
    ] = None,
    as_json: JsonOption = False,
    model: ModelOption = None,
    checkpoint: CheckpointOption = None,
    device: DeviceOption = "cpu",
    engine: EngineOption = "auto",
    model_dir: ModelDirOption = None,
    cache_dir: CacheDirOption = None,
    offline: OfflineOption = False,
) -> None:
    """Export a model as ONNX files, after comparing their answers with the model's.

    Example: anymask export --model vit_t --out exported
    """
    order = _Order(
        out.expanduser(),
        force,
        _options(parts, layout, static, quantize=quantize, single_mask=single_mask),
        picture,
        as_json,
    )
    choice = ModelChoice(
        model, checkpoint, device, engine, "fp32", 1024, model_dir, cache_dir, offline
    )
    check_model(choice)
    raise typer.Exit(_run(order, choice))


@dataclass(frozen=True, slots=True)
class _Order:
    """What is to be done, and how to tell of it."""

    out: Path
    force: bool
    options: ExportOptions
    picture: Path | None
    as_json: bool


def _options(
    parts: str, layout: Layout, static: str | None, *, quantize: bool, single_mask: bool
) -> ExportOptions:
    from anymask.export.parts import DECODER, ENCODER, PARTS, ExportOptions

    wanted = {word.strip() for word in parts.split(",") if word.strip()}
    unknown = sorted(wanted.difference(PARTS))
    if unknown:
        raise UsageError(f"--parts names {unknown[0]!r}; give one or both of {','.join(PARTS)}")
    try:
        return ExportOptions(
            encoder=ENCODER in wanted,
            decoder=DECODER in wanted,
            layout=layout,
            slots=_slots(static),
            quantize=quantize,
            single_mask=single_mask,
        )
    except WeightsError as error:
        raise UsageError(str(error)) from error


def _slots(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    try:
        count, points = (int(word) for word in text.split(","))
    except ValueError:
        raise UsageError(
            f"--static {text!r} is malformed; give prompts and points, such as --static 1,8"
        ) from None
    return count, points


def _run(order: _Order, choice: ModelChoice) -> int:
    """Export; returns the exit code."""
    from anymask.export.comparison import in_shapes
    from anymask.export.export import ParityError, export_model
    from anymask.io.images import read_image

    _check_folder(order)
    pictures = in_shapes(read_image(order.picture or _photo()))
    try:
        with ProgressBar() as progress:
            model = load(choice, progress)
            done = export_model(
                model,
                order.out,
                pictures,
                order.options,
                overwrite=order.force,
                progress=progress,
            )
    except ParityError as error:
        return _tell_failure(error, error.parity, as_json=order.as_json)
    except KeyboardInterrupt:
        return _tell_interruption(as_json=order.as_json)
    _tell(done, as_json=order.as_json)
    return DONE


def _photo() -> bytes:
    from anymask.server.samples import sample_bytes

    return sample_bytes(_PHOTO)


def _check_folder(order: _Order) -> None:
    """Refuse what cannot be written to, before a model is loaded."""
    from anymask.export.export import refuse_former

    if order.out.exists() and not order.out.is_dir():
        raise UsageError(f"--out {str(order.out)!r} is a file; give a folder")
    if order.force:
        return
    try:
        refuse_former(order.out)
    except FileExistsError as error:
        raise UsageError(f"{error}; give --force to replace it, or another --out") from error


def _tell(done: Export, *, as_json: bool) -> None:
    files = [(str(path), size) for path, size in done.files]
    if as_json:
        listed = [{"path": path, "bytes": size} for path, size in files]
        echo_json({"schema": SCHEMA, "out": str(done.folder), "files": listed, "about": done.about})
        return
    _print_parity(done.parity)
    typer.echo("")
    echo_columns([[path, megabytes(size)] for path, size in files])
    typer.echo(f"pair id {done.about['pair_id']}")


def _tell_failure(error: WeightsError, parity: Parity, *, as_json: bool) -> int:
    if not as_json:
        _print_parity(parity)
        return fail(error, as_json=False)
    fail(error, as_json=False)
    record: dict[str, Any] = {"parity": parity.as_json(), "error": error_record(error)}
    echo_json({"schema": SCHEMA, **record})
    return exit_code(error)


def _tell_interruption(*, as_json: bool) -> int:
    message = "interrupted; nothing was exported"
    typer.echo(message, err=True)
    if as_json:
        echo_json({"schema": SCHEMA, "error": {"type": "Interrupted", "message": message}})
    return INTERRUPTED


def _print_parity(parity: Parity) -> None:
    """Largest differences from the model, and how much the masks overlap."""
    if parity.embedding is not None:
        typer.echo(f"embedding: differs from the model's by at most {parity.embedding:.1e}")
    if not parity.by_prompt:
        return
    rows = [["PROMPTS", "COUNT", "LOGITS", "PREDICTED IOU", "MASK IOU, MEAN", "LOWEST"]]
    rows += [
        [
            kind,
            str(figures.prompts),
            f"{max(figures.logits, figures.image_logits):.1e}",
            f"{figures.iou:.1e}",
            f"{figures.mean_mask_iou:.4f}",
            f"{figures.lowest_mask_iou:.4f}",
        ]
        for kind, figures in parity.by_prompt.items()
    ]
    echo_columns(rows)
