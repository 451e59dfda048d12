"""Who may ask: hosts, origins and the token, and the headers of every response.

A page from elsewhere must not use a server on this machine behind its user's back. It could send
requests straight (refused by the origin), or give its own name this machine's address (refused by
the host). Beyond loopback a token is needed as well.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anymask.server.errors import error_response
from anymask.server.headers import SECURITY_HEADERS

PUBLIC = ("/api/about", "/api/decoder/", "/api/samples/")
"""What needs no token: nothing of the user's can be read or used up there."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use the server.

    Attributes:
        host: the address it listens on.
        token: needed for pictures and jobs, or None.
        origins: pages of other servers that may use it, such as ``https://example.org``.
        hosts: names it may be called by, besides its own.
    """

    host: str = "127.0.0.1"
    token: str | None = None
    origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)

    def allows_host(self, header: str) -> bool:
        """Whether a request may be addressed to this name.

        An address is not a name that somebody else could point here, so beyond loopback every
        address is good.
        """
        name = _host_name(header)
        if name is None:
            return False
        if name in {"localhost", self.host.lower(), *(one.lower() for one in self.hosts)}:
            return True
        if self.is_local:
            return is_loopback(name)
        return _is_address(name) or name == socket.gethostname().lower()

    def allows_origin(self, origin: str, host: str) -> bool:
        """Whether a page may ask: it came from this server, or is allowed by name."""
        return origin in self.origins or _site(origin) == _site(f"http://{host}")


def is_loopback(host: str) -> bool:
    """Whether an address or name means this machine and cannot be reached from another."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _host_name(header: str) -> str | None:
    """The name in a Host header, without port and brackets; None if it is malformed."""
    if any(sign in header for sign in "/@?#\\ "):
        return None
    try:
        parts = urlsplit(f"//{header}")
        _ = parts.port
    except ValueError:
        return None
    return parts.hostname


def _site(origin: str) -> tuple[str, int] | None:
    """Host and port of an origin; a proxy may have turned https into http."""
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    return parts.hostname, port or 0 if port not in (80, 443) else 0


class SecurityHeaders:
    """Adds the headers that every response carries."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


class Gate:
    """Refuses wrong hosts and origins."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await error_response(403, *refusal)(scope, receive, send)

    def _refusal(self, scope: Scope) -> tuple[str, str] | None:
        """Code and message, or None for a request that may pass."""
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._access.allows_host(host):
            return "host_refused", (
                f"this server is not called {host[:100]!r}; use the address that it printed, or "
                "start it with --allow-host"
            )
        if origin is not None and not self._access.allows_origin(origin, host):
            return "origin_refused", (
                f"a page from {origin[:100]!r} may not use this server; "
                "start it with --allow-origin to let it"
            )
        if origin is None and headers.get("sec-fetch-site") == "cross-site" and _changes(scope):
            return "origin_refused", "a page from elsewhere may not use this server"
        return None


def _changes(scope: Scope) -> bool:
    return scope["method"] not in ("GET", "HEAD", "OPTIONS")


class TokenCheck:
    """Asks for the token wherever something of the user's could be read or used up."""

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app, self._token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection."""
        if scope["type"] != "http" or self._token is None or self._passes(scope, self._token):
            await self._app(scope, receive, send)
            return
        message = (
            "this needs the server's token as the header 'Authorization: Bearer TOKEN'; "
            "it is in the address that the server printed"
        )
        response = error_response(401, "token_needed", message, {"WWW-Authenticate": "Bearer"})
        await response(scope, receive, send)

    @staticmethod
    def _passes(scope: Scope, token: str) -> bool:
        path: str = scope["path"]
        if not path.startswith("/api/") or _is_public(path, PUBLIC):
            return True
        scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        same = hmac.compare_digest(given.strip().encode(), token.encode())
        return same and scheme.lower() == "bearer"


def _is_public(path: str, public: Iterable[str]) -> bool:
    return any(path == one or (one.endswith("/") and path.startswith(one)) for one in public)
