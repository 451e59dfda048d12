"""Segment Anything as a CVAT interactor: one nuclio function, one file.

CVAT sends the frame with the clicks of a person and shows the mask that comes back. Every click
sends the whole frame again, so the last few frames are kept encoded.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask import AnymaskError, EncodedImage, Model, Prompt, load_model
from anymask.geometry.boxes import box_from_mask
from anymask.geometry.contours import polygons
from anymask.io.images import read_image

MODEL_VARIABLE = "ANYMASK_CVAT_MODEL"
CROP_VARIABLE = "ANYMASK_CVAT_CROP"
FRAMES_KEPT = 4
"""Encoded frames a worker keeps, 4 MB each."""
MOST_PIXELS = 100_000_000
OUTLINE_TOLERANCE_PX = 0.5

Points = NDArray[np.float64]
Reply = dict[str, Any]


class RequestError(ValueError):
    """A request that cannot be answered: which argument is wrong, and what is right."""


def init_context(context: Any) -> None:
    """Load the model once a worker, as nuclio asks at its start."""
    context.logger.info("loading the model")
    model = load_model(os.environ.get(MODEL_VARIABLE, "vit_t"))
    context.user_data.interactor = Interactor(model, crop=os.environ.get(CROP_VARIABLE) == "1")
    context.logger.info(f"ready: {model}")


def handler(context: Any, event: Any) -> Any:
    """Answer one interaction: the mask, or status 400 and a line that names the wrong argument."""
    try:
        reply = context.user_data.interactor.answer(Interaction.parse(event.body))
    except (RequestError, AnymaskError) as error:
        # CVAT shows its user the status only, so that the line must be found in the log
        context.logger.warn(f"refused: {error}")
        return _respond(context, {"error": {"code": "bad_request", "message": str(error)}}, 400)
    return _respond(context, reply, 200)


def _respond(context: Any, body: Reply, status: int) -> Any:
    return context.Response(
        body=json.dumps(body, separators=(",", ":")),
        headers={},
        content_type="application/json",
        status_code=status,
    )


@dataclass(frozen=True, eq=False)
class Interaction:
    """What CVAT asks.

    Attributes:
        image: the frame's bytes, any kind of picture.
        pos_points: (N, 2) (x, y) in pixels of the frame, on the object.
        neg_points: (M, 2) likewise, not on it.
        obj_bbox: (4,) x0, y0, x1, y1, or None.
    """

    image: bytes
    pos_points: Points
    neg_points: Points
    obj_bbox: Points | None

    @classmethod
    def parse(cls, body: Any) -> Interaction:
        """Of a request's body.

        Raises:
            RequestError: something is missing or malformed.
        """
        request = _as_object(body)
        interaction = cls(
            _image(request.get("image")),
            _points("pos_points", request.get("pos_points")),
            _points("neg_points", request.get("neg_points")),
            _box(request.get("obj_bbox")),
        )
        points = len(interaction.pos_points) + len(interaction.neg_points)
        if not points and interaction.obj_bbox is None:
            raise RequestError(
                "pos_points, neg_points and obj_bbox are all empty; give at least one point or box"
            )
        return interaction

    def prompt(self, size_hw: tuple[int, int]) -> Prompt:
        """As the model takes it.

        Raises:
            RequestError: a point or box outside the frame.
        """
        _check_inside("pos_points", self.pos_points, size_hw)
        _check_inside("neg_points", self.neg_points, size_hw)
        if self.obj_bbox is not None:
            _check_overlap(self.obj_bbox, size_hw)
        labels = [1] * len(self.pos_points) + [0] * len(self.neg_points)
        points = np.concatenate([self.pos_points, self.neg_points])
        return Prompt(points=points, labels=labels, box=self.obj_bbox)


class Interactor:
    """A model with the frames it saw last.

    Args:
        model: what segments.
        crop: send the part of the mask inside its bounds instead of all of it; smaller by far for
            large frames; understood by every CVAT that has interactors of version 2.
    """

    def __init__(self, model: Model, *, crop: bool = False) -> None:
        self._model = model
        self._crop = crop
        self._frames: OrderedDict[str, EncodedImage] = OrderedDict()

    def answer(self, interaction: Interaction) -> Reply:
        """The mask in the form CVAT reads.

        Raises:
            RequestError: a prompt that does not fit the frame, or an image that is none.
        """
        encoded = self._encode(interaction.image)
        prompt = interaction.prompt(encoded.frame.size_hw)
        mask = self._model.segment(encoded, prompt).array[0]
        return _cropped_reply(mask) if self._crop and mask.any() else _full_reply(mask)

    def _encode(self, image: bytes) -> EncodedImage:
        key = hashlib.sha256(image).hexdigest()
        if key not in self._frames:
            self._frames[key] = self._model.encode(_read(image))
        self._frames.move_to_end(key)
        while len(self._frames) > FRAMES_KEPT:
            self._frames.popitem(last=False)
        return self._frames[key]


def _full_reply(mask: NDArray[np.bool_]) -> Reply:
    """The mask as rows of 0 and 1 at the frame's size."""
    return {"mask": mask.astype(np.uint8).tolist(), "points": _outline(mask)}


def _cropped_reply(mask: NDArray[np.bool_]) -> Reply:
    """The mask inside its bounds: left, top, right, bottom, the last column and row included."""
    x0, y0, x1, y1 = box_from_mask(mask).tolist()
    crop = mask[y0:y1, x0:x1].astype(np.uint8).tolist()
    return {"mask": crop, "points": _outline(mask), "bounds": [x0, y0, x1 - 1, y1 - 1]}


def _outline(mask: NDArray[np.bool_]) -> list[list[float]]:
    """The outline of the largest part: CVAT's polygon has one ring."""
    rings = [polygon.exterior for polygon in polygons(mask, OUTLINE_TOLERANCE_PX)]
    outline: list[list[float]] = max(rings, key=_ring_area).tolist() if rings else []
    return outline


def _ring_area(ring: Points) -> float:
    x, y = ring.T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


def _as_object(body: Any) -> Mapping[str, Any]:
    """The body as a JSON object; nuclio has read it already if the content type said JSON."""
    if isinstance(body, bytes | str):
        try:
            body = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise RequestError(f"the body is no JSON ({error}); send one JSON object") from error
    if not isinstance(body, Mapping):
        raise RequestError(
            f"the body is {_kind(body)}; send a JSON object with image, pos_points, neg_points "
            "and obj_bbox"
        )
    return body


def _image(value: Any) -> bytes:
    if not isinstance(value, str) or not value:
        raise RequestError(f"image is {_kind(value)}; give a picture's bytes as base64 text")
    text = re.sub(r"^data:[^,]*;base64,|\s", "", value)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError(f"image is not base64 ({error}); give a picture's bytes") from error


def _read(image: bytes) -> NDArray[np.uint8]:
    try:
        return read_image(image, max_pixels=MOST_PIXELS)
    except AnymaskError as error:
        raise RequestError(f"image cannot be read: {error}") from error


def _points(name: str, value: Any) -> Points:
    if value is None or value == []:
        return np.zeros((0, 2))
    if not isinstance(value, list):
        raise RequestError(f"{name} is {_kind(value)}; give a list of [x, y] in pixels")
    for number, point in enumerate(value):
        if not (isinstance(point, list) and len(point) == 2 and all(map(_is_number, point))):
            raise RequestError(
                f"{name}[{number}] is {_shown(point)}; give [x, y], two numbers in pixels"
            )
    return np.array(value, np.float64)


def _box(value: Any) -> Points | None:
    """Two opposite corners as CVAT sends them, in any order, or four numbers; empty is no box."""
    if value is None or value == []:
        return None
    nested = isinstance(value, list) and _are_lists(value)
    flat = [side for corner in value for side in corner] if nested else value
    if not (isinstance(flat, list) and len(flat) == 4 and all(map(_is_number, flat))):
        raise RequestError(
            f"obj_bbox is {_shown(value)}; give two corners [[x0, y0], [x1, y1]] in pixels, or null"
        )
    corners = np.array(flat, np.float64).reshape(2, 2)
    return np.concatenate([corners.min(axis=0), corners.max(axis=0)])


def _check_inside(name: str, points: Points, size_hw: tuple[int, int]) -> None:
    height, width = size_hw
    outside = ((points < 0) | (points > (width, height))).any(axis=1)
    if outside.any():
        number = int(outside.argmax())
        x, y = points[number]
        raise RequestError(
            f"{name}[{number}] = [{x:g}, {y:g}] lies outside the image, which is {width} x "
            f"{height} pixels (width x height)"
        )


def _check_overlap(box: Points, size_hw: tuple[int, int]) -> None:
    height, width = size_hw
    x0, y0, x1, y1 = box
    if x1 < 0 or y1 < 0 or x0 > width or y0 > height:
        raise RequestError(
            f"obj_bbox = [[{x0:g}, {y0:g}], [{x1:g}, {y1:g}]] lies outside the image, which is "
            f"{width} x {height} pixels (width x height)"
        )


def _are_lists(value: list[Any]) -> bool:
    return all(isinstance(part, list) for part in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**53


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _kind(value: Any) -> str:
    """What JSON calls a value."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    if value is None:
        return "missing"
    return "empty text" if value == "" else names.get(type(value), "a number")
