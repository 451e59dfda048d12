"""Faces: by OpenCV's cascade on a real photo, by YuNet's interface with a network that sees red."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anymask.apps.faces import FACE, face_finder
from anymask.errors import MissingExtraError, WeightsError

cv2 = pytest.importorskip("cv2", reason="needs OpenCV")
needs_cascade = pytest.mark.skipif(
    not hasattr(cv2, "CascadeClassifier"), reason="this OpenCV brings no detector"
)


@needs_cascade
def test_the_face_of_a_real_photo_is_found_and_nothing_in_one_without() -> None:
    data = pytest.importorskip("skimage.data", reason="needs scikit-image's photos")
    find = face_finder()
    assert find is not None
    (face,) = find(data.astronaut())
    assert face.label == FACE
    assert 0.5 <= face.score <= 1
    np.testing.assert_allclose(face.box_xyxy, (177, 66, 274, 163), atol=8)
    assert find(data.coffee()) == []


@needs_cascade
@pytest.mark.parametrize("size_hw", [(1, 1), (5, 400), (20, 20)])
def test_pictures_too_small_for_a_face_have_none(size_hw: tuple[int, int]) -> None:
    find = face_finder()
    assert find is not None
    assert find(np.zeros((*size_hw, 3), np.uint8)) == []


def test_an_opencv_without_a_detector_finds_nothing_to_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "CascadeClassifier", raising=False)
    assert face_finder() is None


def test_without_opencv_a_file_of_yunet_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    assert face_finder() is None
    with pytest.raises(MissingExtraError, match=r"anymask\[faces\]"):
        face_finder(tmp_path / "yunet.onnx")


@pytest.mark.parametrize("content", [None, b"", b"no network at all"])
def test_what_is_no_yunet_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "yunet.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match="no file of YuNet"):
        face_finder(path)


def test_yunet_answers_with_boxes_of_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "yunet.onnx"
    _write_red_yunet(path)
    find = face_finder(path)
    assert find is not None
    picture = np.full((96, 160, 3), 40, np.uint8)
    picture[32:64, 96:128] = (250, 10, 10)
    (face,) = find(picture)
    assert face.label == FACE
    assert face.score > 0.9
    np.testing.assert_allclose(face.box_xyxy, (96, 32, 128, 64), atol=1)
    assert find(np.full((50, 70, 3), 40, np.uint8)) == []


def _write_red_yunet(path: Path) -> None:
    """YuNet's twelve outputs, of a network for which a face is a red square of 32 pixels."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    nodes, tensors, outputs = [], [], []

    def constant(name: str, array: np.ndarray) -> str:
        tensors.append(numpy_helper.from_array(array, name))
        return name

    for stride in (8, 16, 32):
        for kind, channels in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            weights = np.zeros((channels, 3, stride, stride), np.float32)  # of blue, green, red
            bias = np.zeros(channels, np.float32)
            if kind in ("cls", "obj") and stride == 32:
                weights[0, 2], weights[0, 0], bias[0] = 0.04 / stride**2, -0.04 / stride**2, -4
            elif kind in ("cls", "obj"):
                bias[0] = -20
            elif kind == "bbox":
                bias[:2] = 0.5  # a cell's middle, in cells; sides are exponents
            name = f"{kind}_{stride}"
            inputs = ["input", constant(f"w_{name}", weights), constant(f"b_{name}", bias)]
            sides = [stride, stride]
            nodes.append(
                helper.make_node("Conv", inputs, [f"map_{name}"], strides=sides, kernel_shape=sides)
            )
            nodes.append(
                helper.make_node("Transpose", [f"map_{name}"], [f"last_{name}"], perm=[0, 2, 3, 1])
            )
            shape = constant(f"s_{name}", np.array([1, -1, channels], np.int64))
            last = f"flat_{name}" if kind in ("cls", "obj") else name
            nodes.append(helper.make_node("Reshape", [f"last_{name}", shape], [last]))
            if last != name:
                nodes.append(helper.make_node("Sigmoid", [last], [name]))
            sides = [1, "n", channels]
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, sides))
    picture = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, "h", "w"])
    graph = helper.make_graph(nodes, "yunet", [picture], outputs, tensors)
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))
