"""The default model in PyTorch against onnxruntime running its published files, on real photos."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from skimage import data

import anymask
from anymask.geometry.frames import Frame
from anymask.inference.batching import place
from anymask.inference.segment import Model, resize
from anymask.io.weights.cache import LocatedWeights
from anymask.nn.pixels import PIXEL_MEAN, PIXEL_STD
from anymask.types.masks import Masks
from anymask.types.prompt import Prompt

pytestmark = pytest.mark.weights

PHOTOS: dict[str, Callable[[], np.ndarray]] = {
    "astronaut": data.astronaut,  # square
    "coffee": data.coffee,  # wide
    "chelsea": data.chelsea,  # small and wide
    "cell": lambda: np.repeat(np.asarray(data.cell())[..., None], 3, axis=2),  # tall, gray
}
EMBEDDING_TOLERANCE = 1e-4
LOGIT_TOLERANCE = 1e-3
PIXEL_SHARE = 1e-5


@pytest.fixture(scope="module")
def published(default_weights: LocatedWeights):
    """The two files as onnxruntime sessions: encode and decode."""
    import onnxruntime

    return tuple(
        onnxruntime.InferenceSession(
            default_weights.files[name], providers=["CPUExecutionProvider"]
        )
        for name in ("encoder.onnx", "sam.onnx")
    )


@pytest.fixture(scope="module", params=PHOTOS)
def scene(request, published, default_model: Model):
    """A photo with its two embeddings: ours, theirs."""
    image = np.asarray(PHOTOS[request.param]())
    frame = Frame(image.shape[:2])
    height, width = frame.resized_hw
    canvas = np.zeros((1, 3, 1024, 1024), np.float32)
    pixels = (resize(image, frame.resized_hw) - np.array(PIXEL_MEAN)) / np.array(PIXEL_STD)
    canvas[0, :, :height, :width] = pixels.transpose(2, 0, 1)
    (theirs,) = published[0].run(None, {"input": canvas})
    return default_model.encode(image), theirs


def test_embedding_equals_onnxruntime(scene) -> None:
    ours, theirs = scene
    assert np.abs(ours.embedding - theirs[0]).max() <= EMBEDDING_TOLERANCE


def prompts_for(frame: Frame, logits: np.ndarray) -> dict[str, Prompt]:
    height, width = frame.size_hw
    at = lambda x, y: (x * width, y * height)  # noqa: E731
    points = [at(0.45, 0.4), at(0.55, 0.5), at(0.05, 0.05)]
    box = (*at(0.2, 0.15), *at(0.8, 0.85))
    return {
        "one point": Prompt(points=points[:1]),
        "several points": Prompt(points=points, labels=[1, 1, 0]),
        "box": Prompt(box=box),
        "box and point": Prompt(points=points[:1], box=box),
        "box and points": Prompt(points=points, labels=[1, 1, 0], box=box),
        "point and mask": Prompt(points=points[:1], mask_logits=logits),
        "points and mask": Prompt(points=points, labels=[1, 1, 0], mask_logits=logits),
        "box and mask": Prompt(box=box, mask_logits=logits),
    }


def decode_published(session, embedding: np.ndarray, prompt: Prompt, frame: Frame):
    """The published six inputs to full-size logits, predicted IoU and low-res logits."""
    placed = place(prompt, frame, image=0, multimask=None)
    mask = placed.mask_logits
    side = frame.low_res_px
    feed = {
        "image_embeddings": embedding,
        "point_coords": placed.coords[None],
        "point_labels": placed.labels[None].astype(np.float32),
        "mask_input": np.zeros((1, 1, side, side), np.float32)
        if mask is None
        else mask[None, None],
        "has_mask_input": np.array([0 if mask is None else 1], np.float32),
        "orig_im_size": np.array(frame.size_hw, np.float32),
    }
    outputs = dict(
        zip([output.name for output in session.get_outputs()], session.run(None, feed), strict=True)
    )
    return outputs["masks"][0, 0], outputs["iou_predictions"][0, 0], outputs["low_res_masks"][0, 0]


def assert_same(masks: Masks, expected, what: str) -> None:
    full, iou, low_res = expected
    assert np.abs(masks.low_res_logits[0] - low_res).max() <= LOGIT_TOLERANCE, what
    assert abs(masks.predicted_iou[0] - iou) <= 1e-4, what
    differing = (masks.array[0] != (full > 0)).mean()
    assert differing <= PIXEL_SHARE, f"{what}: {differing:.2e} of the pixels differ"


def test_masks_equal_onnxruntime_for_every_kind_of_prompt(
    scene, published, default_model: Model
) -> None:
    ours, theirs = scene
    logits = default_model.segment(ours, Prompt(points=[(5, 5)])).low_res_logits[0]
    prompts = prompts_for(ours.frame, logits)
    # The published file answers two tokens (one click, or a lone box) with the best of three.
    several = {
        name: name in ("one point", "box", "point and mask", "box and mask") for name in prompts
    }
    expected = {
        name: decode_published(published[1], theirs, prompt, ours.frame)
        for name, prompt in prompts.items()
    }
    for name, prompt in prompts.items():
        masks = default_model.segment(ours, prompt, multimask=several[name], rank="predicted_iou")
        assert_same(masks, expected[name], name)
    singles = [name for name in prompts if not several[name]]
    mixed = default_model.segment(
        ours, [prompts[name] for name in singles], multimask=False, rank="predicted_iou"
    )
    for row, name in enumerate(singles):
        assert_same(mixed[row], expected[name], f"{name}, in a mixed batch")


def test_a_mask_prompt_alone_gives_that_mask_back(default_model: Model, coffee: np.ndarray) -> None:
    disc = np.hypot(*(np.mgrid[:400, :600] - np.array([180, 310])[:, None, None])) < 110
    mask = default_model.segment(coffee, Prompt(mask=disc)).array[0]
    assert (mask & disc).sum() / (mask | disc).sum() > 0.8


def test_two_images_in_one_call_equal_two_calls(default_model: Model, coffee, astronaut) -> None:
    prompts = [Prompt(points=[(300, 180)]), Prompt(box=(10, 10, 400, 500))]
    rows = [prompts, prompts[1]]
    together = default_model.segment([astronaut, coffee], rows)
    for image, row, masks in zip((astronaut, coffee), rows, together, strict=True):
        alone = default_model.segment(image, row)
        assert np.abs(masks.low_res_logits - alone.low_res_logits).max() <= LOGIT_TOLERANCE
        assert (masks.array != alone.array).mean() <= PIXEL_SHARE


def test_a_lower_resolution_gives_nearly_the_same_mask(default_model: Model, coffee) -> None:
    small = anymask.load_model("vit_t", image_size=512, device="cpu", offline=True)
    prompt = Prompt(box=(110, 20, 480, 370))
    large, coarse = (model.segment(coffee, prompt).array[0] for model in (default_model, small))
    assert (large & coarse).sum() / (large | coarse).sum() > 0.9
