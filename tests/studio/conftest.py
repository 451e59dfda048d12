"""The Studio as a person meets it: the real server, the built page, a real Chromium."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from anymask.inference.load import load_model
from anymask.inference.segment import Model
from anymask.io.weights.cache import LocatedWeights, locate
from anymask.io.weights.zoo import TEXT_ZOO
from conftest import REPOSITORY
from studio.tab import Studio

QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip
"""Without them Chromium speaks to hosts of its maker at every start."""
BUILT_PAGE = REPOSITORY / "src/anymask/server/static/index.html"


class Server:
    """`anymask serve` as a process of its own, that can be ended and started again.

    Args:
        folder: where it keeps embeddings.
        weights: folder of the default model's files.
    """

    def __init__(self, folder: Path, weights: Path) -> None:
        self.folder = folder
        self.weights = weights
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://127.0.0.1:{self.port}/"

    def start(self, *options: str) -> None:
        """Start it, on the port of the last time if there was one; returns when it listens."""
        command = [
            sys.executable, "-m", "anymask", "serve", "--no-open",
            "--port", str(self.port),
            "--cache-dir", str(self.folder), "--model-dir", str(self.weights), *options,
        ]  # fmt: skip
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if match := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                self.port = int(match[1])
                return
        raise AssertionError("the server ended before it listened")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.communicate(timeout=30)
            self._process = None


def folder_of(weights: LocatedWeights) -> Path:
    """Where the files lie."""
    return next(iter(weights.files.values())).parent


@pytest.fixture(scope="session")
def built_page() -> Path:
    if not BUILT_PAGE.is_file():
        pytest.skip("the page is not built; run `make web`")
    return BUILT_PAGE


@pytest.fixture(scope="session")
def server(
    built_page: Path, default_weights: LocatedWeights, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One server for all tests; it knows words where their weights are in the cache."""
    weights = tmp_path_factory.mktemp("weights")
    for located in (default_weights, *map(locate, TEXT_ZOO)):
        for path in located.files.values() if located else ():
            (weights / path.name).symlink_to(path)
    server = Server(tmp_path_factory.mktemp("server"), weights)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_server(
    built_page: Path, default_weights: LocatedWeights, tmp_path: Path
) -> Iterator[Server]:
    """A server that the test may end."""
    server = Server(tmp_path / "server", folder_of(default_weights))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The browser's executable."""
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if name and (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("there is no Chromium; run scripts/ensure_chromium.sh")
    return path


@pytest.fixture(scope="session")
def chromium(chromium_path: str) -> Iterator[Browser]:
    """One browser for all tests."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser, server: Server) -> Iterator[BrowserContext]:
    """A browser profile of its own, in which only the server may be asked for anything."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    yield context
    context.close()


@pytest.fixture
def open_studio(context: BrowserContext, server: Server) -> Iterator[Callable[[], Studio]]:
    """Opens the page in a new tab; complaints of the page fail the test."""
    opened: list[Studio] = []

    def open_one() -> Studio:
        opened.append(Studio(context.new_page(), server.url))
        return opened[-1]

    yield open_one
    for studio in opened:
        assert studio.foreign_requests == []
        assert studio.complaints == []


@pytest.fixture
def studio(open_studio: Callable[[], Studio]) -> Studio:
    return open_studio()


@pytest.fixture
def touch_studio(chromium: Browser, server: Server) -> Iterator[Callable[[], Studio]]:
    """Opens the page on a device with a touch screen."""
    context = chromium.new_context(viewport={"width": 820, "height": 1180}, has_touch=True)
    yield lambda: Studio(context.new_page(), server.url)
    context.close()


@pytest.fixture(scope="session")
def light_model(default_weights: LocatedWeights) -> Model:
    """What the server runs: the default model on the light engine."""
    return load_model("vit_t", engine="onnx", offline=True)
