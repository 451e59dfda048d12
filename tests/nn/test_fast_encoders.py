"""The fast encoders against the networks they are made from."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from anymask.errors import DeviceError
from anymask.inference.encoded import EncodedImage
from anymask.inference.segment import Model
from anymask.nn.fast import linear
from anymask.nn.fast.encoder import fast_encoder
from anymask.nn.fast.linear import Linear, LinearMaker, OneDnnLinear, onednn_computes
from anymask.nn.fast.processor import multiplies_tiles, native_bf16
from anymask.nn.tiny_vit import TinyViT, TinyViTConfig
from anymask.nn.vit import ImageEncoderViT, ViTConfig
from anymask.nn.zoo import build_sam
from anymask.types.prompt import Prompt
from models import TINY_VIT, synthetic_image, with_synthetic_weights

SMALL_TINY = TinyViTConfig(
    widths=(8, 16, 20, 24), depths=(1, 2, 1, 1), heads=(1, 2, 2, 3), windows=(3, 3, 4, 3)
)


def plain_vit(image_size: int = 128, table_size: int = 128) -> ImageEncoderViT:
    encoder = ImageEncoderViT(TINY_VIT, image_size=image_size, table_size=table_size)
    return with_synthetic_weights(encoder, prefix="image_encoder.").eval()


def tiny_vit(image_size: int = 128) -> TinyViT:
    encoder = TinyViT(SMALL_TINY, image_size=image_size)
    return with_synthetic_weights(encoder, prefix="image_encoder.", gain=1.0).eval()


ENCODERS = {"plain": plain_vit, "tiny": tiny_vit}


def canvas(side: int, count: int = 1) -> torch.Tensor:
    images = [synthetic_image(side, side).roll(3 * i, dims=-1) for i in range(count)]
    return (torch.stack(images) - 128) / 60


def reference(encoder: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return encoder(images)


def as_near_as_the_network(
    value: torch.Tensor, encoder: torch.nn.Module, images: torch.Tensor
) -> None:
    """No further from the exact result than a few times the network itself is."""
    exact = reference(deepcopy(encoder).double(), images.double())
    rounding = (reference(encoder, images) - exact).abs().max()
    assert (value - exact).abs().max() <= 4 * rounding + 2e-5


def near(value: torch.Tensor, expected: torch.Tensor, tolerance: float = 5e-5) -> None:
    torch.testing.assert_close(value, expected, atol=tolerance, rtol=0)


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("side", [64, 112, 128, 208])
def test_fp32_gives_the_numbers_of_the_network_at_every_size(kind: str, side: int) -> None:
    encoder = ENCODERS[kind](side)
    out = fast_encoder(encoder, precision="fp32")(canvas(side))
    assert out.dtype == torch.float32
    assert out.is_contiguous()
    as_near_as_the_network(out, encoder, canvas(side))


@pytest.mark.parametrize("table_size", [64, 256])
def test_position_tables_of_another_size_are_interpolated_alike(table_size: int) -> None:
    encoder = plain_vit(128, table_size)
    out = fast_encoder(encoder, precision="fp32")(canvas(128))
    as_near_as_the_network(out, encoder, canvas(128))


@pytest.mark.parametrize("kind", ENCODERS)
def test_several_images_are_encoded_like_each_alone(kind: str) -> None:
    fast = fast_encoder(ENCODERS[kind](), precision="fp32")
    images = canvas(128, count=3)
    assert torch.equal(fast(images), torch.cat([fast(images[i : i + 1]) for i in range(3)]))


@pytest.mark.parametrize("positions", [1, 40, 200])
def test_the_height_of_a_strip_does_not_change_the_embedding(
    positions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = tiny_vit()
    monkeypatch.setattr("anymask.nn.fast.tiny_vit.POSITIONS_AT_ONCE", positions)
    monkeypatch.setattr("anymask.nn.fast.blocks.TOKENS_AT_ONCE", positions)
    near(fast_encoder(encoder, precision="fp32")(canvas(128)), reference(encoder, canvas(128)))


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("logits", [1, 500, 3000])
def test_the_size_of_a_slice_of_attention_does_not_change_the_embedding(
    kind: str, logits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anymask.nn.fast.attention.LOGITS_AT_ONCE", logits)
    monkeypatch.setattr("anymask.nn.fast.vit.LOGITS_AT_ONCE", logits)
    encoder = ENCODERS[kind]()
    near(fast_encoder(encoder, precision="fp32")(canvas(128)), reference(encoder, canvas(128)))


def test_folding_leaves_the_network_as_it_was() -> None:
    encoder = tiny_vit()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    fast_encoder(encoder, precision="fp32")(canvas(128))
    after = encoder.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_a_network_fused_before_gives_the_same_embedding() -> None:
    encoder, fused = tiny_vit(), tiny_vit()
    fused.fuse()
    near(fast_encoder(fused, precision="fp32")(canvas(128)), reference(encoder, canvas(128)))


# --- bfloat16


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("most_tokens", [0, 1024])
@pytest.mark.parametrize("tiles", [False, True])
def test_bf16_stays_close_to_fp32(
    kind: str, tiles: bool, most_tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: tiles, raising=False)
    assert multiplies_tiles() == tiles
    monkeypatch.setattr("anymask.nn.fast.vit.MOST_TOKENS_WITHOUT_FUSION", most_tokens)
    encoder = ENCODERS[kind]()
    out = fast_encoder(encoder, precision="bf16")(canvas(128))
    expected = reference(encoder, canvas(128))
    assert out.dtype == torch.float32
    difference = (out - expected).abs()
    assert difference.mean() < 0.04
    assert F.cosine_similarity(out.flatten(), expected.flatten(), dim=0) > 0.998


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_surrounding_autocast_changes_nothing(kind: str, precision: Any) -> None:
    fast = fast_encoder(ENCODERS[kind](), precision=precision)
    expected = fast(canvas(128))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(fast(canvas(128)), expected)


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_network_cast_to_bf16_is_encoded_in_fp32(kind: str) -> None:
    encoder = ENCODERS[kind]().to(torch.bfloat16)
    out = fast_encoder(encoder, precision="fp32")(canvas(128))
    near(out, reference(encoder.float(), canvas(128)), 1e-3)


def test_native_bf16_is_what_the_processor_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False, raising=False)
    assert not native_bf16()
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert native_bf16()
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    assert not native_bf16()


@pytest.mark.parametrize("size_hw", [(8, 8), (5, 7)])
def test_attention_with_the_bias_in_the_product_gives_the_numbers_of_the_slices(
    size_hw: tuple[int, int],
) -> None:
    attention = plain_vit().blocks[0].attn
    generator = torch.Generator().manual_seed(0)
    heads, channels = attention.heads, attention.qkv.in_features // attention.heads
    shape = (3, 2, heads, size_hw[0] * size_hw[1], channels)
    query, key, value = torch.randn(shape, generator=generator)
    with torch.inference_mode():
        fused = attention._attend_fused(query, key, value, size_hw)
        sliced = attention._attend_in_slices(query, key, value, size_hw)
    near(fused, sliced, 1e-5)


# --- the private operators


@pytest.fixture(params=["missing", "refusing", "wrong numbers", "wrong activation", "wrong shape"])
def broken_onednn(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    def refuse(*_: object) -> torch.Tensor:
        raise RuntimeError("not built for this machine")

    def off(x, weight, bias, activation, scalars, algorithm):
        return F.linear(x, weight, bias) + 0.1

    def forgetful(x, weight, bias, activation, scalars, algorithm):
        return F.linear(x, weight, bias)

    def misshapen(x, weight, bias, activation, scalars, algorithm):
        return F.linear(x, weight, bias)[None]

    kinds = {
        "missing": None,
        "refusing": refuse,
        "wrong numbers": off,
        "wrong activation": forgetful,
        "wrong shape": misshapen,
    }
    operator = kinds[request.param]
    fake = SimpleNamespace(_reorder_linear_weight=lambda weight: weight)
    if operator is not None:
        fake._linear_pointwise = operator
    monkeypatch.setattr(linear, "has_wide_vectors", lambda: True)  # where the activation is its
    # Ready-made namespaces are attributes of `torch.ops`.
    monkeypatch.setitem(torch.ops.__dict__, "mkldnn", fake)
    onednn_computes.cache_clear()
    yield
    onednn_computes.cache_clear()


@pytest.mark.usefixtures("broken_onednn")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_operators_that_fail_their_test_are_not_used(dtype: torch.dtype) -> None:
    assert not onednn_computes(dtype)
    assert LinearMaker(dtype).kind is Linear


@pytest.mark.usefixtures("broken_onednn")
@pytest.mark.parametrize("kind", ENCODERS)
def test_without_the_operators_the_embedding_is_the_same(kind: str) -> None:
    encoder = ENCODERS[kind]()
    near(fast_encoder(encoder, precision="fp32")(canvas(128)), reference(encoder, canvas(128)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_on_other_processors_the_public_operator_is_used(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear.platform, "machine", lambda: "arm64")
    assert LinearMaker(dtype).kind is Linear


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("wide_vectors", [True, False])
def test_onednn_gives_the_numbers_of_the_public_operator(
    bias: bool, wide_vectors: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not onednn_computes(torch.float32):
        pytest.skip("this build of PyTorch has no oneDNN linear layer")
    monkeypatch.setattr(linear, "has_wide_vectors", lambda: wide_vectors)
    source = with_synthetic_weights(torch.nn.Linear(48, 30, bias=bias))
    x = canvas(48)[0]
    layer = OneDnnLinear(source.weight.detach(), source.bias.detach() if bias else None)
    near(layer(x), source(x).detach())
    near(layer.gelu(x), F.gelu(source(x)).detach())


# --- memory, threads, life time


class LargestTensor(TorchDispatchMode):
    """Remembers the most numbers that any operator gave back."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        found = [value for value in _flat(out) if isinstance(value, torch.Tensor)]
        self.numbers = max([self.numbers, *(value.numel() for value in found)])
        return out


def _flat(value: object) -> Iterator[object]:
    if isinstance(value, (tuple, list)):
        for part in value:
            yield from _flat(part)
    else:
        yield value


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_attention_over_the_whole_image_is_never_written_down(precision: Any) -> None:
    config = ViTConfig(embed_dim=32, depth=1, heads=4, global_blocks=(0,), mlp_ratio=1)
    encoder = ImageEncoderViT(config, image_size=1024)
    fast = fast_encoder(
        with_synthetic_weights(encoder, prefix="image_encoder.").eval(), precision=precision
    )
    with torch.inference_mode(), LargestTensor() as largest:
        fast(canvas(1024))
    assert largest.numbers <= 2**22 < 4096 * 4096


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_threads_may_share_an_encoder(kind: str, precision: Any) -> None:
    fast = fast_encoder(ENCODERS[kind](), precision=precision)
    images = [canvas(128).roll(i, dims=2) for i in range(8)]
    expected = [fast(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(fast, images))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_changed_network_is_noticed(kind: str) -> None:
    encoder = ENCODERS[kind]()
    fast = fast_encoder(encoder, precision="fp32")
    assert fast.is_fresh()
    with torch.no_grad():
        encoder.neck[0].weight.mul_(2)
    assert not fast.is_fresh()


def test_the_random_state_and_default_dtype_do_not_matter() -> None:
    encoder = tiny_vit()
    expected = fast_encoder(encoder, precision="fp32")(canvas(128))
    before = torch.random.get_rng_state()
    torch.set_default_dtype(torch.float64)
    try:
        out = fast_encoder(encoder, precision="fp32")(canvas(128).float())
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(out, expected)
    assert torch.equal(torch.random.get_rng_state(), before)


# --- refusals


def test_an_unknown_precision_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="must be fp32 or bf16; got 'fp16'"):
        fast_encoder(tiny_vit(), precision="fp16")  # type: ignore[arg-type]


def test_a_network_in_training_is_refused() -> None:
    with pytest.raises(ValueError, match=r"encoder\.eval\(\)"):
        fast_encoder(tiny_vit().train(), precision="fp32")


def test_a_network_on_another_device_is_refused() -> None:
    with pytest.raises(DeviceError, match="it is on meta"):
        fast_encoder(tiny_vit().to("meta"), precision="fp32")


# --- full size


class _Encoding:
    """An engine that only encodes, with an encoder of its own."""

    def __init__(self, model: Model, encoder: Any) -> None:
        self.canvas_px = model.backend.canvas_px
        self._sam, self._encoder = model.backend.sam, encoder

    def encode(self, image: np.ndarray) -> np.ndarray:
        pixels = torch.from_numpy(image.copy()).permute(2, 0, 1).float()
        return self._encoder(self._sam.preprocess(pixels)[None])[0].numpy()


def with_encoder(model: Model, encoder: Any, image: np.ndarray) -> EncodedImage:
    engine = _Encoding(model, encoder)
    return Model(engine, model_id=model.model_id, architecture="vit_t").encode(image)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["vit_t", "vit_b"])
def test_full_size_gives_the_numbers_of_the_network(architecture: str) -> None:
    gain = 1.0 if architecture == "vit_t" else 2.5
    encoder = build_sam(architecture).image_encoder
    with_synthetic_weights(encoder, prefix="image_encoder.", gain=gain).eval()
    expected = reference(encoder, canvas(1024))
    near(fast_encoder(encoder, precision="fp32")(canvas(1024)), expected, 3e-5)
    if architecture == "vit_b" and not native_bf16():
        return  # without such instructions it is many minutes of emulation
    bf16 = fast_encoder(encoder, precision="bf16")(canvas(1024))
    assert F.cosine_similarity(bf16.flatten(), expected.flatten(), dim=0) > 0.998


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.parametrize("photo", ["astronaut", "coffee"])
def test_masks_of_the_default_model_in_bf16_overlap_those_in_fp32(
    photo: str, default_model: Model, request: pytest.FixtureRequest
) -> None:
    image = request.getfixturevalue(photo)
    sam = default_model.backend.sam
    encoded = {}
    for precision in ("fp32", "bf16"):
        fast = fast_encoder(sam.image_encoder, precision=precision)
        encoded[precision] = with_encoder(default_model, fast, image)
    height, width = image.shape[:2]
    overlaps = []
    for x, y in [(0.2, 0.3), (0.5, 0.3), (0.8, 0.3), (0.2, 0.7), (0.5, 0.7), (0.8, 0.7)]:
        point = [[x * width, y * height]]
        exact, rough = (
            default_model.segment(each, Prompt(points=point), rank="predicted_iou").array[0]
            for each in encoded.values()
        )
        overlaps.append((exact & rough).sum() / max(1, (exact | rough).sum()))
    assert np.mean(overlaps) >= 0.99
