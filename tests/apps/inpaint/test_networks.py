from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anymask.apps.inpaint.fill import inpaint
from anymask.apps.inpaint.networks import DiffusersInpainter, open_diffusers, open_lama
from anymask.errors import MissingExtraError, WeightsError

RED = (200, 20, 40)


def lama_file(
    path: Path,
    *,
    size: tuple[int | str, int | str] = ("h", "w"),
    mask_first: bool = False,
    scale: float = 1.0,
) -> Path:
    """A graph that paints the hole red and keeps the rest: image * (1 - mask) + red * mask."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    def value(name, channels):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, *size])

    constants = [
        numpy_helper.from_array(np.float32(RED).reshape(1, 3, 1, 1) / 255, "red"),
        numpy_helper.from_array(np.float32(1), "one"),
        numpy_helper.from_array(np.float32(scale), "scale"),
    ]
    nodes = [
        helper.make_node("Sub", ["one", "mask"], ["keep"]),
        helper.make_node("Mul", ["image", "keep"], ["kept"]),
        helper.make_node("Mul", ["red", "mask"], ["painted"]),
        helper.make_node("Add", ["kept", "painted"], ["sum"]),
        helper.make_node("Mul", ["sum", "scale"], ["out"]),
    ]
    inputs = [value("image", 3), value("mask", 1)]
    graph = helper.make_graph(
        nodes, "lama", inputs[::-1] if mask_first else inputs, [value("out", 3)], constants
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), str(path))
    return path


def middle_hole(image: np.ndarray) -> np.ndarray:
    mask = np.zeros(image.shape[:2], bool)
    mask[41:60, 77:90] = True
    return mask


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"mask_first": True},
        {"scale": 255.0},
        {"size": (64, 64)},
        {"size": (64, 64), "scale": 255.0},
    ],
)
def test_lama_as_onnx_paints_the_hole_and_nothing_else(tmp_path, coffee, kind):
    image = coffee[:301, :203]
    lama = open_lama(lama_file(tmp_path / "lama.onnx", **kind))
    result = inpaint(image, middle_hole(image), inpainter=lama, grow_px=0)
    assert result.method == "lama"
    assert np.abs(result.image[result.hole].astype(int) - RED).max() <= 60
    assert np.abs(np.median(result.image[result.hole], axis=0) - RED).max() <= 1
    np.testing.assert_array_equal(result.image[~result.hole], image[~result.hole])
    deep = inpaint(image.astype(np.uint16) * 257, result.hole, inpainter=lama, grow_px=0).image
    np.testing.assert_array_equal(deep[~result.hole], image[~result.hole] * np.uint16(257))
    assert np.abs(np.median(deep[result.hole], axis=0) / 257 - RED).max() <= 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of making such a file
def test_lama_as_torchscript(tmp_path, coffee):
    torch = pytest.importorskip("torch")

    class Paint(torch.nn.Module):
        def forward(self, image, mask):
            return image * (1 - mask) + 0.5 * mask

    example = (torch.zeros(1, 3, 8, 8), torch.zeros(1, 1, 8, 8))
    script = torch.jit.trace(Paint(), example)
    torch.jit.save(script, str(tmp_path / "lama.pt"))
    mask = middle_hole(coffee)
    result = inpaint(coffee, mask, inpainter=open_lama(tmp_path / "lama.pt"), grow_px=0)
    assert np.abs(result.image[mask].astype(int) - 128).max() <= 1
    np.testing.assert_array_equal(result.image[~mask], coffee[~mask])


def test_files_that_are_no_such_network_are_refused(tmp_path):
    with pytest.raises(WeightsError, match="does not exist"):
        open_lama(tmp_path / "nothing.onnx")
    (tmp_path / "text.onnx").write_text("no graph")
    with pytest.raises(WeightsError, match="is no ONNX graph"):
        open_lama(tmp_path / "text.onnx")
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, "h", "w"])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, "h", "w"])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value], [out])
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), tmp_path / "one.onnx")
    with pytest.raises(WeightsError, match=r"a picture .* and a mask"):
        open_lama(tmp_path / "one.onnx")
    pytest.importorskip("torch")
    (tmp_path / "text.pt").write_text("no script")
    with pytest.raises(WeightsError, match="is no TorchScript"):
        open_lama(tmp_path / "text.pt")


class BluePipeline:
    """Stands for a diffusion pipeline: everything turns blue."""

    def __init__(self) -> None:
        self.calls: list[dict] = []

    def __call__(self, **call):
        self.calls.append(call)
        return types.SimpleNamespace(
            images=[Image.new("RGB", (call["width"], call["height"]), (0, 0, 250))]
        )


def test_a_diffusion_pipeline_is_told_what_to_paint(coffee):
    pytest.importorskip("torch")
    pipeline, mask = BluePipeline(), middle_hole(coffee)
    inpainter = DiffusersInpainter(pipeline, "a blue wall", longest_side_px=64)
    result = inpaint(coffee, mask, inpainter=inpainter, grow_px=0)
    assert (result.image[mask] == (0, 0, 250)).all()
    np.testing.assert_array_equal(result.image[~mask], coffee[~mask])
    (call,) = pipeline.calls
    assert call["prompt"] == "a blue wall"
    assert call["image"].size == call["mask_image"].size == (call["width"], call["height"])
    assert max(call["image"].size) == 64
    assert call["width"] % 8 == call["height"] % 8 == 0


def test_a_pipeline_is_only_read_from_the_disk(tmp_path, monkeypatch):
    asked = []

    class Pipelines:
        @staticmethod
        def from_pretrained(path, **options):
            asked.append((path, options))
            return BluePipeline()

    stub = types.ModuleType("diffusers")
    stub.AutoPipelineForInpainting = Pipelines
    monkeypatch.setitem(sys.modules, "diffusers", stub)
    assert open_diffusers(tmp_path, "sky").prompt == "sky"
    assert asked == [(str(tmp_path), {"local_files_only": True})]
    with pytest.raises(WeightsError, match="does not exist"):
        open_diffusers(tmp_path / "none")


def test_a_missing_package_names_its_install_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(MissingExtraError, match="pip install"):
        open_diffusers(tmp_path)
