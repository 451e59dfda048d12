"""Three shapes in three colours, a CLIP that sees colours, and a network that fits in a second."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from anymask.types.records import CompactMask

SIDE = 128
COLOURS = {"red": (210, 40, 40), "green": (40, 160, 60), "blue": (50, 60, 210)}


class ColourClip:
    """Regions by their mean colour, phrases by the colour they name, in one space."""

    dim = 3

    def embed_pictures(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        return self.embed_masked(pictures, [np.ones(one.shape[:2], bool) for one in pictures])

    def embed_masked(
        self, pictures: Sequence[np.ndarray], masks: Sequence[np.ndarray]
    ) -> np.ndarray:
        rows = []
        for picture, mask in zip(pictures, masks, strict=True):
            mean = picture[mask].mean(axis=0)
            far = [np.abs(mean - colour).sum() for colour in COLOURS.values()]
            near = np.exp(-np.array(far) / 60)
            rows.append(near / np.linalg.norm(near))
        return np.array(rows, np.float32).reshape(-1, self.dim)

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        rows = [[name in text for name in COLOURS] for text in texts]
        return np.array(rows, np.float32).reshape(-1, self.dim)


def scene(seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """A disc or square of each colour in quarters that chance chooses."""
    rng = np.random.default_rng(seed)
    image = np.clip(rng.normal(200, 6, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
    masks = {}
    y, x = np.mgrid[:SIDE, :SIDE]
    for quarter, (name, colour) in zip(rng.permutation(4)[:3], COLOURS.items(), strict=True):
        middle_x, middle_y = (
            place * SIDE // 2 + SIDE // 4 + rng.integers(-8, 9)
            for place in (quarter % 2, quarter // 2)
        )
        radius = rng.integers(SIDE // 8, SIDE // 5)
        if rng.random() < 0.5:
            mask = np.hypot(x - middle_x, y - middle_y) < radius
        else:
            mask = np.maximum(abs(x - middle_x), abs(y - middle_y)) < radius * 0.85
        image[mask] = np.clip(np.array(colour) + rng.normal(0, 6, (mask.sum(), 3)), 0, 255)
        masks[name] = mask
    return image, masks


def read_scene(seed: int) -> tuple[np.ndarray, list[CompactMask]]:
    image, masks = scene(seed)
    return image, [CompactMask.from_array(mask) for mask in masks.values()]


@pytest.fixture
def small_model():
    """A network on a 128-pixel canvas with parameters as before any training."""
    torch = pytest.importorskip("torch")
    from anymask.inference.segment import Model
    from anymask.inference.torch_backend import TorchBackend
    from anymask.nn.decoder import MaskDecoder, TwoWayTransformer
    from anymask.nn.model import Sam
    from anymask.nn.prompts import PromptEncoder
    from anymask.nn.vit import ImageEncoderViT, ViTConfig

    torch.manual_seed(0)
    width = 64
    config = ViTConfig(
        embed_dim=48, depth=1, heads=3, global_blocks=(0,), window=5, mlp_ratio=2,
        out_channels=width,
    )  # fmt: skip
    transformer = TwoWayTransformer(depth=2, embedding_dim=width, num_heads=4, mlp_dim=128)
    sam = Sam(
        ImageEncoderViT(config, image_size=SIDE),
        PromptEncoder(width, (8, 8), (SIDE, SIDE), mask_in_chans=16),
        MaskDecoder(transformer_dim=width, transformer=transformer, iou_head_hidden_dim=width),
    )
    return Model(TorchBackend(sam.eval(), "cpu"), model_id="small@0", architecture="vit_b")
