"""The engine that runs the network with PyTorch, on any device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import wraps
from threading import Lock
from typing import ParamSpec, TypeVar, cast
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anymask.errors import DeviceError
from anymask.geometry.frames import LOW_RES_STRIDE_PX
from anymask.inference.backend import (
    SEVERAL,
    Candidates,
    Decoded,
    PromptBatch,
    visible_cells_hw,
)
from anymask.inference.encoded import EncodedImage
from anymask.nn.fast.crew import shared_out, workers_for
from anymask.nn.fast.encoder import DTYPES, FastEncoder, Precision, fast_encoder
from anymask.nn.fast.processor import native_bf16
from anymask.nn.fast.upscaling import CELLS
from anymask.nn.folded import DecodedTokens, FoldedDecoder, ImageSide
from anymask.nn.model import Sam

P = ParamSpec("P")
R = TypeVar("R")

PROMPTS_PER_PASS = 3
"""Prompts decoded together on a CPU: the matrices for the tokens are read once for all of them, and
their images follow each other. More would take memory and save little."""
PROMPTS_PER_PASS_ON_ACCELERATOR = 32


@dataclass(frozen=True, eq=False)
class _Part:
    """Prompts that are decoded together.

    Attributes:
        rows: their numbers in the batch.
        decoder: what decodes them.
        side: of their image.
    """

    rows: NDArray[np.intp]
    decoder: FoldedDecoder
    side: ImageSide


def _precise_inference(function: Callable[P, R]) -> Callable[P, R]:
    """Without gradients; on a CPU in the precision chosen, whatever autocast the caller has."""

    @wraps(function)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        with torch.inference_mode(), torch.autocast("cpu", enabled=False):
            return function(*args, **kwargs)

    return inner


class TorchBackend:
    """A network with its device.

    Args:
        sam: the network; it is put into evaluation mode and moved to the device.
        device: "cpu", "cuda", "cuda:1", "mps", or None to leave it where it is.
        precision: what large products are computed in, see `resolve_precision`.
    """

    name = "torch"
    takes_tokens = True

    def __init__(self, sam: Sam, device: str | None = None, precision: Precision = "fp32") -> None:
        self.sam = sam.eval()
        if device is not None:
            sam.to(torch.device(device))
        self.precision = precision
        self._encoder: FastEncoder | None = None
        self._folded: FoldedDecoder | None = None
        # with the autocast dtype it was made under: another one could not use it
        self._sides: WeakKeyDictionary[EncodedImage, tuple[torch.dtype | None, ImageSide]] = (
            WeakKeyDictionary()
        )
        self._lock = Lock()

    @property
    def device(self) -> str:
        """Where the network lives."""
        return str(self.sam.device)

    @property
    def canvas_px(self) -> int:
        """Side of the canvas in pixels."""
        return self.sam.image_encoder.img_size

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """All tensors of the network by their published names."""
        return {name: _to_numpy(tensor) for name, tensor in self.sam.state_dict().items()}

    def decoder_tensors(self) -> Mapping[str, NDArray[np.float32]]:
        """The tensors of prompt encoder and mask decoder by their published names."""
        return {
            name: tensor.detach().float().cpu().numpy()
            for name, tensor in self.sam.state_dict().items()
            if name.startswith(("prompt_encoder.", "mask_decoder."))
        }

    @torch.inference_mode()
    def encode(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """One image (h, w, 3) RGB, its longer side already `canvas_px`, to (C, h', w')."""
        pixels = self._tensor(image).permute(2, 0, 1).float()
        canvas = self.sam.preprocess(pixels)[None]
        return _to_numpy(self.encode_canvas(canvas)[0])

    def encode_canvas(self, canvas: Tensor) -> Tensor:
        """Normalised and padded images (B, 3, S, S) on the device to (B, C, h', w')."""
        encoder, kind = self.sam.image_encoder, self.sam.device.type
        if kind == "cpu" and not encoder.training:
            with self._lock:
                if self._encoder is None or not self._encoder.is_fresh():
                    self._encoder = fast_encoder(encoder, precision=self.precision)
                fast = self._encoder
            return fast(canvas)
        half = torch.autocast(kind, torch.bfloat16) if self.precision == "bf16" else nullcontext()
        with half:
            out: Tensor = encoder(canvas)
        return out

    def decode(self, images: Sequence[EncodedImage], prompts: PromptBatch) -> Decoded:
        """Prompts on images, each prompt on the one its `image_index` names."""
        count, answers = len(prompts), len(prompts.tokens)
        side = self.canvas_px // LOW_RES_STRIDE_PX
        logits = np.empty((count, answers, side, side), np.float32)
        iou = np.empty((count, answers), np.float32)

        @_precise_inference
        def answer(part: _Part) -> None:
            decoded = self._decode_tokens(part, prompts)
            logits[part.rows] = _to_numpy(part.decoder.masks(decoded))
            iou[part.rows] = _to_numpy(decoded.iou)

        self._share_out(answer, self._parts(images, prompts))
        return Decoded(logits, iou)

    def decode_confident(
        self, images: Sequence[EncodedImage], prompts: PromptBatch, min_iou: float
    ) -> Candidates:
        """Like `decode`, without the masks whose predicted IoU is not above `min_iou`."""
        height, width = visible_cells_hw(images)
        positions_hw = (-(-height // CELLS), -(-width // CELLS))

        @_precise_inference
        def answer(part: _Part) -> Candidates:
            decoded = self._decode_tokens(part, prompts)
            passed = decoded.iou > min_iou
            asked = passed.any(dim=1).nonzero()[:, 0]
            if not len(asked):
                return _no_candidates((height, width))
            row, token = passed[asked].nonzero(as_tuple=True)
            masks = part.decoder.masks(decoded[asked], positions_hw)[row, token]
            return Candidates(
                part.rows[asked[row].cpu().numpy()],
                _to_numpy(masks[:, :height, :width]),
                _to_numpy(decoded.iou[asked[row], token]),
            )

        found = self._share_out(answer, self._parts(images, prompts))
        return _joined([_no_candidates((height, width)), *found])

    def _share_out(self, work: Callable[[_Part], R], parts: Sequence[_Part]) -> list[R]:
        """On a CPU each thread takes parts of its own; other devices have them one by one."""
        if self.sam.device.type == "cpu":
            return shared_out(work, parts)
        return [work(part) for part in parts]

    @_precise_inference
    def _parts(self, images: Sequence[EncodedImage], prompts: PromptBatch) -> list[_Part]:
        """The prompts of each image, few at a time."""
        decoder = self._decoder()
        on_cpu = self.sam.device.type == "cpu"
        step = _step(len(prompts)) if on_cpu else PROMPTS_PER_PASS_ON_ACCELERATOR
        parts = []
        for number, image in enumerate(images):
            asked = np.flatnonzero(prompts.image_index == number)
            if len(asked):
                side = self._side(decoder, image)
                rows = [asked[start : start + step] for start in range(0, len(asked), step)]
                parts += [_Part(some, decoder, side) for some in rows]
        return parts

    def _decode_tokens(self, part: _Part, prompts: PromptBatch) -> DecodedTokens:
        sparse, dense = self._embed(prompts, part.rows)
        chosen = slice(prompts.tokens.start, prompts.tokens.stop)
        return part.decoder.decode_tokens(part.side, sparse, dense, chosen)

    def _embed(self, prompts: PromptBatch, rows: NDArray[np.intp]) -> tuple[Tensor, Tensor | None]:
        encoder = self.sam.prompt_encoder
        coords, labels = prompts.coords[rows], prompts.labels[rows]
        sparse = encoder.embed_points(self._tensor(coords), self._tensor(labels))
        if prompts.first is not None:
            first = self._tensor(prompts.first[rows])[:, None]
            sparse = torch.cat([first.to(sparse.dtype), sparse], dim=1)
        if prompts.mask_logits is None:
            return sparse, None
        return sparse, encoder.embed_masks(self._tensor(prompts.mask_logits[rows])[:, None])

    def _decoder(self) -> FoldedDecoder:
        """The decoder for the parameters as they are now: training may have changed them."""
        with self._lock:
            if self._folded is None or not self._folded.is_fresh():
                self._folded = FoldedDecoder(self.sam, self._decoder_dtype())
                self._sides = WeakKeyDictionary()
            return self._folded

    def _decoder_dtype(self) -> torch.dtype | None:
        """What the decoder multiplies the image in; None for the parameters' own precision.

        Where a processor does not multiply bfloat16 itself, that would be slower than float32.
        """
        reduced = self.precision == "bf16" and self.sam.device.type == "cpu" and native_bf16()
        return torch.bfloat16 if reduced else None

    def _side(self, decoder: FoldedDecoder, image: EncodedImage) -> ImageSide:
        """The image's share of the decoder's work, kept as long as the encoded image lives."""
        precision = _autocast_dtype(self.sam.device.type)
        with self._lock:
            kept = self._sides.get(image)
        if kept is None or kept[0] != precision:
            kept = precision, decoder.prepare(self._tensor(image.embedding))
            with self._lock:
                self._sides[image] = kept
        return kept[1]

    def _tensor(self, array: NDArray[np.generic]) -> Tensor:
        # A read-only array is only read here; torch cannot say so and would warn.
        writable = array if array.flags.writeable else array.copy()
        return torch.from_numpy(writable).to(self.sam.device)


def _step(count: int) -> int:
    """How many of so many prompts go together on a CPU: such that all threads have as many."""
    if count < SEVERAL:
        return SEVERAL
    workers = workers_for(count)
    rounds = -(-count // (workers * PROMPTS_PER_PASS))
    return -(-count // (workers * rounds))


def _autocast_dtype(device_type: str) -> torch.dtype | None:
    if not torch.is_autocast_enabled(device_type):
        return None
    return torch.get_autocast_dtype(device_type)


def _no_candidates(cells_hw: tuple[int, int]) -> Candidates:
    none = np.zeros(0, np.float32)
    return Candidates(np.zeros(0, np.intp), np.zeros((0, *cells_hw), np.float32), none)


def _joined(parts: Sequence[Candidates]) -> Candidates:
    """Candidates of several parts in the order of prompts."""
    prompt = np.concatenate([part.prompt for part in parts])
    logits = np.concatenate([part.logits for part in parts])
    iou = np.concatenate([part.iou for part in parts])
    if (np.diff(prompt) >= 0).all():
        return Candidates(prompt, logits, iou)
    order = np.argsort(prompt, kind="stable")
    return Candidates(prompt[order], logits[order], iou[order])


def _to_numpy(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.float().cpu().numpy()
    return array


def resolve_precision(precision: str, device: str) -> Precision:
    """A precision of the engine, from what the user asked for.

    Args:
        precision: "fp32"; "bf16", several times faster where the machine computes it natively,
            with masks that overlap those of fp32 by 99 % and more; or "auto" for bf16 there.
        device: the device's name for torch.

    Returns:
        "fp32" or "bf16".

    Raises:
        DeviceError: another precision.
    """
    if precision == "auto":
        kind = torch.device(device).type
        native = native_bf16() if kind == "cpu" else kind == "cuda"
        precision = "bf16" if native else "fp32"
    if precision in DTYPES:
        return cast(Precision, precision)
    raise DeviceError(f"precision must be fp32, bf16 or auto; got {precision!r}")


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
