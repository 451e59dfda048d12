"""Small objects in large pictures: a window around the prompt is encoded by itself.

The network sees every picture at 1024 pixels, where what is a few pixels wide has no shape. In a
window around it the object is large. What that gains, and where it does not, is in docs/quality.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anymask.errors import PromptError
from anymask.geometry.boxes import box_from_mask
from anymask.geometry.frames import Frame
from anymask.inference.choice import Rank
from anymask.inference.encoded import EncodedImage
from anymask.inference.segment import ColorOrder, Model, Picture, prompt_list, read_picture
from anymask.types.masks import Masks
from anymask.types.prompt import Prompt

Window: TypeAlias = tuple[int, int, int, int]

SMALL_BOX: Final = 0.3
"""Of the picture's longer side: a box or rough mask up to here is looked at in a window."""
BOX_WINDOW: Final = 2.5
"""Side of that window in longer sides of the box."""
MOST_ENLARGED: Final = 4
"""Times: pixels that are enlarged more show nothing new, and their blur misleads."""
SMALL_MASK: Final = 0.15
"""Of the picture's longer side: a click whose mask is up to here is looked at in a window."""
MASK_WINDOW: Final = 3.0
"""Side of that window in longer sides of the mask, but never less than the canvas has pixels."""
WIDEST: Final = 0.75
"""Of the picture's longer side: a larger window shows hardly more than the picture."""
MOST_CUT: Final = 0.05
"""Of a side of the window, where the picture goes on: a mask that covers more is cut there."""


def segment_zoomed(
    model: Model,
    image: Picture,
    prompts: Prompt | Sequence[Prompt],
    *,
    encoded: EncodedImage | None = None,
    multimask: bool | None = None,
    rank: Rank = "plausibility",
    color: ColorOrder = "RGB",
) -> Masks:
    """Like `Model.segment`, but small objects are looked at in a window, at an encoding each.

    A prompt with a box or rough mask of at most `SMALL_BOX` is answered in a window around it,
    unless the picture is hardly larger than what the network sees at a fourfold enlargement.
    Clicks are answered in the whole picture first. Where that mask is at most `SMALL_MASK` and the
    picture has more pixels than the network sees, they are answered again in a window at full
    resolution, and that answer is taken unless the window's sides cut it.

    Args:
        model: the model.
        image: the picture itself.
        prompts: one prompt or a list.
        encoded: of the whole picture, if it is there.
        multimask: see `Model.segment`.
        rank: see `Model.segment`.
        color: order of the channels of arrays; files always come out right.

    Returns:
        One row a prompt; `Masks.windows_xyxy` says where each was looked at.

    Raises:
        PromptTypeError: something that is no prompt.
        PromptError: a prompt or encoding that does not fit the picture.
        ImageError: a picture that cannot be read.

    Example:
        >>> masks = segment_zoomed(model, "map.tif", Prompt(box=(5210, 880, 5260, 940)))
        ... # doctest: +SKIP
    """
    rgb = read_picture(image, color)
    if encoded is not None and encoded.frame.size_hw != rgb.shape[:2]:
        raise PromptError(
            f"encoded is of an image of {encoded.frame.size_hw} (height, width) but image has "
            f"{rgb.shape[:2]}; give the encoding of this image, or none"
        )
    look = _Look(model, rgb, encoded, multimask, rank)
    # copies without the masks at image size that were looked at on the way
    return look.joined([replace(look.answer(prompt)) for prompt in prompt_list(prompts)])


class _Look:
    """One picture, and the ways to look at it."""

    def __init__(
        self,
        model: Model,
        rgb: NDArray[np.uint8],
        encoded: EncodedImage | None,
        multimask: bool | None,
        rank: Rank,
    ) -> None:
        self._model = model
        self._rgb = rgb
        self._given = encoded
        self._multimask = multimask
        self._rank = rank
        self._side = max(rgb.shape[:2])
        self._canvas_px = model.backend.canvas_px

    @cached_property
    def _whole(self) -> EncodedImage:
        return self._model.encode(self._rgb if self._given is None else self._given)

    def answer(self, prompt: Prompt) -> Masks:
        """Of one row; its frame says what was looked at."""
        bounds = _bounds(prompt)
        if bounds is None:
            return self._of_clicks(prompt)
        side = _longer(bounds)
        window = None
        if side <= SMALL_BOX * self._side:
            window = self._window(bounds, max(BOX_WINDOW * side, self._canvas_px / MOST_ENLARGED))
        return self._segment(self._whole, prompt) if window is None else self._zoom(prompt, window)

    def _of_clicks(self, prompt: Prompt) -> Masks:
        whole = self._segment(self._whole, prompt)
        side = _longer(whole.boxes_xyxy[0])
        if not len(prompt.points_xy) or side > SMALL_MASK * self._side:
            return whole
        clicks = np.concatenate([prompt.points_xy.min(axis=0), prompt.points_xy.max(axis=0)])
        least = max(self._canvas_px, BOX_WINDOW * _longer(clicks))
        window = self._window(clicks, max(least, MASK_WINDOW * side))
        if window is None:
            return whole
        zoomed = self._zoom(prompt, window)
        return whole if _is_cut(zoomed.array[0], window) else zoomed

    def _window(self, around_xyxy: NDArray[np.floating], side: float) -> Window | None:
        """A square of this side around a box, moved into the picture; None if it is too wide."""
        if side > WIDEST * self._side:
            return None
        low = []
        for start, stop, length in zip(
            around_xyxy[:2], around_xyxy[2:], self._rgb.shape[1::-1], strict=True
        ):
            low.append(int(np.clip((start + stop - side) / 2, 0, max(0, length - side))))
        height, width = self._rgb.shape[:2]
        x0, y0 = low
        x1, y1 = (int(np.ceil(start + side)) for start in low)
        return x0, y0, min(x1, width), min(y1, height)

    def _zoom(self, prompt: Prompt, window: Window) -> Masks:
        x0, y0, x1, y1 = window
        part = self._model.encode(np.ascontiguousarray(self._rgb[y0:y1, x0:x1]))
        height, width = self._rgb.shape[:2]
        frame = replace(part.frame, size_hw=(height, width), window_xyxy=window)
        if prompt.mask_logits is not None:
            whole = replace(frame, window_xyxy=None)
            former = whole.logits_to_original(prompt.mask_logits)
            prompt = prompt.with_mask_logits(frame.logits_to_low_res(former))
        return self._segment(replace(part, frame=frame), prompt)

    def _segment(self, image: EncodedImage, prompt: Prompt) -> Masks:
        return self._model.segment(image, prompt, multimask=self._multimask, rank=self._rank)

    def joined(self, rows: Sequence[Masks]) -> Masks:
        """Rows as one result on the picture."""
        frame = Frame((self._rgb.shape[0], self._rgb.shape[1]), self._canvas_px)
        windows = tuple(row.frame.window_xyxy for row in rows)
        return Masks.from_rows(
            frame,
            [row.candidate_logits for row in rows],
            [row.candidate_iou for row in rows],
            self._model.model_id,
            windows if any(windows) else (),
        )


def _bounds(prompt: Prompt) -> NDArray[np.floating] | None:
    """(4,) around the prompt's box or mask and its points; None for points alone."""
    if prompt.box_xyxy is not None:
        box = prompt.box_xyxy
    elif prompt.mask is not None and prompt.mask.any():
        box = box_from_mask(prompt.mask > 0).astype(float)
    else:
        return None
    corners = np.concatenate([box.reshape(2, 2), prompt.points_xy])
    return np.concatenate([corners.min(axis=0), corners.max(axis=0)])


def _longer(box_xyxy: NDArray[np.floating] | NDArray[np.int64]) -> float:
    return float(max(1, *(box_xyxy[2:] - box_xyxy[:2])))


def _is_cut(mask: NDArray[np.bool_], window: Window) -> bool:
    """Whether a mask runs on where the window ends but the picture does not."""
    height, width = mask.shape
    x0, y0, x1, y1 = window
    sides = (
        (y0 > 0, mask[y0, x0:x1]),
        (y1 < height, mask[y1 - 1, x0:x1]),
        (x0 > 0, mask[y0:y1, x0]),
        (x1 < width, mask[y0:y1, x1 - 1]),
    )
    return any(inner and side.mean() > MOST_CUT for inner, side in sides)
