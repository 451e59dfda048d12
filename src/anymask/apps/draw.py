"""Masks, outlines and prompts painted over a picture, for people to look at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import ImageError, MaskError
from anymask.geometry.boxes import box_from_mask
from anymask.types.prompt import FOREGROUND, Prompt

Rgb = tuple[int, int, int]
Picture = NDArray[np.uint8]
Alpha = NDArray[np.float32]
Reals = NDArray[np.floating[Any]]

PALETTE: Final[tuple[Rgb, ...]] = (
    (0, 136, 255),
    (255, 140, 0),
    (0, 190, 140),
    (230, 70, 160),
    (245, 215, 50),
    (130, 95, 235),
    (90, 205, 250),
    (225, 75, 30),
)
"""Colours of the objects in turn; neighbours differ in lightness, not only in hue."""

FOREGROUND_RGB: Final[Rgb] = (0, 158, 80)
BACKGROUND_RGB: Final[Rgb] = (220, 40, 50)
_WHITE: Final[Rgb] = (255, 255, 255)
_HALO: Final = 0.85
_SMALLEST_DISC_PX: Final = 3.0
_SMALLEST_SIGNED_PX: Final = 5.0  # below this a sign is only a blot
_DISC_SHARE: Final = 1 / 6  # of an object's longer side at most, so that it stays visible
_LINE_SHARE: Final = 1 / 20


def overlay(
    image_rgb: Picture,
    masks: ArrayLike,
    prompts: Sequence[Prompt] = (),
    *,
    opacity: float = 0.45,
    palette: Sequence[Rgb] = PALETTE,
) -> Picture:
    """Paint masks over their picture, with outlines and with the prompts that asked for them.

    Large masks are painted first, so that a small one on a large one stays visible. Lines and
    markers grow with the picture, but not beyond what hides a small object.

    Args:
        image_rgb: (H, W, 3) uint8.
        masks: (N, H, W) bool, or (H, W) for one.
        prompts: none, or one for each mask.
        opacity: 0..1, how much of the picture the fill hides; outlines are always opaque.
        palette: RGB colours 0..255, taken in turn.

    Returns:
        (H, W, 3) uint8, a new array.

    Raises:
        ImageError: not such a picture, an opacity outside 0..1, or an empty palette.
        MaskError: masks of another size, or another number of prompts.
    """
    rows = _checked_masks(image_rgb, masks)
    if not 0 <= opacity <= 1 or not palette:
        raise ImageError(f"opacity is {opacity} of {len(palette)} colours; give 0 to 1, of some")
    if len(prompts) not in (0, len(rows)):
        raise MaskError(f"prompts has {len(prompts)} entries for {len(rows)} masks; give one each")
    colours = [palette[row % len(palette)] for row in range(len(rows))]
    canvas = image_rgb.copy()
    for row in np.argsort(-np.count_nonzero(rows, axis=(1, 2)), kind="stable"):
        fill(canvas, rows[row], colours[row], opacity)
        outline(canvas, rows[row], colours[row])
    for prompt, colour, mask in zip(prompts, colours, rows, strict=False):
        draw_prompt(canvas, prompt, colour, _side_px(mask))
    return canvas


def label_masks(
    canvas: Picture,
    boxes_xyxy: Sequence[tuple[int, int, int, int]],
    texts: Sequence[str],
    *,
    palette: Sequence[Rgb] = PALETTE,
) -> Picture:
    """Write a line of text at the upper left of each box, on the colour of its mask.

    Args:
        canvas: (H, W, 3) uint8, a picture that `overlay` painted.
        boxes_xyxy: half-open boxes of the masks, in pixels.
        texts: one a box.
        palette: the colours that `overlay` was given.

    Returns:
        (H, W, 3) uint8, a new array.
    """
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.fromarray(canvas)
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(max(11.0, max(canvas.shape[:2]) / 60))
    for number, (box, text) in enumerate(zip(boxes_xyxy, texts, strict=True)):
        colour = palette[number % len(palette)]
        left, top, right, bottom = pen.textbbox((0, 0), text, font)
        width, height = right - left + 6, bottom - top + 6
        x = min(max(0, box[0]), max(0, canvas.shape[1] - width))
        y = min(max(0, box[1]), max(0, canvas.shape[0] - height))
        pen.rectangle((x, y, x + width, y + height), colour)
        light = sum(colour) > 420
        pen.text((x + 3 - left, y + 3 - top), text, (0, 0, 0) if light else _WHITE, font)
    return np.asarray(picture)


def line_width_px(size_hw: tuple[int, int], side_px: float = math.inf) -> float:
    """Width of an outline that looks the same on a picture of any size.

    Args:
        size_hw: of the picture.
        side_px: longer side of what is outlined; small things get thinner lines.
    """
    return max(1.5, min(max(size_hw) / 420, side_px * _LINE_SHARE))


def _side_px(mask: NDArray[np.bool_]) -> float:
    """The longer side of the box around a mask; of the picture if it is empty."""
    x0, y0, x1, y1 = box_from_mask(mask).tolist()
    return float(max(x1 - x0, y1 - y0) or max(mask.shape))


def fill(canvas: Picture, mask: NDArray[np.bool_], colour: Rgb, opacity: float) -> None:
    """Tint a mask, in place.

    Args:
        canvas: (H, W, 3) uint8, changed.
        mask: (H, W) bool.
        colour: RGB 0..255.
        opacity: 0..1.
    """
    x0, y0, x1, y1 = box_from_mask(mask).tolist()
    inside, levels = mask[y0:y1, x0:x1], np.arange(256)
    for channel, value in enumerate(colour):
        # 256 results are computed once and looked up
        table = np.rint(levels + (value - levels) * opacity).astype(np.uint8)
        plane = canvas[y0:y1, x0:x1, channel]
        np.copyto(plane, table[plane], where=inside)


def outline(canvas: Picture, mask: NDArray[np.bool_], colour: Rgb) -> None:
    """Draw the border of a mask with a round, soft-edged pen over a thin white halo, in place.

    Args:
        canvas: (H, W, 3) uint8, changed.
        mask: (H, W) bool.
        colour: RGB 0..255.
    """
    x0, y0, x1, y1 = box_from_mask(mask).tolist()
    if x1 == x0:
        return
    width = line_width_px((canvas.shape[0], canvas.shape[1]), max(x1 - x0, y1 - y0))
    margin = math.ceil(width) + 1
    top, left = max(y0 - margin, 0), max(x0 - margin, 0)
    window = np.s_[top : y1 + margin, left : x1 + margin]
    border = _border(mask[window])
    _blend(canvas[window], _pen(border, width, margin) * np.float32(_HALO), _WHITE)
    _blend(canvas[window], _pen(border, 0.6 * width, margin), colour)


def draw_prompt(canvas: Picture, prompt: Prompt, colour: Rgb, side_px: float = math.inf) -> None:
    """Draw a prompt's box and points, in place: green with a plus, red with a minus.

    Args:
        canvas: (H, W, 3) uint8, changed.
        prompt: in pixels of the canvas.
        colour: of the box, RGB 0..255.
        side_px: longer side of the object, which markers leave visible.
    """
    if prompt.box_xyxy is not None:
        _draw_box(canvas, prompt.box_xyxy, colour, side_px)
    for point, label in zip(prompt.points_xy, prompt.labels, strict=True):
        _draw_point(canvas, point, side_px, foreground=bool(label == FOREGROUND))


def _checked_masks(image_rgb: Picture, masks: ArrayLike) -> NDArray[np.bool_]:
    if image_rgb.ndim != 3 or image_rgb.shape[2] != 3 or image_rgb.dtype != np.uint8:
        raise ImageError(
            f"image_rgb has shape {image_rgb.shape} and dtype {image_rgb.dtype}; "
            "give (H, W, 3) uint8"
        )
    rows = np.asarray(masks)
    rows = rows[None] if rows.ndim == 2 else rows
    if rows.ndim != 3 or rows.shape[1:] != image_rgb.shape[:2] or rows.dtype != np.bool_:
        raise MaskError(
            f"masks has shape {rows.shape} and dtype {rows.dtype}; give bool of shape "
            f"(N, {image_rgb.shape[0]}, {image_rgb.shape[1]}), the size of the image"
        )
    return rows


def _border(mask: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp], tuple[int, int]]:
    """Rows and columns of the mask's pixels that have a neighbour outside, and the mask's size."""
    padded = np.pad(mask, 1, mode="edge")
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    rows, columns = np.nonzero(mask & ~inner)
    return rows, columns, (mask.shape[0], mask.shape[1])


def _pen(
    border: tuple[NDArray[np.intp], NDArray[np.intp], tuple[int, int]], radius: float, margin: int
) -> Alpha:
    """How much a round pen of this radius covers each pixel when it visits the border pixels.

    Stamping the few border pixels costs far less than a distance transform of the whole window.
    """
    rows, columns, (height, width) = border
    stride = width + 2 * margin
    alpha = np.zeros((height + 2 * margin) * stride, np.float32)
    centres = (rows + margin) * stride + columns + margin
    for dy in range(-margin, margin + 1):
        for dx in range(-margin, margin + 1):
            cover = np.float32(min(1.0, radius + 0.5 - math.hypot(dx, dy)))
            if cover > 0:
                places = centres + (dy * stride + dx)
                alpha[places] = np.maximum(alpha[places], cover)
    inner = alpha.reshape(height + 2 * margin, stride)
    return inner[margin : margin + height, margin : margin + width]


def _draw_box(canvas: Picture, box_xyxy: Reals, colour: Rgb, side_px: float) -> None:
    width = line_width_px((canvas.shape[0], canvas.shape[1]), side_px)
    _blend_box(canvas, box_xyxy, width, _WHITE, _HALO)
    _blend_box(canvas, box_xyxy, 0.6 * width, colour, 1.0)


def _blend_box(
    canvas: Picture, box_xyxy: Reals, radius: float, colour: Rgb, opacity: float
) -> None:
    """The four sides as strips, each `radius` to both sides of its line; corners come once."""
    height, width = canvas.shape[:2]
    x0, y0, x1, y1 = box_xyxy
    ys, xs = np.arange(height) + 0.5, np.arange(width) + 0.5
    outer_y, outer_x = (
        _between(ys, y0 - radius, y1 + radius),
        _between(xs, x0 - radius, x1 + radius),
    )
    inner_y, inner_x = (
        _between(ys, y0 + radius, y1 - radius),
        _between(xs, x0 + radius, x1 - radius),
    )
    reach = math.ceil(radius) + 1
    middle = slice(*_clipped((y0 + reach, y1 - reach), height))
    for low, high in ((y0 - reach, min(y0 + reach, y1)), (max(y1 - reach, y0), y1 + reach)):
        rows = slice(*_clipped((low, high), height))
        alpha = np.outer(outer_y[rows], outer_x) - np.outer(inner_y[rows], inner_x)
        _blend(canvas[rows], alpha * np.float32(opacity), colour)
    for low, high in ((x0 - reach, min(x0 + reach, x1)), (max(x1 - reach, x0), x1 + reach)):
        columns = slice(*_clipped((low, high), width))
        side = (outer_x - inner_x)[columns] * np.float32(opacity)
        _blend(
            canvas[middle, columns], np.broadcast_to(side, canvas[middle, columns, 0].shape), colour
        )


def _draw_point(canvas: Picture, point_xy: Reals, side_px: float, *, foreground: bool) -> None:
    """A disc with a white rim and a white sign, so that nobody has to tell red from green."""
    height, width = canvas.shape[:2]
    radius = max(_SMALLEST_DISC_PX, min(max(height, width) / 75, side_px * _DISC_SHARE))
    stroke = max(0.7, radius * 0.13)
    x, y = point_xy.tolist()
    columns = slice(*_clipped((x - radius - 2, x + radius + 2), width))
    rows = slice(*_clipped((y - radius - 2, y + radius + 2), height))
    dx = np.abs(np.arange(columns.start, columns.stop) + 0.5 - x)[None]
    dy = np.abs(np.arange(rows.start, rows.stop) + 0.5 - y)[:, None]
    distance = np.hypot(dx, dy)
    patch = canvas[rows, columns]
    _blend(patch, _soft(radius - distance), _WHITE)
    colour = FOREGROUND_RGB if foreground else BACKGROUND_RGB
    _blend(patch, _soft(radius - 2 * stroke - distance), colour)
    if radius < _SMALLEST_SIGNED_PX:
        return
    sign = _bar(dx, dy, radius * 0.45, stroke)
    if foreground:
        sign = np.maximum(sign, _bar(dy, dx, radius * 0.45, stroke))
    _blend(patch, sign, _WHITE)


def _bar(along: Reals, across: Reals, half_length: float, half_width: float) -> Alpha:
    return _soft(half_length - along) * _soft(half_width - across)


def _soft(depth: Reals) -> Alpha:
    """Coverage of pixels whose centre lies `depth` inside an edge."""
    return np.asarray(np.clip(depth + 0.5, 0, 1), np.float32)


def _between(centres: Reals, low: float, high: float) -> Alpha:
    """Coverage of pixels of one axis by the interval; 0 everywhere for one that is no interval."""
    covered = np.minimum(centres + 0.5, high) - np.maximum(centres - 0.5, low)
    return np.asarray(np.clip(covered, 0, 1), np.float32)


def _clipped(span: tuple[float, float], size: int) -> tuple[int, int]:
    """The whole pixels around a span that lie in the picture; never a negative length."""
    start = min(max(math.floor(span[0]), 0), size)
    return start, max(start, min(math.ceil(span[1]), size))


def _blend(canvas: Picture, alpha: Alpha, colour: Rgb) -> None:
    """Mix a colour into the picture in place where alpha is not 0."""
    rows, columns = np.nonzero(alpha)
    weight = alpha[rows, columns][:, None]
    below = canvas[rows, columns].astype(np.float32)
    mixed = below + (np.asarray(colour, np.float32) - below) * weight
    canvas[rows, columns] = np.rint(mixed).astype(np.uint8)
