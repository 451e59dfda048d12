"""The engine that runs the network with PyTorch, on any device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anymask.errors import DeviceError
from anymask.inference.backend import Decoded, PromptBatch
from anymask.inference.encoded import EncodedImage
from anymask.nn.model import Sam

PROMPTS_PER_PASS = {"cpu": 4}
"""Prompts decoded at once: on a CPU few, so that what they share stays in its cache."""
PROMPTS_PER_PASS_ON_ACCELERATOR = 64


class TorchBackend:
    """A network with its device.

    Args:
        sam: the network; it is put into evaluation mode and moved to the device.
        device: "cpu", "cuda", "cuda:1", "mps", or None to leave it where it is.
    """

    name = "torch"

    def __init__(self, sam: Sam, device: str | None = None) -> None:
        self.sam = sam.eval()
        if device is not None:
            sam.to(torch.device(device))

    @property
    def device(self) -> str:
        """Where the network lives."""
        return str(self.sam.device)

    @property
    def canvas_px(self) -> int:
        """Side of the canvas in pixels."""
        return self.sam.image_encoder.img_size

    @torch.inference_mode()
    def encode(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """One image (h, w, 3) RGB, its longer side already `canvas_px`, to (C, h', w')."""
        pixels = self._tensor(image).permute(2, 0, 1).float()
        canvas = self.sam.preprocess(pixels)
        return _to_numpy(self.sam.image_encoder(canvas[None])[0])

    @torch.inference_mode()
    def decode(self, images: Sequence[EncodedImage], prompts: PromptBatch) -> Decoded:
        """Prompts on images, each prompt on the one its `image_index` names."""
        embeddings = torch.stack([self._tensor(image.embedding) for image in images])
        step = PROMPTS_PER_PASS.get(self.sam.device.type, PROMPTS_PER_PASS_ON_ACCELERATOR)
        parts = [
            self._decode_pass(embeddings, prompts[start : start + step])
            for start in range(0, len(prompts), step)
        ]
        logits, iou = zip(*parts, strict=True)
        return Decoded(np.concatenate(logits), np.concatenate(iou))

    def _decode_pass(
        self, embeddings: Tensor, prompts: PromptBatch
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        encoder = self.sam.prompt_encoder
        sparse = encoder.embed_points(self._tensor(prompts.coords), self._tensor(prompts.labels))
        if prompts.mask_logits is None:
            dense = encoder.embed_no_mask(len(prompts))
        else:
            dense = encoder.embed_masks(self._tensor(prompts.mask_logits)[:, None])
        logits, iou = self.sam.mask_decoder.predict_masks(
            embeddings, encoder.get_dense_pe(), sparse, dense, self._tensor(prompts.image_index)
        )
        chosen = slice(1, None) if prompts.multimask else slice(0, 1)
        return _to_numpy(logits[:, chosen]), _to_numpy(iou[:, chosen])

    def _tensor(self, array: NDArray[np.generic]) -> Tensor:
        # A read-only array is only read here; torch cannot say so and would warn.
        writable = array if array.flags.writeable else array.copy()
        return torch.from_numpy(writable).to(self.sam.device)


def _to_numpy(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.float().cpu().numpy()
    return array


def resolve_device(device: str) -> str:
    """A device that exists, from what the user asked for.

    Args:
        device: "auto" takes CUDA, else MPS, else the CPU; or a name torch knows.

    Returns:
        The device's name for torch.

    Raises:
        DeviceError: there is no such device here.
    """
    if device == "auto":
        return next((name for name in ("cuda", "mps") if _available(name)), "cpu")
    try:
        kind = torch.device(device).type
    except (RuntimeError, TypeError) as error:
        raise DeviceError(
            f"device must be auto, cpu, cuda, cuda:N or mps; got {device!r}"
        ) from error
    index = torch.device(device).index or 0
    if not _available(kind) or (kind == "cuda" and index >= torch.cuda.device_count()):
        raise DeviceError(f"device {device!r} is not available here; use device='cpu' or 'auto'")
    return device


def _available(kind: str) -> bool:
    if kind == "cuda":
        return torch.cuda.is_available()
    if kind == "mps":
        return torch.backends.mps.is_available()
    return kind == "cpu"
