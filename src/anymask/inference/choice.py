"""Which of the decoder's answers a prompt gets: better masks from the same weights.

The published rule, `predicted_iou`, takes the candidate of highest predicted IoU for an ambiguous
prompt and token 0 for a clear one. `plausibility` chooses by what is in `ranking` (one click),
`corrections` (the third click) and `boxes`. What each gains and costs is in docs/quality.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final, Literal, TypeAlias, cast, get_args

import numpy as np
from numpy.typing import NDArray

from anymask.errors import PromptError
from anymask.geometry.frames import LOW_RES_STRIDE_PX
from anymask.inference.backend import Backend, Decoded, PromptBatch
from anymask.inference.batching import BOX_CORNERS, PlacedPrompt, group
from anymask.inference.boxes import fill_box
from anymask.inference.corrections import CLICKS, correctness
from anymask.inference.encoded import EncodedImage
from anymask.inference.ranking import plausibility

Rank = Literal["plausibility", "predicted_iou"]
RANKS: Final[tuple[Rank, ...]] = get_args(Rank)
POINTS: Final = (0, 1)
"""Labels of background and foreground points."""
PROMPTS_PER_CALL: Final = 64
"""Prompts handed to the engine at once; bounds what their unchosen candidates hold in memory."""

Way: TypeAlias = Callable[[Backend, Sequence[EncodedImage], PromptBatch], Iterator[Decoded]]
"""Prompts of equal shape to each one's candidates, best first."""


def answer(
    backend: Backend,
    images: Sequence[EncodedImage],
    prompts: Sequence[PlacedPrompt],
    rank: Rank,
) -> list[Decoded]:
    """Each prompt's candidates, best first.

    Args:
        backend: the engine.
        images: encoded by it.
        prompts: on the canvas of their images, in any order.
        rank: which rule chooses.

    Returns:
        In the order of the prompts.

    Raises:
        PromptError: another rank.
    """
    if rank not in RANKS:
        raise PromptError(f"rank is {rank!r}; give {' or '.join(map(repr, RANKS))}")
    ways: dict[Way, list[int]] = {}
    for number, prompt in enumerate(prompts):
        ways.setdefault(_way(prompt, rank), []).append(number)
    answers: dict[int, Decoded] = {}
    for way, numbers in ways.items():
        for rows, batch in group([prompts[number] for number in numbers]):
            for start in range(0, len(batch), PROMPTS_PER_CALL):
                part = slice(start, start + PROMPTS_PER_CALL)
                found = way(backend, images, batch[part])
                answers.update(
                    (numbers[row], one) for row, one in zip(rows[part], found, strict=True)
                )
    return [answers[number] for number in range(len(prompts))]


def _way(prompt: PlacedPrompt, rank: Rank) -> Way:
    if rank == "predicted_iou" or prompt.token is not None:
        return by_predicted_iou
    if prompt.multimask:
        return by_plausibility
    boxed, points = np.isin(BOX_CORNERS, prompt.labels).any(), np.isin(prompt.labels, POINTS).sum()
    if boxed and not points:
        return by_box
    corrects = prompt.mask_logits is not None and not boxed
    return by_correctness if corrects and points == CLICKS else by_predicted_iou


def by_predicted_iou(
    backend: Backend, images: Sequence[EncodedImage], prompts: PromptBatch
) -> Iterator[Decoded]:
    """The published rule."""
    decoded = backend.decode(images, prompts)
    for logits, iou in zip(decoded.logits, decoded.iou, strict=True):
        yield _ordered(logits, iou, iou)


def by_plausibility(
    backend: Backend, images: Sequence[EncodedImage], prompts: PromptBatch
) -> Iterator[Decoded]:
    """The candidates of an ambiguous prompt, the most plausible first."""
    decoded = backend.decode(images, prompts)
    for row, (logits, iou) in enumerate(zip(decoded.logits, decoded.iou, strict=True)):
        height, width = images[prompts.image_index[row]].frame.visible_low_res_hw
        cells_xy = prompts.coords[row][prompts.labels[row] == 1] / LOW_RES_STRIDE_PX
        yield _ordered(logits, iou, plausibility(logits[:, :height, :width], iou, cells_xy))


def by_correctness(
    backend: Backend, images: Sequence[EncodedImage], prompts: PromptBatch
) -> Iterator[Decoded]:
    """The one mask that corrects the former one best."""
    decoded = backend.decode(images, replace(prompts, all_tokens=True))
    former = cast("NDArray[np.float32]", prompts.mask_logits)
    for row, (logits, iou) in enumerate(zip(decoded.logits, decoded.iou, strict=True)):
        height, width = images[prompts.image_index[row]].frame.visible_low_res_hw
        first_xy = prompts.coords[row][prompts.labels[row] == 1][:1] / LOW_RES_STRIDE_PX
        visible = logits[:, :height, :width]
        rank = correctness(visible, iou, first_xy, former[row, :height, :width])
        best = int(rank.argmax())
        yield Decoded(logits[best : best + 1], iou[best : best + 1])


def by_box(
    backend: Backend, images: Sequence[EncodedImage], prompts: PromptBatch
) -> Iterator[Decoded]:
    """The one mask that fills the box best."""
    decoded = backend.decode(images, replace(prompts, all_tokens=True))
    corners = prompts.coords[:, -2:].reshape(-1, 4) / LOW_RES_STRIDE_PX
    for logits, iou, box in zip(decoded.logits, decoded.iou, corners, strict=True):
        yield fill_box(logits, iou, box)


def _ordered(
    logits: NDArray[np.float32], iou: NDArray[np.float32], rank: NDArray[np.float32]
) -> Decoded:
    order = np.argsort(-rank, kind="stable")
    return Decoded(logits[order], iou[order])
