"""Errors as clients see them: one JSON shape, one line that names what was wrong."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect

from anymask.errors import AnymaskError
from anymask.server.headers import SECURITY_HEADERS

_log = logging.getLogger(__name__)

WORK_ERRORS = (AnymaskError, OSError, MemoryError, RuntimeError)
"""What the encoder and the decoder may raise; engines raise RuntimeError when memory runs out."""

_CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed"}
_LONGEST_INPUT = 60


class ApiError(HTTPException):
    """An answer that is no success.

    Args:
        status: of HTTP.
        code: a short name for programs.
        message: one line for people: what was wrong, what is right.
        retry_after: seconds after which to try again, or None.
    """

    def __init__(
        self, status: int, code: str, message: str, *, retry_after: int | None = None
    ) -> None:
        headers = None if retry_after is None else {"Retry-After": str(retry_after)}
        super().__init__(status, message, headers)
        self.code = code


def error_response(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The shape that every error has."""
    content = {"error": {"code": code, "message": one_line(message)}}
    return JSONResponse(content, status, dict(headers or {}))


def one_line(text: str) -> str:
    """A message without line breaks."""
    return " ".join(text.split())


def error_text(error: BaseException) -> str:
    """What an error of the work says, for the client."""
    return one_line(str(error)) or type(error).__name__


def install_handlers(app: FastAPI) -> None:
    """Make every error of an app come out in the one shape."""
    app.add_exception_handler(StarletteHTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(AnymaskError, _refused)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _unknown)


async def _http_error(request: Request, error: Exception) -> Response:
    if isinstance(error, ApiError):
        return error_response(error.status_code, error.code, str(error.detail), error.headers)
    assert isinstance(error, StarletteHTTPException)  # noqa: S101 - what it is registered for
    code = _CODES.get(error.status_code, "refused")
    asked = f"{request.method} {request.url.path[:100]!r}"
    if error.status_code == 404:
        message = f"there is no {asked}; /openapi.json lists what there is"
    elif error.status_code == 405:
        message = f"{asked} is not possible; /openapi.json lists what is"
    else:
        message = str(error.detail)
    return error_response(error.status_code, code, message, error.headers)


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what it is registered for
    return error_response(422, "invalid_request", describe_invalid(error.errors()))


def describe_invalid(errors: Sequence[Mapping[str, Any]]) -> str:
    """The first complaint of a validation, on one line, and how many more there are."""
    first = errors[0]
    where = _place(first.get("loc", ()))
    message = str(first.get("msg", "is wrong"))
    if first.get("type") == "json_invalid":
        reason = first.get("ctx", {}).get("error", "")
        return f"the body is no JSON ({reason}); send a JSON object as in /openapi.json"
    got = _shown(first.get("input"))
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{where}: {message}; got {got}{more}"


def _place(location: Sequence[str | int]) -> str:
    """Such as ``prompts[0].points``; where the value came from (body, path ...) is left out."""
    text = ""
    for part in location[1:]:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or str(location[0] if location else "the request")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_INPUT else text[: _LONGEST_INPUT - 3] + "..."


async def _refused(_request: Request, error: Exception) -> Response:
    """What the library says about a prompt, mask or setting of the client."""
    return error_response(422, "invalid_request", error_text(error))


async def _gone(_request: Request, _error: Exception) -> Response:
    """The client left in the middle of its request: nobody reads this."""
    return error_response(400, "disconnected", "the connection was closed inside the request")


async def _unknown(request: Request, error: Exception) -> Response:
    """A bug of ours; the web server logs its traceback."""
    _log.error("%s %s failed: %s", request.method, request.url.path[:100], type(error).__name__)
    message = "something went wrong inside the server; its log tells more"
    return error_response(500, "internal", message, SECURITY_HEADERS)
