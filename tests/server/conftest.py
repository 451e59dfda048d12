"""Servers that end with the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from anymask.inference.segment import Model
from servers import Gated, Served, client_for, running


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all tests that change nothing in it that others look at."""
    backend = Gated()
    model = Model(backend, model_id="tiny@test", architecture="tiny")
    with (
        running(model, tmp_path_factory.mktemp("shared")) as (studio, port),
        client_for(port) as client,
    ):
        yield Served(client, studio, backend, port)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts servers; they end with the test."""
    with ExitStack() as stack:

        def start(*, folder: Path = tmp_path, client: dict[str, Any] | None = None, **options: Any):
            backend = Gated()
            model = Model(backend, model_id="tiny@test", architecture="tiny")
            studio, port = stack.enter_context(running(model, folder, **options))
            stack.callback(backend.open)  # nothing waits when the server is to end
            opened = stack.enter_context(client_for(port, **(client or {})))
            return Served(opened, studio, backend, port)

        yield start


@pytest.fixture
def served(serve: Callable[..., Served]) -> Served:
    return serve()
