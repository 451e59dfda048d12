"""Ragged prompts to batches of equal shape, and the decoder's answers back to rows.

Prompts are grouped by their number of tokens instead of being padded to a common one: padding is a
token that the network reads, so it would make a prompt's mask depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anymask.errors import PromptError
from anymask.geometry.frames import Frame
from anymask.inference.backend import PromptBatch
from anymask.types.prompt import Prompt

PADDING = -1
BOX_CORNERS = (2, 3)


@dataclass(frozen=True, slots=True, eq=False)
class PlacedPrompt:
    """One prompt on the canvas of its image.

    Attributes:
        coords: (T, 2) float32 (x, y) in canvas pixels.
        labels: (T,) int64.
        mask_logits: (L, L) float32 or None.
        image: which image it asks about.
        multimask: whether it gets three candidates.
        token: (C,) float32, an embedding that stands before the points, or None.
    """

    coords: NDArray[np.float32]
    labels: NDArray[np.int64]
    mask_logits: NDArray[np.float32] | None
    image: int
    multimask: bool
    token: NDArray[np.float32] | None = None


def place(prompt: Prompt, frame: Frame, *, image: int, multimask: bool | None) -> PlacedPrompt:
    """Move a prompt from its image to the canvas.

    Args:
        prompt: in pixels of the original image.
        frame: of that image.
        image: the image's number.
        multimask: three candidates or one; None gives three for exactly one point.

    Returns:
        The prompt as the decoder takes it: points, a padding point where there is no box, the
        corners of the box.

    Raises:
        PromptError: the prompt does not fit the image.
    """
    _check_inside(prompt, frame)
    coords, labels = [frame.points_to_canvas(prompt.points_xy)], [prompt.labels]
    if prompt.box_xyxy is None:
        coords.append(np.zeros((1, 2)))
        labels.append(np.array([PADDING]))
    else:
        coords.append(frame.boxes_to_canvas(prompt.box_xyxy).reshape(2, 2))
        labels.append(np.array(BOX_CORNERS))
    return PlacedPrompt(
        np.concatenate(coords).astype(np.float32),
        np.concatenate(labels).astype(np.int64),
        _mask_logits(prompt, frame),
        image,
        prompt.is_single_point if multimask is None else multimask,
        prompt.token,
    )


def _check_inside(prompt: Prompt, frame: Frame) -> None:
    height, width = frame.size_hw
    size = f"the image is {width} x {height} pixels (width x height)"
    outside = ((prompt.points_xy < 0) | (prompt.points_xy > (width, height))).any(axis=1)
    if outside.any():
        row = int(outside.argmax())
        x, y = prompt.points_xy[row]
        raise PromptError(f"points[{row}] = ({x:g}, {y:g}) lies outside the image; {size}")
    if prompt.box_xyxy is not None:
        x0, y0, x1, y1 = prompt.box_xyxy
        if x1 < 0 or y1 < 0 or x0 > width or y0 > height:
            box = ", ".join(f"{side:g}" for side in prompt.box_xyxy)
            raise PromptError(f"box ({box}) lies outside the image; {size}")


def _mask_logits(prompt: Prompt, frame: Frame) -> NDArray[np.float32] | None:
    if prompt.mask is not None:
        return frame.coverage_to_logits(prompt.mask)
    if prompt.mask_logits is not None:
        side = frame.low_res_px
        if prompt.mask_logits.shape != (side, side):
            raise PromptError(
                f"mask_logits must have shape ({side}, {side}); got {prompt.mask_logits.shape}; "
                "give a mask of the image's size as mask"
            )
    return prompt.mask_logits


def group(prompts: Sequence[PlacedPrompt]) -> list[tuple[NDArray[np.intp], PromptBatch]]:
    """Prompts of equal shape together.

    Args:
        prompts: in any order.

    Returns:
        Pairs of the rows' numbers and their batch; together they hold every row once.
    """
    rows: dict[tuple[int, bool, bool, bool], list[int]] = {}
    for number, prompt in enumerate(prompts):
        has_mask, has_token = prompt.mask_logits is not None, prompt.token is not None
        key = (len(prompt.labels), has_mask, prompt.multimask, has_token)
        rows.setdefault(key, []).append(number)
    return [(np.array(numbers), _stack([prompts[n] for n in numbers])) for numbers in rows.values()]


def _stack(prompts: Sequence[PlacedPrompt]) -> PromptBatch:
    masks = [prompt.mask_logits for prompt in prompts if prompt.mask_logits is not None]
    tokens = [prompt.token for prompt in prompts if prompt.token is not None]
    return PromptBatch(
        coords=np.stack([prompt.coords for prompt in prompts]),
        labels=np.stack([prompt.labels for prompt in prompts]),
        mask_logits=np.stack(masks) if masks else None,
        image_index=np.array([prompt.image for prompt in prompts], np.intp),
        multimask=prompts[0].multimask,
        first=np.stack(tokens) if tokens else None,
    )
