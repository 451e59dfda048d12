"""Graphs to files, and what `about.json` says of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anymask.export.contract import GraphContract, as_json
from anymask.export.pair import PAIR_ID_KEY, SCHEMA_KEY, make_pair_id
from anymask.export.parts import EXPORT_SCHEMA, FILE_NAMES

if TYPE_CHECKING:
    from onnx import ModelProto

MODEL_KEY, PART_KEY = "model", "part"
"""In the metadata of each file: which weights, and which of `parts.FILE_NAMES` it is."""

ONE_FILE_BYTES = 2**31 - 2**24
"""Larger graphs keep their tensors in a file beside them; protobuf ends at 2 GB."""
_SMALL_TENSOR_BYTES = 1024


def save_graphs(
    graphs: Mapping[str, ModelProto],
    folder: Path,
    *,
    model_id: str,
    one_file_bytes: int = ONE_FILE_BYTES,
) -> str:
    """Write graphs that belong together, and check them.

    Args:
        graphs: by part; their metadata is set.
        folder: where to; it exists.
        model_id: which weights, such as "vit_t@18348d14".
        one_file_bytes: a graph of more bytes has its tensors in a second file.

    Returns:
        The pair id, now in the metadata of each file.
    """
    from onnx import helper

    pair_id = make_pair_id(model_id, {name: _digest(graph) for name, graph in graphs.items()})
    for name, graph in graphs.items():
        del graph.metadata_props[:]
        metadata = {
            SCHEMA_KEY: EXPORT_SCHEMA,
            PAIR_ID_KEY: pair_id,
            MODEL_KEY: model_id,
            PART_KEY: name,
        }
        helper.set_model_props(graph, metadata)
        _save(graph, folder / FILE_NAMES[name], one_file_bytes)
    return pair_id


def _digest(graph: ModelProto) -> bytes:
    """Of nodes and tensors, also of a graph too large to be written as one."""
    digest = hashlib.sha256()
    for message in (*graph.graph.node, *graph.graph.initializer):
        content = message.SerializeToString()
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.digest()


def _save(graph: ModelProto, path: Path, one_file_bytes: int) -> None:
    import onnx

    large = sum(len(tensor.raw_data) for tensor in graph.graph.initializer) > one_file_bytes
    onnx.save_model(
        graph,
        path,
        save_as_external_data=large,
        location=data_name(path.name),
        size_threshold=_SMALL_TENSOR_BYTES,
    )
    onnx.checker.check_model(path)


def data_name(file_name: str) -> str:
    """The file beside a model file that holds the tensors of a large one."""
    return f"{file_name}.data"


def part_files(folder: Path, part: str) -> list[Path]:
    """The files of a part that are in a folder: the graph, and its tensors where they are apart."""
    graph = folder / FILE_NAMES[part]
    return [path for path in (graph, graph.with_name(data_name(graph.name))) if path.exists()]


def describe_files(folder: Path, contracts: Mapping[str, GraphContract]) -> dict[str, Any]:
    """What `about.json` says of each part: files with sizes and hashes, inputs, outputs."""
    ports = as_json(contracts)["graphs"]
    return {
        name: {"files": _described(part_files(folder, name)), **ports[name]} for name in contracts
    }


def _described(paths: Iterable[Path]) -> list[dict[str, Any]]:
    return [
        {"name": path.name, "bytes": path.stat().st_size, "sha256": file_sha256(path)}
        for path in paths
    ]


def file_sha256(path: Path) -> str:
    """Of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
