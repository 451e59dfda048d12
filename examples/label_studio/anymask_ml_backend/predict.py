"""From a request of Label Studio to its predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anymask import AnymaskError, EncodedImage, Model
from anymask.io.images import read_image

from .context import Drawing
from .encoded import EncodedPictures, Pixels
from .errors import RequestError
from .interface import Interface
from .pictures import Picture, locate
from .regions import Prediction, regions
from .settings import Settings


@dataclass(frozen=True)
class Predictor:
    """A model with its settings and the pictures it saw last."""

    model: Model
    settings: Settings
    pictures: EncodedPictures

    def predict(self, request: Mapping[str, Any]) -> list[Prediction]:
        """The prediction for the picture on which somebody drew; none where nobody did.

        Raises:
            RequestError: a request that cannot be answered.
        """
        drawing = Drawing.parse(_context(request))
        if drawing is None:
            return []
        interface = Interface.parse(request.get("label_config"))
        source = _only_task(request).get(interface.key)
        encoded = self._encode(locate(source, self.settings))
        size_hw = encoded.frame.size_hw
        drawing.check_size(size_hw)
        masks = self.model.segment(encoded, drawing.prompt(size_hw))
        score = min(max(float(masks.predicted_iou[0]), 0.0), 1.0)
        result = [
            region
            for control in interface.chosen(self.settings.output)
            for region in regions(
                masks.array[0],
                control,
                image=interface.image,
                label=drawing.label,
                score=score,
                tolerance_px=self.settings.tolerance_px,
            )
        ]
        return [Prediction(model_version=self.model.model_id, score=score, result=result)]

    def _encode(self, picture: Picture) -> EncodedImage:
        return self.pictures.get(picture.key, lambda: self._read(picture), self.model.encode)

    def _read(self, picture: Picture) -> Pixels:
        content = picture.read()
        try:
            return read_image(content, max_pixels=self.settings.most_pixels)
        except AnymaskError as error:
            raise RequestError(f"the task's picture cannot be read: {error}") from error


def _context(request: Mapping[str, Any]) -> object:
    """Label Studio puts the context into params; its own back ends' clients, beside the tasks."""
    params = request.get("params")
    inner = params.get("context") if isinstance(params, Mapping) else None
    return inner or request.get("context")


def _only_task(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """The data of the task that was drawn on."""
    tasks = request.get("tasks")
    if not isinstance(tasks, list) or len(tasks) != 1:
        count = len(tasks) if isinstance(tasks, list) else "no list"
        raise RequestError(f"tasks must be a list of the one task drawn on; got {count}")
    data = tasks[0].get("data") if isinstance(tasks[0], Mapping) else None
    if not isinstance(data, Mapping):
        raise RequestError("tasks[0] has no data; send the task as Label Studio keeps it")
    return data
