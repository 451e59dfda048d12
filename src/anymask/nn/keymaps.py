"""Names of the network's tensors: published layout, Hugging Face layout, prefixes and leftovers.

The published layout (``image_encoder. prompt_encoder. mask_decoder.``) is the one this package
uses; everything else is renamed to it on reading.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

import torch
from torch import Tensor

from anymask.errors import WeightsError

Value = TypeVar("Value")

PE_KEY = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
_HF_PE_KEYS = (
    "shared_image_embedding.positional_embedding",
    "prompt_encoder.shared_embedding.positional_embedding",
)

# (Hugging Face, published); {i} {j} are numbers, {rest} is the remainder, the same on both sides
_TEMPLATES = (
    ("vision_encoder.pos_embed", "image_encoder.pos_embed"),
    ("vision_encoder.patch_embed.projection.{rest}", "image_encoder.patch_embed.proj.{rest}"),
    (
        "vision_encoder.layers.{i}.layer_norm{j}.{rest}",
        "image_encoder.blocks.{i}.norm{j}.{rest}",
    ),
    ("vision_encoder.layers.{i}.attn.{rest}", "image_encoder.blocks.{i}.attn.{rest}"),
    ("vision_encoder.layers.{i}.mlp.{rest}", "image_encoder.blocks.{i}.mlp.{rest}"),
    ("vision_encoder.neck.conv1.{rest}", "image_encoder.neck.0.{rest}"),
    ("vision_encoder.neck.layer_norm1.{rest}", "image_encoder.neck.1.{rest}"),
    ("vision_encoder.neck.conv2.{rest}", "image_encoder.neck.2.{rest}"),
    ("vision_encoder.neck.layer_norm2.{rest}", "image_encoder.neck.3.{rest}"),
    ("prompt_encoder.mask_embed.conv1.{rest}", "prompt_encoder.mask_downscaling.0.{rest}"),
    ("prompt_encoder.mask_embed.layer_norm1.{rest}", "prompt_encoder.mask_downscaling.1.{rest}"),
    ("prompt_encoder.mask_embed.conv2.{rest}", "prompt_encoder.mask_downscaling.3.{rest}"),
    ("prompt_encoder.mask_embed.layer_norm2.{rest}", "prompt_encoder.mask_downscaling.4.{rest}"),
    ("prompt_encoder.mask_embed.conv3.{rest}", "prompt_encoder.mask_downscaling.6.{rest}"),
    ("prompt_encoder.point_embed.{i}.{rest}", "prompt_encoder.point_embeddings.{i}.{rest}"),
    (
        "mask_decoder.transformer.layers.{i}.layer_norm{j}.{rest}",
        "mask_decoder.transformer.layers.{i}.norm{j}.{rest}",
    ),
    (
        "mask_decoder.transformer.layer_norm_final_attn.{rest}",
        "mask_decoder.transformer.norm_final_attn.{rest}",
    ),
    ("mask_decoder.upscale_conv1.{rest}", "mask_decoder.output_upscaling.0.{rest}"),
    ("mask_decoder.upscale_layer_norm.{rest}", "mask_decoder.output_upscaling.1.{rest}"),
    ("mask_decoder.upscale_conv2.{rest}", "mask_decoder.output_upscaling.3.{rest}"),
    *(
        (f"mask_decoder.{mlp}.{theirs}.{{rest}}", f"mask_decoder.{mlp}.{ours}.{{rest}}")
        for mlp in ("output_hypernetworks_mlps.{i}", "iou_prediction_head")
        for theirs, ours in (
            ("proj_in", "layers.0"),
            ("layers.0", "layers.1"),
            ("proj_out", "layers.2"),
        )
    ),
)

_FOLDED_BIAS = ".c.bias"
"""Published TinyViT convolutions have no bias; one that has was folded with its norm."""
_NORM_EPS = 1e-5

_PARTS = re.compile(
    r"(?:^|\.)(?:image_encoder|vision_encoder|prompt_encoder|mask_decoder|shared_image_embedding"
    r"|pixel_mean|pixel_std)(?=\.|$)"
)

# there is nothing to load these into: MobileSAM's unused classifier, and values we compute
_LEFTOVERS = re.compile(
    r"image_encoder\.(?:norm_head|head)\..*"
    r"|.*\.num_batches_tracked"
    r"|.*\.attention_bias_idxs"
    r"|pixel_mean|pixel_std"
)


def _pattern(template: str) -> re.Pattern[str]:
    text = re.escape(template)
    for name, form in (("i", r"\d+"), ("j", r"\d+"), ("rest", ".+")):
        text = text.replace(rf"\{{{name}\}}", f"(?P<{name}>{form})")
    return re.compile(text)


_FROM_HF = tuple((_pattern(theirs), ours) for theirs, ours in _TEMPLATES)
_TO_HF = tuple((_pattern(ours), theirs) for theirs, ours in _TEMPLATES)


def strip_prefix(tensors: Mapping[str, Value]) -> dict[str, Value]:
    """Removes what stands before the model's parts, such as ``module.``, if all keys share it."""
    prefixes = {_prefix(key) for key in tensors}
    if len(prefixes) != 1:
        return dict(tensors)
    length = len(prefixes.pop() or "")
    return {key[length:]: value for key, value in tensors.items()}


def drop_leftovers(tensors: Mapping[str, Value]) -> dict[str, Value]:
    """Without the known entries that no part of the network uses."""
    return {key: value for key, value in tensors.items() if not is_leftover(key)}


def unfold_norms(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """TinyViT convolutions with the norm folded in -> convolutions with a norm beside them.

    The norm scales by one and adds the folded bias, so that folding it again changes nothing.
    """
    unfolded = {}
    for key, value in tensors.items():
        if not key.endswith(_FOLDED_BIAS):
            unfolded[key] = value
            continue
        norm, one = key.removesuffix(_FOLDED_BIAS) + ".bn", torch.ones_like(value)
        unfolded |= {
            f"{norm}.weight": one,
            f"{norm}.bias": value,
            f"{norm}.running_mean": torch.zeros_like(value),
            f"{norm}.running_var": one - _NORM_EPS,  # plus eps is one again, exactly
        }
    return unfolded


def is_leftover(key: str) -> bool:
    """Whether a key of the published layout names something the network does not use."""
    return _LEFTOVERS.fullmatch(key) is not None


def has_parts(keys: Iterable[str]) -> bool:
    """Whether some key belongs to a part of SAM, under any prefix."""
    return any(_prefix(key) is not None for key in keys)


def is_transformers(keys: Iterable[str]) -> bool:
    """Whether the names are those of Hugging Face's ``SamModel``."""
    return any(key.startswith(("vision_encoder.", "shared_image_embedding.")) for key in keys)


def from_transformers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Hugging Face ``SamModel`` names -> published names. Unknown names are kept.

    Their positional matrix is stored once or twice; both copies must agree.

    Raises:
        WeightsError: the two copies differ.
    """
    matrices = [tensors[key] for key in _HF_PE_KEYS if key in tensors]
    if len(matrices) > 1 and not torch.equal(matrices[0], matrices[1]):
        raise WeightsError(
            f"{_HF_PE_KEYS[0]} and {_HF_PE_KEYS[1]} differ, but the model has one such matrix; "
            "save the model again with both equal"
        )
    renamed = {
        _rename(key, _FROM_HF): value for key, value in tensors.items() if key not in _HF_PE_KEYS
    }
    return renamed | ({PE_KEY: matrices[0]} if matrices else {})


def to_transformers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Published names -> Hugging Face ``SamModel`` names (ViT encoders only)."""
    renamed = {_rename(key, _TO_HF): value for key, value in tensors.items() if key != PE_KEY}
    return renamed | {key: tensors[PE_KEY] for key in _HF_PE_KEYS if PE_KEY in tensors}


def _rename(key: str, rules: Iterable[tuple[re.Pattern[str], str]]) -> str:
    for pattern, target in rules:
        match = pattern.fullmatch(key)
        if match:
            return target.format(**match.groupdict())
    return key


def _prefix(key: str) -> str | None:
    """What stands before the first part's name, dot included; None when there is no such part."""
    match = _PARTS.search(key)
    if match is None:
        return None
    return key[: match.start()] + "." if key[match.start()] == "." else ""
