"""The page's decoder in a real Chromium, beside the published one in the same browser and run.

Usage: python benchmarks/browser.py [--out FILE] [--threads N] [--rounds N]
Needs `npm ci` in web/, Playwright and Chromium. Prints a Markdown table and writes all as JSON.
"""

from __future__ import annotations

import argparse
import base64
import functools
import http.server
import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from machine import commit, describe
from playwright.sync_api import Page, sync_playwright
from skimage import data

import anymask
from anymask.export.bundle import DecoderBundle, page_bundle
from anymask.geometry.regions import mask_iou
from anymask.inference.segment import Model
from anymask.io.weights.cache import locate
from anymask.io.weights.zoo import find_entry
from anymask.server.wire import embedding_file

ROOT = Path(__file__).resolve().parents[1]
BUILT = ROOT / "build/browser-bench"
PHOTOS = ("astronaut", "coffee", "chelsea", "rocket")
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Files with the headers that threads of WebAssembly need."""

    def guess_type(self, path: str | os.PathLike[str]) -> str:
        return "text/javascript" if str(path).endswith(".mjs") else super().guess_type(path)

    def end_headers(self) -> None:
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The folder's address on loopback."""
    handler = functools.partial(_Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def quantised(path: Path, folder: Path) -> Path:
    """The published decoder with int8 weights, as its export script makes it."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    target = folder / "published-int8.onnx"
    quantize_dynamic(path, target, weight_type=QuantType.QUInt8, per_channel=False)
    return target


def lay_out(folder: Path, model: Model, bundle: DecoderBundle) -> dict[str, int]:
    """Everything the browser fetches; bytes by name."""
    shutil.copytree(BUILT, folder, dirs_exist_ok=True)
    for name, content in bundle.files.items():
        (folder / f"{name}.onnx").write_bytes(content)
    located = locate(find_entry("vit_t"))
    if located is None:
        raise SystemExit("run `anymask models fetch vit_t` first")
    shutil.copy(located.files["sam.onnx"], folder / "published-fp32.onnx")
    quantised(located.files["sam.onnx"], folder)
    for photo in PHOTOS:
        encoded = model.encode(picture(photo))
        content = embedding_file(encoded, bundle.pair_id, "float16")
        (folder / f"{photo}.embedding").write_bytes(content)
        (folder / f"{photo}.raw").write_bytes(encoded.embedding.astype("<f4").tobytes())
    sized = [*folder.glob("*.onnx"), folder / "astronaut.embedding"]
    return {path.name: path.stat().st_size for path in sized}


def picture(photo: str) -> np.ndarray:
    """One of scikit-image's photos."""
    return np.asarray(getattr(data, photo)())[..., :3]


def measure(page: Page, model: Model, bundle: DecoderBundle, threads: int, rounds: int) -> Any:
    """Milliseconds of every call by kind, and the masks' overlap with Python's."""
    files = {name: {"url": f"{name}.onnx"} for name in bundle.files}
    about = {"pair_id": bundle.pair_id, "files": files}
    page.evaluate("([about, threads]) => bench.open(about, threads)", [about, threads])
    for kind in ("fp32", "int8"):
        page.evaluate(
            "([name, url]) => bench.openPublished(name, url)", [kind, f"published-{kind}.onnx"]
        )
    times: dict[str, list[float]] = {}
    overlaps: dict[str, list[float]] = {"hover": [], "click": []}
    rng = np.random.default_rng(0)
    for photo in PHOTOS:
        image = picture(photo)
        height, width = image.shape[:2]
        encoded = model.encode(image)
        added = page.evaluate("([id, url]) => bench.add(id, url)", [photo, f"{photo}.embedding"])
        times.setdefault("once a picture", []).append(added)
        for x, y in rng.uniform(0.05, 0.95, (rounds, 2)) * (width, height):
            place, other = {"x": x, "y": y}, {"x": width - x, "y": height - y}
            exact = model.segment(encoded, anymask.Prompt(points=[(x, y)]))
            for kind in ("hover", "click"):
                found = page.evaluate(f"([id, p]) => bench.{kind}(id, p)", [photo, place])
                times.setdefault(kind, []).append(found["ms"])
                overlaps[kind].append(overlap(found, exact.low_res_logits[0], encoded.frame))
            refined = page.evaluate("([id, p, q]) => bench.refine(id, p, q)", [photo, place, other])
            times.setdefault("refining click", []).append(refined["ms"])
            for kind in ("fp32", "int8"):
                ms = page.evaluate(
                    "([name, url, p]) => bench.askPublished(name, url, p)",
                    [kind, f"{photo}.raw", place],
                )
                times.setdefault(f"published {kind}", []).append(ms)
    return times, overlaps


def overlap(found: dict[str, Any], logits: np.ndarray, frame: Any) -> float:
    """IoU with Python's mask at the size of what was found."""
    bits = np.frombuffer(base64.b64decode(found["bits"]), np.uint8) > 0
    bits = bits.reshape(found["height"], found["width"])
    exact = frame.logits_to_original(logits)
    if bits.shape != exact.shape:
        rows, columns = (
            ((np.arange(small) + 0.5) * large / small).astype(int)
            for small, large in zip(bits.shape, exact.shape, strict=True)
        )
        exact = exact[np.ix_(rows, columns)]
    return float(mask_iou(bits, exact > 0))


def table(times: dict[str, list[float]], overlaps: dict[str, list[float]]) -> str:
    """A Markdown table."""
    lines = [
        "| what | p50 ms | p95 ms | n | IoU with Python, mean (least) |",
        "|---|---|---|---|---|",
    ]
    for kind, values in times.items():
        p50, p95 = np.percentile(values, [50, 95])
        iou = overlaps.get(kind)
        told = f"{np.mean(iou):.4f} ({min(iou):.3f})" if iou else ""
        lines.append(f"| {kind} | {p50:.0f} | {p95:.0f} | {len(values)} | {told} |")
    return "\n".join(lines)


def machine(threads: int, chromium: str) -> dict[str, Any]:
    """Where and with what."""
    about = describe(threads)
    kept = {key: about[key] for key in ("cpu", "features", "cores", "system", "threads")}
    return {**kept, "chromium": chromium, "commit": commit(ROOT)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the page, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build/browser.json")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=12, help="places a photo")
    given = parser.parse_args(arguments)
    subprocess.run(
        ["npx", "vite", "build", "--config", "vite.bench.config.ts", "--logLevel", "warn"],
        cwd=ROOT / "web",
        check=True,
    )
    model = anymask.load_model("vit_t", engine="onnx", offline=True)
    bundle = page_bundle(model)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        sizes = lay_out(Path(name), model, bundle)
        path = os.environ.get("CHROMIUM") or shutil.which("chromium") or "chromium"
        browser = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        with serving(Path(name)) as url:
            page = browser.new_page()
            page.goto(url)
            page.wait_for_function("window.bench !== undefined")
            times, overlaps = measure(page, model, bundle, given.threads, given.rounds)
        about = machine(given.threads, browser.version)
        browser.close()
    print(json.dumps(about), table(times, overlaps), json.dumps(sizes), sep="\n\n")  # noqa: T201
    given.out.parent.mkdir(parents=True, exist_ok=True)
    result = {"machine": about, "bytes": sizes, "ms": times, "iou": overlaps}
    given.out.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
