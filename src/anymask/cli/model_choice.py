"""The options that choose a model, shared by the commands that run one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from anymask.cli.exits import UsageError
from anymask.cli.models import find_known
from anymask.cli.progress import ProgressBar

if TYPE_CHECKING:
    from anymask.inference.engines import LightEngine
    from anymask.inference.segment import Model

Engine = Literal["auto", "torch", "onnx", "openvino"]
Precision = Literal["fp32", "bf16", "auto"]
MODEL_PANEL: Final = "Model"

ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        "--model-type",
        "-m",
        metavar="NAME|FILE",
        help="A name (see: anymask models), or the path of a checkpoint or an export.",
        rich_help_panel=MODEL_PANEL,
    ),
]
CheckpointOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A weight file of yours.", rich_help_panel=MODEL_PANEL),
]
DeviceOption = Annotated[
    str,
    typer.Option(metavar="NAME", help="auto, cpu, cuda, cuda:1, mps.", rich_help_panel=MODEL_PANEL),
]
EngineOption = Annotated[
    Engine,
    typer.Option(
        metavar="NAME",
        help="auto, torch, onnx (onnxruntime, no PyTorch), or openvino.",
        rich_help_panel=MODEL_PANEL,
    ),
]
PrecisionOption = Annotated[
    Precision,
    typer.Option(
        metavar="NAME",
        help="fp32; bf16, faster where the processor computes it, and nearly the same; auto.",
        rich_help_panel=MODEL_PANEL,
    ),
]
ImageSizeOption = Annotated[
    int,
    typer.Option(
        metavar="PIXELS",
        min=16,
        help="Side of the network's canvas, a multiple of 16.",
        rich_help_panel=MODEL_PANEL,
    ),
]
OfflineOption = Annotated[
    bool,
    typer.Option("--offline", help="Never use the network.", rich_help_panel=MODEL_PANEL),
]


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """What `load_model` is asked for; see there."""

    name: str | None
    checkpoint: Path | None
    device: str
    engine: Engine
    precision: Precision
    image_size: int
    model_dir: Path | None
    cache_dir: Path | None
    offline: bool


def check_model(choice: ModelChoice) -> None:
    """Refuse what no model can be made of, before any picture is looked at.

    Raises:
        UsageError: a size, name or file that cannot be.
    """
    from anymask.inference.load import AUTO, CHECKPOINT_SUFFIXES

    if choice.image_size % 16:
        raise UsageError(
            f"--image-size is {choice.image_size}; give a multiple of 16, such as 1024"
        )
    if choice.checkpoint is not None and not choice.checkpoint.expanduser().is_file():
        raise UsageError(f"--checkpoint {str(choice.checkpoint)!r} does not exist; give a file")
    if choice.name is None or choice.name == AUTO:
        return
    path = Path(choice.name).expanduser()
    if choice.name.endswith(CHECKPOINT_SUFFIXES) and not path.is_file():
        raise UsageError(f"--model {choice.name!r} does not exist; give a weight file or a name")
    if _is_export(choice):
        _check_export(choice)
    elif not path.is_file():
        find_known(choice.name)


def _is_export(choice: ModelChoice) -> bool:
    """Whether the model is a folder that `anymask export` wrote; known names come first."""
    from anymask.export.files import ABOUT

    return choice.name is not None and (Path(choice.name).expanduser() / ABOUT).is_file()


def _check_export(choice: ModelChoice) -> None:
    """Refuse what an export cannot be asked for."""
    wishes = {
        "--checkpoint": choice.checkpoint is not None,
        "--device": choice.device not in ("auto", "cpu"),
        "--engine": choice.engine == "torch",
        "--image-size": choice.image_size != 1024,
    }
    for option in (option for option, wished in wishes.items() if wished):
        raise UsageError(
            f"{option} does not go with --model {choice.name!r}, an export: onnxruntime or "
            "OpenVINO runs its own weights on the CPU at 1024 pixels"
        )


def load(choice: ModelChoice, progress: ProgressBar) -> Model:
    """Load the model; fetching its weights is shown."""
    if choice.name is not None and _is_export(choice):
        from anymask.export.exported_backend import open_export

        engine: LightEngine = "openvino" if choice.engine == "openvino" else "onnx"
        return open_export(
            Path(choice.name).expanduser(), engine=engine, precision=choice.precision
        )
    from anymask.inference.load import AUTO, load_model

    return load_model(
        choice.name or AUTO,
        checkpoint=choice.checkpoint,
        device=choice.device,
        engine=choice.engine,
        precision=choice.precision,
        image_size=choice.image_size,
        model_dir=choice.model_dir,
        cache_dir=choice.cache_dir,
        offline=choice.offline,
        progress=progress,
    )
