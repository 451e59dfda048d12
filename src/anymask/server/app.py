"""The app put together: routes, what guards them, and the state they share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from anymask.server.bodies import BodyGuard
from anymask.server.errors import install_handlers
from anymask.server.limits import Limits
from anymask.server.routes import about, decoder, edits, images, jobs, samples
from anymask.server.routes.page import STATIC, Page
from anymask.server.security import Access, Gate, SecurityHeaders, TokenCheck
from anymask.server.studio import Studio

_EXPOSED = ("Retry-After", "ETag", "Content-Length")


def create_app(
    studio: Studio | None,
    *,
    access: Access | None = None,
    limits: Limits | None = None,
    static: Path = STATIC,
) -> FastAPI:
    """The server as an ASGI app.

    Args:
        studio: what it serves; the app ends it when it shuts down. None for the description alone.
        access: who may use it; left out, only this machine.
        limits: of request bodies; left out, those of the studio.
        static: folder of the built page.
    """
    access = access or Access()
    limits = limits or (studio.limits if studio else Limits())
    app = FastAPI(
        title="anymask",
        summary="Segment Anything as a server: pictures in, embeddings and masks out.",
        version="1",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        middleware=_middleware(access, limits),
        generate_unique_id_function=_operation_id,
    )
    app.state.studio = studio
    app.state.token_required = access.token is not None
    install_handlers(app)
    for module in (about, decoder, images, edits, jobs, samples):
        app.include_router(module.router)
    app.mount("/", Page(static), name="page")
    return app


def _middleware(access: Access, limits: Limits) -> list[Middleware]:
    """From the outside in."""
    layers = [
        Middleware(SecurityHeaders),
        Middleware(BodyGuard, limits=limits),
        Middleware(Gate, access=access),
    ]
    if access.origins:
        cors = Middleware(
            CORSMiddleware,
            allow_origins=access.origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=_EXPOSED,
        )
        layers.append(cors)
    return [*layers, Middleware(TokenCheck, token=access.token)]


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    if app.state.studio is None:
        yield
        return
    with app.state.studio:
        yield


def _operation_id(route: APIRoute) -> str:
    return route.name
