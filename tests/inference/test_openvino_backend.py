"""The engine with the image encoder on OpenVINO gives what the other engines give."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import numpy as np
import pytest

import anymask
from anymask.errors import DeviceError, MissingExtraError, WeightsError
from anymask.geometry.regions import mask_iou
from anymask.inference import engines
from anymask.inference.engines import Job, choose_engine
from anymask.inference.segment import Model
from anymask.io.weights.zoo import find_entry
from anymask.types.prompt import Prompt

VIT_T = find_entry("vit_t")
installed = pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")


@pytest.fixture(scope="module")
def openvino_model(default_weights) -> Model:
    model = anymask.load_model("vit_t", engine="openvino", offline=True)
    assert model.backend.name == "openvino"
    return model


@installed
@pytest.mark.weights
def test_the_embedding_and_the_masks_are_those_of_pytorch(
    openvino_model, default_model, coffee
) -> None:
    ours, theirs = openvino_model.encode(coffee), default_model.encode(coffee)
    assert ours.model_id == theirs.model_id
    assert np.abs(ours.embedding - theirs.embedding).max() <= 1e-4
    prompts = [Prompt(points=[(300, 190)]), Prompt(box=(110, 20, 480, 370))]
    ours, theirs = openvino_model.segment(ours, prompts), default_model.segment(theirs, prompts)
    assert np.abs(ours.low_res_logits - theirs.low_res_logits).max() <= 1e-3
    assert (ours.array != theirs.array).mean() <= 1e-5


@installed
@pytest.mark.weights
def test_bf16_needs_no_pytorch_and_gives_nearly_the_same_mask(openvino_model, coffee) -> None:
    half = anymask.load_model("vit_t", engine="openvino", precision="bf16", offline=True)
    prompt = Prompt(points=[(300, 190)])
    ours, exact = half.segment(coffee, prompt), openvino_model.segment(coffee, prompt)
    assert mask_iou(ours.array[0], exact.array[0]) >= 0.97


@installed
@pytest.mark.weights
def test_threads_encode_at_once(openvino_model, coffee, astronaut) -> None:
    alone = [openvino_model.encode(image).embedding for image in (coffee, astronaut)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(openvino_model.encode, [coffee, astronaut] * 4))
    for number, encoded in enumerate(together):
        np.testing.assert_allclose(encoded.embedding, alone[number % 2], atol=1e-5)


@installed
def test_what_only_pytorch_runs_is_refused_by_name() -> None:
    with pytest.raises(WeightsError, match="engine 'openvino' does not run model vit_b"):
        choose_engine("openvino", find_entry("vit_b"), Job())
    assert choose_engine("openvino", VIT_T, Job(precision="bf16")) == "openvino"


@installed
@pytest.mark.weights
def test_an_unknown_precision_is_refused(default_weights) -> None:
    with pytest.raises(DeviceError, match="precision must be fp32, bf16 or auto; got 'int3'"):
        anymask.load_model("vit_t", engine="openvino", precision="int3", offline=True)


def test_without_openvino_the_install_line_is_named(monkeypatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r'pip install "anymask\[openvino\]"'):
        choose_engine("openvino", VIT_T, Job())
