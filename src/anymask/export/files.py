"""Graphs to files, and what `ABOUT` says of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anymask.export.contract import GraphContract, graphs_json

if TYPE_CHECKING:
    from onnx import ModelProto

ABOUT = "about.json"

ONE_FILE_BYTES = 2**31 - 2**24
"""Larger graphs keep their tensors in a file beside them; protobuf ends at 2 GB."""
_SMALL_TENSOR_BYTES = 1024


def model_name(part: str) -> str:
    """The model file of a part, such as "encoder.onnx"."""
    return f"{part}.onnx"


def data_name(part: str) -> str:
    """The file beside it that holds the tensors of a large one."""
    return f"{model_name(part)}.data"


def save_graph(
    graph: ModelProto,
    folder: Path,
    part: str,
    metadata: Mapping[str, str],
    *,
    one_file_bytes: int = ONE_FILE_BYTES,
) -> None:
    """Write a part's graph, and check it.

    Args:
        graph: its metadata is set, and its tensors may be moved out of it.
        folder: where to; it exists.
        part: names the files.
        metadata: key -> value.
        one_file_bytes: a graph of more bytes has its tensors in a second file.
    """
    import onnx
    from onnx import helper

    del graph.metadata_props[:]
    helper.set_model_props(graph, dict(metadata))
    path = folder / model_name(part)
    large = sum(len(tensor.raw_data) for tensor in graph.graph.initializer) > one_file_bytes
    onnx.save_model(
        graph,
        path,
        save_as_external_data=large,
        location=data_name(part),
        size_threshold=_SMALL_TENSOR_BYTES,
    )
    onnx.checker.check_model(path)


def part_files(folder: Path, part: str) -> list[Path]:
    """The files of a part that are in a folder: the graph, and its tensors where they are apart."""
    return [path for path in (folder / model_name(part), folder / data_name(part)) if path.exists()]


def describe_files(folder: Path, contracts: Mapping[str, GraphContract]) -> dict[str, Any]:
    """What `ABOUT` says of each part: files with sizes and hashes, inputs, outputs."""
    ports = graphs_json(contracts)
    return {
        part: {"files": _described(part_files(folder, part)), **ports[part]} for part in contracts
    }


def _described(paths: Iterable[Path]) -> list[dict[str, Any]]:
    return [
        {"name": path.name, "bytes": path.stat().st_size, "sha256": _sha256(path)} for path in paths
    ]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
