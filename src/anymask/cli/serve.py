"""``anymask serve``: the Studio, a page in the browser with a server behind it."""

from __future__ import annotations

import os
import secrets
import webbrowser
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from anymask.cli.exits import UsageError
from anymask.cli.model_choice import (
    CheckpointOption,
    DeviceOption,
    EngineOption,
    ImageSizeOption,
    ModelChoice,
    ModelOption,
    OfflineOption,
    PrecisionOption,
    check_model,
    load,
)
from anymask.cli.models import CacheDirOption, ModelDirOption
from anymask.cli.progress import ProgressBar
from anymask.cli.words_options import ScorerOption
from anymask.errors import MissingExtraError

if TYPE_CHECKING:
    from anymask.server.limits import Limits
    from anymask.server.security import Access
    from anymask.server.studio import Studio

TOKEN_VARIABLE: Final = "ANYMASK_TOKEN"  # noqa: S105 - its name, not its value
_SHORTEST_TOKEN = 16
_ACCESS, _LIMITS = "Access", "Limits"


def serve(
    *,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Where to listen; 0.0.0.0 for all networks, with a token.",
            rich_help_panel=_ACCESS,
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, help="0 takes any free one.", rich_help_panel=_ACCESS),
    ] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help=f"Ask for this token ({TOKEN_VARIABLE} does the same, out of sight of others).",
            rich_help_panel=_ACCESS,
        ),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="A page of another server that may use this one, such as https://example.org.",
            rich_help_panel=_ACCESS,
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A further name that this server is called by, such as behind a proxy.",
            rich_help_panel=_ACCESS,
        ),
    ] = None,
    upload_limit_mb: Annotated[
        int, typer.Option(metavar="MB", min=1, help="Largest file.", rich_help_panel=_LIMITS)
    ] = 100,
    max_pixels: Annotated[
        int | None,
        typer.Option(
            metavar="COUNT",
            min=1,
            help="Largest picture (width x height) that is taken.",
            rich_help_panel=_LIMITS,
        ),
    ] = None,
    memory_mb: Annotated[
        int,
        typer.Option(
            metavar="MB",
            min=1,
            help="Pictures and embeddings kept in memory.",
            rich_help_panel=_LIMITS,
        ),
    ] = 512,
    disk_mb: Annotated[
        int,
        typer.Option(
            metavar="MB",
            min=0,
            help="Pictures and embeddings kept on disk.",
            rich_help_panel=_LIMITS,
        ),
    ] = 2048,
    workers: Annotated[
        int,
        typer.Option(
            metavar="COUNT", min=1, help="Pictures encoded at once.", rich_help_panel=_LIMITS
        ),
    ] = 1,
    open_: Annotated[
        bool, typer.Option("--open/--no-open", help="Show the page in the browser.")
    ] = False,
    scorer: ScorerOption = "offline",
    model: ModelOption = None,
    checkpoint: CheckpointOption = None,
    device: DeviceOption = "auto",
    engine: EngineOption = "auto",
    precision: PrecisionOption = "fp32",
    image_size: ImageSizeOption = 1024,
    model_dir: ModelDirOption = None,
    cache_dir: CacheDirOption = None,
    offline: OfflineOption = False,
) -> None:
    """Serve the Studio: open a picture in the browser and click.

    Example: anymask serve --open
    """
    _require_extra()
    from anymask.io.weights.cache import resolve_cache_dir
    from anymask.server.security import Access, is_loopback

    token = _token(token, needed=not is_loopback(host))
    access = Access(host, token, _origins(allow_origin or []), tuple(allow_host or []))
    limits = _limits(upload_limit_mb, max_pixels, memory_mb, disk_mb, workers)
    choice = ModelChoice(
        model, checkpoint, device, engine, precision, image_size, model_dir, cache_dir, offline
    )
    check_model(choice)
    order = _Order(port, resolve_cache_dir(cache_dir), open_, scorer)
    _run(order, choice, access, limits)


@dataclass(frozen=True, slots=True)
class _Order:
    """What is left besides access and limits."""

    port: int
    cache_dir: Path
    open_page: bool
    scorer: str


def _require_extra() -> None:
    for package in ("fastapi", "uvicorn"):
        if find_spec(package) is None:
            raise MissingExtraError(package, "serve", "to serve the Studio")


def _token(given: str | None, *, needed: bool) -> str | None:
    """The token to ask for: the one given, else a new one where one is needed."""
    token = given or os.environ.get(TOKEN_VARIABLE) or None
    if token is None:
        return secrets.token_urlsafe(24) if needed else None
    source = "--token" if given else TOKEN_VARIABLE
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise UsageError(f"{source} has a space or a sign outside ASCII; give letters and digits")
    if len(token) < _SHORTEST_TOKEN:
        raise UsageError(
            f"{source} has {len(token)} characters; give at least {_SHORTEST_TOKEN}, "
            "or none to have one made"
        )
    return token


def _origins(given: list[str]) -> tuple[str, ...]:
    from urllib.parse import urlsplit

    for origin in given:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or origin != f"{parts.scheme}://{parts.netloc}":
            raise UsageError(
                f"--allow-origin {origin!r} is no origin; give scheme, host and port alone, "
                "such as https://example.org"
            )
    return tuple(given)


def _limits(
    upload_mb: int, max_pixels: int | None, memory_mb: int, disk_mb: int, workers: int
) -> Limits:
    """Memory and disk are shared half and half by pictures and embeddings."""
    from anymask.server.limits import MB, Limits

    usual = Limits()
    return Limits(
        upload_bytes=upload_mb * MB,
        pixels=max_pixels or usual.pixels,
        picture_memory_bytes=memory_mb * MB // 2,
        embedding_memory_bytes=memory_mb * MB // 2,
        picture_disk_bytes=max(disk_mb * MB // 2, 2 * upload_mb * MB),
        embedding_disk_bytes=disk_mb * MB // 2,
        encoders=workers,
    )


def _run(order: _Order, choice: ModelChoice, access: Access, limits: Limits) -> None:
    """Listen first, so that a taken port is told before weights are loaded."""
    from anymask.server import run

    listener = run.listen(access.host, order.port)
    url = run.url_of(listener, access.host, access.token)
    with listener, ProgressBar() as progress:
        studio = _studio(choice, order, limits, progress)

        def on_ready() -> None:
            typer.echo(f"anymask is ready at {url}")
            if order.open_page:
                webbrowser.open(url)

        run.serve(studio, listener, access, on_ready)


def _studio(choice: ModelChoice, order: _Order, limits: Limits, progress: ProgressBar) -> Studio:
    from anymask.export.bundle import page_bundle
    from anymask.server.studio import Studio
    from anymask.words.load import load_scorer

    model = load(choice, progress)
    return Studio(
        model,
        page_bundle(model),
        order.cache_dir,
        limits,
        lambda: load_scorer(
            order.scorer,
            cache_dir=choice.cache_dir,
            model_dir=choice.model_dir,
            offline=choice.offline,
        ),
    )
