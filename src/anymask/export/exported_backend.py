"""An export as an engine: what segments with the files alone."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import WeightsError
from anymask.export.decoder_graphs import Slots
from anymask.export.exported import CPU, Array, ExportedModel
from anymask.export.parts import DECODER, ENCODER
from anymask.inference.backend import Candidates, Decoded, PromptBatch, confident
from anymask.inference.batching import PADDING
from anymask.inference.encoded import EncodedImage
from anymask.inference.engines import LightEngine
from anymask.inference.onnx_backend import to_canvas
from anymask.inference.onnx_graphs import CANVAS_PX, LOW_RES, MASK_TOKENS
from anymask.inference.segment import Model

FloatArray = NDArray[np.float32]

_PROMPTS_PER_CALL = 8
"""Of a decoder that leaves it open; more is hardly faster and takes more memory."""
_NO_MASK = np.zeros((1, 1, LOW_RES, LOW_RES), np.float32)


def open_export(
    *paths: str | PathLike[str],
    provider: str = CPU,
    engine: LightEngine = "onnx",
    precision: str = "fp32",
) -> Model:
    """An export as a model that segments.

    Args:
        paths: a folder that `anymask export` wrote, or its two files under any names.
        provider: what runs them, as onnxruntime names it.
        engine: see `ExportedModel.open`.
        precision: see `ExportedModel.open`.

    Returns:
        The model; its answers are those of the model that was exported.

    Raises:
        WeightsError: a part is missing, damaged, or of another model; or the decoder shows one
            mask only.
        DeviceError: the provider or engine is not there, or does not have this precision.
        MissingExtraError: OpenVINO is not installed.

    Example:
        >>> model = open_export("anymask-export")  # doctest: +SKIP
        >>> model.segment("photo.jpg", Prompt(points=[(320, 240)]))  # doctest: +SKIP
    """
    exported = ExportedModel.open(*paths, provider=provider, engine=engine, precision=precision)
    backend = ExportedBackend(exported)
    return Model(backend, model_id=exported.model_id, architecture=exported.architecture)


class ExportedBackend:
    """An export as an engine.

    Args:
        exported: with both parts, and all four masks.

    Raises:
        WeightsError: something is missing.
    """

    name = "exported"
    takes_tokens = False
    canvas_px = CANVAS_PX

    def __init__(self, exported: ExportedModel) -> None:
        for part in (ENCODER, DECODER):
            if part not in exported.parts:
                raise WeightsError(f"there is no {part} in this export; export it as well")
        if exported.answers != MASK_TOKENS:
            raise WeightsError("this decoder shows a single mask; export one with all four")
        self.exported = exported
        self.device = "cpu" if exported.provider == CPU else exported.provider

    def encode(self, image: NDArray[np.uint8]) -> FloatArray:
        """One image (h, w, 3) RGB, its longer side already `canvas_px`, to (C, h', w')."""
        return encode(self.exported, image)

    def decode(self, images: Sequence[EncodedImage], prompts: PromptBatch) -> Decoded:
        """Prompts on images, each prompt on the one its `image_index` names."""
        chosen = list(prompts.tokens)
        order, answers = [], []
        for number in np.unique(prompts.image_index):
            rows = np.flatnonzero(prompts.image_index == number)
            found = decode(self.exported, images[number], prompts[rows])
            order.append(rows)
            answers.append(Decoded(found.logits[:, chosen], found.iou[:, chosen]))
        back, joined = np.argsort(np.concatenate(order)), _joined(answers)
        return Decoded(joined.logits[back], joined.iou[back])

    def decode_confident(
        self, images: Sequence[EncodedImage], prompts: PromptBatch, min_iou: float
    ) -> Candidates:
        """Like `decode`, without the masks whose predicted IoU is not above `min_iou`."""
        return confident(self.decode(images, prompts), min_iou)


def encode(exported: ExportedModel, image: NDArray[np.uint8]) -> FloatArray:
    """One image (h, w, 3) RGB, its longer side 1024, to its embedding (C, 64, 64)."""
    embedding: FloatArray = exported.run(ENCODER, {"canvas": to_canvas(image)})["embedding"][0]
    return embedding


def decode(exported: ExportedModel, image: EncodedImage, prompts: PromptBatch) -> Decoded:
    """All the answers to prompts on one image, whatever `prompts.tokens` says.

    Args:
        exported: with a decoder.
        image: the image of all prompts.
        prompts: in the frame of its canvas.

    Returns:
        M is 4, the single mask and the three candidates; or 1 for a decoder of a single mask.

    Raises:
        WeightsError: there is no decoder, or it has slots for fewer points.
    """
    if exported.is_original:
        rows = [decode_original(exported, image, prompts, row) for row in range(len(prompts))]
        return _joined([Decoded(one["low_res_masks"], one["iou_predictions"]) for one in rows])
    slots, answers = exported.slots, []
    count = slots[0] if slots else _PROMPTS_PER_CALL
    for start in range(0, len(prompts), count):
        part = prompts[start : start + count]
        values = {"embedding": image.embedding[None], **_inputs(part, slots)}
        found = exported.run(DECODER, values)
        answers.append(Decoded(found["logits"][: len(part)], found["iou"][: len(part)]))
    return _joined(answers)


def decode_original(
    exported: ExportedModel, image: EncodedImage, prompts: PromptBatch, row: int
) -> dict[str, Array]:
    """The original layout's answer to one prompt, by the names of its outputs."""
    prompt = prompts[row : row + 1]
    mask, has_mask = _masks(prompt)
    values = {
        "image_embeddings": image.embedding[None],
        "point_coords": prompt.coords,
        "point_labels": prompt.labels.astype(np.float32),
        "mask_input": mask,
        "has_mask_input": has_mask,
        "orig_im_size": np.array(image.frame.size_hw, np.float32),
    }
    return exported.run(DECODER, values)


def _inputs(prompts: PromptBatch, slots: Slots | None) -> dict[str, Array]:
    """The batched decoder's inputs but for the embedding, filled up to the slots if it has some."""
    coords, labels = _without_padding(prompts)
    mask_logits, has_mask = _masks(prompts)
    if slots is None:
        count, points, masks = *labels.shape, len(has_mask)
    else:
        count, points, masks = *slots, slots[0]
    if labels.shape[1] > points:
        raise WeightsError(
            f"a prompt has {labels.shape[1]} points (a box has 2) but the export has slots for "
            f"{points}; export with more"
        )
    return {
        "coords": _filled(coords, (count, points, 2), 0),
        "labels": _filled(labels, (count, points), PADDING),
        "mask_logits": _filled(mask_logits, (masks, 1, LOW_RES, LOW_RES), 0),
        "has_mask": _filled(has_mask, (masks,), 0),
    }


def _masks(prompts: PromptBatch) -> tuple[FloatArray, FloatArray]:
    """The masks (M, 1, 256, 256), and 1 for each of them; a single 0 where there are none."""
    if prompts.mask_logits is None:
        return _NO_MASK, np.zeros(1, np.float32)
    return np.asarray(prompts.mask_logits, np.float32)[:, None], np.ones(len(prompts), np.float32)


def _without_padding(prompts: PromptBatch) -> tuple[FloatArray, NDArray[np.int64]]:
    """Coordinates and labels without the padding point, which the graph has inside."""
    given = (prompts.labels != PADDING).any(axis=0)
    if not given.any():
        given[:1] = True  # prompts of a mask alone: an unused slot
    return prompts.coords[:, given], prompts.labels[:, given]


def _filled(array: Any, shape: tuple[int, ...], value: int) -> Any:
    whole = np.full(shape, value, array.dtype)
    whole[tuple(slice(0, length) for length in array.shape)] = array
    return whole


def _joined(answers: Sequence[Decoded]) -> Decoded:
    return Decoded(
        np.concatenate([one.logits for one in answers]),
        np.concatenate([one.iou for one in answers]),
    )
