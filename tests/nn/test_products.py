"""Products by oneDNN against those of PyTorch."""

from __future__ import annotations

import pytest
import torch

from anymask.nn.fast.linear import onednn_computes
from anymask.nn.fast.products import OneDnnProducts, Products, products_for

onednn = pytest.mark.skipif(not onednn_computes(torch.float32), reason="needs oneDNN")
onednn_bf16 = pytest.mark.skipif(
    not onednn_computes(torch.bfloat16), reason="needs oneDNN with products in bfloat16"
)


def pattern(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)))


@onednn
@pytest.mark.parametrize("count", [1, 3])
@torch.inference_mode()
def test_onednn_gives_the_products_of_pytorch(count: int) -> None:
    image, rows, weights = pattern(count, 40, 16), pattern(count, 7, 16), pattern(count, 7, 40)
    fast, plain = OneDnnProducts(), Products()
    torch.testing.assert_close(fast.with_image(rows, image), plain.with_image(rows, image))
    torch.testing.assert_close(fast.read(weights, image), plain.read(weights, image))
    for shared in (image, image[:1]):
        torch.testing.assert_close(
            fast.spread(weights, rows, shared), plain.spread(weights, rows, shared)
        )


@pytest.mark.parametrize(
    "products", [Products(), pytest.param(OneDnnProducts(), marks=onednn_bf16)]
)
@torch.inference_mode()
def test_products_are_in_the_images_precision(products: Products) -> None:
    image, rows, weights = pattern(2, 40, 16).bfloat16(), pattern(2, 7, 16), pattern(2, 7, 40)
    for product in (
        products.with_image(rows, image),
        products.read(weights.bfloat16(), image),
        products.spread(weights, rows, image),
    ):
        assert product.dtype == torch.bfloat16


def test_other_devices_and_precisions_are_left_to_pytorch() -> None:
    assert type(products_for(torch.device("meta"), torch.float32)) is Products
    assert type(products_for(torch.device("cpu"), torch.float64)) is Products


@onednn
@pytest.mark.parametrize(("wide", "kind"), [(True, OneDnnProducts), (False, Products)])
def test_onednn_multiplies_where_vectors_are_wide(
    wide: bool, kind: type[Products], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anymask.nn.fast.products.has_wide_vectors", lambda: wide)
    assert type(products_for(torch.device("cpu"), torch.float32)) is kind
