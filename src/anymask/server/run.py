"""Listening: a socket, uvicorn on it, an orderly end."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from typing import Any

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from anymask.errors import AnymaskError
from anymask.server.app import create_app
from anymask.server.errors import error_response
from anymask.server.headers import SECURITY_HEADERS
from anymask.server.security import Access
from anymask.server.studio import Studio

_BACKLOG = 128
_CONNECTIONS = 512
_LAST_WORDS_SECONDS = 3
_LARGEST_HEADER = 32 * 1024


class ListenError(AnymaskError, OSError):
    """An address on which the server cannot listen."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections from now on.

    Args:
        host: address or name of this machine.
        port: 0 takes any free one.

    Raises:
        ListenError: taken, not allowed, or no address of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ListenError(f"host {host!r} is no address of this machine: {error}") from error
    try:
        if os.name == "posix":  # elsewhere it would let two programs share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ListenError(_reason(error, host, port)) from error
    return listener


def _reason(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is taken by another program; give another one, "
            "or 0 for any that is free"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"port {port} on {host} is not allowed; give one above 1023"
    return f"cannot listen on {host} port {port}: {error.strerror or error}"


def url_of(listener: socket.socket, host: str, token: str | None) -> str:
    """Where a browser finds the page; the token travels in the part no server sees."""
    port = listener.getsockname()[1]
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 - only compared
    name = f"[{name}]" if ":" in name and not name.startswith("[") else name
    return f"http://{name}:{port}/" + (f"#token={token}" if token else "")


def serve(
    studio: Studio, listener: socket.socket, access: Access, on_ready: Callable[[], None]
) -> None:
    """Serve until Ctrl-C or a signal to end; then jobs are cancelled and everybody is answered.

    Args:
        studio: what to serve; ended at the end.
        listener: of `listen`; closed at the end.
        access: who may use it.
        on_ready: called when requests are answered.

    Raises:
        KeyboardInterrupt: it was ended by Ctrl-C.
    """
    app = create_app(studio, access=access)
    Server(make_config(app, studio.limits.header_seconds), studio, on_ready).run(sockets=[listener])


def make_config(app: FastAPI, header_seconds: float) -> uvicorn.Config:
    """How uvicorn is used: quietly, and with little patience."""

    def protocol(*args: Any, **options: Any) -> asyncio.Protocol:
        return ImpatientProtocol(header_seconds, *args, **options)

    return uvicorn.Config(
        app,
        http=protocol,  # type: ignore[arg-type]
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        limit_concurrency=_CONNECTIONS,
        h11_max_incomplete_event_size=_LARGEST_HEADER,
        timeout_graceful_shutdown=_LAST_WORDS_SECONDS,
    )


class Server(uvicorn.Server):
    """Says when it is ready, and lets everybody who waits go when it is to end.

    Args:
        config: of uvicorn.
        studio: stopped before connections are waited for.
        on_ready: called when requests are answered.
    """

    def __init__(
        self, config: uvicorn.Config, studio: Studio, on_ready: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._studio, self._on_ready = studio, on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End: first what requests wait for, then the connections."""
        self._studio.stop()
        for connection in list(self.server_state.connections):
            if isinstance(connection, ImpatientProtocol):
                connection.leave_upload()
        await super().shutdown(sockets)


class ImpatientProtocol(H11Protocol):
    """HTTP on one connection, which is closed if a request's header takes too long.

    Args:
        header_seconds: how long it may take.
    """

    def __init__(self, header_seconds: float, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._header_seconds = header_seconds
        self._header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Some bytes came."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client went away."""
        super().connection_lost(exc)
        self._unwatch()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP in the shape that all errors have."""
        text = f"the request is not understood ({msg.rstrip('.')})"
        response = error_response(400, "bad_request", text, SECURITY_HEADERS)
        headers = [*response.raw_headers, (b"connection", b"close")]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=bytes(response.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def leave_upload(self) -> None:
        """Close the connection if a request's body is still coming."""
        if self.cycle is not None and not self.cycle.response_complete and self.cycle.more_body:
            self.transport.close()

    def _watch(self) -> None:
        """Have the timer run exactly while a header is awaited."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._unwatch()
        elif self._header_timer is None:
            self._header_timer = self.loop.call_later(self._header_seconds, self._give_up)

    def _unwatch(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _give_up(self) -> None:
        self._header_timer = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
