"""The Studio's main views as pictures for the docs, taken in a real Chromium.

Usage: python scripts/screenshots.py [--out docs/pictures]
Needs `make web`, the default model's files, Playwright and Chromium.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "src/anymask/server/samples"
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip
WIDE, NARROW = (1200, 750), (390, 760)
PATIENCE_SECONDS = 90


@contextmanager
def serving() -> Iterator[str]:
    """`anymask serve` on a free port; gives its address."""
    command = [sys.executable, "-m", "anymask", "serve", "--port", "0", "--offline"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        for line in server.stdout or ():
            if found := re.search(r"http://\S+", line):
                yield found[0]
                break
    finally:
        server.terminate()
        server.wait()


class Tab:
    """A tab that shows the page."""

    def __init__(self, browser: Browser, url: str, size: tuple[int, int], scheme: Any) -> None:
        viewport: Any = {"width": size[0], "height": size[1]}
        context = browser.new_context(
            viewport=viewport, color_scheme=scheme, device_scale_factor=1.5
        )
        self.page: Page = context.new_page()
        self.page.goto(url)
        self.until("() => document.querySelector('.samples img')")
        self.page.wait_for_load_state("networkidle")

    def until(self, condition: str, arg: Any = None) -> None:
        """Wait for a function of the page to give something true."""
        end = monotonic() + PATIENCE_SECONDS
        while not self.page.evaluate(condition, arg):
            if monotonic() > end:
                raise SystemExit(f"never became true: {condition}")
            self.page.wait_for_timeout(20)

    def open(self, name: str) -> None:
        """Open a sample."""
        with self.page.expect_file_chooser() as chooser:
            self.button("Open picture")
        chooser.value.set_files(SAMPLES / name)
        self.until("() => document.documentElement.dataset.state === 'ready'")

    def button(self, name: str) -> None:
        """Press a button."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def tool(self, name: str) -> None:
        """Choose a tool."""
        self.page.get_by_role("radio", name=name, exact=True).check(force=True)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """A place of the picture in the window."""
        return tuple(self.page.evaluate("([x, y]) => window.__anymask.toClient(x, y)", [x, y]))

    def click(self, x: float, y: float) -> None:
        """Click and wait for the mask."""
        before = self.page.evaluate("window.__anymask.answered()")
        self.page.mouse.click(*self.place(x, y))
        self.until("before => window.__anymask.answered() > before", before)

    def save(self, name: str, x: float, y: float) -> None:
        """Keep the object under a place, by a name."""
        self.click(x, y)
        self.button("Save object")
        field = self.page.get_by_role("textbox", name="Name of").last
        field.fill(name)
        field.blur()

    def edit(self, step: str) -> None:
        """Add a step and wait for the picture."""
        self.page.get_by_text("Edit picture").click()
        self.page.get_by_role("combobox", name="Add a step").select_option(step)
        self.until("() => window.__anymask.edited()")

    def shoot(self, path: Path) -> None:
        """Write what is seen."""
        self.page.wait_for_timeout(150)  # two frames, so that all is painted
        Image.open(io.BytesIO(self.page.screenshot())).save(path, quality=82, method=6)
        print(path)


def take(browser: Browser, url: str, out: Path) -> None:
    """All pictures."""
    tab = Tab(browser, url, WIDE, "light")
    tab.shoot(out / "studio-start.webp")
    tab.open("coffee.jpg")
    tab.save("Cup", 300, 190)
    tab.save("Spoon", 385, 300)
    tab.page.mouse.move(*tab.place(90, 330))
    tab.until("() => window.__anymask.currentMask() !== null")
    tab.shoot(out / "studio-click.webp")
    tab.edit("recolour")
    tab.shoot(out / "studio-edit.webp")
    tab = Tab(browser, url, WIDE, "dark")
    tab.open("astronaut.jpg")
    tab.tool("Multi-mask")
    tab.click(220, 350)
    tab.shoot(out / "studio-candidates.webp")
    tab.button("Reset")
    tab.tool("Everything")
    tab.button("Find everything")
    tab.until("() => window.__anymask.everything().length > 0")
    tab.page.mouse.move(*tab.place(430, 430))
    tab.shoot(out / "studio-everything.webp")
    tab = Tab(browser, url, NARROW, "light")
    tab.open("chelsea.jpg")
    tab.click(220, 120)
    tab.shoot(out / "studio-narrow.webp")


def main() -> None:
    """Take them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs/pictures")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or "chromium"
    with sync_playwright() as playwright, serving() as url:
        browser = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        take(browser, url, out)
        browser.close()


if __name__ == "__main__":
    main()
