"""The HTTP side: the few addresses that Label Studio calls."""

from __future__ import annotations

import base64
import json
import logging
import secrets
from collections.abc import Mapping
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from anymask import AnymaskError, Model

from .encoded import EncodedPictures
from .errors import RequestError
from .interface import Interface
from .predict import Predictor
from .settings import Settings

Answer = dict[str, Any]
NOTHING_TO_TRAIN = "anymask segments what is pointed at; nothing is learned from annotations"
log = logging.getLogger("anymask_ml_backend")


def create_app(model: Model, settings: Settings) -> FastAPI:
    """The back end.

    Args:
        model: what segments; safe to share between requests.
        settings: what it may do.
    """
    predictor = Predictor(model, settings, EncodedPictures(settings.pictures_kept))
    app = FastAPI(
        title="anymask for Label Studio", dependencies=[Depends(_authorise)], openapi_url=None
    )
    app.state.settings = settings
    app.add_exception_handler(RequestError, _refuse)
    app.add_exception_handler(AnymaskError, _refuse)

    @app.get("/")
    @app.get("/health")
    async def health() -> Answer:
        return {"status": "UP", "model_class": "anymask", "model_version": model.model_id}

    @app.get("/versions")
    async def versions() -> Answer:
        return {"versions": [model.model_id]}

    @app.post("/setup")
    async def setup(request: Request) -> Answer:
        body = await _body(request)
        # refused here, a project learns at once that its interface lacks the tags
        Interface.parse(body.get("schema") or body.get("label_config")).chosen(settings.output)
        return {"model_version": model.model_id}

    @app.post("/predict")
    async def predict(request: Request) -> Answer:
        predictions = await run_in_threadpool(predictor.predict, await _body(request))
        results = [
            prediction.model_dump(mode="json", exclude_none=True) for prediction in predictions
        ]
        return {"results": results, "model_version": model.model_id}

    @app.post("/train")
    @app.post("/webhook")
    async def train(request: Request) -> Answer:
        await _body(request)
        return {"job": None, "status": "skipped", "detail": NOTHING_TO_TRAIN}

    return app


async def _body(request: Request) -> Mapping[str, Any]:
    """The request's JSON object, read no further than allowed."""
    # a page of another site cannot send this type without being asked first, which is declined
    if request.headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
        message = "the request must have the content type application/json"
        raise RequestError(message, status=415, code="unsupported_type")
    limit = request.app.state.settings.most_bytes
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > limit:
            message = f"the request has more than {limit} bytes, the most allowed here"
            raise RequestError(message, status=413, code="too_large")
    try:
        body = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the request is no good JSON: {error}") from error
    if not isinstance(body, dict):
        raise RequestError("the request must be a JSON object")
    return body


async def _authorise(request: Request) -> None:
    """HTTP Basic, as Label Studio offers for ML back ends; health is for everybody."""
    settings: Settings = request.app.state.settings
    if not settings.user or request.url.path in ("/", "/health"):
        return
    wanted = base64.b64encode(f"{settings.user}:{settings.password}".encode())
    given = request.headers.get("Authorization", "").encode()
    if not secrets.compare_digest(given, b"Basic " + wanted):
        raise RequestError(
            "user and password are missing or wrong; enter them where the model is connected",
            status=401,
            code="unauthorized",
        )


async def _refuse(request: Request, error: Exception) -> JSONResponse:
    """One line that names what is wrong; Label Studio shows little of it, so it is logged too."""
    status = error.status if isinstance(error, RequestError) else 400
    code = error.code if isinstance(error, RequestError) else "bad_request"
    log.warning("%s %s: %s", request.method, request.url.path, error)
    headers = {"WWW-Authenticate": "Basic"} if status == 401 else None
    return JSONResponse({"error": {"code": code, "message": str(error)}}, status, headers)
