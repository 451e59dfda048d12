"""The default model's tensors, recovered from its two ONNX files."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional as F

from anymask.errors import WeightsError
from anymask.io.weights.cache import locate
from anymask.io.weights.zoo import find_entry
from anymask.nn import minisam
from anymask.nn.checkpoints import check_keys, detect_architecture, load_converted, load_into
from anymask.nn.zoo import build_sam


def recover_state_dict(encoder: Path, decoder: Path) -> dict[str, torch.Tensor]:
    """What the network is filled with, without a copy that another test has made."""
    files = {"encoder.onnx": encoder, "sam.onnx": decoder}
    with TemporaryDirectory() as folder:
        return load_converted(files, Path(folder) / "copy.safetensors")


def initializer(name: str, array: np.ndarray) -> onnx.TensorProto:
    return numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name)


def save(path: Path, nodes: list[onnx.NodeProto], tensors: list[onnx.TensorProto]) -> Path:
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", [], [], tensors)), path)
    return path


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def small(tmp_path: Path, rng: np.random.Generator) -> dict[str, object]:
    """Two files with one node of each kind."""
    arrays = {
        "weight": rng.normal(size=(4, 3, 3, 3)).astype(np.float32),
        "bias": rng.normal(size=4).astype(np.float32),
        "qkv": rng.normal(size=(6, 18)).astype(np.float32),
        "norm": rng.normal(size=(4, 1, 1)).astype(np.float32),
        "tokens": rng.normal(size=(1, 5, 8)).astype(np.float32),
        "no_mask": rng.normal(size=(1, 8, 1, 1)).astype(np.float32),
        "table": rng.normal(size=(2, 9)).astype(np.float32),
    }
    y, x = np.divmod(np.arange(9), 3)
    distance = abs(y[:, None] - y) * 3 + abs(x[:, None] - x)
    constant = numpy_helper.from_array(arrays["table"][:, distance])
    encoder = save(
        tmp_path / "encoder.onnx",
        [
            helper.make_node(
                "Conv",
                ["x", "onnx::Conv_1", "onnx::Conv_2"],
                ["a"],
                "/patch_embed/seq/seq.0/c/Conv",
            ),
            helper.make_node(
                "MatMul", ["a", "onnx::MatMul_3"], ["b"], "/layers.1/blocks.0/attn/qkv/MatMul"
            ),
            helper.make_node(
                "Constant", [], ["c"], "/layers.1/blocks.0/attn/Constant_5", value=constant
            ),
            helper.make_node("Mul", ["onnx::Mul_4", "b"], ["d"], "/neck/neck.1/Mul"),
        ],
        [
            initializer("onnx::Conv_1", arrays["weight"]),
            initializer("onnx::Conv_2", arrays["bias"]),
            initializer("onnx::MatMul_3", arrays["qkv"]),
            initializer("onnx::Mul_4", arrays["norm"]),
        ],
    )
    decoder = save(
        tmp_path / "sam.onnx",
        [
            helper.make_node("Mul", ["x", "onnx::Mul_5"], ["a"], "/Mul_9"),
            helper.make_node("Expand", ["onnx::Expand_6", "s"], ["b"], "/Expand_1"),
            helper.make_node(
                "Add", ["a", "onnx::Add_7"], ["c"], "/mask_downscaling/mask_downscaling.1/Add_1"
            ),
            helper.make_node(
                "Mul", ["model.prompt_encoder.not_a_point_embed.weight", "c"], ["d"], "/Mul_3"
            ),
        ],
        [
            initializer("onnx::Mul_5", arrays["no_mask"]),
            initializer("onnx::Expand_6", arrays["tokens"]),
            initializer("onnx::Add_7", arrays["norm"]),
            initializer("model.prompt_encoder.not_a_point_embed.weight", arrays["tokens"][0, :1]),
        ],
    )
    return {"encoder": encoder, "decoder": decoder, **arrays}


def same(tensor: torch.Tensor, array: object) -> bool:
    assert isinstance(array, np.ndarray)
    return np.array_equal(tensor.numpy(), array)


def test_each_kind_of_node_gives_its_tensor(small: Mapping[str, object]) -> None:
    state = recover_state_dict(small["encoder"], small["decoder"])  # type: ignore[arg-type]
    encoder, norm, tokens = "image_encoder.", small["norm"], small["tokens"]
    assert isinstance(norm, np.ndarray)
    assert isinstance(tokens, np.ndarray)
    assert same(state[f"{encoder}patch_embed.seq.0.c.weight"], small["weight"])
    assert same(state[f"{encoder}patch_embed.seq.0.bn.bias"], small["bias"])
    assert same(state[f"{encoder}layers.1.blocks.0.attn.qkv.weight"].T, small["qkv"])
    assert same(state[f"{encoder}layers.1.blocks.0.attn.attention_biases"], small["table"])
    assert same(state[f"{encoder}neck.1.weight"], norm.reshape(-1))
    assert same(state["prompt_encoder.mask_downscaling.1.bias"], norm.reshape(-1))
    assert same(state["prompt_encoder.no_mask_embed.weight"][..., None, None], small["no_mask"])
    assert same(state["prompt_encoder.not_a_point_embed.weight"], tokens[0, :1])
    assert same(state["mask_decoder.iou_token.weight"], tokens[0, :1])
    assert same(state["mask_decoder.mask_tokens.weight"], tokens[0, 1:])
    assert all(value.dtype == torch.float32 for value in state.values())


def test_folding_the_returned_norm_again_changes_no_bit(small: Mapping[str, object]) -> None:
    state = recover_state_dict(small["encoder"], small["decoder"])  # type: ignore[arg-type]
    norm = {
        key: state[f"image_encoder.patch_embed.seq.0.bn.{key}"]
        for key in ("weight", "bias", "running_mean", "running_var")
    }
    scale = norm["weight"] / torch.sqrt(norm["running_var"] + 1e-5)
    assert torch.equal(scale, torch.ones(4))
    assert torch.equal(norm["bias"] - norm["running_mean"] * scale, norm["bias"])
    image = torch.randn(1, 4, 5, 5)
    out = F.batch_norm(
        image, norm["running_mean"], norm["running_var"], norm["weight"], norm["bias"], eps=1e-5
    )
    torch.testing.assert_close(out, image + norm["bias"][:, None, None], rtol=0, atol=1e-6)


@pytest.mark.parametrize("content", [b"", b"<html>no</html>", b"\x08\x07\x12\xff\xff"])
def test_a_file_that_is_no_network_is_refused_by_name(
    small: Mapping[str, object], tmp_path: Path, content: bytes
) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(content)
    with pytest.raises(WeightsError, match=r"bad\.onnx") as caught:
        recover_state_dict(bad, small["decoder"])  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(small: Mapping[str, object], tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone\.onnx"):
        recover_state_dict(tmp_path / "gone.onnx", small["decoder"])  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def recovered() -> dict[str, torch.Tensor]:
    located = locate(find_entry("vit_t"))
    if located is None:
        pytest.skip("the default model's files are not in the cache")
    return recover_state_dict(located.files["encoder.onnx"], located.files["sam.onnx"])


@pytest.mark.weights
def test_published_files_give_every_tensor_of_the_table(
    recovered: dict[str, torch.Tensor], shared_dir: Path
) -> None:
    table = shared_dir / "weights" / "recovery_table.tsv"
    with table.open(encoding="utf-8", newline="") as handle:
        rows = {row[0]: tuple(json.loads(row[1])) for row in csv.reader(handle, delimiter="\t")}
    assert {key: tuple(value.shape) for key, value in recovered.items()} == rows


@pytest.mark.weights
def test_published_files_fill_the_network_exactly(recovered: dict[str, torch.Tensor]) -> None:
    assert detect_architecture(recovered) == "vit_t"
    sam = build_sam("vit_t")
    load_into(sam, recovered, "encoder.onnx")
    held = sam.state_dict()
    assert all(torch.equal(held[key], value) for key, value in recovered.items())
    trained = sum(value.numel() for value in sam.parameters())
    assert trained == find_entry("vit_t").parameters


@pytest.mark.weights
def test_one_recovered_tensor_less_is_noticed(recovered: dict[str, torch.Tensor]) -> None:
    expected = {key: tuple(value.shape) for key, value in recovered.items()}
    rest = {key: value for key, value in recovered.items() if "no_mask_embed" not in key}
    with pytest.raises(WeightsError, match="no_mask_embed"):
        check_keys(expected, rest, "sam.onnx")


def test_a_child_of_a_list_repeats_its_name_in_the_path() -> None:
    assert minisam._module_path("/neck/neck.0/Conv") == "neck.0"
    assert minisam._module_path("/layers.1/blocks.0/attn/qkv/MatMul") == (
        "layers.1.blocks.0.attn.qkv"
    )
    assert minisam._module_path("/Mul_9") == ""


def test_tensors_of_other_types_are_left_alone(tmp_path: Path) -> None:
    node = helper.make_node("Conv", ["x", "onnx::Conv_1"], ["a"], "/neck/neck.0/Conv")
    whole = helper.make_tensor("onnx::Conv_1", TensorProto.INT64, [1], [1])
    path = save(tmp_path / "a.onnx", [node], [whole])
    assert recover_state_dict(path, path) == {}
