"""Exports opened again: they answer as the model, and mixtures are refused."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest

from anymask.errors import DeviceError, WeightsError
from anymask.export.export import Export
from anymask.export.exported import ExportedModel
from anymask.export.exported_backend import open_export
from anymask.inference.segment import Model
from anymask.types.prompt import Prompt
from exports import export_small, small_model

SIZES_HW = [(64, 64), (40, 80), (80, 40), (33, 57)]


def asked(height: int, width: int, logits: np.ndarray | None = None) -> list[Prompt]:
    """Prompts of every kind on a picture of a size."""
    click, other = (0.3 * width, 0.4 * height), (0.8 * width, 0.9 * height)
    mask = np.zeros((height, width), np.bool_)
    mask[height // 4 :, : width // 2] = True
    return [
        Prompt(points=[click]),
        Prompt(points=[click, other], labels=[1, 0]),
        Prompt(box=(2, 3, 0.7 * width, 0.8 * height)),
        Prompt(box=(2, 3, 0.7 * width, 0.8 * height), points=[other], labels=[0]),
        Prompt(mask=mask),
        Prompt(mask=mask, points=[click]),
        Prompt(mask=~mask, points=[other]),
        Prompt(mask=mask, box=(0, 0, width, height)),
    ]


def copied(export: Export, folder: Path) -> Path:
    return Path(shutil.copytree(export.folder, folder))


@pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")
@pytest.mark.parametrize("kind", ["tiny", "plain"])
def test_openvino_encodes_as_onnxruntime_does(kind: str, tmp_path: Path, coffee) -> None:
    folder = export_small(small_model(kind), tmp_path / "export").folder
    light, fast = open_export(folder), open_export(folder, engine="openvino")
    embeddings = (model.encode(coffee).embedding for model in (fast, light))
    assert np.abs(np.subtract(*embeddings)).max() <= 1e-4
    ours, theirs = (model.segment(coffee, asked(400, 600)) for model in (fast, light))
    assert np.abs(ours.low_res_logits - theirs.low_res_logits).max() <= 1e-3


@pytest.mark.parametrize(
    ("wish", "answer"),
    [
        ({"engine": "tpu"}, "engine must be one of onnx, openvino; got 'tpu'"),
        ({"precision": "bf16"}, "precision must be fp32 with engine 'onnx'; got 'bf16'"),
        ({"engine": "openvino", "precision": "int3"}, "precision must be fp32, bf16 or auto"),
    ],
)
def test_what_cannot_run_an_export_is_named(wish: dict, answer: str, batched: Export) -> None:
    with pytest.raises(DeviceError, match=answer):
        open_export(batched.folder, **wish)


@pytest.mark.parametrize("size_hw", SIZES_HW)
@pytest.mark.parametrize("fixture", ["batched", "original"])
def test_masks_are_those_of_the_model_at_any_size(
    fixture: str, size_hw: tuple[int, int], small: Model, coffee, request
) -> None:
    exported = open_export(request.getfixturevalue(fixture).folder)
    picture = coffee[: size_hw[0], : size_hw[1]]
    ours, theirs = (model.segment(picture, asked(*size_hw)) for model in (small, exported))
    assert theirs.array.shape == ours.array.shape
    assert theirs.candidates(0).array.shape == (3, *size_hw)
    assert np.abs(theirs.low_res_logits - ours.low_res_logits).max() <= 1e-3
    assert np.abs(theirs.predicted_iou - ours.predicted_iou).max() <= 1e-3


@pytest.mark.parametrize("size_hw", SIZES_HW)
def test_the_original_layout_gives_logits_of_the_size_of_the_picture(
    size_hw: tuple[int, int], small: Model, original: Export, coffee
) -> None:
    exported = ExportedModel.open(original.folder)
    encoded = small.encode(coffee[: size_hw[0], : size_hw[1]])
    point = (0.3 * size_hw[1], 0.4 * size_hw[0])
    former = small.segment(encoded, Prompt(box=(0, 0, *size_hw[::-1]))).low_res_logits[0]
    for previous in (None, former):
        found = exported.run(
            "decoder",
            {
                "image_embeddings": encoded.embedding[None],
                "point_coords": np.float32(
                    [[*encoded.frame.points_to_canvas([point]).tolist(), (0, 0)]]
                ),
                "point_labels": np.float32([[1, -1]]),
                "mask_input": (np.zeros_like(former) if previous is None else previous)[None, None],
                "has_mask_input": np.float32([previous is not None]),
                "orig_im_size": np.float32(size_hw),
            },
        )
        ours = small.segment(encoded, Prompt(points=[point], mask_logits=previous), multimask=False)
        assert found["masks"].shape == (1, 4, *size_hw)
        assert np.abs(found["masks"][0, 0] - ours.logits[0]).max() <= 1e-3


def test_unused_slots_and_neighbours_change_nothing(small: Model, batched: Export, coffee) -> None:
    exported = ExportedModel.open(batched.folder)
    encoded = small.encode(coffee)
    rng = np.random.default_rng(0)
    masks = rng.normal(size=(3, 1, 256, 256)).astype(np.float32)
    whole = {
        "embedding": encoded.embedding[None],
        "coords": rng.uniform(0, 1024, (3, 4, 2)).astype(np.float32),
        "labels": np.array([[1, -1, -1, -1], [2, 3, 0, -1], [-1, -1, -1, -1]]),
        "mask_logits": masks,
        "has_mask": np.float32([0, 1, 1]),
    }
    together = exported.run("decoder", whole)
    for row, used in enumerate((1, 3, 1)):
        alone = exported.run(
            "decoder",
            {
                "embedding": whole["embedding"],
                "coords": whole["coords"][row : row + 1, :used],
                "labels": whole["labels"][row : row + 1, :used],
                "mask_logits": masks[row : row + 1],
                "has_mask": whole["has_mask"][row : row + 1],
            },
        )
        for name in ("iou", "logits"):
            assert np.abs(together[name][row] - alone[name][0]).max() <= 1e-4
    assert np.abs(together["logits"][1] - together["logits"][2]).max() > 1e-3


def test_prompts_are_put_into_slots_as_often_as_it_takes(
    small: Model, batched: Export, coffee, tmp_path: Path
) -> None:
    export_small(small, tmp_path, encoder=False, slots=(3, 4))
    slotted = open_export(batched.folder / "encoder.onnx", tmp_path / "decoder.onnx")
    picture = coffee[:40, :80]
    prompts = asked(40, 80)
    ours, theirs = (model.segment(picture, prompts) for model in (small, slotted))
    assert np.abs(theirs.low_res_logits - ours.low_res_logits).max() <= 1e-3
    five = Prompt(points=[(x, 5) for x in range(5)])
    with pytest.raises(WeightsError, match=r"has 5 points .* slots for 4; export with more"):
        slotted.segment(picture, five)


def test_files_open_under_any_name_from_any_folder(
    small: Model, batched: Export, coffee, tmp_path: Path
) -> None:
    encoder = shutil.copy(batched.folder / "encoder.onnx", tmp_path / "eyes.onnx")
    decoder = shutil.copy(batched.folder / "decoder.onnx", tmp_path / "ausgeschnitten ü.onnx")
    prompt = Prompt(points=[(20, 20)])
    ours = small.segment(coffee[:40, :80], prompt)
    for paths in ((encoder, decoder), (decoder, encoder), (tmp_path,)):
        model = open_export(*paths)
        assert (model.model_id, model.architecture) == ("small@1", "vit_t")
        found = model.segment(coffee[:40, :80], prompt)
        assert np.abs(found.low_res_logits - ours.low_res_logits).max() <= 1e-3


def test_the_decoder_of_another_model_is_refused_in_one_line(
    batched: Export, tmp_path: Path
) -> None:
    other = export_small(small_model(name="other@2"), tmp_path / "other", decoder=False)
    mixed = copied(batched, tmp_path / "mixed")
    shutil.copy(other.folder / "encoder.onnx", mixed / "encoder.onnx")
    for paths in ((mixed,), (other.folder / "encoder.onnx", batched.folder / "decoder.onnx")):
        with pytest.raises(WeightsError, match=r"decoder\.onnx belongs to pair small@1-") as caught:
            open_export(*paths)
        assert "but pair other@2-" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_parts_that_were_exported_one_by_one_belong_together(
    small: Model, batched: Export, original: Export, tmp_path: Path
) -> None:
    alone = export_small(small, tmp_path, encoder=False, quantize=True)
    for decoder in (alone.folder, original.folder):
        open_export(batched.folder / "encoder.onnx", decoder / "decoder.onnx")


def test_outputs_are_found_by_name_in_whatever_order(
    batched: Export, small: Model, coffee, tmp_path: Path
) -> None:
    folder = copied(batched, tmp_path / "turned")
    model = onnx.load(folder / "decoder.onnx")
    for values in (model.graph.output, model.graph.input):
        turned = list(values)[::-1]
        del values[:]
        values.extend(turned)
    onnx.save(model, folder / "decoder.onnx")
    prompts = asked(40, 80)
    ours, theirs = (one.segment(coffee[:40, :80], prompts) for one in (small, open_export(folder)))
    assert np.abs(theirs.low_res_logits - ours.low_res_logits).max() <= 1e-3


def test_one_encoded_image_serves_both_engines(small: Model, batched: Export, coffee) -> None:
    encoded = small.encode(coffee)
    exported = open_export(batched.folder)
    prompt = Prompt(box=(100, 50, 400, 300))
    ours, theirs = (model.segment(encoded, prompt) for model in (small, exported))
    assert np.abs(theirs.low_res_logits - ours.low_res_logits).max() <= 1e-3
    assert (exported.backend.name, exported.backend.device) == ("exported", "cpu")


def test_several_images_are_answered_in_order(small: Model, batched: Export, coffee) -> None:
    pictures = [coffee[:40, :80], coffee[100:180, 100:140]]
    prompts = [[Prompt(points=[(9, 9)]), Prompt(points=[(20, 30)])], [Prompt(points=[(30, 60)])]]
    exported = open_export(batched.folder)
    for ours, theirs in zip(
        small.segment(pictures, prompts), exported.segment(pictures, prompts), strict=True
    ):
        assert np.abs(theirs.low_res_logits - ours.low_res_logits).max() <= 1e-3


def test_a_single_mask_is_the_one_the_published_decoder_shows(
    small: Model, batched: Export, tmp_path: Path
) -> None:
    export = export_small(small, tmp_path, encoder=False, layout="original", single_mask=True)
    exported = ExportedModel.open(tmp_path)
    assert exported.answers == 1
    assert export.about["decoder"]["single_mask"]
    with pytest.raises(WeightsError, match="shows a single mask; export one with all four"):
        open_export(batched.folder / "encoder.onnx", tmp_path / "decoder.onnx")


def test_a_missing_part_is_named(batched: Export, tmp_path: Path) -> None:
    encoder = shutil.copy(batched.folder / "encoder.onnx", tmp_path)
    with pytest.raises(WeightsError, match="there is no decoder in this export"):
        open_export(encoder)
    with pytest.raises(WeightsError, match="there is no decoder in this export"):
        ExportedModel.open(encoder).run("decoder", {})


def test_two_files_of_one_part_are_refused(batched: Export, tmp_path: Path) -> None:
    folder = copied(batched, tmp_path / "two")
    shutil.copy(folder / "encoder.onnx", folder / "encoder (1).onnx")
    with pytest.raises(WeightsError, match="are both the encoder; give one of them"):
        open_export(folder)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is damaged or no ONNX file"),
        (b"<html>not found</html>", "is damaged or no ONNX file"),
        (b"\x08\x08", r"is no file of `anymask export`"),
    ],
)
def test_what_is_no_export_is_refused(content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / "decoder.onnx").write_bytes(content)
    with pytest.raises(WeightsError, match=told):
        open_export(tmp_path)


def test_a_file_that_is_cut_off_is_refused(batched: Export, tmp_path: Path) -> None:
    folder = copied(batched, tmp_path / "cut")
    content = (folder / "decoder.onnx").read_bytes()
    (folder / "decoder.onnx").write_bytes(content[: len(content) // 2])
    with pytest.raises(WeightsError, match=r"decoder\.onnx is damaged"):
        open_export(folder)


def test_a_folder_without_files_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"has no \.onnx file"):
        open_export(tmp_path)
    with pytest.raises(WeightsError, match=r"none\.onnx cannot be read"):
        open_export(tmp_path / "none.onnx")


def test_a_provider_that_is_not_there_is_refused(batched: Export) -> None:
    with pytest.raises(DeviceError, match="provider CUDAExecutionProvider is not there"):
        open_export(batched.folder, provider="CUDAExecutionProvider")
