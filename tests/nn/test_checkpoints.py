"""Reading weight files: strictly, safely, with one-line errors."""

from __future__ import annotations

import argparse
import os
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from anymask.errors import WeightsError
from anymask.nn.checkpoints import (
    check_keys,
    detect_architecture,
    load_converted,
    load_into,
    read_state_dict,
)
from anymask.nn.decoder import MaskDecoder, TwoWayTransformer
from anymask.nn.keymaps import from_transformers, strip_prefix, to_transformers
from anymask.nn.model import Sam
from anymask.nn.pickles import list_foreign_globals
from anymask.nn.prompts import PromptEncoder
from anymask.nn.vit import ImageEncoderViT, ViTConfig

State = dict[str, Tensor]


@pytest.fixture
def state() -> State:
    torch.manual_seed(0)
    return {
        "image_encoder.pos_embed": torch.randn(1, 4, 4, 8),
        "image_encoder.patch_embed.proj.weight": torch.randn(8, 3, 16, 16),
        "image_encoder.blocks.0.norm1.weight": torch.randn(8),
        "image_encoder.blocks.1.norm1.weight": torch.randn(8),
        "prompt_encoder.no_mask_embed.weight": torch.randn(1, 256),
        "mask_decoder.iou_token.weight": torch.randn(1, 256),
    }


def shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in state.items()}


def equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def refusal(call: Callable[[], object]) -> str:
    """The message of the WeightsError that must come, which is one line."""
    with pytest.raises(WeightsError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    return message


class Evil:
    """Leaves a file behind if anything ever loads its pickle with code."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.mark}'",)


# --- what is read


@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".bin"])
def test_each_kind_of_file_is_told_by_content(
    state: State, tmp_path: Path, kind: str, suffix: str
) -> None:
    path = tmp_path / f"größe weights{suffix}"
    if kind == "safetensors":
        save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=kind == "zip")
    assert equal(read_state_dict(path), state)


@pytest.mark.parametrize("wrapper", ["model", "state_dict", "model_state_dict", "sam", "mine"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module.sam.", "_orig_mod.model."])
def test_wrappers_and_prefixes_are_undone(
    state: State, tmp_path: Path, wrapper: str, prefix: str
) -> None:
    path = tmp_path / "w.pth"
    inner = {prefix + key: value for key, value in state.items()}
    torch.save({wrapper: inner, "optimizer": {"lr": 0.1, "state": {}}, "epoch": 3}, path)
    assert equal(read_state_dict(path), state)


def test_two_wrappers_deep(state: State, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"checkpoint": {"model": state}}, path)
    assert equal(read_state_dict(path), state)


def test_the_model_is_preferred_to_its_average(state: State, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"ema": {k: v + 1 for k, v in state.items()}, "model": state}, path)
    assert equal(read_state_dict(path), state)


def test_several_models_without_a_usual_name_are_refused(state: State, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"student": state, "teacher": state}, path)
    assert "student, teacher" in refusal(lambda: read_state_dict(path))


def test_a_prefix_that_only_some_names_have_stays(state: State) -> None:
    mixed = {("module." if "decoder" in key else "") + key: key for key in state}
    assert strip_prefix(mixed) == mixed


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_become_float32(state: State, tmp_path: Path, dtype: torch.dtype) -> None:
    path = tmp_path / "w.safetensors"
    save_file({key: value.to(dtype) for key, value in state.items()}, path)
    read = read_state_dict(path)
    assert {value.dtype for value in read.values()} == {torch.float32}
    assert equal(read, {key: value.to(dtype).float() for key, value in state.items()})


def test_parameters_lose_their_gradient(state: State, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({key: torch.nn.Parameter(value) for key, value in state.items()}, path)
    assert not any(value.requires_grad for value in read_state_dict(path).values())


def test_known_unused_entries_are_dropped(state: State, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    unused = {
        "image_encoder.norm_head.weight": torch.ones(3),
        "image_encoder.head.bias": torch.ones(3),
        "image_encoder.patch_embed.seq.0.bn.num_batches_tracked": torch.tensor(7),
        "pixel_mean": torch.ones(3, 1, 1),
        "pixel_std": torch.ones(3, 1, 1),
    }
    torch.save({"module." + key: value for key, value in (state | unused).items()}, path)
    assert equal(read_state_dict(path), state)


# --- what is refused


@pytest.mark.parametrize("kind", ["zip", "legacy", "bare"])
def test_a_pickle_with_code_is_refused_and_never_runs(
    state: State, tmp_path: Path, kind: str
) -> None:
    path, mark = tmp_path / "evil.pth", tmp_path / "ran"
    content = {**state, "x": Evil(mark)}
    if kind == "bare":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind == "zip")
    message = refusal(lambda: read_state_dict(path))
    assert "evil.pth" in message
    assert f"{os.system.__module__}.system" in message
    assert not mark.exists()


def test_a_checkpoint_with_its_options_names_what_it_wanted(state: State, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"model": state, "args": argparse.Namespace(lr=1)}, path)
    message = refusal(lambda: read_state_dict(path))
    assert "argparse.Namespace" in message
    assert "state_dict()" in message


def test_newer_pickles_tell_their_globals_too(tmp_path: Path) -> None:
    path = tmp_path / "p.pkl"
    again = [argparse.Namespace(), Evil(tmp_path / "ran"), argparse.Namespace()]
    for protocol in range(6):
        path.write_bytes(pickle.dumps(again, protocol=protocol))
        names = list_foreign_globals(path)
        assert "argparse.Namespace" in names, protocol
        assert f"{os.system.__module__}.system" in names, protocol
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"  <!DOCTYPE html><html></html>", "web page"),
        (b"<?xml version='1.0'?><Error/>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", "git lfs pull"),
        (b"hello world, this is text", "no checkpoint"),
        (b"\x89PNG\r\n\x1a\n0000000000", "no checkpoint"),
        (b"PK\x03\x04 and nothing more", "damaged"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M", "damaged"),
        (b"\xff\xff\xff\xff\xff\xff\xff\x7f{}", "damaged"),
        (b"\x02\x00\x00\x00\x00\x00\x00\x00{}", "no SAM model"),
    ],
)
def test_files_that_are_no_checkpoint_say_what_they_are(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    message = refusal(lambda: read_state_dict(path))
    assert reason in message
    assert "w.pth" in message


@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused_whatever_is_left(
    state: State, tmp_path: Path, kind: str, kept: float
) -> None:
    path = tmp_path / "w.pth"
    if kind == "safetensors":
        save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=kind == "zip")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    assert "w.pth is damaged" in refusal(lambda: read_state_dict(path))


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    assert "does not exist" in refusal(lambda: read_state_dict(tmp_path / "gone.pth"))
    assert "is a folder" in refusal(lambda: read_state_dict(tmp_path))


def test_archives_that_are_no_checkpoint_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    for member, reason in (("a/readme.txt", "no checkpoint"), ("a/constants.pkl", "TorchScript")):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(member, b"x")
        assert reason in refusal(lambda: read_state_dict(path))


def test_content_that_is_no_sam_model_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"conv1.weight": torch.ones(1)}, path)
    assert "conv1.weight" in refusal(lambda: read_state_dict(path))
    torch.save([torch.ones(1)], path)
    assert "list" in refusal(lambda: read_state_dict(path))
    torch.save(torch.ones(1), path)
    assert "Tensor" in refusal(lambda: read_state_dict(path))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (3, "int"),
        (torch.ones(1, dtype=torch.int64), "int64"),
        (torch.tensor([1.0, float("nan")]), "NaN"),
        (torch.eye(2).to_sparse(), "plain tensor"),
    ],
)
@pytest.mark.filterwarnings("ignore:Sparse")
def test_entries_that_are_no_numbers_to_compute_with_are_named(
    state: State, tmp_path: Path, value: object, reason: str
) -> None:
    path = tmp_path / "w.pth"
    torch.save({**state, "mask_decoder.odd.weight": value}, path)
    message = refusal(lambda: read_state_dict(path))
    assert "mask_decoder.odd.weight" in message
    assert reason in message


# --- which model it is, and whether it is whole


@pytest.mark.parametrize(
    ("width", "depth", "name"),
    [
        (768, 12, "vit_b"),
        (1024, 24, "vit_l"),
        (1280, 32, "vit_h"),
        (48, 4, "ViT (48 wide, 4 blocks)"),
    ],
)
def test_the_variant_is_told_from_the_tensors(width: int, depth: int, name: str) -> None:
    blocks = {f"image_encoder.blocks.{i}.norm1.bias": torch.empty(width) for i in range(depth)}
    patches = {"image_encoder.patch_embed.proj.weight": torch.empty(width, 3, 16, 16)}
    assert detect_architecture(patches | blocks) == name


def test_other_networks_get_a_description() -> None:
    tiny = {
        "image_encoder.patch_embed.seq.2.c.weight": torch.empty(64, 32, 3, 3),
        "image_encoder.neck.0.weight": torch.empty(256, 320, 1, 1),
    }
    assert detect_architecture(tiny) == "vit_t"
    assert detect_architecture({"image_encoder.trunk.pos_embed": torch.empty(1)}) == "SAM 2"
    assert detect_architecture({"mask_decoder.a": torch.empty(1)}) == "decoder-only"
    assert detect_architecture({"conv1.weight": torch.empty(1)}) == "non-SAM"


def test_the_wrong_variant_names_both_and_the_file(state: State) -> None:
    wide = {
        key: (768, *shape[1:]) if "proj" in key else shape for key, shape in shapes(state).items()
    }
    wide |= {f"image_encoder.blocks.{i}.norm1.weight": (768,) for i in range(12)}
    message = refusal(lambda: check_keys(wide, state, "mine.pth"))
    assert "mine.pth holds ViT (8 wide, 2 blocks) weights, vit_b was asked for" in message


def test_a_missing_tensor_is_listed(state: State) -> None:
    for key in ("mask_decoder.iou_token.weight", "image_encoder.pos_embed"):
        rest = {name: value for name, value in state.items() if name != key}
        assert f"1 missing ({key})" in refusal(
            lambda rest=rest: check_keys(shapes(state), rest, "f")
        )


def test_unknown_tensors_and_other_shapes_are_listed(state: State) -> None:
    more = state | {f"mask_decoder.hf_{i}": torch.ones(1) for i in range(6)}
    more["prompt_encoder.no_mask_embed.weight"] = torch.ones(1, 32)
    message = refusal(lambda: check_keys(shapes(state), more, "f.pth"))
    assert "6 unknown (mask_decoder.hf_0" in message
    assert "and 2 more" in message
    assert "prompt_encoder.no_mask_embed.weight (1, 32) instead of (1, 256)" in message


def test_counters_of_training_steps_are_not_missed(state: State) -> None:
    expected = shapes(state) | {"image_encoder.a.bn.num_batches_tracked": ()}
    check_keys(expected, state, "f.pth")


class Network(torch.nn.Module):
    """A part named as in SAM, with a norm that counts its steps."""

    def __init__(self) -> None:
        super().__init__()
        self.mask_decoder = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))


def test_trained_saved_and_loaded_gives_equal_numbers(tmp_path: Path) -> None:
    torch.manual_seed(1)
    trained, fresh, path = Network(), Network().eval(), tmp_path / "w.pth"
    optimizer = torch.optim.SGD(trained.parameters(), 0.1)
    trained.mask_decoder(torch.randn(5, 3)).square().sum().backward()
    optimizer.step()
    torch.save({"model": {f"module.{k}": v for k, v in trained.state_dict().items()}}, path)
    load_into(fresh, read_state_dict(path), path)
    image = torch.randn(4, 3)
    assert torch.equal(trained.eval().mask_decoder(image), fresh.mask_decoder(image))


def test_what_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    network = Network()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    ones = {key: torch.ones_like(value) for key, value in before.items()}
    del ones["mask_decoder.1.running_var"]
    assert "running_var" in refusal(lambda: load_into(network, ones, "f.pth"))
    assert equal(network.state_dict(), before)


# --- Hugging Face names


def their_small_model() -> torch.nn.Module:
    transformers = pytest.importorskip("transformers")
    vision = transformers.SamVisionConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=64,
        global_attn_indexes=[1],
        window_size=2,
        mlp_dim=64,
    )
    settings = transformers.models.sam.configuration_sam.SamPromptEncoderConfig
    config = transformers.SamConfig(
        vision_config=vision.to_dict(), prompt_encoder_config=settings(image_size=64).to_dict()
    )
    model = transformers.SamModel(config).eval()
    assert isinstance(model, torch.nn.Module)
    return model


def our_small_model() -> Sam:
    config = ViTConfig(
        embed_dim=32, depth=2, heads=2, global_blocks=(1,), window=2, mlp_ratio=2, out_channels=256
    )
    return Sam(
        ImageEncoderViT(config, image_size=64),
        PromptEncoder(256, (4, 4), (64, 64)),
        MaskDecoder(transformer_dim=256, transformer=TwoWayTransformer(embedding_dim=256)),
    ).eval()


@pytest.fixture(scope="module")
def theirs() -> State:
    torch.manual_seed(0)
    names = their_small_model().state_dict()
    return {key: torch.randn_like(value) for key, value in names.items()} | {
        key: torch.ones(2, 128) for key in names if "positional_embedding" in key
    }


def test_their_names_map_to_published_names_and_back(theirs: State) -> None:
    ours = from_transformers(theirs)
    assert len(ours) == len(theirs) - 1  # the positional matrix stands twice in theirs
    assert equal(to_transformers(ours), theirs)


def test_weights_trained_with_their_model_give_its_masks_here() -> None:
    theirs, ours = their_small_model(), our_small_model()
    with torch.no_grad():
        for number, (name, value) in enumerate(theirs.state_dict().items()):
            torch.manual_seed(0 if "positional_embedding" in name else number)
            value.copy_(torch.randn_like(value) * 0.1)
    load_into(ours, from_transformers(theirs.state_dict()), "theirs")
    points, labels = torch.tensor([[[20.0, 30.0], [40.0, 10.0]]]), torch.tensor([[1, 0]])
    canvas = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = theirs(pixel_values=canvas, input_points=points[None], input_labels=labels[None])
        sparse, dense = ours.prompt_encoder((points, labels), None, None)
        masks, iou = ours.mask_decoder(
            image_embeddings=ours.image_encoder(canvas),
            image_pe=ours.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
        )
    torch.testing.assert_close(masks, expected.pred_masks[:, 0], rtol=0, atol=1e-4)
    torch.testing.assert_close(iou, expected.iou_scores[:, 0], rtol=0, atol=1e-4)


@pytest.mark.parametrize("prefix", ["", "sam.", "module."])
def test_their_files_are_recognised(theirs: State, tmp_path: Path, prefix: str) -> None:
    path = tmp_path / "model.safetensors"
    saved = {prefix + key: value for key, value in theirs.items()}
    # their own files keep the matrix once
    del saved[f"{prefix}prompt_encoder.shared_embedding.positional_embedding"]
    save_file(saved, path)
    assert equal(read_state_dict(path), from_transformers(theirs))


def test_two_positional_matrices_that_differ_are_refused(theirs: State, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save(theirs | {"shared_image_embedding.positional_embedding": torch.zeros(2, 128)}, path)
    message = refusal(lambda: read_state_dict(path))
    assert "positional_embedding" in message
    assert "w.pth" in message


# --- the copy that loads fast


@pytest.fixture
def original(state: State, tmp_path: Path) -> dict[str, Path]:
    path = tmp_path / "sam.pth"
    torch.save(state, path)
    return {"sam.pth": path}


def test_a_copy_is_made_once_and_then_used(
    state: State, original: dict[str, Path], tmp_path: Path
) -> None:
    copy = tmp_path / "converted" / "vit_b-0123.safetensors"
    assert equal(load_converted(original, copy), state)
    original["sam.pth"].write_bytes(b"")
    assert equal(load_converted(original, copy), state)
    assert equal(load_converted({}, copy), state)
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


def test_a_damaged_copy_is_made_again(
    state: State,
    original: dict[str, Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    copy = tmp_path / "converted.safetensors"
    load_converted(original, copy)
    copy.write_bytes(copy.read_bytes()[:-10])
    assert equal(load_converted(original, copy), state)
    assert "made again" in caplog.text
    assert equal(load_converted({}, copy), state)


def test_a_damaged_copy_without_originals_says_what_to_do(tmp_path: Path) -> None:
    copy = tmp_path / "converted.safetensors"
    copy.write_bytes(b"nothing")
    assert "delete it and fetch" in refusal(lambda: load_converted({}, copy))


def test_a_copy_of_another_version_is_made_again(
    state: State, original: dict[str, Path], tmp_path: Path
) -> None:
    copy = tmp_path / "converted.safetensors"
    save_file({"a": torch.ones(1)}, copy, {"anymask_format": "0"})
    assert equal(load_converted(original, copy), state)


def test_where_no_copy_can_be_written_all_still_works(
    state: State, original: dict[str, Path], tmp_path: Path
) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("a file where a folder should be")
    assert equal(load_converted(original, blocker / "copy.safetensors"), state)


def test_a_broken_original_leaves_no_copy(tmp_path: Path) -> None:
    path, copy = tmp_path / "sam.pth", tmp_path / "copy.safetensors"
    path.write_bytes(b"broken")
    refusal(lambda: load_converted({"sam.pth": path}, copy))
    assert not copy.exists()
