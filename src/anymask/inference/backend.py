"""What an engine must do: encode a resized image, decode prompts. All else is shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from anymask.inference.encoded import EncodedImage

MASK_TOKENS: Final = 4
"""The decoder's answers: token 0 to a clear prompt, the other three to an ambiguous one."""

SEVERAL: Final = 4
"""From so many prompts a call on, each of a processor's threads decodes prompts of its own."""


@dataclass(frozen=True, eq=False)
class PromptBatch:
    """N prompts of equal shape in the frame of the canvas.

    Attributes:
        coords: (N, T, 2) float32 (x, y) in canvas pixels.
        labels: (N, T) int64: -1 padding, 0 background, 1 foreground, 2 and 3 corners of a box.
        mask_logits: (N, L, L) float32 low-res logits, or None where no prompt has a mask.
        image_index: (N,) which of the images each prompt asks about.
        multimask: return the three candidates of an ambiguous prompt, else the one mask.
        all_tokens: return all the decoder's answers, the one mask first.
        first: (N, C) float32 embeddings that stand before the points, or None where no prompt has
            one; for engines that take them, see `Backend.takes_tokens`.
    """

    coords: NDArray[np.float32]
    labels: NDArray[np.int64]
    mask_logits: NDArray[np.float32] | None
    image_index: NDArray[np.intp]
    multimask: bool
    all_tokens: bool = False
    first: NDArray[np.float32] | None = None

    @property
    def tokens(self) -> range:
        """Which mask tokens answer."""
        if self.all_tokens:
            return range(MASK_TOKENS)
        return range(1, MASK_TOKENS) if self.multimask else range(1)

    def __len__(self) -> int:
        return len(self.coords)

    def __getitem__(self, rows: slice | NDArray[np.intp]) -> PromptBatch:
        """Some of the prompts."""
        return replace(
            self,
            coords=self.coords[rows],
            labels=self.labels[rows],
            mask_logits=None if self.mask_logits is None else self.mask_logits[rows],
            image_index=self.image_index[rows],
            first=None if self.first is None else self.first[rows],
        )


@dataclass(frozen=True, eq=False)
class Decoded:
    """What the decoder answers.

    Attributes:
        logits: (N, M, L, L) float32 low-res logits, one for each of `PromptBatch.tokens`.
        iou: (N, M) float32 predicted IoU.
    """

    logits: NDArray[np.float32]
    iou: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Candidates:
    """The confident ones among all prompts' candidates, in the order of prompts and tokens.

    Attributes:
        prompt: (K,) which prompt of the batch each answers.
        logits: (K, h, w) float32 low-res logits of the cells that the images' pixels read, see
            `visible_cells_hw`, or of all.
        iou: (K,) float32 predicted IoU.
    """

    prompt: NDArray[np.intp]
    logits: NDArray[np.float32]
    iou: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.iou)


def visible_cells_hw(images: Sequence[EncodedImage]) -> tuple[int, int]:
    """Rows and columns of low-res cells, from the upper left, that a pixel of the images reads."""
    heights, widths = zip(*(image.frame.visible_low_res_hw for image in images), strict=True)
    return max(heights), max(widths)


def confident(decoded: Decoded, min_iou: float) -> Candidates:
    """The candidates with a predicted IoU above `min_iou`."""
    prompt, token = np.nonzero(decoded.iou > min_iou)
    return Candidates(prompt, decoded.logits[prompt, token], decoded.iou[prompt, token])


class Backend(Protocol):
    """An engine that runs the network; holds weights, never an image."""

    @property
    def name(self) -> str:
        """Which engine this is, such as "torch"."""

    @property
    def device(self) -> str:
        """Where it runs, such as "cpu" or "cuda:0"."""

    @property
    def canvas_px(self) -> int:
        """Side of the canvas it was built for."""

    @property
    def takes_tokens(self) -> bool:
        """Whether prompts may have an embedding before their points."""

    def encode(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """One image (h, w, 3) RGB, its longer side already `canvas_px`, to (C, h', w')."""

    def decode(self, images: Sequence[EncodedImage], prompts: PromptBatch) -> Decoded:
        """Prompts on images, each prompt on the one its `image_index` names."""

    def decode_confident(
        self, images: Sequence[EncodedImage], prompts: PromptBatch, min_iou: float
    ) -> Candidates:
        """Like `decode`, without the masks whose predicted IoU is not above `min_iou`."""


@runtime_checkable
class HasTensors(Protocol):
    """An engine that can hand out the network it runs, to be exported."""

    def tensors(self) -> Mapping[str, NDArray[np.float32]]:
        """The network's tensors under their published names."""
