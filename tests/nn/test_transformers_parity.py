"""The network against an independent implementation of it: `SamModel` of transformers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from anymask.nn.keymaps import from_transformers, to_transformers
from anymask.nn.model import Sam
from anymask.nn.zoo import build_sam
from models import TINY_VIT, synthetic_image, tiny_sam, with_synthetic_weights

POINTS = torch.tensor([[[30.0, 50.0], [100.0, 20.0]], [[64.0, 10.0], [5.0, 90.0]]])
LABELS = torch.tensor([[1, 0], [1, -1]])
BOXES = torch.tensor([[10.0, 20.0, 90.0, 70.0], [0.0, 0.0, 128.0, 96.0]])
CASES = {
    "one point": ((POINTS[:1, :1], LABELS[:1, :1]), None, False),
    "batched points with a filler": ((POINTS, LABELS), None, False),
    "batched boxes": (None, BOXES, False),
    "points and boxes": ((POINTS, LABELS), BOXES, False),
    "points and mask": ((POINTS[:1], LABELS[:1]), None, True),
    "box and mask": (None, BOXES[:1], True),
    "points, box and mask": ((POINTS[:1], LABELS[:1]), BOXES[:1], True),
    "mask": (None, None, True),
}


@pytest.fixture(scope="module")
def transformers():
    """The library, kept off the network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("TRANSFORMERS_OFFLINE", "1")
        yield pytest.importorskip("transformers")


def other_network(transformers, sam: Sam, **sizes: dict[str, Any]) -> torch.nn.Module:
    """Their network with our tensors; every one of theirs must be filled."""
    # Their decoder's norms have another epsilon than the published code; mask prompts show it.
    sizes["mask_decoder"] = {"layer_norm_eps": 1e-5} | sizes.get("mask_decoder", {})
    config = transformers.SamConfig(
        **{f"{part}_config": options for part, options in sizes.items()}
    )
    other = transformers.SamModel(config).eval()
    other.load_state_dict(to_transformers(sam.state_dict()), strict=True)
    return other


@pytest.fixture(scope="module")
def tiny() -> Sam:
    return tiny_sam()


@pytest.fixture(scope="module")
def tiny_other(transformers, tiny: Sam) -> torch.nn.Module:
    return other_network(
        transformers,
        tiny,
        vision={
            "hidden_size": TINY_VIT.embed_dim,
            "output_channels": TINY_VIT.out_channels,
            "num_hidden_layers": TINY_VIT.depth,
            "num_attention_heads": TINY_VIT.heads,
            "image_size": 128,
            "window_size": TINY_VIT.window,
            "global_attn_indexes": list(TINY_VIT.global_blocks),
            "num_pos_feats": 16,
            "mlp_dim": TINY_VIT.mlp_ratio * TINY_VIT.embed_dim,
        },
        prompt_encoder={"hidden_size": 32, "image_size": 128},
        mask_decoder={
            "hidden_size": 32,
            "mlp_dim": 64,
            "num_attention_heads": 4,
            "iou_head_hidden_dim": 32,
        },
    )


def our_answer(
    sam: Sam, embedding: Tensor, prompt: tuple, mask: Tensor | None, multimask: bool
) -> tuple[Tensor, Tensor]:
    points, boxes, _ = prompt
    with torch.inference_mode():
        sparse, dense = sam.prompt_encoder(points, boxes, mask)
        pe = sam.prompt_encoder.get_dense_pe()
        return sam.mask_decoder(embedding, pe, sparse, dense, multimask)


def their_answer(
    other: torch.nn.Module, embedding: Tensor, prompt: tuple, mask: Tensor | None, multimask: bool
) -> tuple[Tensor, Tensor]:
    points, boxes, _ = prompt
    with torch.inference_mode():
        output = other(
            image_embeddings=embedding,
            input_points=None if points is None else points[0][None],
            input_labels=None if points is None else points[1][None],
            input_boxes=None if boxes is None else boxes[None],
            input_masks=mask,
            multimask_output=multimask,
        )
    return output.pred_masks[0], output.iou_scores[0]


def scaled(prompt: tuple, factor: float) -> tuple:
    points, boxes, with_mask = prompt
    points = None if points is None else (points[0] * factor, points[1])
    return points, None if boxes is None else boxes * factor, with_mask


def low_res_mask(side: int) -> Tensor:
    return 8 * torch.randn(1, 1, side, side, generator=torch.Generator().manual_seed(0))


def embeddings(sam: Sam, other: torch.nn.Module, canvas: Tensor) -> tuple[Tensor, Tensor]:
    with torch.inference_mode():
        return sam.image_encoder(canvas), other.get_image_embeddings(canvas)


def check_same(
    sam: Sam, other: torch.nn.Module, both: tuple[Tensor, Tensor], prompt: tuple, multimask: bool
) -> None:
    mask = low_res_mask(sam.prompt_encoder.mask_input_size[0]) if prompt[2] else None
    logits, iou = our_answer(sam, both[0], prompt, mask, multimask)
    their_logits, their_iou = their_answer(other, both[1], prompt, mask, multimask)
    assert logits.shape == their_logits.shape
    torch.testing.assert_close(logits, their_logits, atol=1e-4, rtol=0)
    torch.testing.assert_close(iou, their_iou, atol=1e-4, rtol=0)


@pytest.mark.parametrize("multimask", [True, False], ids=["candidates", "one mask"])
@pytest.mark.parametrize("case", CASES)
def test_every_kind_of_prompt_gives_the_same_logits(tiny, tiny_other, case, multimask) -> None:
    both = embeddings(tiny, tiny_other, tiny.preprocess(synthetic_image(96, 128))[None])
    torch.testing.assert_close(*both, atol=1e-4, rtol=0)
    check_same(tiny, tiny_other, both, CASES[case], multimask)


def test_two_images_with_two_prompts_each_give_the_same_logits(tiny, tiny_other) -> None:
    pictures = synthetic_image(96, 128), synthetic_image(128, 70).flip(0)
    canvases = torch.stack([tiny.preprocess(picture) for picture in pictures])
    boxes = torch.stack([BOXES, BOXES.flip(0) / 2])
    with torch.inference_mode():
        output = tiny_other(pixel_values=canvases, input_boxes=boxes, multimask_output=True)
        sparse, dense = tiny.prompt_encoder(None, boxes.flatten(0, 1), None)
        logits, iou = tiny.mask_decoder.predict_masks(
            tiny.image_encoder(canvases),
            tiny.prompt_encoder.get_dense_pe(),
            sparse,
            dense,
            torch.tensor([0, 0, 1, 1]),
        )
    torch.testing.assert_close(logits[:, 1:], output.pred_masks.flatten(0, 1), atol=1e-4, rtol=0)
    torch.testing.assert_close(iou[:, 1:], output.iou_scores.flatten(0, 1), atol=1e-4, rtol=0)


def test_their_tensors_come_back_under_the_published_names(tiny, tiny_other) -> None:
    returned = from_transformers(tiny_other.state_dict())
    own = tiny.state_dict()
    assert returned.keys() == own.keys()
    assert all(torch.equal(returned[key], own[key]) for key in own)


@pytest.mark.slow
def test_the_base_network_at_full_size_gives_the_same_logits(transformers) -> None:
    sam = with_synthetic_weights(build_sam("vit_b")).eval()
    other = other_network(transformers, sam)
    both = embeddings(sam, other, sam.preprocess(synthetic_image(683, 1024))[None])
    torch.testing.assert_close(*both, atol=1e-4, rtol=0)
    for prompt in CASES.values():
        check_same(sam, other, both, scaled(prompt, 8), multimask=True)
