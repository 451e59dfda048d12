"""Training SAM's text token: regions as CLIP sees them stand for phrases (Kirillov et al. 2023).

Each step takes some masks of some pictures. CLIP's vector of a mask becomes the first token, from
which alone the mask has to be found; then points are added where the answer is wrong. Phrases come
in only when it is used: CLIP puts them where the regions are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anymask.errors import MaskError, WeightsError
from anymask.inference.encoded import EncodedImage
from anymask.inference.segment import Model
from anymask.inference.torch_backend import TorchBackend
from anymask.nn.model import Sam
from anymask.nn.prompts import pad_points
from anymask.nn.text.token import TextToken
from anymask.training.clicks import error_points
from anymask.training.crops import jittered_crop
from anymask.training.losses import actual_iou, mask_loss
from anymask.training.settings import TokenSettings
from anymask.types.records import CompactMask

PictureWithMasks: TypeAlias = Callable[[], tuple[NDArray[np.uint8], Sequence[CompactMask]]]
"""Reads a picture (H, W, 3) uint8 RGB and masks of its size."""

DROPS: Final = (2 / 3, 0.963)
"""Of the steps: where the learning rate becomes a tenth."""
WARM_UP_STEPS: Final = 250
KEPT_PICTURES: Final = 64
"""Encoded pictures in memory."""


class RegionEmbedder(Protocol):
    """What a CLIP model has to do here, see `anymask.words.clip.Network`."""

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        ...

    def embed_masked(
        self, pictures: Sequence[NDArray[np.uint8]], masks: Sequence[NDArray[np.bool_]]
    ) -> NDArray[np.float32]:
        """What masks of square pictures cover, to unit vectors."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """A picture that is ready to be asked."""

    image_rgb: NDArray[np.uint8]
    encoded: EncodedImage
    masks: tuple[CompactMask, ...]


class TokenTrainer:
    """A text token in training.

    Args:
        model: with the PyTorch engine; its encoder stays as it is.
        clip: tells what masks cover.
        pictures: with masks; such without one that is large enough are left out when they are met.
        settings: how.

    Raises:
        WeightsError: another engine.

    Attributes:
        token: what is trained.
        sam: the network; its decoder is trained as well, if the settings say so.
    """

    def __init__(
        self,
        model: Model,
        clip: RegionEmbedder,
        pictures: Sequence[PictureWithMasks],
        settings: TokenSettings,
    ) -> None:
        if not isinstance(model.backend, TorchBackend):
            raise WeightsError(
                f"training needs the PyTorch engine, not {model.backend.name!r}; load the model "
                "with engine='torch'"
            )
        torch.manual_seed(settings.seed)
        self._settings, self._clip = settings, clip
        self.sam: Sam = model.backend.sam
        self.token = TextToken(clip.dim, self.sam.prompt_encoder.embed_dim).to(self.sam.device)
        with torch.no_grad():  # to begin with, a token is "here", without a place
            _, foreground, *_ = self.sam.prompt_encoder.point_embeddings.parameters()
            self.token.projection.bias.copy_(foreground[0])
        self._rng = np.random.default_rng(settings.seed)
        self._generator = torch.Generator(self.sam.device).manual_seed(settings.seed)
        self._left = list(range(len(pictures)))
        self._read = lru_cache(KEPT_PICTURES)(lambda n: self._sample(model, pictures[n]))
        parameters = [*self.token.parameters()]
        self.sam.requires_grad_(requires_grad=False)
        if settings.decoder:
            self.sam.mask_decoder.requires_grad_(requires_grad=True)
            parameters += self.sam.mask_decoder.parameters()
        self._optimizer = torch.optim.AdamW(
            parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self._done = 0

    def step(self) -> float:
        """Learn from one batch.

        Returns:
            The mean loss of a mask, all answers added.

        Raises:
            MaskError: no picture has a mask that is large enough.
            ImageError: a picture that cannot be read.
        """
        rate = self._settings.learning_rate * rate_factor(self._done, self._settings.steps)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        loss = torch.cat([self._losses(sample) for sample in self._batch()]).mean()
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._done += 1
        return float(loss.detach())

    def _batch(self) -> Iterator[_Sample]:
        """Pictures that have masks."""
        missing = self._settings.pictures
        while missing:
            if not self._left:
                raise MaskError(
                    f"no picture has a mask of {self._settings.smallest_area} pixels or more; "
                    "larger masks are needed, or a smaller least area"
                )
            number = self._left[self._rng.integers(len(self._left))]
            sample = self._read(number)
            if sample is None:
                self._left.remove(number)
                continue
            missing -= 1
            yield sample

    def _sample(self, model: Model, read: PictureWithMasks) -> _Sample | None:
        image_rgb, masks = read()
        large = tuple(one for one in masks if one.area >= self._settings.smallest_area)
        return _Sample(image_rgb, model.encode(image_rgb), large) if large else None

    def _losses(self, sample: _Sample) -> Tensor:
        """The losses of some of a picture's masks, (N,)."""
        count = min(self._settings.masks, len(sample.masks))
        chosen = self._rng.choice(len(sample.masks), count, replace=False)
        masks = [sample.masks[number] for number in chosen]
        crops = [jittered_crop(sample.image_rgb, one, self._rng) for one in masks]
        vectors = self._clip.embed_masked([c for c, _ in crops], [inside for _, inside in crops])
        device = self.sam.device
        tokens = self.token(torch.from_numpy(vectors.copy()).to(device))
        height, width = sample.encoded.frame.visible_low_res_hw
        covered = [
            sample.encoded.frame.coverage_to_logits(one.array.astype(np.float32)) for one in masks
        ]
        target = torch.from_numpy(np.stack(covered)[:, :height, :width] > 0).to(device)
        embedding = torch.from_numpy(sample.encoded.embedding.copy())[None].to(device)
        return _interactive_losses(
            self.sam, embedding, tokens, target, self._settings.points, self._generator
        )


def train_text_token(
    model: Model,
    clip: RegionEmbedder,
    pictures: Sequence[PictureWithMasks],
    settings: TokenSettings | None = None,
) -> TextToken:
    """Train a text token from the beginning to the end.

    Args:
        model: with the PyTorch engine; with `TokenSettings.decoder`, its decoder is changed.
        clip: tells what masks cover; phrases are later embedded by the same model.
        pictures: with masks.
        settings: how.

    Returns:
        The token, ready to be used.

    Raises:
        WeightsError: another engine.
        MaskError: no picture has a mask that is large enough.
    """
    settings = settings or TokenSettings()
    trainer = TokenTrainer(model, clip, pictures, settings)
    for _ in range(settings.steps):
        trainer.step()
    return trainer.token.eval()


def rate_factor(step: int, steps: int) -> float:
    """The learning rate in shares of its peak.

    Args:
        step: from 0.
        steps: of the whole run.
    """
    warm = min(1.0, (step + 1) / min(WARM_UP_STEPS, max(1, steps // 10)))
    return warm * 0.1 ** sum(step >= share * steps for share in DROPS)


def _interactive_losses(
    sam: Sam,
    embedding: Tensor,
    tokens: Tensor,
    target: Tensor,
    points: int,
    generator: torch.Generator,
) -> Tensor:
    """The loss of each mask, its answers to token and points added.

    Args:
        sam: the network.
        embedding: (1, C, h, w) of the picture.
        tokens: (N, C), the first token of each mask's prompt.
        target: (N, H, W) bool, the masks in the low-res cells that show the picture.
        points: added one at a time.
        generator: places them.

    Returns:
        (N,).
    """
    count, (height, width) = len(tokens), target.shape[1:]
    encoder, positions = sam.prompt_encoder, sam.prompt_encoder.get_dense_pe()
    coords = torch.zeros(count, 0, 2, device=tokens.device)
    labels = torch.zeros(count, 0, dtype=torch.long, device=tokens.device)
    dense = encoder.embed_no_mask(count)
    losses = []
    while True:
        sparse = torch.cat([tokens[:, None], encoder.embed_points(*pad_points(coords, labels))], 1)
        logits, iou = sam.mask_decoder(embedding, positions, sparse, dense, multimask_output=False)
        visible = logits[:, 0, :height, :width]
        error = (iou[:, 0] - actual_iou(visible, target)) ** 2
        losses.append(mask_loss(visible, target) + error)
        if len(losses) > points:
            return torch.stack(losses).sum(dim=0)
        point, label = error_points(visible.detach(), target, generator)
        coords, labels = torch.cat([coords, point], 1), torch.cat([labels, label], 1)
        dense = encoder.embed_masks(logits.detach())
