"""The predictor over an engine that is not PyTorch, where PyTorch is not installed."""

from __future__ import annotations

import subprocess
import sys
import textwrap

SCRIPT = """
import sys
sys.modules["torch"] = None  # as if it were not installed

import numpy as np
from anymask.compat import ResizeLongestSide, SamPredictor, sam_model_registry
from anymask.errors import MissingExtraError
from anymask.inference.backend import Decoded
from anymask.inference.segment import Model


class Brightness:
    "Masks are where the embedding, a tiny grey image, is bright."

    name, device, canvas_px = "brightness", "cpu", 64

    def encode(self, image):
        canvas = np.zeros((64, 64), np.float32)
        canvas[: image.shape[0], : image.shape[1]] = image.mean(axis=2)
        return canvas[None, ::4, ::4]

    def decode(self, images, prompts):
        count = 3 if prompts.multimask else 1
        logits = np.stack([images[i].embedding.repeat(count, 0) - 100 for i in prompts.image_index])
        iou = np.tile(np.float32([0.1, 0.9, 0.5][:count]), (len(prompts), 1))
        return Decoded(logits, iou)


image = np.zeros((40, 80, 3), np.uint8)
image[:, 40:] = 255
predictor = SamPredictor(Model(Brightness(), model_id="b", architecture="b"))
predictor.set_image(image)
masks, scores, logits = predictor.predict(np.array([[60, 20]]), np.array([1]))
assert masks.shape == (3, 40, 80) and masks.dtype == bool
assert masks[:, :, 45:].all() and not masks[:, :, :35].any()
assert scores.tolist() == np.float32([0.1, 0.9, 0.5]).tolist()
assert logits.shape == (3, 16, 16)
assert predictor.features.shape == (1, 1, 16, 16)
assert predictor.predict(mask_input=logits[1:2], multimask_output=False)[0].shape == (1, 40, 80)
assert ResizeLongestSide(64).apply_image(image).shape == (32, 64, 3)

class Tensor:
    shape, ndim = (1, 3, 32, 64), 4

for ask in (
    lambda: predictor.predict_torch(None, None, [[1, 2, 3, 4]]),
    predictor.get_image_embedding,
    lambda: predictor.device,
    lambda: sam_model_registry["vit_b"](),
    lambda: SamPredictor("vit_b"),
    lambda: predictor.transform.apply_image_torch(Tensor()),
):
    try:
        ask()
    except MissingExtraError as error:
        assert 'pip install "anymask[torch]"' in str(error), error
    else:
        raise SystemExit("nothing was said about torch")
"""


def test_single_prompts_need_no_torch_and_the_rest_says_what_to_install() -> None:
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(SCRIPT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
