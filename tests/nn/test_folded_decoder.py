"""The decoder for inference gives what the published form gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from anymask.inference.backend import SEVERAL, confident, visible_cells_hw
from anymask.inference.batching import group, place
from anymask.inference.segment import Model
from anymask.inference.torch_backend import TorchBackend, _step
from anymask.nn.folded import FoldedDecoder, image_positions
from anymask.nn.model import Sam
from anymask.types.prompt import Prompt
from models import tiny_model, tiny_sam

TOLERANCE = 2e-5


@pytest.fixture
def sam() -> Sam:
    return tiny_sam()


def embedding() -> torch.Tensor:
    return torch.randn(32, 8, 8, generator=torch.Generator().manual_seed(0))


def two_points(sam: Sam) -> torch.Tensor:
    """Two prompts of two points each, embedded."""
    coords = torch.rand(2, 2, 2, generator=torch.Generator().manual_seed(1)) * 128
    return sam.prompt_encoder.embed_points(coords, torch.ones(2, 2))


@pytest.mark.parametrize("points", [1, 2, 9, 30])
@pytest.mark.parametrize("with_mask", [False, True])
@pytest.mark.parametrize("count", [1, 3])
@torch.inference_mode()
def test_folding_is_the_same_algebra(
    sam: Sam, points: int, with_mask: bool, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sam = sam.double()  # so that only the algebra is compared, not the rounding
    random = torch.Generator().manual_seed(points)
    coords = torch.rand(count, points, 2, generator=random) * 128
    labels = torch.randint(-1, 4, (count, points), generator=random)
    masks = torch.randn(count, 1, 32, 32, generator=random).double()
    encoder = sam.prompt_encoder
    sparse = encoder.embed_points(coords, labels)
    dense = encoder.embed_masks(masks) if with_mask else None
    image = embedding().double()
    expected, iou = sam.mask_decoder.predict_masks(
        image[None],
        encoder.get_dense_pe(),
        sparse,
        encoder.embed_no_mask(count) if dense is None else dense,
    )
    positions = encoder.get_dense_pe()[0].flatten(1).T
    torch.testing.assert_close(image_positions(sam).double(), positions, atol=1e-5, rtol=0)
    # the same digits on both sides
    monkeypatch.setattr("anymask.nn.folded.image_positions", lambda _: positions)
    monkeypatch.setattr("anymask.nn.folded.POSITIONS_PER_STEP", 24)
    folded = FoldedDecoder(sam)
    for chosen in (slice(None), slice(0, 1), slice(1, None), slice(1, 3)):
        decoded = folded.decode_tokens(folded.prepare(image), sparse, dense, chosen)
        torch.testing.assert_close(folded.masks(decoded), expected[:, chosen], atol=1e-9, rtol=0)
        torch.testing.assert_close(decoded.iou, iou[:, chosen], atol=1e-9, rtol=0)


def test_strips_of_any_size_give_the_same_masks(sam: Sam, monkeypatch: pytest.MonkeyPatch) -> None:
    sparse = two_points(sam)
    masks = []
    for step in (64, 5):
        monkeypatch.setattr("anymask.nn.folded.POSITIONS_PER_STEP", step)
        folded = FoldedDecoder(sam)
        with torch.inference_mode():
            side = folded.prepare(embedding())
            masks.append(folded.masks(folded.decode_tokens(side, sparse, None, slice(None))))
    torch.testing.assert_close(*masks, atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("visible_hw", [(8, 3), (5, 8), (2, 7)])
def test_a_part_of_the_image_is_upscaled_like_the_whole(
    sam: Sam, visible_hw: tuple[int, int]
) -> None:
    folded = FoldedDecoder(sam)
    sparse = two_points(sam)
    with torch.inference_mode():
        decoded = folded.decode_tokens(folded.prepare(embedding()), sparse, None, slice(1, None))
        whole, part = folded.masks(decoded), folded.masks(decoded, visible_hw)
    height, width = (4 * side for side in visible_hw)
    expected = whole[..., :height, :width]
    torch.testing.assert_close(part, expected, atol=TOLERANCE, rtol=TOLERANCE)


def test_the_decoder_notices_trained_parameters(sam: Sam) -> None:
    folded = FoldedDecoder(sam)
    assert folded.is_fresh()
    with torch.no_grad():
        sam.mask_decoder.iou_token.weight.add_(1)
    assert not folded.is_fresh()


def test_an_engine_uses_the_parameters_as_they_are_now(coffee: np.ndarray) -> None:
    model, prompt = tiny_model(), Prompt(points=[(30, 30)])
    encoded = model.encode(coffee)
    before = model.segment(encoded, prompt).low_res_logits
    with torch.no_grad():
        model.backend.sam.mask_decoder.mask_tokens.weight.mul_(-1)
    after = model.segment(encoded, prompt).low_res_logits
    fresh = Model(type(model.backend)(model.backend.sam), model_id="tiny@test", architecture="tiny")
    assert not np.allclose(before, after)
    np.testing.assert_allclose(after, fresh.segment(encoded, prompt).low_res_logits, atol=1e-6)


def test_confident_candidates_are_those_of_a_full_decode(coffee: np.ndarray) -> None:
    model = tiny_model()
    images = [model.encode(coffee), model.encode(coffee[:, ::-1])]
    height, width = visible_cells_hw(images)
    assert height < width == 32
    placed = [
        place(Prompt(points=[(30 * k, 20 * k)]), images[0].frame, image=k % 2, multimask=None)
        for k in range(7)
    ]
    ((_, batch),) = group(placed)
    full = model.backend.decode(images, batch)
    for threshold in (-10.0, float(np.median(full.iou)), 10.0):
        expected = confident(full, threshold)
        got = model.backend.decode_confident(images, batch, threshold)
        assert np.array_equal(got.prompt, expected.prompt)
        np.testing.assert_allclose(got.iou, expected.iou, atol=1e-6)
        expected_logits = expected.logits[:, :height, :width]
        np.testing.assert_allclose(got.logits, expected_logits, atol=TOLERANCE)
        assert got.logits.shape[1:] == (height, width)


@pytest.mark.parametrize(
    ("count", "threads", "step"),
    [(1, 2, SEVERAL), (3, 2, SEVERAL), (4, 2, 2), (8, 2, 2), (64, 2, 3), (64, 1, 3), (5, 8, 1)],
)
def test_threads_get_equal_parts_of_the_prompts(
    count: int, threads: int, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anymask.nn.fast.crew.torch.get_num_threads", lambda: threads)
    assert _step(count) == step


@pytest.mark.parametrize("with_mask", [False, True])
def test_many_prompts_are_decoded_as_each_alone(coffee: np.ndarray, with_mask: bool) -> None:
    model = tiny_model()
    images = [model.encode(coffee), model.encode(coffee[:, ::-1])]
    mask = np.linspace(-3, 3, 32 * 32, dtype=np.float32).reshape(32, 32) if with_mask else None
    placed = [
        place(
            Prompt(points=[(30 * k, 20 * k)], mask_logits=mask),
            images[0].frame,
            image=k % 2,
            multimask=None,
        )
        for k in range(11)
    ]
    ((_, batch),) = group(placed)
    together = model.backend.decode(images, batch)
    for row in range(len(batch)):
        alone = model.backend.decode(images, batch[row : row + 1])
        np.testing.assert_allclose(together.logits[row], alone.logits[0], atol=2e-4)
        np.testing.assert_allclose(together.iou[row], alone.iou[0], atol=TOLERANCE)


@torch.inference_mode()
def test_an_image_side_in_bfloat16_gives_nearly_the_same_masks(sam: Sam) -> None:
    sparse = two_points(sam)
    masks, scores = [], []
    for dtype in (None, torch.bfloat16):
        folded = FoldedDecoder(sam, dtype)
        decoded = folded.decode_tokens(folded.prepare(embedding()), sparse, None, slice(1, None))
        masks.append(folded.masks(decoded))
        scores.append(decoded.iou)
    assert {part.dtype for part in (*masks, *scores)} == {torch.float32}
    assert ((masks[0] > 0) == (masks[1] > 0)).float().mean() >= 0.9
    torch.testing.assert_close(*scores, atol=0.1, rtol=0)


@pytest.mark.parametrize("native", [False, True])
def test_the_decoder_is_reduced_only_where_the_processor_computes_it(
    native: bool, monkeypatch: pytest.MonkeyPatch, coffee: np.ndarray
) -> None:
    monkeypatch.setattr("anymask.inference.torch_backend.native_bf16", lambda: native)
    model = Model(TorchBackend(tiny_sam(), precision="bf16"), model_id="", architecture="")
    made = []
    monkeypatch.setattr(
        "anymask.inference.torch_backend.FoldedDecoder",
        lambda sam, dtype: made.append(dtype) or FoldedDecoder(sam, dtype),
    )
    model.segment(coffee, Prompt(points=[(30, 30)]))
    assert made == [torch.bfloat16 if native else None]
