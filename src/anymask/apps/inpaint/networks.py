"""Inpainting networks from files of yours: LaMa-like ones, and pipelines of the diffusers package.

They fill large holes better than copying does. None is fetched; docs/inpainting.md tells what fits.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import Any, ClassVar, Final

import numpy as np

from anymask.apps.inpaint.inpainters import Pixels, check
from anymask.apps.inpaint.parts import Window, around
from anymask.apps.inpaint.smooth import Hole, Levels
from anymask.errors import MissingExtraError, WeightsError
from anymask.inference.functions import (
    Function,
    OnnxFunction,
    TorchScriptFunction,
    existing,
    seeded_generator,
)

_MULTIPLE_PX: Final = 8
_SMALLEST_MARGIN_PX: Final = 64
_ONNX_SUFFIX: Final = ".onnx"


@dataclass(frozen=True, slots=True)
class LamaInpainter:
    """A network of two inputs, picture and mask, as LaMa's (Suvorov et al., 2022) exports are.

    The picture goes in as (1, 3, h, w) float32 in 0..1 and the mask as (1, 1, h, w), 1 in the hole;
    out comes (1, 3, h, w), in 0..1 or 0..255. It sees the hole with as much around it again: at
    full size, padded to a multiple of 8, or resized where the file has one fixed size.

    Attributes:
        function: the network.
    """

    name: ClassVar[str] = "lama"
    function: Function

    def __call__(self, image: Pixels, mask: Hole) -> Pixels:
        """Fill a hole; see `Inpainter`.

        Raises:
            ImageError: not such a picture.
            MaskError: not such a mask, or one that covers the whole picture.
            WeightsError: a network that takes or gives something else.
        """
        check(image, mask)
        filled = image.copy()
        if not mask.any():
            return filled
        window = _surroundings(mask)
        scale = np.float32(257 if image.dtype == np.uint16 else 1)
        levels = self._run(np.asarray(image[window] / scale, np.float32), mask[window])
        hole = mask[window]
        filled[window][hole] = np.rint(levels[hole] * scale).astype(image.dtype)
        return filled

    def _run(self, levels: Levels, hole: Hole) -> Levels:
        """(h, w, 3) float32 in 0..255, filled."""
        size = _fixed_size(self.function)
        height, width = hole.shape
        seen, gap = _resized(levels, hole, size) if size else _padded(levels, hole)
        planes = np.where(gap, np.float32(0), seen.transpose(2, 0, 1) / np.float32(255))
        arrays = [
            np.ascontiguousarray(planes[None], np.float32),
            gap[None, None].astype(np.float32),
        ]
        out = self.function(*(arrays[::-1] if _mask_first(self.function) else arrays))
        if out.shape != arrays[0].shape:
            raise WeightsError(
                f"the network gave shape {out.shape} for {arrays[0].shape}; "
                "a picture of the same size is needed"
            )
        found = out[0].transpose(1, 2, 0)
        found = np.clip(found * (1 if found.max() > 2 else 255), 0, 255)
        return _resized(found, hole, (height, width))[0] if size else found[:height, :width]


def open_lama(path: str | PathLike[str]) -> LamaInpainter:
    """A LaMa-like network from a file.

    Args:
        path: .onnx, run by onnxruntime, or TorchScript (.pt, .pth, .ts), run by PyTorch. A
            TorchScript file is a program: trust its origin.

    Raises:
        WeightsError: no such file, or not such a network.
        MissingExtraError: a TorchScript file without PyTorch.
    """
    file = existing(path)
    function: Function
    if file.suffix.lower() == _ONNX_SUFFIX:
        function = OnnxFunction(file)
        _check_inputs(function, str(file))
    else:
        function = TorchScriptFunction(file)
    return LamaInpainter(function)


@dataclass(frozen=True, slots=True)
class DiffusersInpainter:
    """An inpainting pipeline of the diffusers package: large holes, and fills that are told of.

    Attributes:
        pipeline: called with prompt, image, mask_image, height, width and generator.
        prompt: what is to be seen in the hole.
        seed: equal seeds give equal pictures.
        longest_side_px: the surroundings are shown to the pipeline at most this large.
    """

    name: ClassVar[str] = "diffusers"
    pipeline: Any
    prompt: str = "background"
    seed: int = 0
    longest_side_px: int = 768

    def __call__(self, image: Pixels, mask: Hole) -> Pixels:
        """Fill a hole; see `Inpainter`.

        Raises:
            ImageError: not such a picture.
            MaskError: not such a mask, or one that covers the whole picture.
        """
        from PIL import Image

        check(image, mask)
        filled = image.copy()
        if not mask.any():
            return filled
        window, scale = _surroundings(mask), 257 if image.dtype == np.uint16 else 1
        hole = mask[window]
        shown = np.asarray(image[window] // scale, np.uint8)
        height, width = _size_for(hole.shape, self.longest_side_px)
        picture = self.pipeline(
            prompt=self.prompt,
            image=Image.fromarray(shown).resize((width, height), Image.Resampling.LANCZOS),
            mask_image=Image.fromarray(hole).convert("L").resize((width, height)),
            height=height,
            width=width,
            generator=seeded_generator(self.seed),
        ).images[0]
        size = (hole.shape[1], hole.shape[0])
        found = np.asarray(picture.convert("RGB").resize(size, Image.Resampling.LANCZOS))
        filled[window][hole] = found[hole].astype(image.dtype) * scale
        return filled


def open_diffusers(path: str | PathLike[str], prompt: str = "background") -> DiffusersInpainter:
    """An inpainting pipeline from a folder; nothing is fetched.

    Args:
        path: the folder, as diffusers' ``save_pretrained`` writes it.
        prompt: what is to be seen in the hole.

    Raises:
        WeightsError: no such folder, or no such pipeline.
        MissingExtraError: diffusers is not installed.
    """
    folder = existing(path)
    try:
        from diffusers import AutoPipelineForInpainting
    except ImportError as error:
        raise MissingExtraError("diffusers", "diffusion", f"to run {folder.name}") from error
    try:
        pipeline = AutoPipelineForInpainting.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError) as error:
        raise WeightsError(f"{str(folder)!r} is no inpainting pipeline: {error}") from error
    return DiffusersInpainter(pipeline, prompt)


def _surroundings(mask: Hole) -> Window:
    """The hole with as much around it as it is large."""
    rows, columns = around(mask, 0)
    side = max(rows.stop - rows.start, columns.stop - columns.start)
    return around(mask, max(side, _SMALLEST_MARGIN_PX))


def _padded(levels: Levels, hole: Hole) -> tuple[Levels, Hole]:
    """Sides made multiples of 8 by the last row and column again."""
    rows, columns = (-side % _MULTIPLE_PX for side in hole.shape)
    padding = ((0, rows), (0, columns))
    return np.pad(levels, (*padding, (0, 0)), mode="edge"), np.pad(hole, padding, mode="edge")


def _resized(levels: Levels, hole: Hole, size_hw: tuple[int, int]) -> tuple[Levels, Hole]:
    from PIL import Image

    size, cubic = (size_hw[1], size_hw[0]), Image.Resampling.BICUBIC
    planes = [
        np.asarray(Image.fromarray(np.ascontiguousarray(levels[..., channel])).resize(size, cubic))
        for channel in range(levels.shape[2])
    ]
    cover = Image.fromarray(hole.astype(np.float32)).resize(size, Image.Resampling.BOX)
    return np.clip(np.stack(planes, axis=2), 0, 255), np.asarray(cover) > 0


def _fixed_size(function: Function) -> tuple[int, int] | None:
    shapes = function.input_shapes
    if shapes is None or None in shapes[0][2:]:
        return None
    height, width = shapes[0][2:]
    return (int(height or 0), int(width or 0))


def _mask_first(function: Function) -> bool:
    shapes = function.input_shapes
    return shapes is not None and shapes[0][1] == 1


def _check_inputs(function: Function, name: str) -> None:
    shapes = function.input_shapes or ()
    channels = sorted(shape[1] or 0 for shape in shapes if len(shape) == 4)
    if len(shapes) != 2 or channels not in ([1, 3], [0, 0], [0, 3], [0, 1]):
        raise WeightsError(
            f"{name!r} has inputs of shapes {shapes}; a picture (1, 3, h, w) and a mask "
            "(1, 1, h, w) are needed"
        )


def _size_for(size_hw: tuple[Any, ...], longest_side_px: int) -> tuple[int, int]:
    """Near the window's size, at most so large, in multiples of 8."""
    share = min(1.0, longest_side_px / max(size_hw))
    height, width = (max(round(side * share / _MULTIPLE_PX), 1) * _MULTIPLE_PX for side in size_hw)
    return height, width
