"""Pictures and masks already in memory, brought to the one form the rest works on.

A picture becomes (H, W, 3) uint8 RGB, a mask (H, W) float32 coverage. The conversion of every kind
of number is one linear window (low, high) -> (0, 255); docs/images.md has the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError, MaskError

if TYPE_CHECKING:
    from PIL import Image

BACKDROP = 128
"""The grey behind transparent pixels: neither a black nor a white drawing disappears on it."""

_SATURATED = 10_000  # one value in so many may saturate at each end of a stretch
_BLOCK = 1 << 22  # values converted at a time, so that float copies of a huge picture stay small
_ACCEPTED = (
    "a picture is an array of shape (H, W), (H, W, 1), (H, W, 2), (H, W, 3) or (H, W, 4), "
    "or a PIL image"
)

Samples = NDArray[Any]
Window = tuple[float, float]


def as_rgb(
    image: object,
    *,
    color: Literal["RGB", "BGR"] = "RGB",
    value_range: tuple[float, float] | None = None,
) -> NDArray[np.uint8]:
    """Turns a picture in memory into 8-bit RGB.

    Args:
        image: an array, a PIL image, or anything numpy can view as an array, of shape (H, W) or
            (H, W, C) with C = 1 grey, 2 grey + alpha, 3 colour, 4 colour + alpha; bool, integer or
            float. A PIL image is taken as it lies, without turning it by its EXIF orientation, so
            that its own pixel coordinates stay valid.
        color: order of the colour channels of an array; OpenCV's arrays are "BGR".
        value_range: (low, high), the values that become black and white. By default bool and
            0..1 floats are scaled by 255, values within 0..255 are kept, 16-bit values that are
            8-bit ones times 257 are divided by it, and anything else is stretched over its range.

    Returns:
        (H, W, 3) uint8 RGB, C-contiguous. It is the input itself where nothing had to change.

    Raises:
        ImageError: not a picture, or one with a wrong shape, channel count or kind of number.
    """
    if color not in ("RGB", "BGR"):
        raise ImageError(f'color is {color!r}; it must be "RGB" or "BGR"')
    samples = _samples(image, color)
    check_shape(samples)
    rgb = rgb_from_samples(samples, value_range)
    return np.ascontiguousarray(rgb[..., ::-1]) if color == "BGR" else rgb


def rgb_from_samples(
    samples: Samples, value_range: tuple[float, float] | None = None
) -> NDArray[np.uint8]:
    """Converts (H, W) or (H, W, 1 to 4) numbers of any depth to (H, W, 3) uint8 RGB.

    Raises:
        ImageError: numbers that are neither bool, integer nor real, or none of them finite.
    """
    colours, alpha = _split_alpha(samples)
    levels = _to_uint8(colours, value_range)
    if alpha is not None:
        levels = _over_backdrop(levels, alpha)
    if levels.shape[-1] == 1:
        levels = np.repeat(levels, 3, axis=-1)
    return np.ascontiguousarray(levels)


def samples_from_pil(image: Image.Image) -> Samples:
    """A loaded PIL image as (H, W) or (H, W, 2 to 4) numbers of its own depth, writable.

    Palettes are looked up, a transparent colour becomes alpha, CMYK, YCbCr, HSV and LAB become RGB.
    """
    if image.mode == "LAB":
        return np.array(_lab_to_rgb(image))
    target = _target_mode(image)
    return np.array(image if target == image.mode else image.convert(target))


def as_coverage(mask: object) -> NDArray[np.float32]:
    """Turns a mask in memory into how much of each pixel it covers.

    Args:
        mask: (H, W) or (H, W, 1 to 4) of bool, 0/1, 0..1, 0..255 or 0..65535. Where an alpha
            channel varies it is the mask; otherwise the brightest colour channel is.

    Returns:
        (H, W) float32 in [0, 1].

    Raises:
        MaskError: not such an array; among them logits and object numbers, which need a decision.
    """
    try:
        values = _array_of(mask)
        if values is not None:
            check_shape(values)
    except ImageError as error:
        raise MaskError(str(error).replace("image has", "mask has", 1)) from error
    if values is None:
        raise MaskError(f"mask is a {type(mask).__name__}; it must be an array of shape (H, W)")
    return coverage_from_samples(values)


def coverage_from_samples(samples: Samples) -> NDArray[np.float32]:
    """Converts (H, W) or (H, W, 1 to 4) numbers to (H, W) float32 coverage in [0, 1].

    Raises:
        MaskError: values that are no coverage, such as logits or object numbers.
    """
    colours, alpha = _split_alpha(samples)
    plane = colours.max(axis=-1) if alpha is None or _constant(alpha) else alpha
    full = _full_coverage(plane)
    coverage: NDArray[np.float32] = np.clip(plane.astype(np.float32) / np.float32(full), 0.0, 1.0)
    return coverage


def check_shape(samples: Samples) -> None:
    """Refuses what is not (H, W) or (H, W, 1 to 4) with H and W at least 1.

    Raises:
        ImageError: naming the shape and what to do.
    """
    shape = samples.shape
    if samples.ndim == 4:
        raise ImageError(
            f"image has 4 axes, shape {shape}; pass one picture (H, W, C), or several as a list"
        )
    if samples.ndim not in (2, 3):
        raise ImageError(f"image has {samples.ndim} axes, shape {shape}; {_ACCEPTED}")
    if 0 in shape:
        raise ImageError(f"image has no pixels, shape {shape}; it needs at least one")
    if samples.ndim == 3 and shape[2] > 4:
        raise ImageError(_channel_message(shape))


def _channel_message(shape: tuple[int, ...]) -> str:
    counted = f"image has {shape[2]} channels, shape {shape}"
    if shape[0] <= 4:
        return (
            f"{counted}; it looks channels first, the last axis must be the channels: "
            "pass image.transpose(1, 2, 0), of a torch tensor image.permute(1, 2, 0)"
        )
    return f"{counted}; allowed are 1, 2, 3 or 4: choose some, such as image[..., :3]"


def _samples(image: object, color: str) -> Samples:
    if not isinstance(image, np.ndarray):
        from PIL import Image

        if isinstance(image, Image.Image):
            if color != "RGB":
                raise ImageError('color="BGR" is for arrays; a PIL image knows its own colours')
            return samples_from_pil(image)
    samples = _array_of(image)
    if samples is None:
        raise ImageError(f"image is a {type(image).__name__}; {_accepted_instead(image)}")
    return samples


def _array_of(thing: object) -> Samples | None:
    """The array behind an array-like object; None for text, bytes, lists and the like."""
    if not (hasattr(thing, "__array__") or hasattr(thing, "__array_interface__")):
        return None
    try:
        return np.asarray(thing)
    except (TypeError, ValueError, RuntimeError) as error:  # a tensor on a GPU or with a gradient
        reason = " ".join(str(error).split())
        raise ImageError(
            f"the {type(thing).__name__} cannot be viewed as an array: {reason}"
        ) from error


def _accepted_instead(image: object) -> str:
    if isinstance(image, (str, bytes)) or hasattr(image, "__fspath__") or hasattr(image, "read"):
        return f"{_ACCEPTED}; read files with anymask.io.images.read_image"
    if isinstance(image, (list, tuple)):
        return f"{_ACCEPTED}; pass pictures one at a time"
    return _ACCEPTED


def _split_alpha(samples: Samples) -> tuple[Samples, Samples | None]:
    """(H, W, 1 or 3) colours and (H, W) alpha, if there is any."""
    if samples.ndim == 2:
        return samples[..., None], None
    if samples.shape[2] in (2, 4):
        return samples[..., :-1], samples[..., -1]
    return samples, None


def _constant(values: Samples) -> bool:
    return bool(values.min() == values.max())


def _to_uint8(values: Samples, value_range: tuple[float, float] | None) -> NDArray[np.uint8]:
    if value_range is not None:
        return _apply_window(values, _given_window(value_range))
    if values.dtype == np.uint8:
        return values
    return _apply_window(values, _window(values))


def _given_window(value_range: tuple[float, float]) -> Window:
    low, high = value_range
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ImageError(f"value_range is {value_range!r}; it must be (low, high) with low < high")
    return float(low), float(high)


def _window(values: Samples) -> Window:
    """The values that become 0 and 255."""
    kind = values.dtype.kind
    if kind == "b":
        return 0.0, 1.0
    if kind in "iu":
        return _integer_window(values)
    if kind == "f":
        return _float_window(values)
    raise ImageError(f"image has dtype {values.dtype}; allowed are bool, integers and real numbers")


def _integer_window(values: Samples) -> Window:
    low, high = int(values.min()), int(values.max())
    if low >= 0 and high <= 255:
        return 0.0, 255.0
    # 8-bit pictures widened to 16 bits, 255 -> 65535, come back exactly
    if low >= 0 and high <= 65535 and not np.any(values % 257):
        return 0.0, 65535.0
    return _stretch(values)


def _float_window(values: Samples) -> Window:
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        raise ImageError("image holds no finite value; NaN and infinity show nothing")
    low, high = float(finite.min()), float(finite.max())
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    if low >= 0 and high <= 255:
        return 0.0, 255.0
    return _stretch(finite)


def _stretch(values: Samples) -> Window:
    """From the lowest to the highest value but for a few stray ones, such as hot pixels."""
    flat = values.reshape(-1)
    stray = flat.size // _SATURATED
    ordered = np.partition(flat, (stray, flat.size - 1 - stray))
    low, high = float(ordered[stray]), float(ordered[flat.size - 1 - stray])
    return (low, high) if low < high else (float(flat.min()), float(flat.max()))


def _apply_window(values: Samples, window: Window) -> NDArray[np.uint8]:
    """Scales linearly and rounds; what lies outside saturates, NaN becomes black."""
    # halves, because high - low of the largest floats overflows
    low, span = window[0] / 2, window[1] / 2 - window[0] / 2
    levels = np.empty(values.shape, np.uint8)
    for rows in _row_blocks(values):
        if span > 0:
            part = (values[rows].astype(np.float64) / 2 - low) / span
        else:  # one value everywhere: mid grey
            part = np.where(np.isfinite(values[rows]), 0.5, values[rows].astype(np.float64))
        part = np.nan_to_num(part, nan=0.0, posinf=1.0, neginf=0.0)
        levels[rows] = np.rint(np.clip(part, 0.0, 1.0) * 255.0)
    return levels


def _over_backdrop(levels: NDArray[np.uint8], alpha: Samples) -> NDArray[np.uint8]:
    """Lays colours over the backdrop; alpha counts relative to its own largest value.

    One alpha everywhere says nothing about the picture (opaque, or a fourth byte nobody filled),
    so the colours stay.
    """
    alpha = np.nan_to_num(alpha) if alpha.dtype.kind == "f" else alpha
    if _constant(alpha):
        return levels
    full = float(alpha.max())
    blended = np.empty(levels.shape, np.uint8)
    for rows in _row_blocks(levels):
        weight = np.clip(alpha[rows].astype(np.float64) / full, 0.0, 1.0)[..., None]
        blended[rows] = np.rint(BACKDROP + (levels[rows] - float(BACKDROP)) * weight)
    return blended


def _row_blocks(values: Samples) -> Iterator[slice]:
    step = max(1, _BLOCK // max(1, values[0].size))
    return (slice(start, start + step) for start in range(0, len(values), step))


def _target_mode(image: Image.Image) -> str:
    """The PIL mode whose numbers are taken."""
    mode = image.mode
    if mode in ("P", "1", "L", "RGB") and "transparency" in image.info:
        return "LA" if mode in ("1", "L") else "RGBA"
    if mode in ("1", "L", "LA", "RGB", "RGBA", "I", "F") or mode.startswith("I;16"):
        return mode
    return {"PA": "RGBA", "La": "LA", "RGBa": "RGBA"}.get(mode, "RGB")


def _lab_to_rgb(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, rgb, outputMode="RGB")
    if converted is None:
        raise ImageError("the LAB picture could not be converted to RGB")
    return converted


def _full_coverage(plane: Samples) -> float:
    """The value that means wholly covered: 1, 255 or 65535."""
    if plane.dtype.kind not in "biuf":
        raise MaskError(f"mask has dtype {plane.dtype}; allowed are bool, integers, real numbers")
    low, high = float(plane.min()), float(plane.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise MaskError("mask holds NaN or infinity; coverage is a number from 0 to 1")
    if low < 0 or high > 65535:
        raise MaskError(
            f"mask values run from {low:g} to {high:g}; allowed are bool, 0/1, 0..255 or 0..65535: "
            "of logits pass logits > 0"
        )
    full = next(scale for scale in (1.0 + 1e-6, 255.0, 65535.0) if high <= scale)
    if high > 1 + 1e-6 and high < full / 2:
        raise MaskError(
            f"mask values reach {high:g}, neither 1 nor 255: of object numbers pass mask == number"
        )
    return 1.0 if full < 2 else full
