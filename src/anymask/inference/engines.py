"""Which engine runs a model: onnxruntime, OpenVINO or PyTorch. docs/engines.md has the rule."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

from anymask.errors import DeviceError, MissingExtraError, WeightsError
from anymask.geometry.frames import CANVAS_PX
from anymask.io.weights.zoo import ZooEntry

Engine = Literal["auto", "torch", "onnx", "openvino"]
ENGINES: Final = ("auto", "torch", "onnx", "openvino")
LightEngine = Literal["onnx", "openvino"]
LIGHT_ENGINES: Final = ("onnx", "openvino")
"""They run the default model's own files, without PyTorch."""

OPENVINO_PRECISIONS: Final = ("fp32", "bf16", "auto")

ONNX_FILES: Final = frozenset({"encoder.onnx", "sam.onnx"})
"""A model that is published as these can be run by onnxruntime."""

_GPU_DRIVERS = ("/dev/nvidiactl", "/proc/driver/nvidia", "/dev/dxg", "/dev/kfd")


@dataclass(frozen=True, slots=True)
class Job:
    """What an engine is asked to do, as `load_model` takes it.

    Attributes:
        device: where to run.
        image_size: side of the canvas in pixels.
        precision: of the image encoder.
    """

    device: str = "auto"
    image_size: int = CANVAS_PX
    precision: str = "fp32"


def choose_engine(
    engine: str, entry: ZooEntry | None, job: Job
) -> Literal["torch", "onnx", "openvino"]:
    """The engine for a job.

    "auto" takes onnxruntime where it can do the job, unless the device is left open and PyTorch
    would use a GPU. PyTorch is imported to find that out only where there is a driver for a GPU.

    Args:
        engine: one of `ENGINES`.
        entry: the published model, or None for a file.
        job: what it is asked to do.

    Raises:
        DeviceError: an unknown engine.
        WeightsError: a light engine was asked for what only PyTorch does.
        MissingExtraError: what only PyTorch does, without PyTorch; or OpenVINO is not installed.
    """
    if engine not in ENGINES:
        raise DeviceError(f"engine must be one of {', '.join(ENGINES)}; got {engine!r}")
    obstacle = _obstacle(entry, job, engine)
    if engine == "torch" or (engine == "auto" and obstacle):
        require_torch(f"to run {obstacle}" if obstacle else "to run the network")
        return "torch"
    if obstacle:
        require_torch(f"to run {obstacle}, which engine={engine!r} does not,")
        raise WeightsError(
            f"engine {engine!r} does not run {obstacle}, only the default model on the CPU at "
            f"image_size {CANVAS_PX}; give engine='torch' or 'auto'"
        )
    if engine == "openvino":
        check_light_engine("openvino", job.precision)
        return "openvino"
    return "torch" if engine == "auto" and job.device == "auto" and _torch_uses_gpu() else "onnx"


def check_light_engine(engine: LightEngine, precision: str) -> None:
    """Refuse a light engine that is not there, or a precision that it does not have.

    Raises:
        DeviceError: an unknown engine, or another precision.
        MissingExtraError: OpenVINO is not installed.
    """
    if engine not in LIGHT_ENGINES:
        raise DeviceError(f"engine must be one of {', '.join(LIGHT_ENGINES)}; got {engine!r}")
    if engine == "onnx" and precision != "fp32":
        raise DeviceError(f"precision must be fp32 with engine 'onnx'; got {precision!r}")
    if precision not in OPENVINO_PRECISIONS:
        raise DeviceError(f"precision must be fp32, bf16 or auto; got {precision!r}")
    if engine == "openvino" and find_spec("openvino") is None:
        raise MissingExtraError("openvino", "openvino", "to run engine='openvino'")


def _obstacle(entry: ZooEntry | None, job: Job, engine: str) -> str | None:
    """What a light engine cannot do of a job; None if it can do it."""
    if entry is None:
        return "a checkpoint file"
    if not ONNX_FILES.issubset(file.name for file in entry.files):
        return f"model {entry.name}"
    if job.image_size != CANVAS_PX:
        return f"image_size {job.image_size}"
    if job.precision != "fp32" and engine != "openvino":
        return f"precision {job.precision!r}"
    return None if job.device in ("auto", "cpu") else f"on device {job.device!r}"


def require_torch(purpose: str) -> None:
    """Refuse to go on without PyTorch; it is not imported.

    Args:
        purpose: as `MissingExtraError` takes it.
    """
    if not has_torch():
        raise MissingExtraError("torch", "torch", purpose)


def has_torch() -> bool:
    """Whether PyTorch is installed; it is not imported."""
    return find_spec("torch") is not None


def _torch_uses_gpu() -> bool:
    if not (has_torch() and _sees_gpu_driver()):
        return False
    from anymask.inference.torch_backend import resolve_device

    return resolve_device("auto") != "cpu"


def _sees_gpu_driver() -> bool:
    """Whether this machine may have a GPU for PyTorch, told without asking PyTorch."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    return any(Path(path).exists() for path in _GPU_DRIVERS) or bool(shutil.which("nvidia-smi"))


def usable_cores() -> int:
    """Cores that this process may use: fewer than the machine has in containers and `taskset`."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
