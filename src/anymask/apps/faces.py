"""Boxes of faces, by the detectors that OpenCV has: what no classifier of ImageNet knows.

OpenCV 4 brings a cascade of features (Viola and Jones 2001); OpenCV 5 brings none. Both run YuNet
(Wu et al. 2023) from a file. The pedestrian detector of OpenCV 4 is left
out: on everyday photos it is wrong more often than right (docs/text.md).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from anymask.errors import MissingExtraError, WeightsError
from anymask.formats.detections import LabelledBox

FACE: Final = "face"
CASCADE: Final = "haarcascade_frontalface_alt2.xml"
NEIGHBOURS: Final = 10
"""Windows around a face that must say so; from here on about nine of ten answers are faces."""
SMALLEST_PX: Final = 20
SURE: Final = 0.6
"""Least score of YuNet's answers."""

FaceFinder = Callable[[NDArray[np.uint8]], list[LabelledBox]]
"""A picture (H, W, 3) uint8 RGB to boxes labelled "face", best first."""


def face_finder(model: Path | None = None) -> FaceFinder | None:
    """The best detector of faces there is.

    Args:
        model: ONNX file of YuNet; left out, what OpenCV brings.

    Returns:
        The detector; None where OpenCV is not installed or brings none.

    Raises:
        MissingExtraError: a file was given, but OpenCV is not installed.
        WeightsError: a file that holds no YuNet.
    """
    try:
        import cv2
    except ImportError as error:
        if model is None:
            return None
        raise MissingExtraError("cv2", "faces", "to find faces") from error
    if model is not None:
        return _yunet(cv2, model)
    return _cascade(cv2) if hasattr(cv2, "CascadeClassifier") else None


def _cascade(cv2: Any) -> FaceFinder:
    known = cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / CASCADE))

    def find(image_rgb: NDArray[np.uint8]) -> list[LabelledBox]:
        grey = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY)
        least = (SMALLEST_PX, SMALLEST_PX)
        found, neighbours = known.detectMultiScale2(grey, 1.1, NEIGHBOURS, minSize=least)
        boxes = [
            LabelledBox(_corners(box), FACE, float(count / (count + NEIGHBOURS)))
            for box, count in zip(found, neighbours, strict=True)
        ]
        return sorted(boxes, key=lambda box: -box.score)

    return find


def _yunet(cv2: Any, model: Path) -> FaceFinder:
    try:
        known = cv2.FaceDetectorYN.create(str(model.expanduser()), "", (320, 320), SURE)
        _answers(known, np.zeros((64, 64, 3), np.uint8))
    except cv2.error as error:
        raise WeightsError(
            f"{model} is no file of YuNet that OpenCV {cv2.__version__} reads; give its ONNX file "
            "(face_detection_yunet)"
        ) from error

    def find(image_rgb: NDArray[np.uint8]) -> list[LabelledBox]:
        answers = _answers(known, cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR))
        return [LabelledBox(_corners(row[:4]), FACE, float(row[-1])) for row in answers]

    return find


def _answers(known: Any, image_bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, 15): x, y, width, height, five landmarks, score; best first."""
    height, width = image_bgr.shape[:2]
    known.setInputSize((width, height))
    answers = known.detect(image_bgr)[1]
    return np.zeros((0, 15), np.float32) if answers is None else np.asarray(answers)


def _corners(box_xywh: NDArray[np.generic]) -> tuple[float, float, float, float]:
    x, y, width, height = (float(side) for side in box_xywh)
    return x, y, x + width, y + height
