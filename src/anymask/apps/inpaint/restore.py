"""Old photos: scratches and dust filled, fading and noise taken back, each step on its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from anymask.apps.inpaint.damage import DamageSettings, find_dust, find_scratches
from anymask.apps.inpaint.fill import Inpainted, check_kind, inpaint
from anymask.apps.inpaint.inpainters import Inpainter
from anymask.apps.inpaint.smooth import Hole, Levels
from anymask.apps.inpaint.tone import denoised, noise_level, unfaded
from anymask.errors import ImageError

Step = Literal["scratches", "dust", "fading", "denoise"]
STEPS: Final[tuple[Step, ...]] = get_args(Step)
"""In the order in which they make sense."""
_MOST_DAMAGE: Final = 0.25
_GROW_PX, _FEATHER_PX = 2, 1


@dataclass(frozen=True, slots=True, eq=False)
class Restored:
    """What one step made.

    Attributes:
        step: its name.
        image: the picture after it, of the shape and kind of the one given.
        mask: (H, W) bool, what was filled; None for steps that change the whole picture.
        told: what was done, for people.
    """

    step: Step
    image: NDArray[Any]
    mask: Hole | None
    told: str


@dataclass(frozen=True, slots=True)
class RestoreSettings:
    """How the steps work.

    Attributes:
        damage: what counts as scratches and dust.
        fading: strength, 0..1.
        denoise: strength, 0 to about 2.
        inpainter: fills scratches and dust; by default the built-in fill that suits.
    """

    damage: DamageSettings = field(default_factory=DamageSettings)
    fading: float = 1.0
    denoise: float = 1.0
    inpainter: Inpainter | None = None


def restore(
    image: NDArray[Any],
    steps: Sequence[str] = STEPS,
    settings: RestoreSettings | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> list[Restored]:
    """Restore an old photo, step by step.

    Args:
        image: (H, W) grey, (H, W, 2) grey and alpha, (H, W, 3) RGB or (H, W, 4) RGBA; uint8 or
            uint16. Alpha stays as it is.
        steps: names of `STEPS`, in the order in which they are to be done.
        settings: how.
        on_step: told (done, total) after each.

    Returns:
        One entry a step; the last one's picture is the result.

    Raises:
        ImageError: not such a picture, an unknown step, or none.
    """
    check_kind(image)
    settings, current, done = settings or RestoreSettings(), image, []
    for number, step in enumerate(checked_steps(steps), start=1):
        restored = _WORK[step](step, current, settings)
        done.append(restored)
        current = restored.image
        if on_step is not None:
            on_step(number, len(steps))
    return done


def checked_steps(steps: Sequence[str]) -> list[Step]:
    """The steps by name.

    Raises:
        ImageError: one that does not exist, or none.
    """
    known = {str(step): step for step in STEPS}
    unknown = [step for step in steps if step not in known]
    if unknown or not steps:
        told = f"step {unknown[0]!r} does not exist" if unknown else "no step was named"
        raise ImageError(f"{told}; give some of {', '.join(STEPS)}")
    return [known[step] for step in steps]


def _fill(step: Step, image: NDArray[Any], settings: RestoreSettings) -> Restored:
    lightness = _levels(image).mean(axis=2)
    find = find_scratches if step == "scratches" else find_dust
    mask = find(lightness, settings.damage)
    share = float(mask.mean())
    if share > _MOST_DAMAGE:
        told = f"{share:.0%} of the picture looks like {step}: more than can be told from texture"
        return Restored(step, image.copy(), np.zeros_like(mask), told)
    filled = _filled(image, mask, settings.inpainter)
    told = f"{np.count_nonzero(mask)} pixels of {step} ({share:.2%}), filled by {filled.method}"
    return Restored(step, filled.image, filled.hole, told)


def _filled(image: NDArray[Any], mask: Hole, inpainter: Inpainter | None) -> Inpainted:
    return inpaint(image, mask, inpainter=inpainter, grow_px=_GROW_PX, feather_px=_FEATHER_PX)


def _unfade(step: Step, image: NDArray[Any], settings: RestoreSettings) -> Restored:
    before = _levels(image)
    after = unfaded(before, settings.fading)
    told = f"contrast {before.std():.0f} -> {after.std():.0f} levels"
    return Restored(step, _with_levels(image, after), None, told)


def _denoise(step: Step, image: NDArray[Any], settings: RestoreSettings) -> Restored:
    before = _levels(image)
    after = denoised(before, settings.denoise)
    told = f"noise {noise_level(before):.1f} -> {noise_level(after):.1f} levels"
    return Restored(step, _with_levels(image, after), None, told)


_WORK: Final[dict[Step, Callable[[Step, NDArray[Any], RestoreSettings], Restored]]] = {
    "scratches": _fill,
    "dust": _fill,
    "fading": _unfade,
    "denoise": _denoise,
}


def _levels(image: NDArray[Any]) -> Levels:
    """(H, W, 3) float32 colours in 0..255."""
    colours = image[..., None] if image.ndim == 2 else image[..., : _colours(image)]
    scale = np.float32(257 if image.dtype == np.uint16 else 1)
    levels = np.asarray(colours / scale, np.float32)
    return np.repeat(levels, 3, axis=2) if levels.shape[2] == 1 else levels


def _with_levels(image: NDArray[Any], levels: Levels) -> NDArray[Any]:
    """The picture with other colours, and its own alpha and shape."""
    scale = np.float32(257 if image.dtype == np.uint16 else 1)
    colours = np.rint(np.clip(levels, 0, 255) * scale).astype(image.dtype)
    result = image.copy()
    if image.ndim == 2:
        result[...] = colours[..., 0]
    else:
        result[..., : _colours(image)] = colours[..., : _colours(image)]
    return result


def _colours(image: NDArray[Any]) -> int:
    return 3 if image.shape[2] >= 3 else 1
