"""Brings the files of a model into the cache: each source in turn, checked, then put in place.

A file appears under its final name only when all of it has arrived and its hash is right, so that
an interrupted or concurrent fetch leaves nothing half-written.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

from anymask.errors import DownloadError
from anymask.io.weights.cache import (
    MODEL_DIR_VARIABLE,
    LocatedWeights,
    cached_path,
    find_cached,
    find_problem,
    locate,
    note_fresh_file,
    resolve_cache_dir,
    resolve_model_dir,
)
from anymask.io.weights.sources import (
    Patience,
    Report,
    SourceFailed,
    check_archive,
    download,
    pack,
    read_member,
    writing,
)
from anymask.io.weights.zoo import (
    PackageSource,
    Source,
    UrlSource,
    WeightFile,
    ZooEntry,
    find_entry,
)
from anymask.types.progress import Progress, ProgressCallback

OFFLINE_VARIABLE = "ANYMASK_OFFLINE"

_STALE_SECONDS = 24 * 3600.0
_log = logging.getLogger(__name__)


def ensure(
    entry: ZooEntry,
    *,
    cache_dir: str | Path | None = None,
    model_dir: str | Path | None = None,
    progress: ProgressCallback | None = None,
    offline: bool = False,
    allow_fallback: bool = False,
) -> LocatedWeights:
    """The files of a model, fetched if they are not there yet.

    No network call is made when they are there, nor when the archive of the model's package
    lies in the user's own folder: then its files are unpacked into the cache.

    Args:
        entry: which model.
        cache_dir: see `cache.resolve_cache_dir`.
        model_dir: see `cache.resolve_model_dir`.
        progress: called while something arrives.
        offline: never use the network; ``ANYMASK_OFFLINE=1`` says the same.
        allow_fallback: when no source of the model answers, use `entry.fallback` instead and log a
            warning; the result names the model that was used.

    Raises:
        WeightsError: a hand-placed file is not the right one, or the cache cannot be written.
        DownloadError: no source answered; the message says how to place the files by hand.
    """
    located = locate(entry, cache_dir=cache_dir, model_dir=model_dir)
    if located is None:
        located = _unpack_own_archive(entry, resolve_cache_dir(cache_dir), model_dir)
    if located is not None:
        return located
    try:
        return fetch(entry, cache_dir=cache_dir, progress=progress, offline=offline)
    except DownloadError as error:
        if not (allow_fallback and entry.fallback):
            raise
        _log.warning("%s; %s is used instead", error, entry.fallback)
    return ensure(
        find_entry(entry.fallback),
        cache_dir=cache_dir,
        model_dir=model_dir,
        progress=progress,
        offline=offline,
    )


def fetch(
    entry: ZooEntry,
    *,
    cache_dir: str | Path | None = None,
    progress: ProgressCallback | None = None,
    offline: bool = False,
    patience: Patience | None = None,
) -> LocatedWeights:
    """Brings every file of a model that is missing or damaged into the cache.

    Args:
        entry: which model.
        cache_dir: see `cache.resolve_cache_dir`.
        progress: called while something arrives, in bytes.
        offline: refuse instead of using the network; ``ANYMASK_OFFLINE=1`` says the same.
        patience: how long to wait for each source.

    Raises:
        WeightsError: the cache cannot be written.
        DownloadError: offline, or no source answered.
    """
    cache = resolve_cache_dir(cache_dir)
    missing = [file for file in entry.files if find_cached(entry, file, cache) is None]
    reasons: list[str] = []
    if missing and (offline or _offline_by_environment()):
        raise DownloadError(_explain(entry, missing, cache, ["the network is switched off"]))
    for source in entry.sources:
        wanted = [file for file in missing if file.name in _names(source)]
        if not wanted:
            continue
        try:
            _fetch_from(source, entry, wanted, cache, progress, patience or Patience())
        except SourceFailed as reason:
            reasons.append(f"{source}: {reason}")
            _log.info("%s from %s: %s", entry.name, source, reason)
        else:
            missing = [file for file in missing if file not in wanted]
    located = None if missing else locate(entry, cache_dir=cache)
    if located is None:
        raise DownloadError(_explain(entry, missing, cache, reasons))
    return located


def _fetch_from(
    source: Source,
    entry: ZooEntry,
    wanted: list[WeightFile],
    cache: Path,
    progress: ProgressCallback | None,
    patience: Patience,
) -> None:
    with _workspace(entry, cache) as work:
        if isinstance(source, PackageSource):
            report = _reporter(entry, source.archive_bytes, progress)
            archive = pack(source, work, report, patience)
            _install_members(archive, source, entry, wanted, cache, work)
        else:
            (file,) = wanted
            draft = work / file.name
            download(source, file, draft, _reporter(entry, file.bytes, progress), patience)
            _install(draft, entry, file, cache)


def _unpack_own_archive(
    entry: ZooEntry, cache: Path, model_dir: str | Path | None
) -> LocatedWeights | None:
    """Uses a package's archive that the user put beside the files or instead of them."""
    folders = [resolve_model_dir(model_dir), cached_path(entry, entry.files[0], cache).parent]
    sources = [source for source in entry.sources if isinstance(source, PackageSource)]
    for source, folder in product(sources, folders):
        archive = folder and folder / source.archive_name
        if not (archive and archive.is_file()):
            continue
        try:
            check_archive(archive, source)
            with _workspace(entry, cache) as work:
                _install_members(archive, source, entry, list(entry.files), cache, work)
        except SourceFailed as reason:
            _log.warning("%s is not used: %s", archive, reason)
        else:
            return locate(entry, cache_dir=cache)
    return None


def _install_members(
    archive: Path,
    source: PackageSource,
    entry: ZooEntry,
    wanted: list[WeightFile],
    cache: Path,
    work: Path,
) -> None:
    for file in wanted:
        content = read_member(archive, source, file)
        draft = work / file.name
        with writing(cache):
            draft.write_bytes(content)
        _install(draft, entry, file, cache)


def _install(draft: Path, entry: ZooEntry, file: WeightFile, cache: Path) -> None:
    """Puts a complete, checked file in its place, whoever else is doing the same."""
    target = cached_path(entry, file, cache)
    with writing(cache):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.replace(target)
        except PermissionError:
            # Windows: another process put the same file there and has it open
            if find_problem(target, file, cache) is not None:
                raise
        note_fresh_file(target, file.sha256, cache)


@contextmanager
def _workspace(entry: ZooEntry, cache: Path) -> Iterator[Path]:
    """A temporary folder of this process inside the cache, gone afterwards whatever happens."""
    parent = cache / "tmp"
    with writing(cache):
        parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(parent)
        work = Path(tempfile.mkdtemp(prefix=f"{entry.name}-", dir=parent))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _remove_stale(parent: Path) -> None:
    """Removes what a killed process left behind; a running one touches its files all the time."""
    oldest = time.time() - _STALE_SECONDS
    for folder in parent.iterdir():
        newest = max((path.stat().st_mtime for path in (folder, *folder.rglob("*"))), default=0.0)
        if newest < oldest:
            shutil.rmtree(folder, ignore_errors=True)


def _reporter(entry: ZooEntry, total: int, progress: ProgressCallback | None) -> Report:
    def report(done: int) -> None:
        if progress is not None:
            progress(Progress(f"download {entry.name}", done, total, "bytes"))

    return report


def _names(source: Source) -> tuple[str, ...]:
    """The files a source can deliver."""
    if isinstance(source, UrlSource):
        return (source.file,)
    return tuple(name for name, _ in source.members)


def _offline_by_environment() -> bool:
    return os.environ.get(OFFLINE_VARIABLE, "").strip().lower() not in {"", "0", "false", "no"}


def _explain(entry: ZooEntry, missing: list[WeightFile], cache: Path, reasons: list[str]) -> str:
    """One line: what is missing, why no source gave it, and how to place it by hand."""
    folder = cached_path(entry, entry.files[0], cache).parent
    archives = [
        source.archive_name for source in entry.sources if isinstance(source, PackageSource)
    ]
    files = " and ".join(_describe(entry, file, cache) for file in missing)
    return (
        f"the weights of {entry.name} are not there and could not be fetched: "
        f"{'; '.join(reasons) or 'no source'}; to go on by hand, put {files}"
        f"{''.join(f', or the archive {name},' for name in archives)} into {folder}, or into a "
        f"folder named by {MODEL_DIR_VARIABLE} or model_dir"
    )


def _describe(entry: ZooEntry, file: WeightFile, cache: Path) -> str:
    damaged = ", the one there is damaged" if cached_path(entry, file, cache).exists() else ""
    return f"{file.name} ({file.bytes:,} bytes{damaged})"
