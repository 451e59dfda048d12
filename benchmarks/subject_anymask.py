"""anymask through its public calls."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from subject import Decoded, NotOfferedError, Subject

import anymask
from anymask.geometry.frames import Frame


class Anymask(Subject):
    """One engine in one precision.

    Args:
        architecture: "vit_t" takes the cached default model, others their checkpoint.
        checkpoint: weight file.
        threads: what the engine may use.
        engine: as `anymask.load_model` takes it.
        precision: likewise.
    """

    def __init__(
        self, architecture: str, checkpoint: Path, threads: int, *, engine: str, precision: str
    ) -> None:
        if engine == "torch":
            import torch

            torch.set_num_threads(threads)
        self.model = _load(architecture, checkpoint, engine, precision)
        self.engine = engine
        self.encoded: anymask.EncodedImage | None = None

    def encode(self, image: np.ndarray) -> np.ndarray:
        """Normalise, pad, run the encoder."""
        return self.model.backend.encode(image)

    def hold(self, embedding: np.ndarray, size_hw: tuple[int, int]) -> None:
        """Keep an encoded image for the following clicks."""
        frame = Frame(size_hw)
        self.encoded = anymask.EncodedImage(embedding.copy(), frame, self.model.model_id, "")

    def decode(self, points_xy: np.ndarray) -> Decoded:
        """All points in one call."""
        prompts = [anymask.Prompt(points=[tuple(point)]) for point in points_xy]
        masks = self.model.segment(self._held(), prompts, multimask=True)
        count = len(prompts)
        logits, iou = masks.candidate_logits, masks.candidate_iou
        return Decoded(logits.reshape(count, -1, *logits.shape[1:]), iou.reshape(count, -1))

    def mask(self, point_xy: tuple[float, float]) -> np.ndarray:
        """The chosen mask."""
        return self.model.segment(self._held(), anymask.Prompt(points=[point_xy])).array[0]

    def everything(self, photo: np.ndarray, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        """Records of everything mode."""
        settings = _settings(**parameters)
        return [_published(record) for record in anymask.everything(self.model, photo, settings)]

    def _held(self) -> anymask.EncodedImage:
        if self.encoded is None:
            raise SystemExit("no image is held")
        return self.encoded


def _settings(preset: str = "exact", **parameters: Any) -> anymask.EverythingSettings:
    """Everything mode's settings: the published parameters, or a preset with some changed."""
    from anymask.inference.everything.presets import preset as named

    return replace(named(preset), **parameters)


def _published(record: Any) -> dict[str, Any]:
    """A record as the judge reads it."""
    return {"segmentation": record.rle(), "predicted_iou": record.predicted_iou}


def _exported(checkpoint: Path, precision: str) -> anymask.Model:
    """A checkpoint on OpenVINO, by way of an export, which is made once."""
    from anymask.export.export import export_model
    from anymask.export.exported_backend import open_export

    folder = checkpoint.with_suffix(".export")
    if not folder.is_dir():
        model = anymask.load_model(checkpoint=checkpoint, device="cpu", offline=True)
        export_model(model, folder, [np.zeros((64, 64, 3), np.uint8)])
        del model
    return open_export(folder, engine="openvino", precision=precision)


def _load(architecture: str, checkpoint: Path, engine: str, precision: str) -> anymask.Model:
    """The model, or the reason why there is none of the kind."""
    if engine == "openvino" and architecture != "vit_t":
        return _exported(checkpoint, precision)
    which: dict[str, Any] = {"device": "cpu", "offline": True, "engine": engine}
    if architecture != "vit_t":
        which["checkpoint"] = checkpoint
    which["precision"] = precision
    try:
        model = anymask.load_model(architecture, **which)
    except anymask.AnymaskError as error:
        raise NotOfferedError(str(error)) from error
    if engine == "onnx" and "torch" in sys.modules:
        raise SystemExit("the onnx engine imported torch")
    return model
