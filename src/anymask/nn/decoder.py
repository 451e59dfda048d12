"""The mask decoder: a small transformer in which prompt tokens and the image read each other."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anymask.nn.layers import MLP, LayerNorm2d, MLPBlock


class Attention(nn.Module):
    """Attention with separate projections, narrower inside where `downsample_rate` says so.

    Args:
        dim: width of the tokens.
        heads: number of heads.
        downsample_rate: `dim` is divided by this inside.
    """

    def __init__(self, dim: int, heads: int, downsample_rate: int = 1) -> None:
        super().__init__()
        inner = dim // downsample_rate
        self.heads = heads
        self.q_proj = nn.Linear(dim, inner)
        self.k_proj = nn.Linear(dim, inner)
        self.v_proj = nn.Linear(dim, inner)
        self.out_proj = nn.Linear(inner, dim)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Queries (N, Tq, dim), keys and values (N, Tk, dim) to (N, Tq, dim)."""
        query, key, value = (
            projected.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for projected in (self.q_proj(q), self.k_proj(k), self.v_proj(v))
        )
        out = F.scaled_dot_product_attention(query, key, value)
        projected: Tensor = self.out_proj(out.transpose(1, 2).flatten(-2))
        return projected


class TwoWayAttentionBlock(nn.Module):
    """Tokens read themselves, then the image; the image reads the tokens.

    Args:
        dim: width of the tokens.
        heads: number of heads.
        mlp_dim: hidden width of the MLP.
        is_first: the first block has no residual around its self-attention and adds no positions.
    """

    def __init__(self, dim: int, heads: int, mlp_dim: int, *, is_first: bool) -> None:
        super().__init__()
        self.self_attn = Attention(dim, heads)
        self.norm1 = nn.LayerNorm(dim)
        self.cross_attn_token_to_image = Attention(dim, heads, downsample_rate=2)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = MLPBlock(dim, mlp_dim, nn.ReLU())
        self.norm3 = nn.LayerNorm(dim)
        self.cross_attn_image_to_token = Attention(dim, heads, downsample_rate=2)
        self.norm4 = nn.LayerNorm(dim)
        self.is_first = is_first

    def forward(
        self, tokens: Tensor, image: Tensor, token_pe: Tensor, image_pe: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens (N, T, dim) and image (N, HW, dim) with their positions, to the same shapes."""
        if self.is_first:
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            placed = tokens + token_pe
            tokens = tokens + self.self_attn(placed, placed, tokens)
        tokens = self.norm1(tokens)
        image_placed = image + image_pe
        tokens = tokens + self.cross_attn_token_to_image(tokens + token_pe, image_placed, image)
        tokens = self.norm2(tokens)
        tokens = self.norm3(tokens + self.mlp(tokens))
        image = image + self.cross_attn_image_to_token(image_placed, tokens + token_pe, tokens)
        return tokens, self.norm4(image)


class TwoWayTransformer(nn.Module):
    """The decoder's transformer.

    Args:
        depth: number of blocks.
        embedding_dim: width of the tokens.
        num_heads: number of heads.
        mlp_dim: hidden width of the MLPs.
    """

    def __init__(
        self, depth: int = 2, embedding_dim: int = 256, num_heads: int = 8, mlp_dim: int = 2048
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            TwoWayAttentionBlock(embedding_dim, num_heads, mlp_dim, is_first=index == 0)
            for index in range(depth)
        )
        self.final_attn_token_to_image = Attention(embedding_dim, num_heads, downsample_rate=2)
        self.norm_final_attn = nn.LayerNorm(embedding_dim)

    def forward(
        self, image_embedding: Tensor, image_pe: Tensor, point_embedding: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Let tokens and image read each other.

        Args:
            image_embedding: (N, C, H, W).
            image_pe: (1 or N, C, H, W) positions of the image's cells.
            point_embedding: (N, T, C) tokens.

        Returns:
            Tokens (N, T, C) and image (N, H * W, C).
        """
        image = image_embedding.flatten(2).transpose(1, 2)
        image_pe = image_pe.flatten(2).transpose(1, 2)
        tokens = token_pe = point_embedding
        for layer in self.layers:
            tokens, image = layer(tokens, image, token_pe, image_pe)
        attended = self.final_attn_token_to_image(tokens + token_pe, image + image_pe, image)
        return self.norm_final_attn(tokens + attended), image


class MaskDecoder(nn.Module):
    """Image embedding and prompt embeddings to mask logits and predicted IoU.

    Token 0 answers unambiguous prompts; the other `num_multimask_outputs` are the candidates of an
    ambiguous one.

    Args:
        transformer_dim: width of the tokens.
        transformer: the two-way transformer.
        num_multimask_outputs: candidates of an ambiguous prompt.
        iou_head_depth: Linear layers of the IoU head.
        iou_head_hidden_dim: hidden width of the IoU head.
    """

    def __init__(
        self,
        *,
        transformer_dim: int,
        transformer: TwoWayTransformer,
        num_multimask_outputs: int = 3,
        iou_head_depth: int = 3,
        iou_head_hidden_dim: int = 256,
    ) -> None:
        super().__init__()
        dim = transformer_dim
        self.num_mask_tokens = num_multimask_outputs + 1
        self.transformer = transformer
        self.iou_token = nn.Embedding(1, dim)
        self.mask_tokens = nn.Embedding(self.num_mask_tokens, dim)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(dim, dim // 4, 2, stride=2),
            LayerNorm2d(dim // 4),
            nn.GELU(),
            nn.ConvTranspose2d(dim // 4, dim // 8, 2, stride=2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(
            MLP(dim, dim, dim // 8, 3) for _ in range(self.num_mask_tokens)
        )
        self.iou_prediction_head = MLP(
            dim, iou_head_hidden_dim, self.num_mask_tokens, iou_head_depth
        )

    def forward(
        self,
        image_embeddings: Tensor,
        image_pe: Tensor,
        sparse_prompt_embeddings: Tensor,
        dense_prompt_embeddings: Tensor,
        multimask_output: bool,
    ) -> tuple[Tensor, Tensor]:
        """Masks as the published decoder returns them.

        Args:
            image_embeddings: (1, C, H, W), shared by all prompts, or one a prompt (N, C, H, W).
            image_pe: (1, C, H, W).
            sparse_prompt_embeddings: (N, T, C).
            dense_prompt_embeddings: (N, C, H, W).
            multimask_output: the candidates of an ambiguous prompt, or the one mask of token 0.

        Returns:
            Low-res logits (N, M, 4H, 4W) and predicted IoU (N, M), M 3 or 1.
        """
        masks, iou = self.predict_masks(
            image_embeddings, image_pe, sparse_prompt_embeddings, dense_prompt_embeddings
        )
        chosen = slice(1, None) if multimask_output else slice(0, 1)
        return masks[:, chosen], iou[:, chosen]

    def predict_masks(
        self,
        image_embeddings: Tensor,
        image_pe: Tensor,
        sparse_prompt_embeddings: Tensor,
        dense_prompt_embeddings: Tensor,
        image_index: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """All mask tokens' masks.

        Args:
            image_embeddings: (I, C, H, W).
            image_pe: (1, C, H, W).
            sparse_prompt_embeddings: (N, T, C).
            dense_prompt_embeddings: (N, C, H, W).
            image_index: (N,) which image each prompt asks about; left out, I must be 1 or N.

        Returns:
            Low-res logits (N, tokens, 4H, 4W) and predicted IoU (N, tokens).
        """
        count, _, height, width = dense_prompt_embeddings.shape
        own = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat([own.expand(count, -1, -1), sparse_prompt_embeddings], dim=1)
        images = _pair(image_embeddings, count, image_index).to(own.dtype)
        tokens, image = self.transformer(images + dense_prompt_embeddings, image_pe, tokens)
        iou: Tensor = self.iou_prediction_head(tokens[:, 0])
        image = image.transpose(1, 2).reshape(count, -1, height, width)
        return self._masks(tokens[:, 1 : 1 + self.num_mask_tokens], image), iou

    def _masks(self, mask_tokens: Tensor, image: Tensor) -> Tensor:
        """Mask tokens (N, M, C) and image (N, C, H, W) to logits (N, M, 4H, 4W)."""
        upscaled: Tensor = self.output_upscaling(image)
        weights = torch.stack(
            [mlp(mask_tokens[:, i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)], dim=1
        )
        logits = weights @ upscaled.flatten(2)
        return logits.view(*logits.shape[:2], *upscaled.shape[2:])


def _pair(image_embeddings: Tensor, count: int, image_index: Tensor | None) -> Tensor:
    """One image embedding a prompt: by index, shared, or already paired."""
    if image_index is not None:
        return image_embeddings[image_index]
    images = len(image_embeddings)
    if images not in (1, count):
        raise ValueError(
            f"image_embeddings has {images} images for {count} prompts; "
            "give 1, one a prompt, or an image_index"
        )
    return image_embeddings.expand(count, -1, -1, -1)
