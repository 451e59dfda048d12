"""The engine on onnxruntime gives what the engine on PyTorch gives, and needs no PyTorch."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException

import anymask
from anymask.errors import DeviceError, WeightsError
from anymask.geometry.frames import Frame
from anymask.geometry.regions import mask_iou
from anymask.inference.backend import SEVERAL, PromptBatch, confident, visible_cells_hw
from anymask.inference.batching import group, place
from anymask.inference.encoded import EncodedImage
from anymask.inference.engines import Job, choose_engine
from anymask.inference.onnx_backend import DecoderSessions, OnnxBackend
from anymask.inference.onnx_files import is_whole, seal
from anymask.inference.segment import Model
from anymask.io.weights.zoo import find_entry
from anymask.types.prompt import Prompt

VIT_T = find_entry("vit_t")


@pytest.fixture(scope="module")
def onnx_model(default_weights) -> Model:
    model = anymask.load_model("vit_t", engine="onnx", offline=True)
    assert model.backend.name == "onnx"
    return model


def prompts_for(logits: np.ndarray, mask: np.ndarray) -> list[Prompt]:
    points = [(300, 190), (200, 120), (20, 20), (400, 300)]
    box = (110, 20, 480, 370)
    return [
        Prompt(points=points[:1]),
        Prompt(points=points[:2], labels=[1, 1]),
        Prompt(points=points[:3], labels=[1, 1, 0]),
        Prompt(points=[(100 + 20 * k, 200) for k in range(15)]),
        Prompt(box=box),
        Prompt(points=points[:1], box=box),
        Prompt(points=points[:3], labels=[1, 1, 0], box=box),
        Prompt(mask=mask),
        Prompt(points=points[:1], mask_logits=logits),
        Prompt(box=box, mask_logits=logits),
    ]


@pytest.mark.weights
def test_both_engines_give_the_same_embedding(onnx_model, default_model, coffee) -> None:
    ours, theirs = onnx_model.encode(coffee), default_model.encode(coffee)
    assert ours.model_id == theirs.model_id
    assert np.abs(ours.embedding - theirs.embedding).max() <= 1e-4


@pytest.mark.weights
@pytest.mark.parametrize("multimask", [None, True, False])
def test_both_engines_give_the_same_masks_for_every_prompt(
    onnx_model, default_model, coffee, multimask
) -> None:
    encoded = default_model.encode(coffee)
    logits = default_model.segment(encoded, Prompt(points=[(300, 190)])).low_res_logits[0]
    disc = np.hypot(*(np.mgrid[:400, :600] - np.array([180, 310])[:, None, None])) < 110
    prompts = prompts_for(logits, disc)
    ours = onnx_model.segment(encoded, prompts, multimask=multimask)
    theirs = default_model.segment(encoded, prompts, multimask=multimask)
    assert np.array_equal(ours.candidate_counts, theirs.candidate_counts)
    assert np.abs(ours.candidate_logits - theirs.candidate_logits).max() <= 1e-3
    assert np.abs(ours.candidate_iou - theirs.candidate_iou).max() <= 1e-4
    assert (ours.array != theirs.array).mean() <= 1e-5


@pytest.mark.weights
def test_each_prompt_asks_about_its_own_image(onnx_model, coffee, astronaut) -> None:
    prompts = [
        [Prompt(points=[(300, 190)]), Prompt(box=(10, 10, 300, 300))],
        Prompt(points=[(220, 110)]),
    ]
    together = onnx_model.segment([coffee, astronaut], prompts)
    for image, row, masks in zip((coffee, astronaut), prompts, together, strict=True):
        assert np.array_equal(masks.array, onnx_model.segment(image, row).array)


@pytest.mark.weights
def test_confident_candidates_are_those_of_a_full_decode(onnx_model, coffee) -> None:
    encoded = onnx_model.encode(coffee)
    placed = [
        place(Prompt(points=[(50 * k, 40 * k)]), encoded.frame, image=0, multimask=None)
        for k in range(1, 8)
    ]
    ((_, batch),) = group(placed)
    full = onnx_model.backend.decode([encoded], batch)
    height, width = visible_cells_hw([encoded])
    assert height < width
    for threshold in (-1.0, float(np.median(full.iou)), 2.0):
        got = onnx_model.backend.decode_confident([encoded], batch, threshold)
        expected = confident(full, threshold)
        assert np.array_equal(got.prompt, expected.prompt)
        np.testing.assert_allclose(got.iou, expected.iou, atol=1e-6)
        visible = expected.logits[:, :height, :width]
        np.testing.assert_allclose(got.logits, visible, atol=1e-4)


@pytest.mark.weights
@pytest.mark.parametrize("with_mask", [False, True])
def test_many_prompts_are_answered_as_each_alone(
    onnx_model, coffee, astronaut, with_mask: bool
) -> None:
    images = [onnx_model.encode(image) for image in (coffee, astronaut)]
    mask = np.zeros((256, 256), np.float32) if with_mask else None
    placed = [
        place(
            Prompt(points=[(45 * k, 35 * k)], mask_logits=mask),
            images[k % 2].frame,
            image=k % 2,
            multimask=None,
        )
        for k in range(1, 10)
    ]
    ((_, batch),) = group(placed)
    assert len(batch) > SEVERAL
    together = onnx_model.backend.decode(images, batch)
    for row in range(len(batch)):
        alone = onnx_model.backend.decode(images, batch[row : row + 1])
        np.testing.assert_allclose(together.logits[row], alone.logits[0], atol=1e-4)
        np.testing.assert_allclose(together.iou[row], alone.iou[0], atol=1e-6)


def test_a_failure_for_one_of_many_prompts_is_raised_and_ends_the_others() -> None:
    asked = []

    class Session:
        def run_with_ort_values(self, names, values):
            asked.append(1)
            time.sleep(0.01)
            raise RuntimeException("no memory")

    sessions = DecoderSessions(Session(), Session(), Session)
    backend = OnnxBackend(_done(Session()), _done(sessions))
    count = 200
    prompts = PromptBatch(
        np.zeros((count, 2, 2), np.float32),
        np.zeros((count, 2), np.int64),
        np.zeros((count, 256, 256), np.float32),
        np.zeros(count, np.intp),
        multimask=True,
    )
    image = EncodedImage(np.zeros((256, 64, 64), np.float32), Frame((64, 64)), "tiny@test", "")
    with pytest.raises(RuntimeError, match="onnxruntime stopped: no memory"):
        backend.decode([image], prompts)
    assert len(asked) < count


@pytest.mark.weights
def test_threads_share_the_engine(onnx_model, coffee, astronaut) -> None:
    images = [onnx_model.encode(coffee), onnx_model.encode(astronaut)]
    prompt = Prompt(points=[(300, 190)])
    expected = [onnx_model.segment(image, prompt).array for image in images]
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(4):
            masks = onnx_model.segment(images[number % 2], prompt).array
            if mask_iou(masks[0], expected[number % 2][0]) < 0.9999:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.weights
def test_everything_works_without_torch(default_weights, tmp_path: Path, coffee) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import anymask, anymask.cli\n"
        "model = anymask.load_model('vit_t', offline=True)\n"
        "assert model.backend.name == 'onnx'\n"
        "masks = model.segment('photo.png', anymask.Prompt(points=[(300, 190)]))\n"
        "assert masks.array.shape == (1, 400, 600)\n"
        "assert anymask.cli.main(['segment', 'photo.png', '--point', '300,190']) == 0\n"
    )
    from PIL import Image

    Image.fromarray(coffee).save(tmp_path / "photo.png")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "anymask-out" / "photo_mask.png").is_file()


@pytest.mark.weights
def test_a_damaged_decoder_in_the_cache_is_made_again(
    default_weights, onnx_model, coffee, tmp_path: Path
) -> None:
    encoded, click = onnx_model.encode(coffee), Prompt(points=[(300, 190)])
    home = tmp_path / "home"
    (home / "weights").mkdir(parents=True)
    source = default_weights.files["encoder.onnx"].parent
    (home / "weights" / "vit_t").symlink_to(source)
    first = anymask.load_model("vit_t", engine="onnx", cache_dir=home, offline=True)
    mask = first.segment(encoded, click).array
    kept = sorted((home / "converted").glob("*decoder*.onnx"))
    assert len(kept) == 2
    whole = kept[0].read_bytes()
    kept[0].write_bytes(whole[:-100])
    again = anymask.load_model("vit_t", engine="onnx", cache_dir=home, offline=True)
    assert np.array_equal(again.segment(encoded, click).array, mask)
    assert kept[0].read_bytes() == whole
    assert first.model_id == again.model_id


@pytest.mark.weights
def test_a_cache_that_cannot_be_written_only_costs_time(
    default_weights, onnx_model, coffee, tmp_path: Path, caplog
) -> None:
    blocker = tmp_path / "file"
    blocker.write_bytes(b"")
    backend = OnnxBackend.load(default_weights.files, blocker / "vit_t-0")
    model = Model(backend, model_id=onnx_model.model_id, architecture="vit_t")
    encoded, click = onnx_model.encode(coffee), Prompt(points=[(300, 190)])
    masks = [one.segment(encoded, click).array for one in (model, onnx_model)]
    assert np.array_equal(*masks)
    assert "could not be kept" in caplog.text


@pytest.mark.weights
def test_a_threshold_between_two_floats_does_as_the_graph_does(onnx_model, coffee) -> None:
    encoded = onnx_model.encode(coffee)
    placed = [place(Prompt(points=[(300, 190)]), encoded.frame, image=0, multimask=True)]
    ((_, batch),) = group(placed)
    best = onnx_model.backend.decode([encoded], batch).iou.max()
    just_below = np.float64(best) - 1e-12
    assert len(onnx_model.backend.decode_confident([encoded], batch, just_below)) == 0


@pytest.mark.weights
def test_the_prepared_side_ends_with_its_image(onnx_model, coffee) -> None:
    kept = len(onnx_model.backend._sides)
    encoded = onnx_model.encode(coffee)
    onnx_model.segment(encoded, Prompt(points=[(300, 190)]))
    assert len(onnx_model.backend._sides) == kept + 1
    del encoded
    gc.collect()
    assert len(onnx_model.backend._sides) == kept


def test_a_failure_inside_onnxruntime_is_a_runtime_error_of_one_line() -> None:
    class Session:
        def run_with_ort_values(self, names, values):
            raise RuntimeException("no memory\nfor node Gemm_1")

    backend = OnnxBackend(_done(Session()), _done(DecoderSessions(Session(), Session(), Session)))
    with pytest.raises(RuntimeError, match="onnxruntime stopped: no memory for node Gemm_1"):
        backend.encode(np.zeros((4, 1024, 3), np.uint8))


def _done(value: object) -> Future:
    future: Future = Future()
    future.set_result(value)
    return future


@pytest.mark.weights
def test_a_click_from_the_command_line_imports_nothing_heavy(
    onnx_model, tmp_path: Path, coffee
) -> None:
    from PIL import Image

    onnx_model.segment(coffee, Prompt(points=[(300, 190)]))  # the decoder's files are there now
    Image.fromarray(coffee).save(tmp_path / "photo.png")
    heavy = ("torch", "scipy", "onnx", "transformers")
    code = (
        "import sys, anymask.cli\n"
        "assert anymask.cli.main(['segment', 'photo.png', '--point', '300,190']) == 0\n"
        f"loaded = [name for name in {heavy!r} if name in sys.modules]\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_sealed_file_shows_every_change() -> None:
    sealed = seal(b"some content")
    assert is_whole(sealed)
    assert not is_whole(b"x" + sealed)
    assert not is_whole(sealed[:-1])
    assert not is_whole(b"")


@pytest.mark.parametrize(
    ("device", "image_size", "engine"),
    [
        ("cpu", 1024, "onnx"),
        ("cpu", 512, "torch"),
        ("cuda:0", 1024, "torch"),
        ("mps", 1024, "torch"),
    ],
)
def test_the_automatic_engine_is_the_light_one_where_it_can(device, image_size, engine) -> None:
    assert choose_engine("auto", VIT_T, Job(device, image_size)) == engine


def test_a_checkpoint_runs_on_torch() -> None:
    assert choose_engine("auto", find_entry("vit_b"), Job("cpu")) == "torch"
    assert choose_engine("auto", None, Job("cpu")) == "torch"


@pytest.mark.parametrize("entry", [None, find_entry("vit_b"), VIT_T])
def test_onnx_refuses_what_it_cannot_run(entry) -> None:
    size = 512 if entry is VIT_T else 1024
    with pytest.raises(WeightsError, match=r"engine 'onnx' does not run .*give engine='torch'"):
        choose_engine("onnx", entry, Job("cpu", size))


def test_bf16_runs_on_torch() -> None:
    job = Job("cpu", precision="bf16")
    assert choose_engine("auto", VIT_T, job) == "torch"
    with pytest.raises(WeightsError, match="does not run precision 'bf16'"):
        choose_engine("onnx", VIT_T, job)


@pytest.mark.weights
def test_bf16_gives_nearly_the_same_mask(default_weights, default_model, coffee) -> None:
    model = anymask.load_model("vit_t", device="cpu", precision="bf16", offline=True)
    assert model.backend.name == "torch"
    prompt = Prompt(points=[(300, 190)])
    masks = [m.segment(coffee, prompt).array[0] for m in (model, default_model)]
    assert mask_iou(*masks) > 0.98


def test_an_unknown_precision_is_named(default_weights) -> None:
    with pytest.raises(DeviceError, match="precision must be fp32, bf16 or auto; got 'int3'"):
        anymask.load_model("vit_t", precision="int3", offline=True)


def test_an_unknown_engine_is_named() -> None:
    with pytest.raises(
        DeviceError, match="engine must be one of auto, torch, onnx, openvino; got 'tpu'"
    ):
        choose_engine("tpu", VIT_T, Job())


def test_without_torch_the_light_engine_is_used_or_the_extra_named(monkeypatch) -> None:
    monkeypatch.setattr("anymask.inference.engines.has_torch", lambda: False)
    assert choose_engine("auto", VIT_T, Job()) == "onnx"
    with pytest.raises(ImportError, match=r"anymask\[torch\]"):
        choose_engine("auto", find_entry("vit_h"), Job())
