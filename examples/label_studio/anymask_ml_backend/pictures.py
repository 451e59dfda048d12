"""A task's picture: from Label Studio itself, from one folder, or out of the task; nowhere else.

A task's data is written by whoever imports tasks. An address on another host, or a path outside
the folder, is refused, so that the back end cannot be made to read what its user cannot.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import SplitResult, parse_qs, urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from .errors import RequestError
from .settings import Settings

LOCAL_FILES = "/data/local-files/"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Picture:
    """A picture that may be read.

    Attributes:
        key: the same for the same picture, to recognise it again without reading it.
        read: gives its bytes.
    """

    key: str
    read: Callable[[], bytes]


def locate(source: object, settings: Settings) -> Picture:
    """Decide where a task's picture comes from; nothing is read yet.

    Args:
        source: what the task's data holds: a data URL, an address or path on Label Studio's host,
            or a path below the folder.
        settings: which host and which folder.

    Raises:
        RequestError: anything else.
    """
    if not isinstance(source, str) or not source:
        raise RequestError(f"the task's picture is {source!r}; it must be text: an address or path")
    if source.startswith("data:"):
        return Picture(_key(source), lambda: _decode(source, settings))
    path = _path(source, settings)
    if path is not None:
        state = path.stat()
        key = _key(f"{path} {state.st_mtime_ns} {state.st_size}")
        return Picture(key, lambda: _read(path, settings))
    address = _address(source, settings)
    return Picture(_key(address), lambda: _fetch(address, settings))


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _decode(url: str, settings: Settings) -> bytes:
    head, _, text = url.partition(",")
    if not head.endswith(";base64"):
        raise RequestError("the task's data URL is not base64; write data:image/png;base64,...")
    _check_size(len(text) * 3 // 4, settings)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError(f"the task's data URL is not good base64: {error}") from error


def _path(source: str, settings: Settings) -> Path | None:
    """The file below the folder that is meant; None for what is on the host.

    Raises:
        RequestError: a path that leaves the folder.
    """
    parts = _split(source)
    if settings.folder is None or parts.scheme or parts.netloc:
        return None
    named = parse_qs(parts.query).get("d", [""])[0] if parts.path == LOCAL_FILES else source
    if "\0" in named:
        raise RequestError("the task's picture is a path with a zero byte; give a file's name")
    path = (settings.folder / named).resolve()
    if path.is_relative_to(settings.folder) and path.is_file():
        return path
    if settings.host and source.startswith("/"):
        return None
    raise RequestError(
        f"there is no picture {_short(named)} in the folder this back end may read", status=404
    )


def _read(path: Path, settings: Settings) -> bytes:
    with path.open("rb") as file:
        return _limited(file, settings)


def _address(source: str, settings: Settings) -> str:
    """The whole address of something on Label Studio's host.

    Raises:
        RequestError: another host, another scheme, or no host was set.
    """
    if not settings.host:
        raise RequestError(
            f"the task's picture is at {_short(source)}; set LABEL_STUDIO_URL and "
            "LABEL_STUDIO_API_KEY to have it fetched from Label Studio"
        )
    address = urljoin(settings.host + "/", source)
    if _origin(address) != _origin(settings.host):
        raise RequestError(
            f"the task's picture is at {_short(source)}; this back end fetches only from "
            f"{settings.host}. Let Label Studio serve it: upload it, or connect the storage "
            "without pre-signed addresses",
            status=403,
            code="forbidden",
        )
    return address


def _origin(address: str) -> tuple[str, str | None, int | None]:
    parts = _split(address)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def _split(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        # read here because it is checked only when it is read
        _ = parts.port
    except ValueError as error:
        raise RequestError(f"{_short(address)} is no address: {error}") from error
    return parts


class _SameOrigin(HTTPRedirectHandler):
    """Follows redirects on Label Studio's host only: its token must not get elsewhere."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if _origin(newurl) != _origin(req.full_url):
            raise RequestError(
                f"Label Studio sent the back end on to {_short(newurl)}, another host; connect the "
                "storage without pre-signed addresses",
                status=403,
                code="forbidden",
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _fetch(address: str, settings: Settings) -> bytes:
    request = Request(address, headers=_headers(settings.token))  # noqa: S310 - origin was checked
    try:
        with build_opener(_SameOrigin).open(request, timeout=settings.timeout_seconds) as answer:
            return _limited(answer, settings)
    except HTTPError as error:
        hint = "; is LABEL_STUDIO_API_KEY right?" if error.code in (401, 403) else ""
        raise _unreachable(address, f"Label Studio answered {error.code}{hint}") from error
    except (URLError, HTTPException, OSError) as error:
        raise _unreachable(address, str(getattr(error, "reason", error))) from error


def _headers(token: str) -> dict[str, str]:
    """Label Studio's access tokens are signed (three parts) or, older, plain."""
    if not token:
        return {}
    return {"Authorization": f"{'Bearer' if token.count('.') == 2 else 'Token'} {token}"}


def _unreachable(address: str, reason: str) -> RequestError:
    message = f"the task's picture cannot be fetched from {_short(address)}: {reason}"
    return RequestError(message, status=502, code="unreachable")


def _limited(file: IO[bytes], settings: Settings) -> bytes:
    content = file.read(settings.most_bytes + 1)
    _check_size(len(content), settings)
    return content


def _check_size(count: int, settings: Settings) -> None:
    if count > settings.most_bytes:
        raise RequestError(
            f"the task's picture has more than {settings.most_bytes} bytes, the most allowed here",
            status=413,
            code="too_large",
        )


def _short(text: str) -> str:
    return repr(text if len(text) <= 100 else text[:97] + "...")
