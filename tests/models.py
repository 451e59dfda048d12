"""Small networks for tests: tiny sizes, weights made from a formula."""

from __future__ import annotations

import zlib

import torch

from anymask.inference.segment import Model
from anymask.inference.torch_backend import TorchBackend
from anymask.nn.decoder import MaskDecoder, TwoWayTransformer
from anymask.nn.model import Sam
from anymask.nn.prompts import PromptEncoder
from anymask.nn.vit import ImageEncoderViT, ViTConfig

TINY_VIT = ViTConfig(
    embed_dim=48, depth=4, heads=3, global_blocks=(1, 3), window=5, mlp_ratio=4, out_channels=32
)


def tiny_sam() -> Sam:
    """A whole network on a 128-pixel canvas, in evaluation mode."""
    transformer = TwoWayTransformer(depth=2, embedding_dim=32, num_heads=4, mlp_dim=64)
    sam = Sam(
        image_encoder=ImageEncoderViT(TINY_VIT, image_size=128),
        prompt_encoder=PromptEncoder(32, (8, 8), (128, 128), mask_in_chans=16),
        mask_decoder=MaskDecoder(
            transformer_dim=32, transformer=transformer, iou_head_hidden_dim=32
        ),
    )
    return with_synthetic_weights(sam).eval()


def with_synthetic_weights(model: torch.nn.Module, prefix: str = "", gain: float = 2.5) -> Sam:
    """Fill every tensor from its name and a sine, the same on every machine."""
    state = {
        key: synthetic_tensor(prefix + key, value, gain)
        for key, value in model.state_dict().items()
    }
    model.load_state_dict(state)
    return model


def synthetic_tensor(key: str, like: torch.Tensor, gain: float) -> torch.Tensor:
    if key.endswith("num_batches_tracked"):
        return like
    index = torch.arange(1, like.numel() + 1, dtype=torch.float64).reshape(like.shape)
    value = torch.sin(12.9898 * index + 0.07 * (zlib.crc32(key.encode()) % 1000))
    if key.endswith("running_var"):
        value = 1 + 0.5 * value.abs()
    elif key.endswith("running_mean"):
        value = 0.1 * value
    elif like.ndim >= 2:
        value = gain * value / like[0].numel() ** 0.5
    elif key.endswith("weight"):
        value = 1 + 0.1 * value
    else:
        value = 0.05 * value
    return value.float()


def synthetic_image(height: int, width: int) -> torch.Tensor:
    """(3, height, width) float32 in 0..255, a pattern made of remainders."""
    c, y, x = torch.meshgrid(
        torch.arange(3), torch.arange(height), torch.arange(width), indexing="ij"
    )
    return ((3 * x + 5 * y + 50 * c + (x * y) % 17) % 256).float()


def tiny_model() -> Model:
    """`tiny_sam` as a model for users."""
    return Model(TorchBackend(tiny_sam()), model_id="tiny@test", architecture="tiny")
