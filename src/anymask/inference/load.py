"""`load_model`: from a name or a file to a model that is ready to segment."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from anymask.errors import WeightsError
from anymask.inference.engines import (
    LIGHT_ENGINES,
    ONNX_FILES,
    Engine,
    Job,
    choose_engine,
    has_torch,
)
from anymask.inference.segment import Model
from anymask.io.weights.cache import LocatedWeights, discard_original, file_weights_id
from anymask.io.weights.fetch import ensure
from anymask.io.weights.zoo import DEFAULT_MODEL, find_entry
from anymask.types.progress import ProgressCallback

if TYPE_CHECKING:
    from torch import Tensor

AUTO = "auto"
CHECKPOINT_SUFFIXES = (".pth", ".pt", ".safetensors", ".ckpt", ".bin")


def load_model(  # noqa: PLR0913 - each is named at the call
    name: str | PathLike[str] = AUTO,
    *,
    checkpoint: str | PathLike[str] | None = None,
    device: str = "auto",
    engine: Engine = "auto",
    image_size: int = 1024,
    precision: str = "fp32",
    model_dir: str | PathLike[str] | None = None,
    cache_dir: str | PathLike[str] | None = None,
    offline: bool = False,
    progress: ProgressCallback | None = None,
) -> Model:
    """Load weights and the engine that runs them.

    Args:
        name: a model of the zoo ("vit_t", "vit_b", "vit_l", "vit_h", "mobile_sam"), the path of a
            checkpoint, or "auto": the architecture of `checkpoint`, else the default model.
        checkpoint: path of a checkpoint; `name` then says which architecture it must have.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        engine: what runs the network: "torch", "onnx" (onnxruntime, which runs the default model
            on the CPU at 1024 pixels, without PyTorch), or "auto": "onnx" for all that it runs,
            unless `device` is "auto" and PyTorch is installed and has a GPU; else "torch". Masks
            are the same to rounding. "openvino" is like "onnx" with a faster image encoder, and
            never chosen by itself. `Model.backend.name` tells which it is.
        image_size: side of the canvas in pixels, a multiple of 16. Weights are trained at 1024;
            smaller is faster and coarser.
        precision: of the image encoder: "fp32", the reference; "bf16", several times faster on
            processors that compute it and nearly the same; "auto" for bf16 there. PyTorch and
            OpenVINO only.
        model_dir: a folder of your own with weight files, searched first, never written to.
        cache_dir: where fetched weights are kept.
        offline: never use the network.
        progress: called while weights are fetched.

    Returns:
        The model.

    Raises:
        WeightsError: an unknown name, or a file that is missing, damaged, unsafe, or of another
            architecture; or a light engine was asked for what only PyTorch does.
        DownloadError: the weights are not there and no source answered.
        DeviceError: there is no such device or engine.
        MissingExtraError: PyTorch is needed and not installed.

    Example:
        >>> model = load_model("vit_t")  # doctest: +SKIP
    """
    wanted, path = _split(name, checkpoint)
    job = Job(device, image_size, precision)
    if path is not None:
        choose_engine(engine, None, job)
        return _from_file(path, wanted, _path(cache_dir), job)
    entry = find_entry(wanted or DEFAULT_MODEL)
    chosen = choose_engine(engine, entry, job)
    located = ensure(
        entry,
        cache_dir=_path(cache_dir),
        model_dir=_path(model_dir),
        progress=progress,
        offline=offline,
        allow_fallback=engine not in LIGHT_ENGINES and has_torch(),
    )
    if chosen in LIGHT_ENGINES and ONNX_FILES.issubset(located.files):
        return _on_light_engine(located, chosen, job)
    return _from_zoo(located, _path(cache_dir), job)


def _on_light_engine(located: LocatedWeights, engine: str, job: Job) -> Model:
    from anymask.inference.onnx_backend import DECODER, OnnxBackend

    entry = located.entry
    source = next(file for file in entry.files if file.name == DECODER)
    stem = located.converted.with_name(f"{entry.name}-{source.sha256[:16]}")
    if engine == "openvino":
        from anymask.inference.openvino_backend import OpenvinoBackend

        backend: OnnxBackend = OpenvinoBackend.load_precise(located.files, stem, job.precision)
    else:
        backend = OnnxBackend.load(located.files, stem)
    return Model(backend, model_id=located.weights_id, architecture=entry.architecture)


def _from_zoo(located: LocatedWeights, cache_dir: Path | None, job: Job) -> Model:
    from anymask.nn.checkpoints import load_converted

    state = load_converted(located.files, located.converted)
    discard_original(located, cache_dir=cache_dir)
    entry = located.entry
    return _assemble(state, located.weights_id, entry.architecture, entry.name, job)


def _from_file(path: Path, wanted: str | None, cache_dir: Path | None, job: Job) -> Model:
    from anymask.nn.checkpoints import detect_architecture, read_state_dict

    state = read_state_dict(path)
    architecture = find_entry(wanted).architecture if wanted else detect_architecture(state)
    model_id = file_weights_id(path, cache_dir=cache_dir)
    return _assemble(state, model_id, architecture, path, job)


def _split(
    name: str | PathLike[str], checkpoint: str | PathLike[str] | None
) -> tuple[str | None, Path | None]:
    """The model or architecture asked for (None: any), and the file if one was given."""
    if not isinstance(name, (str, PathLike)):
        raise WeightsError(
            f"name must be a model's name or a path; got {type(name).__name__} {name!r}"
        )
    if checkpoint is not None:
        return None if name == AUTO else str(name), Path(checkpoint).expanduser()
    named_by_path = isinstance(name, PathLike) or name.endswith(CHECKPOINT_SUFFIXES)
    if named_by_path or Path(name).is_file():
        return None, Path(name).expanduser()
    return None if name == AUTO else str(name), None


def _path(folder: str | PathLike[str] | None) -> Path | None:
    return None if folder is None else Path(folder)


def _assemble(
    state: dict[str, Tensor], model_id: str, architecture: str, source: Path | str, job: Job
) -> Model:
    """Build the network with its tensors and hand it to the engine."""
    from anymask.inference.torch_backend import TorchBackend, resolve_device, resolve_precision
    from anymask.nn.tiny_vit import TinyViT
    from anymask.nn.zoo import load_sam

    device = resolve_device(job.device)
    precision = resolve_precision(job.precision, device)
    sam = load_sam(state, source=source, architecture=architecture, image_size=job.image_size)
    if isinstance(sam.image_encoder, TinyViT):
        sam.image_encoder.fuse()
    backend = TorchBackend(sam, device, precision)
    return Model(backend, model_id=model_id, architecture=architecture)
