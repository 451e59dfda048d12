"""A model as files for other programs: written, proved against the engine, then put in place."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import WeightsError
from anymask.export.exported import ExportedModel, read_about
from anymask.export.files import ONE_FILE_BYTES, data_name, describe_files, save_graphs
from anymask.export.parity import FLOAT, INT8, Parity, Tolerance, check_parity
from anymask.export.parts import (
    ABOUT,
    EXPORT_SCHEMA,
    FILE_NAMES,
    ExportOptions,
    contracts,
    write_graphs,
)
from anymask.export.quantize import quantized
from anymask.inference.backend import HasTensors
from anymask.inference.onnx_graphs import CANVAS_PX
from anymask.inference.segment import Model
from anymask.io.files import write_json_atomic
from anymask.nn.pixels import PIXEL_MEAN, PIXEL_STD
from anymask.version import __version__


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
        about: what `parts.ABOUT` says.
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
    picture: NDArray[np.uint8],
    options: ExportOptions | None = None,
    *,
    tolerance: Tolerance | None = None,
) -> Export:
    """Write a model's files, compare their answers with the model's, and only then keep them.

    Args:
        model: on the canvas of 1024 pixels; its engine is what the files are compared with.
        folder: where to; made if it is missing. A former export there is replaced, once the new
            one is proved.
        picture: (H, W, 3) uint8 RGB to compare the answers on.
        options: what is exported; None takes the defaults.
        tolerance: how far answers may be from the model's; None takes the usual.

    Returns:
        What was written.

    Raises:
        ParityError: the files answer otherwise than the model.
        WeightsError: the model cannot be exported.
        OSError: the folder cannot be written to.
    """
    options = options or ExportOptions()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".anymask-export-", dir=folder) as name:
        unproved = Path(name)
        about = _write(model, unproved, options)
        exported = ExportedModel.open(unproved)
        tolerance = tolerance or (INT8 if options.quantize else FLOAT)
        parity = check_parity(model, exported, picture, tolerance)
        if parity.problems:
            raise ParityError(parity)
        about["parity"] = parity.as_json()
        write_json_atomic(unproved / ABOUT, about, indent=1)
        del exported  # an open file could not be moved everywhere
        _replace(unproved, folder)
    return Export(folder, about, parity)


def _write(model: Model, folder: Path, options: ExportOptions) -> dict[str, Any]:
    """All files; returns what they say about themselves."""
    graphs = write_graphs(_tensors(model), options)
    if options.quantize:
        for name, graph in graphs.items():
            if graph.ByteSize() > ONE_FILE_BYTES:
                raise WeightsError(
                    f"the {name} of {model.model_id} is larger than the 2 GB that can be quantised;"
                    " export it without --quantize"
                )
            graphs[name] = quantized(graph)
    pair_id = save_graphs(graphs, folder, model_id=model.model_id)
    about = {
        "schema": EXPORT_SCHEMA,
        "pair_id": pair_id,
        "anymask": __version__,
        "model": {"id": model.model_id, "architecture": model.architecture},
        "canvas_px": CANVAS_PX,
        "pixel_mean": PIXEL_MEAN,
        "pixel_std": PIXEL_STD,
        "layout": options.layout,
        "slots": options.slots,
        "quantized": options.quantize,
        "single_mask": options.single_mask,
        "parts": describe_files(folder, contracts(options)),
    }
    write_json_atomic(folder / ABOUT, about, indent=1)
    return about


def _tensors(model: Model) -> Mapping[str, NDArray[np.float32]]:
    backend = model.backend
    if backend.canvas_px != CANVAS_PX:
        raise WeightsError(
            f"models are exported on a canvas of {CANVAS_PX} px but this one has "
            f"{backend.canvas_px}; load it with image_size={CANVAS_PX}"
        )
    if not isinstance(backend, HasTensors):
        raise WeightsError(f"engine {backend.name!r} does not give its tensors away")
    return backend.tensors()


def _replace(source: Path, folder: Path) -> None:
    """Put an export in the place of the former one; what describes them comes last."""
    new = {path.name for path in source.iterdir()}
    former = _former(folder)
    for name in sorted(new - {ABOUT}):
        (source / name).replace(folder / name)
    (source / ABOUT).replace(folder / ABOUT)
    for name in former - new:
        (folder / name).unlink(missing_ok=True)


def _former(folder: Path) -> set[str]:
    """Files of the export that is in a folder already."""
    try:
        parts = read_about(folder)["parts"]
    except (WeightsError, KeyError):
        return set()
    names = {FILE_NAMES[part] for part in parts if part in FILE_NAMES}
    return names | {data_name(name) for name in names}
