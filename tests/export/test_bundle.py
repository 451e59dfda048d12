"""The page's decoder: its graphs keep their contract and give Python's masks."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from anymask.errors import WeightsError
from anymask.export.bundle import DecoderBundle, page_bundle
from anymask.export.contract import DECODER, IMAGE_SIDE, as_json, check_graph
from anymask.export.pair import read_pair_id
from anymask.geometry.regions import mask_iou
from anymask.inference.encoded import EncodedImage
from anymask.inference.load import load_model
from anymask.inference.ranking import plausibility
from anymask.inference.segment import Model
from anymask.types.prompt import Prompt
from conftest import REPOSITORY
from models import tiny_model

WHOLE = np.array([64, 64])
POINTS = [(300, 190), (80, 40), (500, 350), (385, 300), (250, 330), (150, 200)]


class Page:
    """The three graphs as the page runs them, on one thread."""

    def __init__(self, bundle: DecoderBundle) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._sessions = {
            name: onnxruntime.InferenceSession(content, options)
            for name, content in bundle.files.items()
        }

    def run(self, name: str, feeds: Mapping[str, Any]) -> dict[str, np.ndarray]:
        names = list(DECODER[name].outputs)
        return dict(zip(names, self._sessions[name].run(names, dict(feeds)), strict=True))

    def side(self, encoded: EncodedImage) -> dict[str, np.ndarray]:
        return self.run("image", {"embedding": encoded.embedding})

    def ask(
        self,
        side: Mapping[str, np.ndarray],
        coords: np.ndarray,
        labels: list[int],
        previous: np.ndarray | None = None,
        *,
        several: bool = False,
        visible: np.ndarray = WHOLE,
    ) -> dict[str, np.ndarray]:
        feeds = {
            "coords": coords.astype(np.float32),
            "labels": np.array(labels),
            "candidates": np.array([1, 2, 3] if several else [0]),
            "count": np.array([3 if several else 1]),
            "mask_logits": np.zeros((1, 1, 256, 256), np.float32)
            if previous is None
            else previous[None, None],
            "has_mask": np.array(previous is not None),
            "visible": visible,
        }
        return self.run("prompt", {**feeds, **side})

    def preview(self, encoded: EncodedImage, point: tuple[float, float]) -> np.ndarray:
        """Low-res logits of the most plausible candidate of a click, nearly."""
        coords = encoded.frame.points_to_canvas([point]).astype(np.float32)
        feeds = {"coords": coords, "visible": visible(encoded), **self.side(encoded)}
        found = self.run("preview", feeds)
        height, width = encoded.frame.visible_low_res_hw
        seen = found["logits"][:, :height, :width]
        return found["logits"][plausibility(seen, found["iou"], coords / 4).argmax()]


@pytest.fixture(scope="module")
def model(default_weights) -> Model:
    return load_model("vit_t", engine="onnx", offline=True)


@pytest.fixture(scope="module")
def bundle(model: Model, tmp_path_factory: pytest.TempPathFactory) -> DecoderBundle:
    return page_bundle(model, tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def page(bundle: DecoderBundle) -> Page:
    return Page(bundle)


def padded(encoded: EncodedImage, points: list[tuple[float, float]]) -> np.ndarray:
    """Points of the picture on the canvas, and the padding point."""
    return np.concatenate([encoded.frame.points_to_canvas(points), np.zeros((1, 2))])


def visible(encoded: EncodedImage) -> np.ndarray:
    """Positions the picture covers, and one low-res cell more for the interpolation."""
    return np.array([min(64, math.ceil((side / 4 + 1) / 4)) for side in encoded.frame.resized_hw])


def test_the_table_for_other_languages_is_the_contract() -> None:
    path = REPOSITORY / "contracts/decoder.json"
    assert json.loads(path.read_text(encoding="utf-8")) == as_json()


@pytest.mark.weights
def test_the_graphs_keep_their_contract_and_know_each_other(bundle: DecoderBundle) -> None:
    assert set(bundle.files) == set(DECODER)
    for name, content in bundle.files.items():
        check_graph(content, DECODER[name], name=name)
        assert read_pair_id(content) == bundle.pair_id


@pytest.mark.weights
def test_a_click_gives_the_three_candidates_of_python(page: Page, model: Model, coffee) -> None:
    encoded = model.encode(coffee)
    side = page.side(encoded)
    for point in POINTS:
        prompt = Prompt(points=[point])
        ours = model.segment(encoded, prompt, rank="predicted_iou").candidates(0)
        found = page.ask(side, padded(encoded, [point]), [1, -1], several=True)
        assert np.abs(found["iou"] - ours.predicted_iou).max() <= 1e-5
        assert np.abs(found["logits"] - ours.low_res_logits).max() <= 1e-3


@pytest.mark.weights
def test_boxes_and_many_points_give_the_logits_of_python(page: Page, model: Model, coffee) -> None:
    encoded = model.encode(coffee)
    side = page.side(encoded)
    box = (110, 20, 480, 370)
    corners = encoded.frame.boxes_to_canvas([box]).reshape(2, 2)
    found = page.ask(side, corners, [2, 3])
    ours = model.segment(encoded, Prompt(box=box), rank="predicted_iou")
    assert np.abs(found["logits"] - ours.low_res_logits).max() <= 1e-3
    labels = [1, 0, 0, 1, 1, 1]
    found = page.ask(side, padded(encoded, POINTS), [*labels, -1])
    ours = model.segment(encoded, Prompt(points=POINTS, labels=labels))
    assert np.abs(found["logits"] - ours.low_res_logits).max() <= 1e-3


@pytest.mark.weights
def test_former_logits_refine_as_in_python(page: Page, model: Model, coffee) -> None:
    encoded = model.encode(coffee)
    side = page.side(encoded)
    for first, second in pairwise(POINTS):
        former = model.segment(encoded, Prompt(points=[first])).low_res_logits[0]
        prompt = Prompt(points=[first, second], labels=[1, 0], mask_logits=former)
        ours = model.segment(encoded, prompt)
        coords = padded(encoded, [first, second])
        found = page.ask(side, coords, [1, 0, -1], former)
        assert np.abs(found["logits"] - ours.low_res_logits).max() <= 1e-3


@pytest.mark.weights
def test_leaving_the_padding_out_changes_nothing_in_the_picture(
    page: Page, model: Model, coffee
) -> None:
    encoded = model.encode(coffee)
    side = page.side(encoded)
    coords = padded(encoded, POINTS[:1])
    whole = page.ask(side, coords, [1, -1])["logits"]
    part = page.ask(side, coords, [1, -1], visible=visible(encoded))["logits"]
    size = encoded.frame.logits_to_original(whole)
    assert np.abs(encoded.frame.logits_to_original(part) - size).max() <= 1e-4


@pytest.mark.weights
def test_a_preview_is_nearly_the_mask_of_the_click(
    page: Page, model: Model, coffee, astronaut
) -> None:
    places = np.random.default_rng(0).uniform(0.05, 0.95, (12, 2))
    for picture in (coffee, astronaut):
        encoded = model.encode(picture)
        height, width = picture.shape[:2]
        for point in places * (width, height):
            ours = model.segment(encoded, Prompt(points=[point])).array[0]
            logits = page.preview(encoded, point)
            assert mask_iou(encoded.frame.logits_to_original(logits) > 0, ours) >= 0.98


@pytest.mark.weights
def test_both_engines_hand_out_the_same_graphs(
    bundle: DecoderBundle, default_model: Model, tmp_path: Path
) -> None:
    theirs = page_bundle(default_model, tmp_path)
    side = Page(theirs).side
    image = np.random.default_rng(0).normal(size=(256, 64, 64)).astype(np.float32)
    encoded = default_model.encode(np.zeros((8, 8, 3), np.uint8))
    other = EncodedImage(image, encoded.frame, encoded.model_id, "")
    for name in IMAGE_SIDE:
        assert np.abs(side(other)[name] - Page(bundle).side(other)[name]).max() <= 1e-4


@pytest.mark.weights
def test_kept_graphs_are_read_again_and_damaged_ones_made_again(
    model: Model, bundle: DecoderBundle, tmp_path: Path
) -> None:
    page_bundle(model, tmp_path)
    (path,) = (tmp_path / "page").glob("*-prompt-*.onnx")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert page_bundle(model, tmp_path).files["prompt"] == content
    assert path.read_bytes() == content
    assert page_bundle(model, tmp_path).pair_id == bundle.pair_id


def test_a_model_of_another_canvas_is_refused() -> None:
    with pytest.raises(WeightsError, match="canvas of 1024 px but this model has"):
        page_bundle(tiny_model())
