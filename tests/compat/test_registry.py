"""Networks by their published names, with and without a checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from anymask import compat
from anymask.compat import sam_model_registry
from anymask.errors import WeightsError
from anymask.nn.model import Sam


@pytest.fixture(scope="module")
def vit_t() -> Sam:
    return sam_model_registry["vit_t"]()


@pytest.fixture(scope="module")
def checkpoint(vit_t: Sam, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "my model.pth"
    torch.save(vit_t.state_dict(), path)
    return path


def test_the_names_are_the_published_ones() -> None:
    assert sam_model_registry.keys() == {
        "default", "vit_h", "vit_l", "vit_b", "vit_t", "mobile_sam"
    }  # fmt: skip
    assert sam_model_registry["default"] is sam_model_registry["vit_h"] is compat.build_sam
    assert compat.build_sam is compat.build_sam_vit_h
    assert sam_model_registry["vit_l"] is compat.build_sam_vit_l
    assert sam_model_registry["vit_b"] is compat.build_sam_vit_b
    assert sam_model_registry["vit_t"] is sam_model_registry["mobile_sam"]


def test_a_network_has_the_published_attributes(vit_t) -> None:
    vit_t.to(device="cpu")
    assert not vit_t.training
    assert vit_t.device == torch.device("cpu")
    assert vit_t.image_encoder.img_size == 1024
    assert vit_t.mask_threshold == 0.0
    assert vit_t.image_format == "RGB"


def test_a_saved_network_loads_equal_and_can_be_trained(vit_t, checkpoint) -> None:
    loaded = sam_model_registry["vit_t"](checkpoint=str(checkpoint))
    assert not loaded.training
    state = vit_t.state_dict()
    assert loaded.state_dict().keys() == state.keys()
    assert all(torch.equal(value, state[key]) for key, value in loaded.state_dict().items())
    assert all(parameter.requires_grad for parameter in loaded.mask_decoder.parameters())
    torch.optim.SGD(loaded.mask_decoder.parameters(), lr=1.0).zero_grad()


def test_training_a_loaded_network_leaves_its_file_alone(checkpoint) -> None:
    before = checkpoint.read_bytes()
    loaded = sam_model_registry["vit_t"](checkpoint)
    with torch.no_grad():
        for parameter in loaded.parameters():
            parameter.add_(1)
    assert checkpoint.read_bytes() == before


def test_wrapped_and_prefixed_checkpoints_load(vit_t, tmp_path) -> None:
    state = {f"module.{key}": value for key, value in vit_t.state_dict().items()}
    torch.save({"model": state, "epoch": 3}, tmp_path / "wrapped.pth")
    loaded = sam_model_registry["mobile_sam"](tmp_path / "wrapped.pth")
    key = "mask_decoder.iou_token.weight"
    assert torch.equal(loaded.state_dict()[key], vit_t.state_dict()[key])


def test_another_architecture_is_named_in_one_line(checkpoint) -> None:
    with pytest.raises(WeightsError) as caught:
        sam_model_registry["vit_b"](checkpoint=checkpoint)
    message = str(caught.value)
    assert "vit_t" in message
    assert "vit_b" in message
    assert "\n" not in message


def test_a_missing_tensor_is_named(vit_t, tmp_path) -> None:
    state = vit_t.state_dict()
    del state["mask_decoder.iou_token.weight"]
    torch.save(state, tmp_path / "short.pth")
    with pytest.raises(WeightsError, match=r"missing .*mask_decoder\.iou_token\.weight"):
        sam_model_registry["vit_t"](tmp_path / "short.pth")


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(WeightsError, match=r"nowhere\.pth does not exist"):
        sam_model_registry["vit_b"](checkpoint=tmp_path / "nowhere.pth")


@pytest.mark.slow
def test_the_base_network_has_the_published_size() -> None:
    sam = sam_model_registry["vit_b"]()
    assert sum(parameter.numel() for parameter in sam.parameters()) == 93_735_472
