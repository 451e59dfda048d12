"""How well holes of known content are filled: photos with parts hidden, and what was there.

Run: python benchmarks/inpainting.py [--data FOLDER] [--sets A/x,F/y] [--pictures FOLDER]

Needs scikit-image (photos, SSIM, biharmonic) and OpenCV (Telea, Navier-Stokes).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from anymask.apps.inpaint.inpainters import AutoInpainter, ExemplarInpainter, SmoothInpainter

Picture = np.ndarray
Fill = Callable[[Picture, Picture], Picture]
FREE = ("astronaut", "chelsea", "coffee", "rocket", "brick", "grass", "gravel", "camera", "coins")
SETS = "A/ecssd_salient,A/oxford_pets,A/fruits_nuts"
LONGEST_SIDE_PX = 640


def photos(data: Path, sets: str, most: int) -> Iterator[tuple[str, Picture]]:
    """scikit-image's photos, then every other one of the evaluation sets where there are any."""
    from skimage import data as free

    for name in FREE:
        yield name, _rgb(Image.fromarray(getattr(free, name)()))
    files = [
        path
        for folder in sets.split(",")
        for path in sorted((data / folder / "images").glob("*"))[::2]
    ]
    for path in files[: most - len(FREE)]:
        with Image.open(path) as image:
            yield path.stem, _rgb(image)


def _rgb(image: Image.Image) -> Picture:
    image = image.convert("RGB")
    image.thumbnail((LONGEST_SIDE_PX, LONGEST_SIDE_PX))
    return np.asarray(image)


def lines(size_hw: tuple[int, int], rng: np.random.Generator, widths: Sequence[int]) -> Picture:
    """Eight wandering scratches, as wide as any of these."""
    height, width = size_hw
    plane = Image.new("1", (width, height))
    draw = ImageDraw.Draw(plane)
    for _ in range(8):
        place, angle = rng.uniform(0, (width, height)), rng.uniform(0, 2 * np.pi)
        line = [tuple(place)]
        for _ in range(12):
            angle += rng.normal(0, 0.2)
            place = place + min(size_hw) / 20 * np.array([np.cos(angle), np.sin(angle)])
            line.append(tuple(place))
        draw.line(line, fill=1, width=int(rng.choice(widths)), joint="curve")
    return np.array(plane)


def blob(size_hw: tuple[int, int], rng: np.random.Generator) -> Picture:
    """A round thing with a wavy outline, a fifth to a third of the shorter side across."""
    height, width = size_hw
    middle = rng.uniform(0.3, 0.7, 2) * size_hw
    ys, xs = np.mgrid[:height, :width]
    angle = np.arctan2(ys - middle[0], xs - middle[1])
    waves = sum(
        rng.uniform(-0.2, 0.2) * np.cos(k * angle + rng.uniform(0, 6)) for k in (1, 2, 3, 4)
    )
    radius = min(size_hw) * rng.uniform(0.1, 0.16) * (1 + waves)
    return np.hypot(ys - middle[0], xs - middle[1]) < radius


def text(size_hw: tuple[int, int], rng: np.random.Generator) -> Picture:
    """Two lines of bold letters across the middle, tilted."""
    height, width = size_hw
    plane = Image.new("L", (width, height))
    ImageDraw.Draw(plane).text(
        (width / 2, height / 2),
        "SAMPLE © anymask\nSAMPLE © anymask",
        fill=255,
        font=ImageFont.load_default(size=min(size_hw) // 9),
        anchor="mm",
        align="center",
        stroke_width=1,
    )
    return np.asarray(plane.rotate(rng.uniform(-30, 30))) > 40


def opencv(name: str) -> Fill:
    """One of OpenCV's two."""
    import cv2

    flag = getattr(cv2, name)
    return lambda image, mask: cv2.inpaint(image, mask.astype(np.uint8), 3, flag)


def biharmonic(image: Picture, mask: Picture) -> Picture:
    """scikit-image's."""
    from skimage.restoration import inpaint_biharmonic

    filled = inpaint_biharmonic(image, mask, split_into_regions=True, channel_axis=2)
    return np.rint(np.clip(filled, 0, 1) * 255).astype(np.uint8)


def scores(truth: Picture, filled: Picture, mask: Picture) -> tuple[float, float]:
    """PSNR and mean SSIM of the hidden pixels alone."""
    from skimage.metrics import structural_similarity

    error = np.square(truth[mask].astype(float) - filled[mask]).mean()
    _, local = structural_similarity(truth, filled, channel_axis=2, full=True)
    return 10 * np.log10(255**2 / max(error, 0.01)), local.mean(axis=2)[mask].mean()


SHAPES = {
    "thin": partial(lines, widths=(1, 2, 3, 4)),
    "blob": blob,
    "text": text,
    **{f"line{width}": partial(lines, widths=(width,)) for width in (1, 2, 4, 8)},
}


def methods() -> dict[str, Fill]:
    """What is compared; the first is the default."""
    return {
        "anymask (auto)": AutoInpainter(),
        "anymask exemplar": ExemplarInpainter(),
        "anymask smooth": SmoothInpainter(),
        "OpenCV Telea": opencv("INPAINT_TELEA"),
        "OpenCV Navier-Stokes": opencv("INPAINT_NS"),
        "scikit-image biharmonic": biharmonic,
    }


def measure(shape: str, found: Sequence[tuple[str, Picture]], pictures: Path | None) -> list[str]:
    """The rows of one shape: mean scores, and the difference to the default with its error."""
    results: dict[str, list[tuple[float, float, float]]] = {name: [] for name in methods()}
    for number, (name, photo) in enumerate(found):
        mask = SHAPES[shape](photo.shape[:2], np.random.default_rng(number))
        damaged = np.where(mask[..., None], np.uint8(0), photo)
        shown = [np.where(mask[..., None], np.uint8(255), photo)]
        for method, fill in methods().items():
            started = time.perf_counter()
            filled = fill(damaged, mask)
            seconds = time.perf_counter() - started
            results[method].append((*scores(photo, filled, mask), seconds))
            shown.append(filled)
        if pictures is not None:
            pictures.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.hstack(shown)).save(pictures / f"{shape}_{name}.png")
    return _rows(shape, {name: np.array(values) for name, values in results.items()})


def _rows(shape: str, results: dict[str, np.ndarray]) -> list[str]:
    default = next(iter(results.values()))
    rows = []
    for name, values in results.items():
        difference = values - default
        error = difference.std(axis=0, ddof=1) / np.sqrt(len(values))
        mean = values.mean(axis=0)
        rows.append(
            f"| {shape} | {name} | {mean[0]:.2f} | {difference[:, 0].mean():+.2f} ± {error[0]:.2f} "
            f"| {mean[1]:.4f} | {difference[:, 1].mean():+.4f} ± {error[1]:.4f} | {mean[2]:.2f} |"
        )
    return rows


def main() -> None:
    """Measure, print the table, write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--most", type=int, default=30, help="photos")
    parser.add_argument("--shapes", default="thin,blob,text", help=",".join(SHAPES))
    parser.add_argument("--sets", default=SETS, help="folders of photos under --data; none is fine")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--pictures", type=Path, help="folder for the pictures, side by side")
    words = parser.parse_args()
    found = list(photos(words.data, words.sets, words.most))
    rows = [
        "| hole | method | PSNR dB | against default | SSIM | against default | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for shape in words.shapes.split(","):
        rows += measure(shape, found, words.pictures)
    table = "\n".join(rows) + "\n"
    print(table)  # noqa: T201
    if words.out is not None:
        words.out.write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
