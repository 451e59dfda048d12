"""Training loops as users write them around the published parts of the network."""

from __future__ import annotations

import numpy as np
import torch

from anymask.compat import SamPredictor
from models import tiny_sam

BOX = np.array([20, 30, 110, 80])


def test_the_decoder_can_be_fine_tuned_on_the_published_parts(coffee) -> None:
    image = np.ascontiguousarray(coffee[::4, ::4])  # (100, 150, 3)
    sam = tiny_sam()
    predictor = SamPredictor(sam)
    predictor.set_image(image)
    target = torch.zeros(1, 1, 100, 150)
    target[..., 30:80, 20:110] = 1
    box = predictor.transform.apply_boxes_torch(torch.as_tensor(BOX)[None], image.shape[:2])
    optimizer = torch.optim.AdamW(sam.mask_decoder.parameters(), lr=1e-3)
    losses = []
    before = predictor.predict(box=BOX, multimask_output=False)[2]
    for _ in range(4):
        with torch.no_grad():
            sparse, dense = sam.prompt_encoder(points=None, boxes=box[:, None, :], masks=None)
        low_res, _ = sam.mask_decoder(
            image_embeddings=predictor.get_image_embedding(),
            image_pe=sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=False,
        )
        logits = sam.postprocess_masks(low_res, predictor.input_size, predictor.original_size)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(parameter.grad is None for parameter in sam.image_encoder.parameters())
    after = predictor.predict(box=BOX, multimask_output=False)[2]
    assert not np.allclose(before, after, atol=1e-2)
    fresh = SamPredictor(tiny_sam())
    fresh.model.load_state_dict(sam.state_dict())
    fresh.set_image(image)
    np.testing.assert_allclose(after, fresh.predict(box=BOX, multimask_output=False)[2], atol=1e-4)


def test_the_whole_network_trains_from_boxes_on_square_images() -> None:
    sam = tiny_sam().train()
    images = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    boxes = torch.tensor([[10.0, 20, 90, 70], [5, 5, 60, 60]])
    sparse, dense = sam.prompt_encoder(points=None, boxes=boxes[:, None, :], masks=None)
    low_res, _ = sam.mask_decoder(
        image_embeddings=sam.image_encoder(images),
        image_pe=sam.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=False,
    )
    restored = torch.nn.functional.interpolate(
        low_res, size=(images.shape[2], images.shape[3]), mode="bilinear", align_corners=False
    )
    assert restored.shape == (2, 1, 128, 128)
    restored.square().mean().backward()
    for part in (sam.image_encoder, sam.mask_decoder, sam.prompt_encoder.point_embeddings[2:]):
        gradients = [p.grad for p in part.parameters() if p.grad is not None]
        assert gradients
        assert any(bool(gradient.any()) for gradient in gradients)
