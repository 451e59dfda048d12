"""An export opened again: checked, run by onnxruntime, everything by name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, RuntimeException

from anymask.errors import DeviceError, WeightsError
from anymask.export.files import MODEL_KEY
from anymask.export.pair import PAIR_ID_KEY, SCHEMA_KEY, check_pair, read_metadata
from anymask.export.parts import (
    ABOUT,
    DECODER,
    ENCODER,
    EXPORT_SCHEMA,
    FILE_NAMES,
    IMAGE,
    PROMPT,
)
from anymask.inference.backend import Candidates, Decoded, PromptBatch, confident
from anymask.inference.batching import PADDING
from anymask.inference.encoded import EncodedImage
from anymask.inference.onnx_backend import to_canvas
from anymask.inference.onnx_graphs import CANVAS_PX, IMAGE_SIDE, LOW_RES, MASK_TOKENS
from anymask.inference.segment import Model

Array = NDArray[Any]
Arrays = Mapping[str, Array]
FloatArray = NDArray[np.float32]

CPU = "CPUExecutionProvider"
_NO_MASK = np.zeros((1, 1, LOW_RES, LOW_RES), np.float32)


class ExportedModel:
    """The files of one export.

    Args:
        about: content of its `parts.ABOUT`.
        sessions: by part.
        provider: what runs them.

    Attributes:
        pair_id: in the metadata of every file.
        model_id: which weights.
        parts: those that were exported.
    """

    def __init__(
        self, about: Mapping[str, Any], sessions: Mapping[str, Any], provider: str
    ) -> None:
        self.about = about
        self.pair_id: str = about["pair_id"]
        self.model_id: str = about["model"]["id"]
        self.parts = frozenset(sessions)
        self.provider = provider
        self._sessions = sessions

    @classmethod
    def open(cls, folder: str | PathLike[str], provider: str = CPU) -> ExportedModel:
        """Open the files of a folder, if they belong together.

        Args:
            folder: that `anymask export` wrote.
            provider: what runs them, as onnxruntime names it.

        Raises:
            WeightsError: a file is missing, damaged, or of another export.
            DeviceError: the provider is not there, or another one took its place.

        Example:
            >>> exported = ExportedModel.open("exported")  # doctest: +SKIP
            >>> exported.model().segment("photo.jpg", Prompt(points=[(320, 240)]))  # doctest: +SKIP
        """
        about = read_about(Path(folder))
        paths = {part: Path(folder, FILE_NAMES[part]) for part in about["parts"]}
        for path in paths.values():
            _check_file(path, about["pair_id"])
        sessions = {part: _open(path, provider) for part, path in paths.items()}
        return cls(about, sessions, provider)

    def run(self, part: str, values: Arrays) -> dict[str, Array]:
        """Run one of the graphs.

        Args:
            part: which.
            values: its inputs by name.

        Returns:
            Its outputs by name.

        Raises:
            WeightsError: the part was not exported.
        """
        if part not in self._sessions:
            raise WeightsError(f"the {part} was not exported; there are {', '.join(self.parts)}")
        session = self._sessions[part]
        names = [output.name for output in session.get_outputs()]
        try:
            answers = session.run(names, dict(values))
        except (Fail, RuntimeException) as error:  # plain exceptions; most often memory ran out
            raise RuntimeError(f"onnxruntime stopped: {' '.join(str(error).split())}") from error
        return dict(zip(names, answers, strict=True))

    def encode(self, image: NDArray[np.uint8]) -> FloatArray:
        """One image (h, w, 3) RGB, its longer side 1024, to its embedding (C, 64, 64)."""
        embedding: FloatArray = self.run(ENCODER, {"canvas": to_canvas(image)})["embedding"][0]
        return embedding

    def decode(self, image: EncodedImage, prompts: PromptBatch) -> Decoded:
        """All the answers to prompts on one image, whatever `prompts.multimask` says.

        Args:
            image: the image of all prompts.
            prompts: in the frame of its canvas.

        Returns:
            M is 4, the single mask and the three candidates; or 1 for an export of a single mask.

        Raises:
            WeightsError: the decoder was not exported, or was for fewer points.
        """
        if DECODER in self.parts:
            answers = [self.original(image, prompts[row : row + 1]) for row in range(len(prompts))]
            return _joined([(one["low_res_masks"], one["iou_predictions"]) for one in answers])
        if prompts.mask_logits is None:
            return self._decode_slots(self._side(image, None), prompts)
        parts = [
            self._decode_slots(self._side(image, mask), prompts[row : row + 1])
            for row, mask in enumerate(prompts.mask_logits)
        ]
        return _joined([(part.logits, part.iou) for part in parts])

    def original(self, image: EncodedImage, prompt: PromptBatch) -> dict[str, Array]:
        """The original layout's answer to one prompt, by the names of its outputs."""
        mask, has_mask = _mask_inputs(None if prompt.mask_logits is None else prompt.mask_logits[0])
        values = {
            "image_embeddings": image.embedding[None],
            "point_coords": prompt.coords,
            "point_labels": prompt.labels.astype(np.float32),
            "mask_input": mask,
            "has_mask_input": has_mask,
            "orig_im_size": np.array(image.frame.size_hw, np.float32),
        }
        return self.run(DECODER, values)

    def model(self) -> Model:
        """The export as a model that segments; it needs all parts, and all four masks."""
        return Model(
            ExportedBackend(self),
            model_id=self.model_id,
            architecture=self.about["model"]["architecture"],
        )

    def _side(self, image: EncodedImage, mask_logits: FloatArray | None) -> Arrays:
        mask, has_mask = _mask_inputs(mask_logits)
        values = {"embedding": image.embedding[None], "mask_logits": mask, "has_mask": has_mask}
        found = self.run(IMAGE, values)
        return {name: found[name] for name in IMAGE_SIDE}

    def _decode_slots(self, side: Arrays, prompts: PromptBatch) -> Decoded:
        """Prompts in as many calls as the slots of the export ask for."""
        coords, labels = _without_padding(prompts)
        count, points = self.about["slots"] or (len(prompts), labels.shape[1])
        if labels.shape[1] > points:
            raise WeightsError(
                f"a prompt has {labels.shape[1]} points (a box has 2) but the export has slots for "
                f"{points}; export with more"
            )
        answers = []
        for start in range(0, len(prompts), count):
            rows = slice(start, start + count)
            used = len(labels[rows])
            values = {
                "coords": _filled(coords[rows], (count, points, 2), 0),
                "labels": _filled(labels[rows], (count, points), PADDING),
                **side,
            }
            found = self.run(PROMPT, values)
            answers.append((found["logits"][:used], found["iou"][:used]))
        return _joined(answers)


class ExportedBackend:
    """An export as an engine.

    Args:
        exported: with all parts, and all four masks.

    Raises:
        WeightsError: something is missing.
    """

    name = "exported"
    canvas_px = CANVAS_PX

    def __init__(self, exported: ExportedModel) -> None:
        if exported.about["single_mask"]:
            raise WeightsError("this export answers with a single mask; take one with all four")
        if ENCODER not in exported.parts or len(exported.parts) < 2:
            raise WeightsError("this export is a part of a model; export encoder and decoder")
        self.exported = exported
        self.device = "cpu" if exported.provider == CPU else exported.provider

    def encode(self, image: NDArray[np.uint8]) -> FloatArray:
        """One image (h, w, 3) RGB, its longer side already `canvas_px`, to (C, h', w')."""
        return self.exported.encode(image)

    def decode(self, images: Sequence[EncodedImage], prompts: PromptBatch) -> Decoded:
        """Prompts on images, each prompt on the one its `image_index` names."""
        chosen = slice(1, MASK_TOKENS) if prompts.multimask else slice(0, 1)
        order, answers = [], []
        for number in np.unique(prompts.image_index):
            rows = np.flatnonzero(prompts.image_index == number)
            found = self.exported.decode(images[number], _rows(prompts, rows))
            order.append(rows)
            answers.append((found.logits[:, chosen], found.iou[:, chosen]))
        back, joined = np.argsort(np.concatenate(order)), _joined(answers)
        return Decoded(joined.logits[back], joined.iou[back])

    def decode_confident(
        self, images: Sequence[EncodedImage], prompts: PromptBatch, min_iou: float
    ) -> Candidates:
        """Like `decode`, without the masks whose predicted IoU is not above `min_iou`."""
        return confident(self.decode(images, prompts), min_iou)


def read_about(folder: Path) -> dict[str, Any]:
    """The content of an export's `parts.ABOUT`.

    Raises:
        WeightsError: it is missing, damaged, or of another version.
    """
    path = folder / ABOUT
    try:
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or error
        raise WeightsError(f"{path} cannot be read ({reason}); give an exported folder") from error
    except ValueError as error:
        raise WeightsError(f"{path} is damaged; export again") from error
    if not isinstance(about, dict) or about.get("schema") != EXPORT_SCHEMA:
        raise WeightsError(f"{path} is not of schema {EXPORT_SCHEMA}; export again")
    return about


def _check_file(path: Path, pair_id: str) -> None:
    metadata = read_metadata(path)
    if metadata.get(SCHEMA_KEY) != EXPORT_SCHEMA or MODEL_KEY not in metadata:
        raise WeightsError(f"{path} is not of schema {EXPORT_SCHEMA}; export again")
    check_pair(pair_id, metadata.get(PAIR_ID_KEY, "none"), what=str(path))


def _open(path: Path, provider: str) -> Any:
    """A session that runs on the provider that was asked for, and on no other in its place."""
    available = onnxruntime.get_available_providers()
    if provider not in available:
        raise DeviceError(f"provider {provider} is not there; there are {', '.join(available)}")
    try:
        session = onnxruntime.InferenceSession(str(path), providers=[provider])
    except (Fail, InvalidGraph, RuntimeException) as error:
        reason = " ".join(str(error).split())
        raise WeightsError(f"{path} cannot be opened ({reason}); export again") from error
    if session.get_providers()[0] != provider:
        raise DeviceError(
            f"{provider} was asked for but onnxruntime took {session.get_providers()[0]}; "
            "install what the provider needs, or ask for another"
        )
    return session


def _mask_inputs(mask_logits: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    if mask_logits is None:
        return _NO_MASK, np.zeros(1, np.float32)
    return np.asarray(mask_logits, np.float32)[None, None], np.ones(1, np.float32)


def _without_padding(prompts: PromptBatch) -> tuple[FloatArray, NDArray[np.int32]]:
    """Coordinates and labels without the padding point, which the graph has inside."""
    given = (prompts.labels != PADDING).any(axis=0)
    if not given.any():
        given[:1] = True  # prompts of a mask alone: an unused slot
    return prompts.coords[:, given], prompts.labels[:, given].astype(np.int32)


def _filled(array: Array, shape: tuple[int, ...], value: int) -> Array:
    whole = np.full(shape, value, array.dtype)
    whole[tuple(slice(0, length) for length in array.shape)] = array
    return whole


def _rows(prompts: PromptBatch, rows: NDArray[np.intp]) -> PromptBatch:
    masks = prompts.mask_logits
    return PromptBatch(
        prompts.coords[rows],
        prompts.labels[rows],
        None if masks is None else masks[rows],
        prompts.image_index[rows],
        prompts.multimask,
    )


def _joined(answers: Sequence[tuple[FloatArray, FloatArray]]) -> Decoded:
    logits, iou = zip(*answers, strict=True)
    return Decoded(np.concatenate(logits), np.concatenate(iou))
