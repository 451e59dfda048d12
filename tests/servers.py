"""A real server on loopback with a tiny network; what it holds can be looked into."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from anymask.inference.segment import Model
from anymask.inference.torch_backend import TorchBackend
from anymask.server import run
from anymask.server.app import create_app
from anymask.server.limits import Limits
from anymask.server.security import Access
from anymask.server.studio import Studio
from anymask.words.scorer import RegionTextScorer
from models import tiny_sam
from scorers import ColourScorer

DEADLINE_SECONDS = 30


@dataclass(frozen=True)
class Graphs:
    """Stands for what `page_bundle` makes; the server only hands it on."""

    pair_id: str = "pair-1"
    files: dict[str, bytes] = field(
        default_factory=lambda: {
            name: name.encode() * 99 for name in ("image", "prompt", "preview")
        }
    )


class Gated(TorchBackend):
    """The tiny network, which can be made to wait or to fail."""

    def __init__(self) -> None:
        super().__init__(tiny_sam())
        self.may_encode, self.may_decode = threading.Event(), threading.Event()
        self.encoding, self.decoding = threading.Event(), threading.Event()
        self.failure: Exception | None = None
        self.encoded_count = 0
        self.open()

    def open(self) -> None:
        self.may_encode.set()
        self.may_decode.set()

    def encode(self, image: np.ndarray) -> np.ndarray:
        self.encoding.set()
        assert self.may_encode.wait(DEADLINE_SECONDS)
        if self.failure is not None:
            raise self.failure
        self.encoded_count += 1
        return super().encode(image)

    def decode_confident(self, images: Any, prompts: Any, min_iou: float) -> Any:
        self.decoding.set()
        assert self.may_decode.wait(DEADLINE_SECONDS)
        if self.failure is not None:
            raise self.failure
        return super().decode_confident(images, prompts, min_iou)


@dataclass
class Served:
    """A running server and a client for it."""

    client: httpx.Client
    studio: Studio
    backend: Gated
    port: int

    def upload(self, content: bytes) -> dict[str, Any]:
        response = self.client.post("/api/images", content=content)
        assert response.status_code == 201, response.text
        return response.json()

    def embedding(self, image_id: str, **query: str) -> httpx.Response:
        return self.client.get(f"/api/images/{image_id}/embedding", params=query)

    def wait_for(self, address: str, wanted: set[str]) -> dict[str, Any]:
        """Asks until `state` is one of those wanted."""
        return until(
            lambda: next(
                (one for one in [self.client.get(address).json()] if one["state"] in wanted), None
            )
        )


def until(ask: Callable[[], Any]) -> Any:
    """The first answer that is true, within the deadline."""
    end, pause = time.monotonic() + DEADLINE_SECONDS, threading.Event()
    while not (answer := ask()):
        assert time.monotonic() < end, "nothing happened in time"
        pause.wait(0.01)
    return answer


@contextmanager
def running(
    model: Model,
    folder: Path,
    *,
    access: Access | None = None,
    static: Path | None = None,
    scorer: Callable[[], RegionTextScorer] = ColourScorer,
    **limits: Any,
) -> Iterator[tuple[Studio, int]]:
    """A server in a thread; yields what it holds and its port."""
    studio = Studio(model, Graphs(), folder, Limits(**limits), scorer)
    app = create_app(studio, access=access, static=static or folder / "no page")
    ready, listener = threading.Event(), run.listen("127.0.0.1", 0)
    server = run.Server(run.make_config(app, studio.limits.header_seconds), studio, ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    port = listener.getsockname()[1]
    thread.start()
    try:
        assert ready.wait(DEADLINE_SECONDS)
        yield studio, port
    finally:
        server.should_exit = True
        thread.join(DEADLINE_SECONDS)
        listener.close()
        assert not thread.is_alive()


def client_for(port: int, **options: Any) -> httpx.Client:
    return httpx.Client(
        base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE_SECONDS, trust_env=False, **options
    )


def picture(seed: int = 0, size: tuple[int, int] = (60, 40), kind: str = "PNG") -> bytes:
    """A picture file, (width, height)."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def error_of(response: httpx.Response) -> tuple[int, str, str]:
    """Status, code and message of an error in the one shape that errors have."""
    content = response.json()
    assert set(content) == {"error"}
    assert set(content["error"]) == {"code", "message"}
    message = content["error"]["message"]
    assert message
    assert "\n" not in message
    assert "Traceback" not in message
    return response.status_code, content["error"]["code"], message
