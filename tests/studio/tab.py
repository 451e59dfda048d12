"""The page in the words of its user; places are pixels of the picture."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image
from playwright.sync_api import ConsoleMessage, Download, Locator, Page, Request

POLL_MS = 20
READY = "() => document.documentElement.dataset.state === 'ready'"
MASK = """() => {
  const mask = window.__anymask.currentMask();
  if (!mask) return null;
  let text = '';
  for (let i = 0; i < mask.bits.length; i += 8192)
    text += String.fromCharCode(...mask.bits.subarray(i, i + 8192));
  return {width: mask.width, height: mask.height, bits: btoa(text)};
}"""


class Studio:
    """One tab with the page.

    Args:
        page: an empty tab.
        url: the page's address, with a slash at the end.
    """

    def __init__(self, page: Page, url: str, *, visit: bool = True) -> None:
        self.page = page
        self.url = url
        self.foreign_requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", self._note_request)
        page.on("console", self._note_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        if visit:
            page.goto(url)

    def _note_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        own = urlsplit(self.url).netloc
        if parts.scheme in {"http", "https", "ws", "wss"} and parts.netloc != own:
            self.foreign_requests.append(request.url)

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def button(self, name: str) -> Locator:
        """A button by its name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def tool(self, name: str) -> None:
        """Choose a tool."""
        self.page.get_by_role("radio", name=name, exact=True).check(force=True)

    def open(self, *paths: Path) -> None:
        """Open picture files with the picker, and wait until the first can be prompted."""
        self.choose(*paths)
        self.wait_ready()

    def choose(self, *paths: Path) -> None:
        """Open picture files with the picker."""
        with self.page.expect_file_chooser() as chooser:
            self.button("Open picture").first.click()
        chooser.value.set_files([str(path) for path in paths])

    def give(self, script: str, path: Path, how: str) -> None:
        """Hand a file to the page by an event."""
        content = base64.b64encode(path.read_bytes()).decode()
        self.page.evaluate(script, [content, path.name, how])

    def until(self, condition: str, arg: Any = None, *, timeout_seconds: float = 30) -> None:
        """Wait for a JavaScript function to give something true.

        The browser's own waiting would evaluate text in the page, which its content security policy
        rightly forbids.
        """
        end = monotonic() + timeout_seconds
        while not self.page.evaluate(condition, arg):
            assert monotonic() < end, f"never became true: {condition}"
            self.page.wait_for_timeout(POLL_MS)

    def wait_saved(self) -> None:
        """Until everything is kept in the browser."""
        self.until("() => window.__anymask.saved()")

    def accept_restore(self) -> None:
        """Take up the former session where the page asks; it may have done so by itself."""
        button = self.button("Restore")
        self.until(
            f"""() => ({READY})() || [...document.querySelectorAll('button')]
              .some((button) => button.textContent.trim() === 'Restore')"""
        )
        if button.count():
            button.click()

    def open_sample(self, name: str) -> None:
        """Open one of the samples, and wait until it can be prompted."""
        self.button("Samples").first.click()
        self.page.get_by_role("button", name=name).first.click()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Until the picture's embedding is there."""
        self.until(READY, timeout_seconds=60)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where a place of the picture is in the window."""
        found: Sequence[float] = self.page.evaluate(
            "([x, y]) => window.__anymask.toClient(x, y)", [x, y]
        )
        return found[0], found[1]

    def hover(self, x: float, y: float) -> None:
        """Move the pointer to a place."""
        self.page.mouse.move(*self.place(x, y), steps=2)

    def click(self, x: float, y: float, button: Any = "left") -> None:
        """Click at a place, and wait for the answer."""
        before = self.answers()
        self.page.mouse.click(*self.place(x, y), button=button)
        self.wait_answer(before)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press at one place, release at another."""
        self.page.mouse.move(*self.place(*start))
        self.page.mouse.down()
        self.page.mouse.move(*self.place(*end), steps=6)
        self.page.mouse.up()

    def answers(self) -> int:
        """How many prompts have been answered."""
        return int(self.page.evaluate("window.__anymask.answered()"))

    def wait_answer(self, before: int) -> None:
        """Until one more prompt than `before` is answered."""
        self.until("n => window.__anymask.answered() > n", arg=before)

    def wait_mask(self) -> np.ndarray:
        """The shown mask once there is one, (H, W) bool."""
        self.until("() => window.__anymask.currentMask() !== null")
        mask = self.mask()
        assert mask is not None
        return mask

    def wait_no_mask(self) -> None:
        """Until no mask is shown."""
        self.until("() => window.__anymask.currentMask() === null")

    def mask(self) -> np.ndarray | None:
        """The mask that is shown, (H, W) bool."""
        found = self.page.evaluate(MASK)
        if found is None:
            return None
        bits = np.frombuffer(base64.b64decode(found["bits"]), np.uint8)
        return bits.reshape(found["height"], found["width"]) > 0

    def wait_mask_equal(self, mask: np.ndarray) -> None:
        """Until the shown mask is this one."""
        self.until(
            """([count, first]) => {
              const mask = window.__anymask.currentMask();
              return mask && mask.bits.reduce((a, b) => a + b, 0) === count
                && mask.bits.indexOf(1) === first;
            }""",
            arg=[int(mask.sum()), int(np.flatnonzero(mask)[0])],
        )
        shown = self.mask()
        assert shown is not None
        assert (shown == mask).all()

    def points(self) -> list[tuple[float, float]]:
        """The points of the pending prompt."""
        points = self.page.evaluate("window.__anymask.prompt()?.points ?? []")
        return [(point["x"], point["y"]) for point in points]

    def box(self) -> tuple[float, float, float, float]:
        """The box of the pending prompt."""
        x0, y0, x1, y1 = self.page.evaluate("window.__anymask.prompt().box")
        return x0, y0, x1, y1

    @contextmanager
    def holding(self, key: str) -> Iterator[None]:
        """Hold a key down."""
        self.page.keyboard.down(key)
        try:
            yield
        finally:
            self.page.keyboard.up(key)

    def objects(self) -> list[Locator]:
        """The rows of the list of objects."""
        rows = self.page.get_by_role("list", name="Objects").get_by_role("listitem")
        return rows.all()

    def wait_objects(self, count: int) -> None:
        """Until the list has so many."""
        self.until("n => window.__anymask.objects().length === n", arg=count)

    def save_object(self) -> None:
        """Put the pending mask into the list."""
        count = len(self.page.evaluate("window.__anymask.objects()"))
        self.button("Save object").click()
        self.wait_objects(count + 1)

    def add_step(self, step: str) -> None:
        """Add a step of editing and wait for its picture."""
        steps = self.page.get_by_role("combobox", name="Add a step")
        if not steps.is_visible():
            self.page.get_by_text("Edit picture").click()
        steps.select_option(step)
        self.until("() => window.__anymask.edited()")

    def pixels(self) -> np.ndarray:
        """What is seen of the stage, (H, W, 3) uint8."""
        shot = self.page.get_by_test_id("stage").screenshot()
        return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))

    def until_painted(self, before: np.ndarray, *, share: float) -> None:
        """Until so large a share of the stage looks otherwise than before."""
        end = monotonic() + 30
        while (self.pixels() != before).any(axis=2).mean() < share:
            assert monotonic() < end, "nothing was painted"

    def download_all(self, folder: Path) -> Path:
        """Export everything, and keep the file."""
        self.button("Export").first.click()
        return self.download(self.button("Download everything (ZIP)"), folder)

    def status(self) -> str:
        """What the page tells of what happens."""
        return self.page.get_by_role("status").first.inner_text()

    def download(self, button: Locator, folder: Path) -> Path:
        """Press a button that saves a file, and keep the file."""
        with self.page.expect_download() as started:
            button.click()
        saved: Download = started.value
        path = folder / saved.suggested_filename
        saved.save_as(path)
        return path


def iou(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two masks of one size."""
    assert one.shape == other.shape
    return float((one & other).sum() / max(1, (one | other).sum()))
