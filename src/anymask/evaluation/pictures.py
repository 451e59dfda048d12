"""Pictures of single cases: what is right, what is missing, what is too much, and the prompt."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from anymask.errors import AnymaskError
from anymask.evaluation.jobs import Job, Outcome
from anymask.geometry import rle
from anymask.io.images import read_image

Mask = NDArray[np.bool_]
Rgb = tuple[int, int, int]

RIGHT: Final[Rgb] = (40, 190, 110)
MISSING: Final[Rgb] = (40, 110, 255)
EXCESS: Final[Rgb] = (240, 60, 60)
_PROMPT: Final[Rgb] = (255, 225, 0)
_OPACITY: Final = 0.55
_SIDE_PX: Final = 480
_LEAST_WINDOW_PX: Final = 160
_QUALITY: Final = 82


@dataclass(frozen=True, slots=True)
class CasePicture:
    """One case to look at.

    Attributes:
        caption: which it is, and how good.
        jpeg: the picture beside its overlay.
    """

    caption: str
    jpeg: bytes

    @property
    def data_uri(self) -> str:
        """For the `src` of an image."""
        return f"data:image/jpeg;base64,{b64encode(self.jpeg).decode('ascii')}"


def worst_pictures(outcomes: Sequence[tuple[Job, Outcome]], count: int) -> tuple[CasePicture, ...]:
    """The cases with the lowest scores, worst first; a picture that is gone is left out."""
    cases = [
        (float(case["score"]), job, case)
        for job, outcome in outcomes
        for case in outcome.get("cases", [])
        if "prediction" in case
    ]
    cases.sort(key=lambda one: (one[0], one[1].key, str(one[2]["key"])))
    drawn = (_picture(job, case) for _, job, case in cases[:count])
    return tuple(picture for picture in drawn if picture is not None)


def _picture(job: Job, case: Mapping[str, Any]) -> CasePicture | None:
    try:
        rgb = read_image(job.picture.path)
        truth, prediction = rle.decode(case["truth"]), rle.decode(case["prediction"])
    except (AnymaskError, OSError):
        return None
    if truth.shape != rgb.shape[:2]:
        return None
    points = case.get("points", [])
    image = compare(rgb, truth, prediction, points=points, box=case.get("box"))
    caption = f"{job.key}, object {case['key']}: {100 * float(case['score']):.1f}"
    return CasePicture(caption, _jpeg(image))


def compare(
    rgb: NDArray[np.uint8],
    truth: Mask,
    prediction: Mask,
    *,
    points: Sequence[Sequence[int]] = (),
    box: Sequence[float] | None = None,
) -> Image.Image:
    """A picture beside the same with truth, prediction and prompt, cut to what matters.

    Args:
        rgb: (H, W, 3) uint8.
        truth: (H, W) bool.
        prediction: likewise.
        points: x, y, and 1 for foreground or 0.
        box: x0, y0, x1, y1.

    Returns:
        Both halves in one image.
    """
    painted = rgb.copy()
    for mask, colour in (
        (truth & prediction, RIGHT), (truth & ~prediction, MISSING), (prediction & ~truth, EXCESS)
    ):  # fmt: skip
        painted[mask] = (painted[mask] * (1 - _OPACITY) + np.array(colour) * _OPACITY).round()
    x0, y0, x1, y1 = _window(truth | prediction)
    scale = min(_SIDE_PX / max(x1 - x0, y1 - y0), 4.0)
    size = max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale))
    halves = [
        Image.fromarray(np.ascontiguousarray(part[y0:y1, x0:x1])).resize(size)
        for part in (rgb, painted)
    ]
    _draw_prompt(halves[1], points, box, (x0, y0), scale)
    both = Image.new("RGB", (2 * size[0] + 4, size[1]), (255, 255, 255))
    both.paste(halves[0], (0, 0))
    both.paste(halves[1], (size[0] + 4, 0))
    return both


def _window(shown: Mask) -> tuple[int, int, int, int]:
    """The box around what is shown with a margin, not too small to see where it lies."""
    height, width = shown.shape
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    if not len(rows):
        return 0, 0, width, height
    spans = []
    for found, length in ((columns, width), (rows, height)):
        low, high = int(found[0]), int(found[-1]) + 1
        margin = max((high - low) // 4, (_LEAST_WINDOW_PX - (high - low)) // 2, 8)
        spans.append((max(0, low - margin), min(length, high + margin)))
    (x0, x1), (y0, y1) = spans
    return x0, y0, x1, y1


def _draw_prompt(
    image: Image.Image,
    points: Sequence[Sequence[int]],
    box: Sequence[float] | None,
    origin_xy: tuple[int, int],
    scale: float,
) -> None:
    draw, (left, top) = ImageDraw.Draw(image), origin_xy
    if box is not None:
        x0, y0, x1, y1 = box
        corners = [
            (x0 - left) * scale,
            (y0 - top) * scale,
            (x1 + 1 - left) * scale,
            (y1 + 1 - top) * scale,
        ]
        draw.rectangle(corners, outline=_PROMPT, width=2)
    for x, y, foreground in points:
        cx, cy, r = (x + 0.5 - left) * scale, (y + 0.5 - top) * scale, 5
        fill = _PROMPT if foreground else (0, 0, 0)
        draw.ellipse([cx - r, cy - r, cx + r, cy + r], fill=fill, outline=(255, 255, 255), width=2)


def _jpeg(image: Image.Image) -> bytes:
    stream = BytesIO()
    image.save(stream, format="JPEG", quality=_QUALITY)
    return stream.getvalue()
