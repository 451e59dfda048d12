"""What fills holes without a network: by patches, smoothly, or by whichever suits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from anymask.apps.inpaint.exemplar import ExemplarSettings, enough_sources, exemplar
from anymask.apps.inpaint.parts import Window, depth_px, parts
from anymask.apps.inpaint.smooth import Hole, Levels, biharmonic, harmonic
from anymask.errors import ImageError, MaskError
from anymask.types.progress import Progress, ProgressCallback

Pixels = NDArray[Any]
"""(H, W, 3) uint8 or uint16."""
Method = Literal["exemplar", "smooth"]
Fill = Callable[[Levels, Hole], Levels]

_DEEPEST_BIHARMONIC_PX: Final = 8.0  # beyond, slopes carried on from the rim overshoot


class Inpainter(Protocol):
    """Fills holes in pictures; the built-in ones, networks, or anything of yours."""

    def __call__(self, image: Pixels, mask: Hole) -> Pixels:
        """Fill a hole.

        Args:
            image: (H, W, 3) uint8 or uint16 RGB.
            mask: (H, W) bool, the pixels to fill.

        Returns:
            Such a picture of the same size and kind; outside the mask it is the input bit for bit.
        """
        ...


@dataclass(frozen=True, slots=True)
class SmoothInpainter:
    """Continues the surroundings smoothly: for what is small or has nothing to be copied from.

    Biharmonic, which carries on slopes; harmonic in holes so deep that slopes would overshoot.
    """

    name: ClassVar[str] = "smooth"

    def __call__(self, image: Pixels, mask: Hole) -> Pixels:
        """Fill a hole; see `Inpainter`.

        Raises:
            ImageError: not such a picture.
            MaskError: not such a mask, or one that covers the whole picture.
        """
        check(image, mask)
        filled, remaining = image.copy(), mask.copy()
        for window, own in parts(mask):
            _fill(filled, remaining, window, own, _smoothly)
        return filled


@dataclass(frozen=True, slots=True)
class ExemplarInpainter:
    """Fills holes with what the rest of the picture looks like.

    Attributes:
        settings: how thoroughly; equal seeds give equal pictures.
        progress: told how far it is, or None.
    """

    name: ClassVar[str] = "exemplar"
    settings: ExemplarSettings = field(default_factory=ExemplarSettings)
    progress: ProgressCallback | None = None

    def __call__(self, image: Pixels, mask: Hole) -> Pixels:
        """Fill a hole; see `Inpainter`.

        Raises:
            ImageError: not such a picture.
            MaskError: not such a mask, one that covers the whole picture, or one that leaves
                nothing to copy from.
        """
        check(image, mask)
        if mask.any() and not enough_sources(mask):
            raise MaskError(
                "mask leaves too few whole 7 x 7 pieces of the picture to copy from; "
                "use the smooth fill"
            )
        filled, remaining = image.copy(), mask.copy()
        for part in parts(mask):
            enough = enough_sources(remaining[part[0]])
            window, own = part if enough else _in_whole(*part, mask.shape)
            _fill(filled, remaining, window, own, self._exemplar(mask, remaining, own))
        return filled

    def _exemplar(self, mask: Hole, remaining: Hole, own: Hole) -> Fill:
        """The fill of one part, which tells of its steps as pixels of the whole hole."""
        total, count = int(np.count_nonzero(mask)), int(np.count_nonzero(own))
        done = total - int(np.count_nonzero(remaining))

        def on_step(step: int, steps: int) -> None:
            if self.progress is not None:
                self.progress(Progress("inpaint", done + count * step // steps, total, "pixels"))

        return lambda levels, hole: exemplar(levels, hole, self.settings, on_step)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which fill suits a hole.

    Attributes:
        method: its name.
        reason: why, for people.
    """

    method: Method
    reason: str


def choose(mask: Hole) -> Choice:
    """Which of the built-in fills suits a hole.

    Copying is level with the smooth fill in scratches of one or two pixels and better in thicker
    ones (docs/inpainting.md), so thickness alone never speaks for the smooth fill; it is for holes
    with nothing around to copy.

    Args:
        mask: (H, W) bool, not full.
    """
    if not mask.any():
        return Choice("smooth", "the mask is empty: nothing to fill")
    told = f"the hole is up to {_thickness_px(mask)} px thick"
    if not enough_sources(mask):
        return Choice("smooth", f"{told} and leaves no pieces of the picture to copy")
    return Choice("exemplar", f"{told} and the picture around it can be copied")


def _thickness_px(mask: Hole) -> int:
    return max(round(2 * depth_px(mask)) - 1, 1)


@dataclass(frozen=True, slots=True)
class AutoInpainter:
    """The built-in fill that suits the hole; `choose` says which.

    Attributes:
        settings: of the exemplar fill.
        progress: told how far it is, or None.
    """

    settings: ExemplarSettings = field(default_factory=ExemplarSettings)
    progress: ProgressCallback | None = None

    def __call__(self, image: Pixels, mask: Hole) -> Pixels:
        """Fill a hole; see `Inpainter`.

        Raises:
            ImageError: not such a picture.
            MaskError: not such a mask, or one that covers the whole picture.
        """
        check(image, mask)
        if choose(mask).method == "smooth":
            return SmoothInpainter()(image, mask)
        return ExemplarInpainter(self.settings, self.progress)(image, mask)


def check(image: Pixels, mask: Hole) -> None:
    """Refuse what cannot be filled.

    Raises:
        ImageError: not (H, W, 3) uint8 or uint16.
        MaskError: not (H, W) bool of the picture's size, or true everywhere.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype not in (np.uint8, np.uint16):
        raise ImageError(
            f"image has shape {image.shape} and dtype {image.dtype}; give (H, W, 3) uint8 or uint16"
        )
    if mask.dtype != np.bool_ or mask.shape != image.shape[:2]:
        raise MaskError(
            f"mask has shape {mask.shape} and dtype {mask.dtype}; give bool of shape "
            f"{image.shape[:2]}, the size of the image"
        )
    if mask.all():
        raise MaskError("mask covers the whole picture; leave something to go by")


def _fill(filled: Pixels, remaining: Hole, window: Window, own: Hole, fill: Fill) -> None:
    """Fill one part, in place; what other parts still lack is not looked at."""
    scale = np.float32(257 if filled.dtype == np.uint16 else 1)
    levels = filled[window].astype(np.float32) / scale
    result = fill(levels, remaining[window])[own] * scale
    filled[window][own] = np.rint(np.clip(result, 0, 255 * scale)).astype(filled.dtype)
    remaining[window][own] = False


def _smoothly(levels: Levels, hole: Hole) -> Levels:
    deep = depth_px(hole) > _DEEPEST_BIHARMONIC_PX
    return harmonic(levels, hole) if deep else biharmonic(levels, hole)


def _in_whole(window: Window, own: Hole, size_hw: tuple[int, ...]) -> tuple[Window, Hole]:
    """A part with the whole picture as its window."""
    whole = np.zeros(size_hw, bool)
    whole[window] = own
    return (slice(0, size_hw[0]), slice(0, size_hw[1])), whole
