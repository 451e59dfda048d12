from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from anymask.inference.segment import Model
from conftest import REPOSITORY
from exports import small_model, unfaithful

PHOTO = REPOSITORY / "src/anymask/server/samples/coffee.jpg"


@pytest.fixture(scope="module")
def small() -> Model:
    return small_model()


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Model], list[dict]]:
    """Puts a model in the place of real ones, and pictures small enough to be quick."""

    def use(model: Model) -> list[dict]:
        calls: list[dict] = []

        def load_model(name: str = "auto", **options: object) -> Model:
            calls.append({"name": name, **options})
            return model

        monkeypatch.setattr("anymask.inference.load.load_model", load_model)
        monkeypatch.setattr("anymask.export.comparison.SIZES_HW", ((24, 40),))
        return calls

    return use


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def test_files_figures_and_pair_id_are_told(run, use, small: Model) -> None:
    calls = use(small)
    ended = run("export", "--out", "deep/files")
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0].startswith("embedding: differs from the model's by at most ")
    assert lines[1].startswith("PROMPTS ")
    assert "MASK IOU, MEAN  LOWEST" in lines[1]
    assert [line.split("  ")[0] for line in lines[2:9]] == [
        *("click", "clicks", "box", "box and click", "mask", "mask and clicks", "mixed")
    ]
    assert lines[-1].startswith("pair id small@1-")
    assert names(Path("deep/files")) == {"encoder.onnx", "decoder.onnx", "about.json"}
    assert str(Path("deep/files/encoder.onnx")) in ended.out
    assert calls[0]["device"] == "cpu"


def test_json_is_one_object_with_everything(run, use, small: Model, tmp_path: Path) -> None:
    use(small)
    told = run("export", "--json", "--parts", "encoder", "--out", tmp_path / "out").json
    assert told["schema"] == "anymask.export_run/1"
    (file,) = told["files"]
    assert Path(file["path"]).stat().st_size == file["bytes"]
    about = json.loads((tmp_path / "out/about.json").read_text(encoding="utf-8"))
    assert told["about"] == about
    assert about["parity"]["embedding"] <= 1e-3


def test_an_export_is_replaced_only_by_force(run, use, small: Model) -> None:
    calls = use(small)
    out = Path("anymask-export")
    assert run("export", "--parts", "encoder").code == 0
    before = (out / "about.json").read_bytes()
    ended = run("export", "--parts", "encoder")
    assert ended.code == 2
    assert "holds an export already (about.json); give --force to replace it" in ended.err
    assert len(calls) == 1, "refused before a model is loaded"
    assert (out / "about.json").read_bytes() == before
    assert run("export", "--parts", "encoder", "--force").code == 0


@pytest.mark.parametrize("as_json", [False, True])
def test_an_export_that_answers_otherwise_fails_with_its_figures(
    run, use, small: Model, as_json: bool
) -> None:
    use(unfaithful(small))
    ended = run("export", "--parts", "encoder", *["--json"] * as_json)
    assert ended.code == 1
    assert ended.err.count("\n") == 1
    assert "does not answer as the model does: the embedding differs by" in ended.err
    assert ended.err.rstrip().endswith("nothing was kept")
    if as_json:
        assert ended.json["error"]["type"] == "ParityError"
        assert ended.json["parity"]["embedding"] > 1e-3
    else:
        assert ended.out.startswith("embedding: differs")
    assert not Path("anymask-export").exists()


def test_an_interrupted_export_leaves_nothing(
    run, use, small: Model, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(small)

    def stop(*_: object) -> None:
        assert names(tmp_path / "out"), "it has begun"
        raise KeyboardInterrupt

    monkeypatch.setattr("anymask.export.export.compare", stop)
    ended = run("export", "--parts", "encoder", "--out", tmp_path / "out", "--json")
    assert (ended.code, ended.err) == (130, "interrupted; nothing was exported\n")
    assert ended.json["error"]["type"] == "Interrupted"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--parts", "encoder,head"], "--parts names 'head'; give one or both of encoder,decoder"),
        (["--parts", ","], "nothing is left to export"),
        (["--static", "4"], "--static '4' is malformed; give prompts and points"),
        (["--static", "0,4"], "at least 1 prompt of 1 point"),
        (["--static", "1,4", "--layout", "original"], "in the batched layout"),
        (["--return-single-mask"], "in the original layout"),
        (["--parts", "encoder", "--quantize"], "can only be had of a decoder"),
        (["--layout", "folded"], "'folded' is not one of"),
        (["--model", "vit_x"], "choose one of vit_t"),
        (["--checkpoint", "none.pth"], "does not exist; give a file"),
        (["--picture", "none.jpg"], "none.jpg"),
        (["--out", "taken"], "--out 'taken' is a file; give a folder"),
    ],
)
def test_wrong_usage_is_one_line_before_a_model_is_loaded(
    run, use, small: Model, words: list[str], told: str
) -> None:
    calls = use(small)
    Path("taken").write_text("", encoding="utf-8")
    ended = run("export", *words)
    assert ended.code == 2
    assert told in ended.err
    assert ended.err.count("\n") == 1
    assert not calls
    assert not Path("anymask-export").exists()


def test_a_model_of_another_engine_than_ours_cannot_be_exported(run, stub) -> None:
    ended = run("export")
    assert ended.code == 1
    assert "exported on a canvas of 1024 px" in ended.err


def test_other_commands_take_an_export_as_their_model(
    run, use, small: Model, picture, tmp_path: Path
) -> None:
    calls = use(small)
    assert run("export", "--quantize", "--out", "files").code == 0
    picture("photo.png")
    told = run("segment", "photo.png", "--point", "40,30", "--model", "files", "--json").json
    assert told["model"] == {"id": "small@1", "architecture": "vit_t"}
    assert told["images"][0]["result"]["engine"] == "exported"
    assert len(calls) == 1, "the export needs no other weights"
    wished = ["--model", "files", "--engine", "openvino"]
    told = run("segment", "photo.png", "--point", "40,30", *wished, "--json").json
    assert told["images"][0]["result"]["engine"] == "exported"
    ended = run("segment", "photo.png", "--point", "40,30", "--model", "files", "--precision=bf16")
    assert ended.code == 2
    assert "precision must be fp32 with engine 'onnx'" in ended.err
    for option in (["--engine", "torch"], ["--device", "cuda"], ["--image-size", "512"]):
        ended = run("segment", "photo.png", "--point", "40,30", "--model", "files", *option)
        assert ended.code == 2
        assert f"{option[0]} does not go with --model 'files'" in ended.err


@pytest.mark.weights
def test_the_original_layout_runs_in_plain_onnxruntime_and_without_pytorch(
    default_weights, tmp_path: Path
) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from anymask.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    words = ["export", "--layout", "original", "--single-mask", "--out", str(tmp_path / "files")]
    done = subprocess.run(
        [sys.executable, "-c", code, *words, "--offline", "--picture", str(PHOTO)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    encoder, decoder = (
        onnxruntime.InferenceSession(tmp_path / "files" / f"{part}.onnx")
        for part in ("encoder", "decoder")
    )
    image = Image.open(PHOTO)  # 600 x 400
    pixels = np.asarray(image.resize((1024, 683), Image.Resampling.BILINEAR), np.float32)
    canvas = np.zeros((1, 3, 1024, 1024), np.float32)
    scaled = (pixels - [123.675, 116.28, 103.53]) / [58.395, 57.12, 57.375]
    canvas[0, :, :683] = scaled.transpose(2, 0, 1)
    (embedding,) = encoder.run(["embedding"], {"canvas": canvas})
    values = {
        "image_embeddings": embedding,
        "point_coords": np.float32([[[300 * 1024 / 600, 190 * 683 / 400], [0, 0]]]),
        "point_labels": np.float32([[1, -1]]),
        "mask_input": np.zeros((1, 1, 256, 256), np.float32),
        "has_mask_input": np.zeros(1, np.float32),
        "orig_im_size": np.float32([400, 600]),
    }
    masks, iou = decoder.run(["masks", "iou_predictions"], values)
    assert masks.shape == (1, 1, 400, 600)
    assert 100_000 < np.count_nonzero(masks > 0) < 130_000, "the cup and its saucer"
    assert iou[0, 0] > 0.9
