"""The Studio as its user meets it, in a real Chromium: drop to first mask, answers, bytes.

Usage: python benchmarks/studio.py [--out FILE] [--rounds N]
Needs `make web`, Playwright and Chromium. Prints a Markdown table and writes all as JSON.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from browser import PHOTOS, QUIET, machine, picture
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

LARGE_PX = 6000
"""Long side of a photo that is made from the first one, as phones and cameras give them."""
PATIENCE_SECONDS = 60
POLL_MS = 15
"""Asking all the time would take the server's processor."""


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """`anymask serve` with an empty cache of embeddings; gives its address."""
    weights = ["--model-dir", str(weights_folder())]
    command = [sys.executable, "-m", "anymask", "serve", "--port", "0", "--cache-dir", str(folder)]
    server = subprocess.Popen([*command, *weights], stdout=subprocess.PIPE, text=True)
    try:
        for line in server.stdout or ():
            if found := re.search(r"http://\S+", line):
                yield found[0]
                break
    finally:
        server.terminate()
        server.wait()


def weights_folder() -> Path:
    """Where the default model's files lie."""
    from anymask.io.weights.cache import locate
    from anymask.io.weights.zoo import find_entry

    located = locate(find_entry("vit_t"))
    if located is None:
        raise SystemExit("run `anymask models fetch vit_t` first")
    return next(iter(located.files.values())).parent


class Tab:
    """A tab with the page, counting what it fetches."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.received = 0
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        self.page: Page = context.new_page()
        devtools = context.new_cdp_session(self.page)
        devtools.send("Network.enable")
        devtools.on("Network.loadingFinished", self._count)
        began = time.perf_counter()
        self.page.goto(url)
        self.page.wait_for_load_state("networkidle")
        self.start_seconds = time.perf_counter() - began
        self.start_bytes = self.received

    def _count(self, event: dict[str, Any]) -> None:
        self.received += int(event["encodedDataLength"])

    def until(self, condition: str, arg: Any = None) -> None:
        """Ask until the function gives something true, every few milliseconds."""
        end = time.perf_counter() + PATIENCE_SECONDS
        while not self.page.evaluate(condition, arg):
            if time.perf_counter() > end:
                raise SystemExit(f"never became true: {condition}")
            self.page.wait_for_timeout(POLL_MS)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """A place of the picture in the window."""
        return tuple(self.page.evaluate("([x, y]) => window.__anymask.toClient(x, y)", [x, y]))

    def drop_to_mask(self, path: Path) -> float:
        """Seconds from giving the file until the mask under the pointer is there."""
        self.page.mouse.move(640, 400)
        with self.page.expect_file_chooser() as chooser:
            self.page.get_by_role("button", name="Open picture", exact=True).click()
        began = time.perf_counter()
        chooser.value.set_files(path)
        self.until("() => document.documentElement.dataset.state === 'ready'")
        self.page.mouse.move(641, 400)
        self.until("() => window.__anymask.currentMask() !== null")
        return time.perf_counter() - began

    def hover(self, x: float, y: float) -> None:
        """Wait for the mask under the pointer."""
        count = "window.__anymask.timings().hover.length"
        before = self.page.evaluate(count)
        self.page.mouse.move(*self.place(x, y))
        self.until(f"before => {count} > before", before)

    def click(self, x: float, y: float) -> None:
        """Wait for the answer to a first click, and take it back."""
        before = self.page.evaluate("window.__anymask.answered()")
        self.page.mouse.click(*self.place(x, y))
        self.until("before => window.__anymask.answered() > before", before)
        self.page.keyboard.press("Escape")

    def timings(self) -> dict[str, list[float]]:
        """What the page itself noted, in milliseconds from the event to the mask."""
        return self.page.evaluate("window.__anymask.timings()")

    def close(self) -> None:
        """End it."""
        self.page.context.close()


def photos(folder: Path) -> list[Path]:
    """The sample photos as files, and a large one."""
    paths = []
    for name in PHOTOS:
        paths.append(folder / f"{name}.jpg")
        Image.fromarray(picture(name)).save(paths[-1], quality=92)
    large = Image.fromarray(picture("coffee"))
    large = large.resize((LARGE_PX, LARGE_PX * large.height // large.width))
    paths.append(folder / "large.jpg")
    large.save(paths[-1], quality=85)
    return paths


def measure(browser: Browser, url: str, paths: list[Path], rounds: int) -> dict[str, Any]:
    """Everything that the table shows."""
    rng = np.random.default_rng(0)
    first: dict[str, float] = {}
    bytes_in: dict[str, int] = {}
    timings: dict[str, list[float]] = {"hover": [], "click": []}
    start = None
    for path in paths:
        tab = Tab(browser, url)
        start = start or {"seconds": tab.start_seconds, "bytes": tab.start_bytes}
        first[path.stem] = tab.drop_to_mask(path)
        bytes_in[path.stem] = tab.received - tab.start_bytes
        with Image.open(path) as image:
            places = rng.uniform(0.05, 0.95, (rounds, 2)) * image.size
        for x, y in places:
            tab.hover(x, y)
            tab.click(x, y)
        for kind, values in tab.timings().items():
            timings[kind] += values[1:]  # the first one warms up
        tab.close()
    return {"start": start, "first_mask_seconds": first, "received": bytes_in, "ms": timings}


def megabytes(count: float) -> str:
    """A size for people."""
    return f"{count / 1e6:.1f} MB"


def table(found: dict[str, Any], sizes: dict[str, int]) -> str:
    """The figures as Markdown."""
    rows = ["| what | median | p95 |", "|---|---|---|"]
    for kind, values in found["ms"].items():
        middle, high = statistics.median(values), float(np.percentile(values, 95))
        rows.append(f"| {kind}, event to mask | {middle:.0f} ms | {high:.0f} ms |")
    rows += ["", "| photo | file | drop to first mask | received |", "|---|---|---|---|"]
    for name, seconds in found["first_mask_seconds"].items():
        received = megabytes(found["received"][name])
        rows.append(f"| {name} | {megabytes(sizes[name])} | {seconds:.2f} s | {received} |")
    start = found["start"]
    rows += ["", f"First visit: {megabytes(start['bytes'])} in {start['seconds']:.1f} s."]
    return "\n".join(rows)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/studio.json"))
    parser.add_argument("--rounds", type=int, default=12)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        paths = photos(Path(scratch))
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(QUIET)
        )
        with serving(Path(scratch) / "cache") as url:
            found = measure(chromium, url, paths, given.rounds)
        sizes = {path.stem: path.stat().st_size for path in paths}
        about = machine(1, chromium.version)
        report = {"machine": about, "files": sizes, **found}
        chromium.close()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(about), table(found, sizes), sep="\n\n")  # noqa: T201


if __name__ == "__main__":
    main()
