"""What the page needs to decode by itself: three graphs that know their encoder."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from anymask.errors import WeightsError
from anymask.export.contract import DECODER, DECODER_SCHEMA
from anymask.export.page_graphs import (
    PAGE_GRAPHS_VERSION,
    image_graph,
    preview_graph,
    prompt_graph,
)
from anymask.export.pair import PAIR_ID_KEY, SCHEMA_KEY, make_pair_id, read_pair_id, stamp
from anymask.export.writer import Tensors
from anymask.inference.onnx_files import is_whole, seal
from anymask.inference.onnx_graphs import CANVAS_PX
from anymask.inference.segment import Model
from anymask.io.files import write_bytes_atomic
from anymask.io.weights.cache import resolve_cache_dir

_WRITERS: Mapping[str, Callable[[Tensors], bytes]] = {
    "image": image_graph,
    "prompt": prompt_graph,
    "preview": preview_graph,
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DecoderBundle:
    """The page's decoder.

    Attributes:
        pair_id: in the metadata of every file, and of every embedding they may decode.
        files: content of the model files by name, those of `contract.DECODER`.
    """

    pair_id: str
    files: Mapping[str, bytes]


class _HasDecoder(Protocol):
    def decoder_tensors(self) -> Tensors: ...


def page_bundle(model: Model, cache_dir: Path | None = None) -> DecoderBundle:
    """The page's decoder for a model; written once, then read from the cache.

    Args:
        model: whose embeddings are to be decoded.
        cache_dir: where it is kept; None takes that of the weights.

    Returns:
        The graphs.

    Raises:
        WeightsError: the model's canvas is not the one the page knows, its engine does not give
            its tensors away, or its weight file is damaged.
    """
    if model.backend.canvas_px != CANVAS_PX:
        raise WeightsError(
            f"the page decodes pictures on a canvas of {CANVAS_PX} px but this model has "
            f"{model.backend.canvas_px}; load it with image_size={CANVAS_PX}"
        )
    folder = resolve_cache_dir(cache_dir) / "page"
    paths = {name: folder / _file_name(model.model_id, name) for name in DECODER}
    found = _read(paths)
    if found is None:
        found = _write_graphs(model)
        _keep(paths, found)
    return DecoderBundle(read_pair_id(found["prompt"]), found)


def _file_name(model_id: str, name: str) -> str:
    safe = "".join(letter if letter.isalnum() or letter in "@._-" else "_" for letter in model_id)
    return f"{safe}-{name}-{PAGE_GRAPHS_VERSION}.onnx"


def _write_graphs(model: Model) -> dict[str, bytes]:
    if not hasattr(model.backend, "decoder_tensors"):
        raise WeightsError(
            f"engine {model.backend.name!r} does not give the decoder's tensors away"
        )
    tensors = cast(_HasDecoder, model.backend).decoder_tensors()
    graphs = {name: write(tensors) for name, write in _WRITERS.items()}
    pair_id = make_pair_id(model.model_id, graphs)
    metadata = {SCHEMA_KEY: DECODER_SCHEMA, PAIR_ID_KEY: pair_id}
    return {name: seal(stamp(graph, metadata)) for name, graph in graphs.items()}


def _read(paths: Mapping[str, Path]) -> dict[str, bytes] | None:
    """The files if all are there, whole and of one pair."""
    found = {}
    for name, path in paths.items():
        try:
            content = path.read_bytes()
        except OSError:
            return None
        if not is_whole(content):
            _log.warning("%s is damaged; it is made again", path)
            return None
        found[name] = content
    return found if len({read_pair_id(content) for content in found.values()}) == 1 else None


def _keep(paths: Mapping[str, Path], files: Mapping[str, bytes]) -> None:
    try:
        for name, content in files.items():
            write_bytes_atomic(paths[name], content)
    except OSError as error:
        _log.warning("the page's decoder could not be kept: %s", error.strerror or error)
