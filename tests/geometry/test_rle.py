from __future__ import annotations

import json
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco

from anymask.errors import MaskError
from anymask.geometry import rle
from anymask.geometry.boxes import box_from_mask

# pycocotools' own array wrapper predates numpy 2
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

any_mask = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40))


def ring() -> np.ndarray:
    y, x = np.mgrid[:40, :57]
    distance = (y - 20) ** 2 + (x - 30) ** 2
    return (distance < 300) & (distance > 80)


def only(shape: tuple[int, int], row: int, column: int) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[row, column] = True
    return mask


SPECIAL = {
    "ring": ring(),
    "empty": np.zeros((6, 8), bool),
    "full": np.ones((6, 8), bool),
    "1x1 set": np.ones((1, 1), bool),
    "1x1 unset": np.zeros((1, 1), bool),
    "1xN": np.array([[0, 1, 1, 0, 1]], bool),
    "Nx1": np.array([[1], [0], [0], [1]], bool),
    "non-square, first pixel": only((3, 7), 0, 0),
    "non-square, last pixel": only((3, 7), 2, 6),
    "long runs": np.arange(300 * 400).reshape(300, 400) > 70000,
    "checkerboard": np.indices((9, 12)).sum(0) % 2 == 1,
}


def oracle(mask: np.ndarray) -> dict[str, object]:
    code = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(code["size"]), "counts": code["counts"].decode()}


def agrees_with_oracle(mask: np.ndarray) -> None:
    code, plain = rle.encode(mask), rle.encode_uncompressed(mask)
    assert code == oracle(mask)
    np.testing.assert_array_equal(coco.decode(code).astype(bool), mask)
    assert rle.counts_to_string(plain["counts"]) == code["counts"]
    assert rle.string_to_counts(code["counts"]).tolist() == plain["counts"]
    for either in (code, plain, {**code, "counts": code["counts"].encode()}):
        decoded = rle.decode(either)
        np.testing.assert_array_equal(decoded, mask)
        assert decoded.dtype == np.bool_
        assert decoded.flags.c_contiguous
        assert rle.area(either) == coco.area(code) == mask.sum()
        assert rle.box_xyxy(either).tolist() == box_from_mask(mask).tolist()


@given(any_mask)
def test_any_mask_agrees_with_the_reference_implementation(mask: np.ndarray) -> None:
    agrees_with_oracle(mask)


@pytest.mark.parametrize("name", SPECIAL)
def test_special_masks_agree_with_the_reference_implementation(name: str) -> None:
    agrees_with_oracle(SPECIAL[name])


@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_layout_does_not_matter(order: str) -> None:
    assert rle.encode(np.array(ring(), order=order)) == oracle(ring())
    assert rle.encode(ring()[::-1, ::2]) == oracle(ring()[::-1, ::2].copy())


@pytest.mark.parametrize(
    ("mask", "counts", "text"),
    [
        ("square", [13, 3, 3, 3, 3, 3, 20], "=33000a0"),
        ("ones", [0, 48], "0`1"),
        ("zeros", [48], "`1"),
    ],
)
def test_reference_codes(mask: str, counts: list[int], text: str) -> None:
    masks = {"square": np.zeros((6, 8), bool), "ones": SPECIAL["full"], "zeros": SPECIAL["empty"]}
    masks["square"][1:4, 2:5] = True
    assert rle.encode_uncompressed(masks[mask]) == {"size": [6, 8], "counts": counts}
    assert rle.encode(masks[mask]) == {"size": [6, 8], "counts": text}


def test_reference_disc() -> None:
    y, x = np.mgrid[:300, :400]
    code = rle.encode((y - 150) ** 2 + (x - 200) ** 2 < 100)
    assert code["counts"] == "VSh19R92M4N0O2N2O0000000000000001N2N102L3Ng`g1"
    assert rle.area(code) == 305
    assert rle.box_xyxy(code).tolist() == [191, 141, 210, 160]


def test_codes_survive_json() -> None:
    for code in (rle.encode(ring()), rle.encode_uncompressed(ring())):
        np.testing.assert_array_equal(rle.decode(json.loads(json.dumps(code))), ring())


def test_numbers_zero_and_one_encode_like_booleans() -> None:
    assert rle.encode(ring().astype(np.uint8)) == rle.encode(ring())


def test_counts_may_be_an_array_and_contain_empty_runs() -> None:
    code = {"size": np.array([2, 3]), "counts": np.array([1, 2, 0, 1, 2, 0], np.uint32)}
    assert rle.decode(code).tolist() == [[False, True, False], [True, True, False]]
    assert rle.box_xyxy(code).tolist() == [0, 0, 2, 2]
    assert rle.area(code) == 3


@given(st.lists(st.integers(0, rle.MAX_COUNT), max_size=12))
def test_any_counts_survive_compression(counts: list[int]) -> None:
    assert rle.string_to_counts(rle.counts_to_string(counts)).tolist() == counts


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ({"size": [6, 8], "counts": [40]}, "add up to 40 pixels .* has 48"),
        ({"size": [8, 8], "counts": "`1"}, "add up to 48 pixels .* has 64"),
        ({"size": [6, 8], "counts": ""}, "add up to 0 pixels"),
        ({"size": [6, 8], "counts": []}, "add up to 0 pixels"),
        ({"size": [6, 8], "counts": [50, -2]}, "run outside 0"),
        ({"size": [6, 8], "counts": "`1N"}, "run outside 0"),
        ({"size": [6, 8], "counts": [48.0]}, "whole numbers"),
        ({"size": [6, 8], "counts": [[48]]}, "whole numbers"),
        ({"size": [6, 8], "counts": [True]}, "whole numbers"),
        ({"size": [6, 8], "counts": None}, "whole numbers"),
        ({"size": [6, 8], "counts": [[1], [2, 3]]}, "counts cannot be read"),
        ({"size": [6, 8], "counts": "`1 "}, "character ' ' at 2"),
        ({"size": [6, 8], "counts": "`1p"}, "character 'p' at 2"),
        ({"size": [6, 8], "counts": "`1é"}, "not ASCII"),
        ({"size": [6, 8], "counts": "`"}, "middle of a number"),
        ({"size": [6, 8], "counts": "PPPPPPPPPPPP0"}, "number above"),
        ({"size": [6, 8], "counts": [2**40]}, "run outside 0"),
        ({"counts": "`1"}, "rle lacks size"),
        ({"size": [6, 8]}, "rle lacks counts"),
        ({}, "rle lacks size and counts"),
        ("`1", "rle is a str"),
        ([[0, 0, 1, 1, 2, 2]], "rle is a list"),
        ({"size": [6], "counts": [6]}, r"size is \[6\]"),
        ({"size": [0, 8], "counts": []}, r"size is \[0, 8\]"),
        ({"size": [-6, -8], "counts": [48]}, r"size is \[-6, -8\]"),
        ({"size": [6.0, 8.0], "counts": [48]}, r"size is \[6.0, 8.0\]"),
        ({"size": [True, 8], "counts": [8]}, r"size is \[True, 8\]"),
        ({"size": "68", "counts": [48]}, "size is 68"),
        ({"size": None, "counts": [48]}, "size is None"),
        ({"size": [2**31, 2**31], "counts": [1]}, "no more than"),
    ],
)
@pytest.mark.parametrize("reader", [rle.decode, rle.area, rle.box_xyxy])
def test_malformed_codes_are_refused_by_name(reader: object, code: object, message: str) -> None:
    with pytest.raises(MaskError, match=message) as caught:
        reader(code)  # type: ignore[operator]
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=20), st.integers(1, 9), st.integers(1, 9))
def test_any_text_decodes_or_is_refused(text: bytes, height: int, width: int) -> None:
    try:
        mask = rle.decode({"size": [height, width], "counts": text})
    except MaskError:
        return
    assert mask.shape == (height, width)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0)])
def test_mask_without_pixels_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(MaskError, match="at least one pixel"):
        rle.encode(np.zeros(shape, bool))


def test_encoding_a_stack_of_masks_is_refused() -> None:
    with pytest.raises(MaskError, match=r"mask has shape \(1, 40, 57\)"):
        rle.encode(ring()[None])


def test_twelve_megapixels_are_coded_in_a_fraction_of_a_second() -> None:
    y, x = np.ogrid[:3000, :4000]
    mask = (y - 1500) ** 2 + (x - 2000) ** 2 < 1200**2
    start = time.perf_counter()
    decoded = rle.decode(rle.encode(mask))
    assert time.perf_counter() - start < 2  # about 0.02 on an idle machine
    np.testing.assert_array_equal(decoded, mask)
