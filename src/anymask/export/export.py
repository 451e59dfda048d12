"""A model as files for other programs: written, proved against the engine, then put in place."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import WeightsError
from anymask.export.comparison import compare
from anymask.export.contract import EXPORT_SCHEMA
from anymask.export.exported import ExportedModel
from anymask.export.files import ABOUT, data_name, describe_files, model_name, save_graph
from anymask.export.pair import (
    ARCHITECTURE_KEY,
    MODEL_KEY,
    PAIR_ID_KEY,
    PART_KEY,
    SCHEMA_KEY,
    make_pair_id,
)
from anymask.export.parity import FLOAT, QUANTIZED, Parity, Tolerance
from anymask.export.parts import DECODER, PARTS, ExportOptions, part_contracts, write_graph
from anymask.export.writer import OPSET, Tensors
from anymask.inference.backend import HasTensors
from anymask.inference.onnx_graphs import CANVAS_PX
from anymask.inference.segment import Model
from anymask.io.files import write_json_atomic
from anymask.nn.pixels import PIXEL_MEAN, PIXEL_STD
from anymask.types.progress import Progress, ProgressCallback
from anymask.version import __version__

OUR_NAMES = (ABOUT, *(name(part) for part in PARTS for name in (model_name, data_name)))
"""The files an export may consist of."""


class ParityError(WeightsError):
    """An export that does not answer as the model does; nothing of it was kept.

    Args:
        parity: what was measured.
    """

    def __init__(self, parity: Parity) -> None:
        problems = parity.problems
        told = "; ".join(problems[:3]) + ("; ..." if len(problems) > 3 else "")
        super().__init__(f"the export does not answer as the model does: {told}; nothing was kept")
        self.parity = parity


@dataclass(frozen=True)
class Export:
    """A finished export.

    Attributes:
        folder: where its files are.
        about: the content of `files.ABOUT`.
        parity: how near it is to the engine.
    """

    folder: Path
    about: Mapping[str, Any]
    parity: Parity

    @property
    def files(self) -> list[tuple[Path, int]]:
        """Paths and sizes in bytes of the model's files."""
        return [
            (self.folder / file["name"], file["bytes"])
            for part in self.about["parts"].values()
            for file in part["files"]
        ]


def export_model(
    model: Model,
    folder: str | PathLike[str],
    pictures: Sequence[NDArray[np.uint8]],
    options: ExportOptions | None = None,
    *,
    overwrite: bool = False,
    tolerance: Tolerance | None = None,
    progress: ProgressCallback | None = None,
) -> Export:
    """Write a model's files, compare their answers with the model's, and only then keep them.

    Args:
        model: on the canvas of 1024 pixels; its engine is what the files are compared with.
        folder: where to; made if it is missing. It gets all files, or none.
        pictures: (H, W, 3) uint8 RGB each, to compare the answers on; see `comparison.in_shapes`.
        options: what is exported; None takes the defaults.
        overwrite: replace an export that is there.
        tolerance: how far answers may be from the model's; None takes the usual.
        progress: called as parts are written and pictures compared.

    Returns:
        What was written.

    Raises:
        ParityError: the files answer otherwise than the model.
        WeightsError: the model cannot be exported.
        FileExistsError: the folder holds an export and `overwrite` is not set.
        OSError: the folder cannot be written to.
    """
    options, folder, report = options or ExportOptions(), Path(folder), progress or _silent
    if not overwrite:
        refuse_former(folder)
    tensors = _tensors(model)
    with _workspace(folder) as unproved:
        about = _write(model, tensors, unproved, options, report)
        exported = ExportedModel.open(unproved)
        allowed = tolerance or (QUANTIZED if options.quantize else FLOAT)
        parity = compare(model, exported, pictures, allowed, report)
        del exported  # an open file could not be moved everywhere
        if parity.problems:
            raise ParityError(parity)
        about |= {"compared_with": model.backend.name, "parity": parity.as_json()}
        write_json_atomic(unproved / ABOUT, about, indent=1)
        _put_in_place(unproved, folder)
    return Export(folder, about, parity)


def refuse_former(folder: Path) -> None:
    """Refuse a folder that holds an export.

    Raises:
        FileExistsError: a file of its name is there.
    """
    found = next((name for name in OUR_NAMES if (folder / name).exists()), None)
    if found is not None:
        raise FileExistsError(f"{folder} holds an export already ({found})")


def _write(
    model: Model, tensors: Tensors, folder: Path, options: ExportOptions, report: ProgressCallback
) -> dict[str, Any]:
    """The model's files; returns what they say about themselves."""
    contracts = part_contracts(options)
    common = {
        SCHEMA_KEY: EXPORT_SCHEMA,
        PAIR_ID_KEY: make_pair_id(
            model.model_id, {name: array.data for name, array in tensors.items()}
        ),
        MODEL_KEY: model.model_id,
        ARCHITECTURE_KEY: model.architecture,
    }
    for number, part in enumerate(contracts):
        report(Progress("write", number, len(contracts), "parts"))
        save_graph(write_graph(part, tensors, options), folder, part, {**common, PART_KEY: part})
    report(Progress("write", len(contracts), len(contracts), "parts"))
    about = {
        "schema": EXPORT_SCHEMA,
        "pair_id": common[PAIR_ID_KEY],
        "model": {"id": model.model_id, "architecture": model.architecture},
        "versions": _versions(),
        "canvas_px": CANVAS_PX,
        "pixel_mean": PIXEL_MEAN,
        "pixel_std": PIXEL_STD,
    }
    decoder = {
        "layout": options.layout,
        "slots": options.slots,
        "quantized": options.quantize,
        "single_mask": options.single_mask,
    }
    if DECODER in contracts:
        about["decoder"] = decoder
    return {**about, "parts": describe_files(folder, contracts)}


def _versions() -> dict[str, Any]:
    import onnx
    import onnxruntime

    return {
        "anymask": __version__,
        "opset": OPSET,
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
    }


def _tensors(model: Model) -> Tensors:
    backend = model.backend
    if backend.canvas_px != CANVAS_PX:
        raise WeightsError(
            f"models are exported on a canvas of {CANVAS_PX} px but this one has "
            f"{backend.canvas_px}; load it with image_size={CANVAS_PX}"
        )
    if not isinstance(backend, HasTensors):
        raise WeightsError(f"engine {backend.name!r} does not give its tensors away")
    return {name: np.ascontiguousarray(array) for name, array in backend.tensors().items()}


@contextmanager
def _workspace(folder: Path) -> Iterator[Path]:
    """A hidden folder inside, gone at the end; so is `folder` if it was made for nothing."""
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".anymask-export-", dir=folder) as name:
            yield Path(name)
    finally:
        if is_new:
            with suppress(OSError):  # there is an export in it now
                folder.rmdir()


def _put_in_place(new: Path, folder: Path) -> None:
    """Move an export's files to their folder, or put back the former ones and move none."""
    names = sorted(path.name for path in new.iterdir())
    former = new / "former"
    former.mkdir()
    try:
        for name in OUR_NAMES:
            if (folder / name).exists():
                (folder / name).replace(former / name)
        for name in names:
            (new / name).replace(folder / name)
    except BaseException:
        for name in names:
            if not (new / name).exists():
                (folder / name).unlink(missing_ok=True)
        for path in former.iterdir():
            path.replace(folder / path.name)
        raise


def _silent(_: Progress) -> None:
    """Tell nobody."""
