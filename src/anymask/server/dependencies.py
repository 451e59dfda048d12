"""What the routes share: the studio, ids, and how errors are told to OpenAPI."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Path, Request

from anymask.server.errors import ApiError
from anymask.server.schemas import Error
from anymask.server.studio import Studio

T = TypeVar("T")

ImageId = Annotated[
    str, Path(pattern="^[0-9a-f]{64}$", description="Hash of the picture's upright RGB pixels.")
]
JobId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]

_REASONS = {
    400: "Malformed request.",
    401: "The token is missing or wrong.",
    403: "Wrong host or origin.",
    404: "Unknown, or forgotten meanwhile.",
    408: "The body came too slowly.",
    409: "Not in this state.",
    413: "Too many bytes or pixels.",
    415: "No picture that can be read.",
    422: "A value that is wrong.",
    429: "Too much to do; Retry-After says when to ask again.",
    500: "Something failed inside the server.",
    503: "The server is stopping.",
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says about failures; some can always happen."""
    return {
        status: {"model": Error, "description": _REASONS[status]}
        for status in sorted({*statuses, 401, 403, 500, 503})
    }


def binary(*media_types: str) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says about an answer that is no JSON."""
    schema = {"type": "string", "format": "binary"}
    return {200: {"content": {media_type: {"schema": schema} for media_type in media_types}}}


def _studio(request: Request) -> Studio:
    studio: Studio = request.app.state.studio
    if studio.is_stopping:
        raise _stopping()
    return studio


def _stopping() -> ApiError:
    return ApiError(503, "stopping", "the server is stopping; ask again when it is back")


StudioOf = Annotated[Studio, Depends(_studio)]


async def outcome(studio: Studio, future: Future[T]) -> T:
    """Wait for work done by threads; who leaves does not stop it for the others.

    Raises:
        ApiError: 503, the server stops before it is done.
    """
    loop = asyncio.get_running_loop()
    answer, leave = asyncio.wrap_future(future), loop.create_future()
    answer.add_done_callback(_look_at)

    def stop() -> None:
        loop.call_soon_threadsafe(leave.cancel)

    with studio.when_stopping(stop):
        await asyncio.wait([answer, leave], return_when=asyncio.FIRST_COMPLETED)
    if answer.cancelled() or not answer.done():
        raise _stopping()
    return answer.result()


def _look_at(answer: asyncio.Future[Any]) -> None:
    """What failed after everybody left is nobody's surprise."""
    if not answer.cancelled():
        answer.exception()
