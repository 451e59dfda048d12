"""An export is written whole, proved, and put in place, or nothing is."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import onnx
import pytest

from anymask.errors import WeightsError
from anymask.export import export as export_module
from anymask.export.contract import check_graph
from anymask.export.export import Export, ParityError, export_model
from anymask.export.exported import ExportedModel
from anymask.export.exported_backend import open_export
from anymask.export.files import save_graph
from anymask.export.pair import read_metadata
from anymask.export.parts import ExportOptions, part_contracts
from anymask.inference.segment import Model
from exports import export_small, photos, small_model, unfaithful
from models import tiny_model


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


@pytest.mark.weights
def test_the_default_model_answers_as_before_on_every_kind_of_prompt(
    default_export: Export,
) -> None:
    parity = default_export.parity
    assert parity.embedding <= 1e-4
    kinds = {"click", "clicks", "box", "box and click", "mask", "mask and clicks", "mixed"}
    assert set(parity.by_prompt) == kinds
    for figures in parity.by_prompt.values():
        assert figures.prompts >= 3
        assert figures.logits <= 1e-3
        assert figures.iou <= 1e-4
        assert figures.lowest_mask_iou >= 0.999


@pytest.mark.parametrize("kind", ["unfused", "plain"])
def test_every_make_of_encoder_is_exported(kind: str, tmp_path: Path) -> None:
    parity = export_small(small_model(kind), tmp_path, decoder=False).parity
    assert parity.embedding <= 1e-4
    assert names(tmp_path) == {"encoder.onnx", "about.json"}


@pytest.mark.parametrize("fixture", ["batched", "original"])
def test_files_keep_the_contract_and_know_what_they_are(fixture: str, request) -> None:
    export = request.getfixturevalue(fixture)
    contracts = part_contracts(ExportOptions(layout=fixture))
    assert set(contracts) == {"encoder", "decoder"}
    for part, contract in contracts.items():
        path = export.folder / f"{part}.onnx"
        check_graph(path.read_bytes(), contract, name=part)
        assert read_metadata(path) == {
            "schema": "anymask.export/1",
            "pair_id": export.about["pair_id"],
            "model": "small@1",
            "architecture": "vit_t",
            "part": part,
        }


def test_files_hold_operators_of_the_standard_domain_only(
    batched: Export, original: Export
) -> None:
    for export in (batched, original):
        for path, _ in export.files:
            model = onnx.load(path)
            assert [(one.domain, one.version) for one in model.opset_import] == [("", 17)]
            assert not {node.op_type for node in model.graph.node} & {"If", "Loop", "Scan"}


def test_what_lies_beside_the_files_describes_them(batched: Export) -> None:
    about = json.loads((batched.folder / "about.json").read_text(encoding="utf-8"))
    assert about["schema"] == "anymask.export/1"
    assert about["model"] == {"id": "small@1", "architecture": "vit_t"}
    assert about["decoder"]["layout"] == "batched"
    assert about["compared_with"] == "torch"
    assert set(about["versions"]) == {"anymask", "opset", "onnx", "onnxruntime"}
    assert about["parity"]["prompts"]["click"]["mask_iou"]["mean"] >= 0.99
    assert about["parts"]["decoder"]["inputs"]["coords"]["shape"] == ["N", "T", 2]
    for part in about["parts"].values():
        (file,) = part["files"]
        assert (batched.folder / file["name"]).stat().st_size == file["bytes"]
    assert names(batched.folder) == {"encoder.onnx", "decoder.onnx", "about.json"}


def test_with_slots_every_shape_is_a_constant(small: Model, tmp_path: Path) -> None:
    export = export_small(small, tmp_path, encoder=False, slots=(2, 3))
    assert set(export.parity.by_prompt) >= {"clicks", "box and click", "mask and clicks", "mixed"}
    graph = onnx.shape_inference.infer_shapes(
        onnx.load(tmp_path / "decoder.onnx"), strict_mode=True, data_prop=True
    ).graph
    values = [*graph.input, *graph.output, *graph.value_info]
    assert len(values) > 200
    for value in values:
        dims = value.type.tensor_type.shape.dim
        assert all(dim.HasField("dim_value") and dim.dim_value for dim in dims), value.name


def test_prompts_that_do_not_fit_the_slots_are_not_compared(small: Model, tmp_path: Path) -> None:
    parity = export_small(small, tmp_path, encoder=False, slots=(1, 1)).parity
    assert set(parity.by_prompt) == {"click", "mask", "mixed"}


@pytest.mark.weights
def test_a_quantised_decoder_is_less_than_half_as_large_and_nearly_as_good(
    light_model: Model, default_export: Export, coffee, tmp_path: Path
) -> None:
    options = ExportOptions(encoder=False, quantize=True)
    export = export_model(light_model, tmp_path, [coffee], options)
    for kind, figures in export.parity.by_prompt.items():
        assert figures.mean_mask_iou >= 0.95, kind
        assert figures.iou <= 0.05, kind
    assert (
        2 * dict(export.files)[tmp_path / "decoder.onnx"]
        < dict(default_export.files)[default_export.folder / "decoder.onnx"]
    )


def test_tensors_beyond_one_file_lie_beside_the_graph(
    small: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = partial(save_graph, one_file_bytes=1 << 20)
    monkeypatch.setattr(export_module, "save_graph", apart)
    folder = tmp_path / "first"
    export = export_small(small, folder)
    parts = {"encoder.onnx", "encoder.onnx.data", "decoder.onnx", "decoder.onnx.data"}
    assert names(folder) == {*parts, "about.json"}
    assert {path.name for path, _ in export.files} == parts
    assert (folder / "decoder.onnx").stat().st_size < 1 << 20
    moved = folder.rename(tmp_path / "second")
    assert open_export(moved).model_id == "small@1"
    (moved / "decoder.onnx.data").unlink()
    with pytest.raises(WeightsError, match=r"decoder\.onnx cannot be opened") as caught:
        ExportedModel.open(moved)
    assert "\n" not in str(caught.value)


def test_an_export_that_answers_otherwise_is_not_kept(small: Model, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with pytest.raises(ParityError, match=r"the embedding differs by .*nothing was kept") as caught:
        export_small(unfaithful(small), folder, decoder=False)
    assert caught.value.parity.embedding > 1e-3
    assert not folder.exists()


def test_a_former_export_is_replaced_only_if_asked_for(small: Model, tmp_path: Path) -> None:
    (tmp_path / "decoder.onnx").write_text("mine", encoding="utf-8")
    with pytest.raises(FileExistsError, match="holds an export already"):
        export_small(small, tmp_path, decoder=False)
    assert names(tmp_path) == {"decoder.onnx"}
    export_model(small, tmp_path, photos(), ExportOptions(decoder=False), overwrite=True)
    assert names(tmp_path) == {"encoder.onnx", "about.json"}


def test_a_failed_replacement_leaves_the_former_export(small: Model, tmp_path: Path) -> None:
    export_small(small, tmp_path, decoder=False)
    (tmp_path / "note.txt").write_text("mine", encoding="utf-8")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ParityError):
        export_model(
            unfaithful(small), tmp_path, photos(), ExportOptions(decoder=False), overwrite=True
        )
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("moves", range(1, 7))
def test_stopping_while_files_are_moved_leaves_the_former_export(
    moves: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, folder = tmp_path / "new", tmp_path / "folder"
    for where in (new, folder):
        where.mkdir()
        for name in ("about.json", "decoder.onnx", "encoder.onnx"):
            (where / name).write_text(where.name, encoding="utf-8")
    replace, left = Path.replace, iter(range(moves - 1, -10, -1))

    def replace_and_stop(self: Path, target: Path) -> Path:
        moved = replace(self, target)
        if next(left) == 0:
            raise KeyboardInterrupt
        return moved

    monkeypatch.setattr(Path, "replace", replace_and_stop)
    with pytest.raises(KeyboardInterrupt):
        export_module._put_in_place(new, folder)
    assert {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()} == {
        "about.json": "folder",
        "decoder.onnx": "folder",
        "encoder.onnx": "folder",
    }


def test_stopping_while_answers_are_compared_leaves_nothing(small: Model, tmp_path: Path) -> None:
    def stop(report) -> None:
        if report.stage == "compare":
            raise KeyboardInterrupt

    folder = tmp_path / "deep" / "new"
    with pytest.raises(KeyboardInterrupt):
        export_model(small, folder, photos(), ExportOptions(decoder=False), progress=stop)
    assert not folder.exists()


def test_progress_counts_parts_and_pictures(small: Model, tmp_path: Path) -> None:
    reports = []
    export_model(small, tmp_path, photos(), ExportOptions(decoder=False), progress=reports.append)
    assert [(one.stage, one.done, one.total) for one in reports] == [
        ("write", 0, 1),
        ("write", 1, 1),
        ("compare", 1, 1),
    ]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"encoder": False, "decoder": False}, "nothing is left to export"),
        ({"slots": (0, 3)}, "at least 1 prompt of 1 point"),
        ({"slots": (1, 3), "layout": "original"}, "in the batched layout"),
        ({"slots": (1, 3), "decoder": False}, "only be had of a decoder"),
        ({"single_mask": True}, "in the original layout"),
        ({"quantize": True, "decoder": False}, "only be had of a decoder"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict, told: str) -> None:
    with pytest.raises(WeightsError, match=told):
        ExportOptions(**options)


def test_a_model_of_another_canvas_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="exported on a canvas of 1024 px but this one has 128"):
        export_small(tiny_model(), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_an_export_cannot_be_exported_again(batched: Export, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="engine 'exported' does not give its tensors away"):
        export_small(open_export(batched.folder), tmp_path)
