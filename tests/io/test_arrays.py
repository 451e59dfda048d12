"""Pictures and masks in memory: what each kind of number and channel count becomes."""

from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from anymask.errors import AnymaskError, ImageError, MaskError
from anymask.io.arrays import BACKDROP, as_coverage, as_rgb


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def checked(rgb: np.ndarray, height: int, width: int) -> np.ndarray:
    assert rgb.shape == (height, width, 3)
    assert rgb.dtype == np.uint8
    assert rgb.flags.c_contiguous
    return rgb


# Channels


def test_opaque_rgba_equals_its_rgb() -> None:  # C01
    rgb = noise(64, 80, 3)
    rgba = np.dstack([rgb, np.full((64, 80), 255, np.uint8)])
    np.testing.assert_array_equal(checked(as_rgb(rgba), 64, 80), rgb)


@pytest.mark.parametrize("alpha", [0, 1, 128, 255])
def test_one_alpha_everywhere_changes_nothing(alpha: int) -> None:  # C01
    rgb = noise(64, 80, 3)
    rgba = np.dstack([rgb, np.full((64, 80), alpha, np.uint8)])
    np.testing.assert_array_equal(as_rgb(rgba), rgb)


def test_five_channels_are_refused_by_count() -> None:  # C01
    with pytest.raises(ImageError, match=r"5 channels.*\(64, 80, 5\)"):
        as_rgb(np.zeros((64, 80, 5), np.uint8))


def test_grey_in_every_shape_gives_the_same_picture() -> None:  # C02
    grey = noise(20, 30)
    expected = np.dstack([grey] * 3)
    for shape in (grey, grey[..., None], expected):
        np.testing.assert_array_equal(checked(as_rgb(shape), 20, 30), expected)


def test_grey_with_opaque_alpha_gives_its_grey() -> None:  # C02
    grey = noise(20, 30)
    both = np.dstack([grey, np.full_like(grey, 255)])
    np.testing.assert_array_equal(as_rgb(both), np.dstack([grey] * 3))


def test_widened_8_bit_picture_comes_back_exactly() -> None:  # C03
    rgb = noise(40, 50, 3)
    np.testing.assert_array_equal(as_rgb(rgb.astype(np.uint16) * 257), rgb)
    dark = rgb // 8
    np.testing.assert_array_equal(as_rgb(dark.astype(np.uint16) * 257), dark)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_10_to_14_bit_range_is_not_black(bits: int) -> None:  # C03
    rgb = noise(40, 50, 3)
    deep = rgb.astype(np.uint16) << (bits - 8)
    assert np.abs(as_rgb(deep).astype(int) - rgb).max() <= 1


def test_bgr_array_equals_its_rgb() -> None:  # C04
    rgb = noise(20, 30, 3)
    np.testing.assert_array_equal(checked(as_rgb(rgb[..., ::-1], color="BGR"), 20, 30), rgb)


def test_bgra_keeps_its_alpha_last() -> None:  # C04
    rgb, alpha = noise(20, 30, 3), noise(20, 30, seed=1)
    bgra = np.dstack([rgb[..., ::-1], alpha])
    np.testing.assert_array_equal(as_rgb(bgra, color="BGR"), as_rgb(np.dstack([rgb, alpha])))


def test_unknown_color_order_is_named() -> None:
    with pytest.raises(ImageError, match=r"GBR.*RGB.*BGR"):
        as_rgb(noise(4, 4, 3), color="GBR")  # type: ignore[arg-type]


def test_bgr_of_a_pil_image_is_refused() -> None:
    with pytest.raises(ImageError, match="PIL"):
        as_rgb(Image.new("RGB", (4, 4)), color="BGR")


def test_transparent_pixels_become_the_backdrop() -> None:
    rgba = np.zeros((2, 3, 4), np.uint8)
    rgba[0] = (10, 20, 30, 255)
    rgba[1, 0] = (255, 0, 0, 0)
    rgba[1, 1] = (228, 28, 128, 51)  # a fifth
    rgb = as_rgb(rgba)
    np.testing.assert_array_equal(rgb[0], [[10, 20, 30]] * 3)
    np.testing.assert_array_equal(rgb[1, 0], [BACKDROP] * 3)
    np.testing.assert_array_equal(rgb[1, 1], [148, 108, 128])


@pytest.mark.parametrize("ink", [0, 255])
def test_black_and_white_drawings_stay_visible_on_nothing(ink: int) -> None:
    drawing = np.full((8, 8, 4), ink, np.uint8)
    drawing[..., 3] = 0
    drawing[2:6, 2:6, 3] = 255
    assert abs(int(as_rgb(drawing)[3, 3, 0]) - int(as_rgb(drawing)[0, 0, 0])) > 100


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6)))
def test_colours_stay_exact_where_alpha_is_full(alpha: np.ndarray) -> None:
    rgb = noise(*alpha.shape, 3)
    out = as_rgb(np.dstack([rgb, alpha]))
    full = alpha == alpha.max()
    np.testing.assert_array_equal(out[full], rgb[full])


# Kinds of number


def test_bool_becomes_black_and_white() -> None:
    np.testing.assert_array_equal(as_rgb(np.array([[False, True]]))[0, :, 0], [0, 255])


@pytest.mark.parametrize(
    "dtype", [np.int8, np.int16, np.uint16, np.int32, np.int64, np.uint64, ">u2", ">i4"]
)
def test_integers_within_8_bits_are_kept(dtype: str) -> None:
    rgb = noise(9, 7, 3) // 2
    np.testing.assert_array_equal(as_rgb(rgb.astype(dtype)), rgb)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_unit_floats_are_scaled_by_255(dtype: type) -> None:
    rgb = noise(9, 7, 3)
    np.testing.assert_array_equal(as_rgb((rgb / 255).astype(dtype)), rgb)


def test_floats_within_255_are_rounded() -> None:
    np.testing.assert_array_equal(as_rgb(np.array([[0.4, 0.6, 254.6]]))[0, :, 0], [0, 1, 255])


def test_normalised_floats_are_stretched() -> None:
    values = np.linspace(-2.1, 2.6, 256).reshape(16, 16)
    np.testing.assert_array_equal(as_rgb(values)[..., 0].ravel(), np.arange(256))


def test_a_few_hot_pixels_do_not_darken_the_rest() -> None:
    deep = noise(200, 200).astype(np.uint16) * 16
    deep[5, 5] = deep[100, 7] = 65535
    assert np.median(as_rgb(deep)) > 100


def test_rare_bright_spot_is_stretched_not_lost() -> None:
    deep = np.zeros((300, 300), np.uint16)
    deep[5, 5:8] = 3000
    assert as_rgb(deep)[5, 6, 0] == 255
    assert as_rgb(deep)[50, 50, 0] == 0


def test_nan_is_black_and_infinity_saturates() -> None:
    values = np.array([[np.nan, -np.inf, np.inf, 0.0, 0.5, 1.0]])
    np.testing.assert_array_equal(as_rgb(values)[0, :, 0], [0, 0, 255, 0, 128, 255])


def test_nothing_finite_is_refused() -> None:
    with pytest.raises(ImageError, match="no finite value"):
        as_rgb(np.full((2, 2), np.nan))


@pytest.mark.parametrize("value", [1000, -5, 3e5])
def test_one_value_out_of_range_is_mid_grey(value: float) -> None:
    np.testing.assert_array_equal(as_rgb(np.full((3, 3), value)), 128)


@pytest.mark.parametrize("dtype", [complex, object, "U3", "M8[s]"])
def test_other_kinds_of_number_are_named(dtype: str) -> None:
    with pytest.raises(ImageError, match="dtype"):
        as_rgb(np.zeros((3, 3), dtype))


def test_value_range_scales_a_series_alike() -> None:
    first, second = np.full((2, 2), 100, np.uint16), np.full((2, 2), 200, np.uint16)
    assert as_rgb(first, value_range=(0, 400))[0, 0, 0] == 64
    assert as_rgb(second, value_range=(0, 400))[0, 0, 0] == 128


@pytest.mark.parametrize("value_range", [(5, 5), (9, 1), (0, float("nan"))])
def test_senseless_value_range_is_refused(value_range: tuple[float, float]) -> None:
    with pytest.raises(ImageError, match="value_range"):
        as_rgb(noise(2, 2), value_range=value_range)


@settings(max_examples=200)
@given(
    hnp.arrays(
        st.sampled_from([np.float16, np.float32, np.float64, np.int8, np.int64, np.uint64]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=5),
    )
)
def test_brighter_never_comes_out_darker(values: np.ndarray) -> None:
    assume(np.isfinite(values).any())
    grey = as_rgb(values)[..., 0].ravel()
    flat = values.ravel()
    known = ~np.isnan(flat)
    order = np.argsort(flat[known], kind="stable")
    assert np.all(np.diff(grey[known][order].astype(int)) >= 0)


# Shapes and things that are no pictures


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels_first_is_told_to_transpose(channels: int) -> None:
    with pytest.raises(ImageError, match=r"channels first.*transpose\(1, 2, 0\)"):
        as_rgb(np.zeros((channels, 64, 80), np.uint8))


def test_a_batch_is_told_to_become_a_list() -> None:
    with pytest.raises(ImageError, match=r"4 axes.*list"):
        as_rgb(np.zeros((2, 8, 8, 3), np.uint8))


@pytest.mark.parametrize("shape", [(), (5,), (1, 2, 3, 4, 5)])
def test_wrong_axis_count_is_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match=f"{len(shape)} axes"):
        as_rgb(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("shape", [(0, 5), (5, 0, 3), (0, 0, 3), (5, 5, 0)])
def test_no_pixels_is_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match="no pixels"):
        as_rgb(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("thing", ["a.jpg", b"bytes", None, 5, [[1, 2]], {}, io.BytesIO()])
def test_what_is_no_array_says_what_is_accepted(thing: object) -> None:
    with pytest.raises(
        ImageError, match=r"(str|bytes|NoneType|int|list|dict|BytesIO).*\(H, W, 3\)"
    ):
        as_rgb(thing)


def test_a_path_is_pointed_to_read_image() -> None:
    with pytest.raises(ImageError, match="read_image"):
        as_rgb("photo.jpg")


def test_anything_with_an_array_view_is_accepted() -> None:
    rgb = noise(5, 6, 3)

    class Holder:
        def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
            return rgb

    np.testing.assert_array_equal(as_rgb(Holder()), rgb)
    interface = SimpleNamespace(__array_interface__=rgb.__array_interface__)
    np.testing.assert_array_equal(as_rgb(interface), rgb)


def test_an_object_that_cannot_be_viewed_is_refused_in_one_line() -> None:
    class OnDevice:
        def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
            raise TypeError("tensor lives on a device\ncopy it first")

    with pytest.raises(ImageError, match=r"OnDevice.*lives on a device copy it first"):
        as_rgb(OnDevice())


def test_torch_tensors_on_the_cpu_are_accepted() -> None:
    torch = pytest.importorskip("torch")
    rgb = noise(5, 6, 3)
    np.testing.assert_array_equal(as_rgb(torch.from_numpy(rgb)), rgb)
    np.testing.assert_array_equal(as_rgb(torch.from_numpy(rgb).float() / 255), rgb)
    with pytest.raises(ImageError, match="permute"):
        as_rgb(torch.zeros(3, 64, 80))
    with pytest.raises(ImageError, match="Tensor cannot be viewed as an array"):
        as_rgb(torch.zeros(4, 4, requires_grad=True))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "F"])
def test_every_pil_mode_looks_as_pil_shows_it(mode: str) -> None:
    image = Image.fromarray(noise(20, 30, 3)).convert(mode)
    expected = np.asarray(image.convert("RGB"))
    rounding = 1 if mode == "F" else 0  # Pillow cuts fractions off
    np.testing.assert_allclose(checked(as_rgb(image), 20, 30), expected, rtol=0, atol=rounding)


def test_pil_images_are_not_turned() -> None:
    image = Image.fromarray(noise(20, 30, 3))
    image.getexif()[0x0112] = 6
    checked(as_rgb(image), 20, 30)


def test_strided_and_read_only_views_come_out_contiguous() -> None:
    rgb = noise(20, 30, 3)
    rgb.flags.writeable = False
    for view in (rgb[::2, ::-1], rgb.transpose(1, 0, 2)):
        np.testing.assert_array_equal(checked(as_rgb(view), *view.shape[:2]), view)


def test_the_input_is_left_as_it_was() -> None:
    values = noise(20, 30, 4).astype(np.float32)
    before = values.copy()
    as_rgb(values)
    np.testing.assert_array_equal(values, before)


# Masks


@pytest.mark.parametrize(
    "scale",
    [
        lambda m: m,
        lambda m: m.astype(np.uint8),
        lambda m: m.astype(np.int64),
        lambda m: m.astype(np.uint8) * np.uint8(255),
        lambda m: m.astype(np.uint16) * np.uint16(65535),
        lambda m: m.astype(np.float64),
        lambda m: m.astype(np.float32) * 255,
        lambda m: m[..., None],
        lambda m: np.dstack([m.astype(np.uint8) * 255] * 3),
        lambda m: np.dstack([np.zeros((*m.shape, 3), np.uint8), m.astype(np.uint8) * 255]),
        lambda m: np.dstack([m.astype(np.uint8) * 255] * 3 + [np.full(m.shape, 255, np.uint8)]),
    ],
)
def test_every_way_to_write_a_mask_gives_the_same_coverage(scale) -> None:  # C17
    mask = np.zeros((10, 12), bool)
    mask[2:5, 3:9] = True
    coverage = as_coverage(scale(mask))
    assert coverage.dtype == np.float32
    np.testing.assert_array_equal(coverage, mask.astype(np.float32))


def test_soft_edges_stay_soft() -> None:
    np.testing.assert_allclose(as_coverage(np.array([[0, 51, 255]], np.uint8)), [[0, 0.2, 1]])


@pytest.mark.parametrize("value", [0, False, 0.0])
def test_an_empty_mask_is_empty(value: object) -> None:  # C16
    assert not as_coverage(np.full((4, 4), value)).any()


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.array([[-3.0, 8.0]]), "logits > 0"),
        (np.array([[0, 1, 2, 7]]), "7.*mask == number"),
        (np.array([[0, 300]]), "mask == number"),
        (np.array([[np.nan, 1.0]]), "NaN"),
        (np.array([[0, 70000]]), "70000"),
        (np.zeros((2, 2), complex), "complex"),
        (np.zeros((2, 2, 4, 4)), "mask has 4 axes"),
        (np.zeros((0, 4)), "no pixels"),
        ("mask.png", "str"),
        (None, "NoneType"),
    ],
)
def test_what_is_no_coverage_is_refused(mask: object, message: str) -> None:
    with pytest.raises(MaskError, match=message) as caught:
        as_coverage(mask)
    assert isinstance(caught.value, AnymaskError)
    assert "\n" not in str(caught.value)
