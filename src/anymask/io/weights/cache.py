"""Where weight files lie, and whether they are what they should be; nothing here uses a network.

The cache folder holds ``weights/<model>/<file>`` as published, ``converted/`` copies that load
faster, ``verified/`` notes of hashes already computed, and ``tmp/`` while something arrives. The
user's own model folder is only ever read.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from anymask.errors import WeightsError
from anymask.io.files import write_json_atomic
from anymask.io.weights.zoo import WeightFile, ZooEntry, find_by_sha256

CACHE_VARIABLE = "ANYMASK_HOME"
MODEL_DIR_VARIABLE = "ANYMASK_MODEL_DIR"

_NOTE_VERSION = 1
_SETTLED_NS = 2_000_000_000
"""A file touched this recently may change again without its time of change showing it."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LocatedWeights:
    """The checked files of one model.

    Attributes:
        entry: which model.
        files: file name -> path. Empty when only the converted copy is left, which happens to
            PyTorch checkpoints after `discard_original`.
        converted: where the converted copy lies, or will be written.
    """

    entry: ZooEntry
    files: Mapping[str, Path]
    converted: Path

    @property
    def weights_id(self) -> str:
        """Short stable name of exactly these weights, such as ``vit_t@18348d14``."""
        return self.entry.weights_id


def resolve_cache_dir(cache_dir: str | Path | None = None) -> Path:
    """The cache folder: the argument, else ``ANYMASK_HOME``, else the platform's usual place.

    The folder need not exist yet.

    Raises:
        WeightsError: when there is no home folder to put it in.
    """
    chosen = cache_dir or os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    try:
        return _platform_cache_dir(sys.platform, os.environ, Path.home())
    except RuntimeError as error:
        raise WeightsError(
            f"no home folder for the weights cache; set {CACHE_VARIABLE} to a folder"
        ) from error


def resolve_model_dir(model_dir: str | Path | None = None) -> Path | None:
    """The user's own folder of weight files: the argument, else ``ANYMASK_MODEL_DIR``, else None.

    Raises:
        WeightsError: when one is named but there is no such folder.
    """
    chosen = model_dir or os.environ.get(MODEL_DIR_VARIABLE)
    if not chosen:
        return None
    folder = Path(chosen).expanduser().absolute()
    if not folder.is_dir():
        named_by = "model_dir" if model_dir else MODEL_DIR_VARIABLE
        raise WeightsError(f"{named_by} is {folder}, which is no folder; create it or name another")
    return folder


def locate(
    entry: ZooEntry,
    *,
    cache_dir: str | Path | None = None,
    model_dir: str | Path | None = None,
) -> LocatedWeights | None:
    """Finds the files of a model, in the user's own folder first, then in the cache.

    Sizes are compared always. A hash is computed once per file and noted in the cache, so that
    later starts are quick. A damaged file in the cache counts as missing, with a warning logged.

    Args:
        entry: which model.
        cache_dir: see `resolve_cache_dir`.
        model_dir: see `resolve_model_dir`; files are looked for in ``<model_dir>/<model>/`` and
            in ``<model_dir>/``.

    Returns:
        None when something is missing.

    Raises:
        WeightsError: a file in the user's own folder has the right name but other content.
    """
    cache, own = resolve_cache_dir(cache_dir), resolve_model_dir(model_dir)
    found: dict[str, Path] = {}
    for file in entry.files:
        path = own and _find_own(own, entry, file, cache)
        path = path or find_cached(entry, file, cache)
        if path:
            found[file.name] = path
    converted = _converted_path(entry, cache)
    if len(found) == len(entry.files):
        return LocatedWeights(entry, found, converted)
    if entry.is_checkpoint and converted.is_file():
        return LocatedWeights(entry, {}, converted)
    return None


def find_cached(entry: ZooEntry, file: WeightFile, cache: Path) -> Path | None:
    """The good copy of one file in the cache, or None; a damaged one is logged."""
    for path in _candidates(cache / "weights", entry, file):
        problem = find_problem(path, file, cache)
        if problem is None:
            return path
        _log.warning("%s %s; it is treated as missing", path, problem)
    return None


def find_problem(path: Path, file: WeightFile, cache: Path) -> str | None:
    """What makes `path` differ from the published `file`, or None when it is that file."""
    try:
        size = path.stat().st_size
        if size != file.bytes:
            return f"has {size:,} bytes instead of {file.bytes:,}"
        sha256 = hash_file(path, cache)
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    if sha256 != file.sha256:
        return f"has SHA-256 {sha256} instead of {file.sha256}"
    return None


def cached_path(entry: ZooEntry, file: WeightFile, cache: Path) -> Path:
    """Where a file of this model is put in the cache."""
    return cache / "weights" / entry.name / file.name


def discard_original(located: LocatedWeights, *, cache_dir: str | Path | None = None) -> bool:
    """Deletes a fetched checkpoint whose converted copy is there, which halves the disk use.

    A file in the user's own folder is never deleted, nor are ONNX files, which are used as they
    are. Returns whether something was deleted.
    """
    entry, cache = located.entry, resolve_cache_dir(cache_dir)
    path = cached_path(entry, entry.files[0], cache)
    if not (entry.is_checkpoint and located.converted.is_file() and path.is_file()):
        return False
    try:
        path.unlink()
    except OSError as error:
        _log.debug("%s was not deleted: %s", path, error)
        return False
    return True


def file_weights_id(path: str | Path, *, cache_dir: str | Path | None = None) -> str:
    """Short stable name of the weights in any file: its stem and the start of its SHA-256.

    A published checkpoint has the same id wherever it lies. The hash is of the whole content, so
    that copies agree and fine-tuned files differ; it is noted in the cache like all others.

    Raises:
        WeightsError: when the file cannot be read.
    """
    path = Path(path).expanduser().absolute()
    try:
        sha256 = hash_file(path, resolve_cache_dir(cache_dir))
    except OSError as error:
        raise WeightsError(
            f"weights file {path} cannot be read ({error.strerror or error})"
        ) from error
    entry = find_by_sha256(sha256)
    return entry.weights_id if entry else f"{path.stem}@{sha256[:8]}"


def hash_file(path: Path, cache: Path) -> str:
    """SHA-256 of a file; one computed before is taken from the cache if size and time agree."""
    status, note = path.stat(), _note_path(path, cache)
    known = _read_note(note, status)
    if known:
        return known
    with path.open("rb") as handle:
        sha256 = hashlib.file_digest(handle, "sha256").hexdigest()
    if time.time_ns() - status.st_mtime_ns > _SETTLED_NS:
        _write_note(note, path, status, sha256)
    return sha256


def note_fresh_file(path: Path, sha256: str, cache: Path) -> None:
    """Notes the hash of a file that was just put into the cache by this package."""
    past = time.time_ns() - 5 * _SETTLED_NS
    # an older time makes any later change of the file show, however soon it comes
    os.utime(path, ns=(past, past))
    _write_note(_note_path(path, cache), path, path.stat(), sha256)


def _platform_cache_dir(platform: str, environment: Mapping[str, str], home: Path) -> Path:
    """Where programs keep what they can fetch again, by the custom of each platform."""
    if platform == "win32":
        local = environment.get("LOCALAPPDATA")
        return (Path(local) if local else home / "AppData" / "Local") / "anymask" / "Cache"
    if platform == "darwin":
        return home / "Library" / "Caches" / "anymask"
    named = Path(environment.get("XDG_CACHE_HOME", ""))
    return (named if named.is_absolute() else home / ".cache") / "anymask"


def _find_own(own: Path, entry: ZooEntry, file: WeightFile, cache: Path) -> Path | None:
    for path in _candidates(own, entry, file):
        problem = find_problem(path, file, cache)
        if problem is None:
            return path
        raise WeightsError(
            f"weights file {path} is not the one of model {entry.name}: it {problem}; replace it, "
            f"or put the right one at {own / entry.name / file.name}"
        )
    return None


def _candidates(folder: Path, entry: ZooEntry, file: WeightFile) -> list[Path]:
    """Where a file may lie in a folder, the model's own subfolder first; only what exists."""
    places = (folder / entry.name / file.name, folder / file.name)
    return [place for place in places if place.is_file()]


def _converted_path(entry: ZooEntry, cache: Path) -> Path:
    return cache / "converted" / f"{entry.name}-{entry.files[0].sha256[:16]}.safetensors"


def _note_path(path: Path, cache: Path) -> Path:
    key = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()
    return cache / "verified" / f"{key[:32]}.json"


def _read_note(note: Path, status: os.stat_result) -> str | None:
    """The noted hash if it was computed of a file with the same size and time of change."""
    try:
        values = json.loads(note.read_bytes())
    except (OSError, ValueError):
        return None
    expected = {
        "version": _NOTE_VERSION,
        "bytes": status.st_size,
        "mtime_ns": status.st_mtime_ns,
    }
    if not isinstance(values, dict) or any(values.get(k) != v for k, v in expected.items()):
        return None
    sha256 = values.get("sha256")
    return sha256 if isinstance(sha256, str) else None


def _write_note(note: Path, path: Path, status: os.stat_result, sha256: str) -> None:
    """Writes a note atomically; a cache that cannot be written only costs time later."""
    values = {
        "version": _NOTE_VERSION,
        "path": str(path),
        "bytes": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "sha256": sha256,
    }
    try:
        write_json_atomic(note, values)
    except OSError as error:
        _log.debug("the hash of %s could not be noted: %s", path, error)
