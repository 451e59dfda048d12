"""Request bodies: never more than allowed, never slower than bearable, read to the end.

A response that is sent before the whole body was read would be lost: the connection is reset under
the client's hands. So the rest is read and thrown away first, within bounds.
"""

from __future__ import annotations

import asyncio
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anymask.server.errors import ApiError, error_response
from anymask.server.limits import Limits

UPLOAD_PATH = "/api/images"
_DRAIN_SECONDS = 5.0


class BodyGuard:
    """Bounds the bodies of all requests."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app, self._limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        upload = scope["method"] == "POST" and scope["path"] == UPLOAD_PATH
        most = self._limits.upload_bytes if upload else self._limits.json_bytes
        headers = Headers(scope=scope)
        body = _Body(receive, send, headers, self._limits, most)
        try:
            body.check_announced()
        except ApiError as error:
            refusal = error_response(error.status_code, error.code, str(error.detail))
            await refusal(scope, receive, body.send)
            return
        await self._app(scope, body.receive, body.send)


class _Body:
    """One request's body on its way to the app."""

    def __init__(
        self, receive: Receive, send: Send, headers: Headers, limits: Limits, most: int
    ) -> None:
        self._receive, self._send = receive, send
        self._headers, self._limits, self._most = headers, limits, most
        self._count, self._started = 0, time.monotonic()
        announced = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        self._complete = not announced
        # such a client sends nothing before it is told to, so that there is nothing to throw away
        self._held_back = headers.get("expect", "").lower() == "100-continue"

    def check_announced(self) -> None:
        """Refuse before a byte is read what says itself that it is too large."""
        length = self._headers.get("content-length")
        if length is not None and length.isdigit() and int(length) > self._most:
            raise self._too_large(int(length))

    async def receive(self) -> Message:
        """The next part, within the limits."""
        if self._complete:
            return await self._receive()
        self._held_back = False
        message = await self._next(self._limits.idle_seconds)
        if self._count > self._most:
            raise self._too_large(self._count)
        elapsed = time.monotonic() - self._started
        least = self._limits.least_bytes_per_second * elapsed
        if elapsed > self._limits.grace_seconds and self._count < least and not self._complete:
            raise self._too_slow()
        return message

    async def send(self, message: Message) -> None:
        """The response; the rest of the body goes away first."""
        starts = message["type"] == "http.response.start"
        if starts and not self._complete and not self._held_back:
            await self._drain()
        await self._send(message)

    async def _next(self, seconds: float) -> Message:
        try:
            message = await asyncio.wait_for(self._receive(), seconds)
        except TimeoutError:
            raise self._too_slow() from None
        if message["type"] == "http.request":
            self._count += len(message.get("body", b""))
            self._complete = not message.get("more_body", False)
        else:
            self._complete = True
        return message

    async def _drain(self) -> None:
        until = time.monotonic() + _DRAIN_SECONDS
        most = self._count + 2 * self._limits.upload_bytes
        while not self._complete and self._count < most and time.monotonic() < until:
            try:
                await self._next(until - time.monotonic())
            except ApiError:
                return

    def _too_large(self, count: int) -> ApiError:
        return ApiError(
            413,
            "too_many_bytes",
            f"the body has {count} bytes or more; at most {self._most} are taken here",
        )

    def _too_slow(self) -> ApiError:
        self._complete = True  # nobody waits for the rest
        return ApiError(
            408,
            "too_slow",
            f"the body stopped or slowed down after {self._count} bytes; send it again",
        )
