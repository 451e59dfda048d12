"""`Prompt`: what a person points at, in pixels of the original image.

A prompt asks for one object by any mix of points, one box, one mask and one token. Values are
checked when the prompt is made, so that a wrong one fails where it was written; what depends on the
image (a point outside of it, a mask of another size) is checked when prompt and image meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import PromptError, PromptTypeError
from anymask.geometry.frames import MASK_LOGIT

BACKGROUND, FOREGROUND = 0, 1
Points = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True, init=False, eq=False)
class Prompt:
    """One object asked for, by points, a box, a mask, a token, or any mix of them.

    Args:
        points: (N, 2) numbers (x, y) in pixels of the original image; one (x, y) pair is taken as
            one point.
        labels: (N,) of 1 (foreground: part of the object) and 0 (background: not part of it);
            left out, all points are foreground.
        box: (4,) numbers x0, y0, x1, y1 with x0 <= x1 and y0 <= y1.
        mask: (H, W) at the size of the image: bool, 0/1, 0/255 or coverage in [0, 1].
        mask_logits: (L, L) low-res logits as a former result returned them
            (`Masks.low_res_logits`), in the frame of the padded canvas. A mask of only 0 and 1 is
            turned into logits.
        token: (C,) an embedding that the decoder reads before the points, such as
            `anymask.nn.text.token.TextToken` makes of a phrase; PyTorch engine only.

    Raises:
        PromptTypeError: something that is not made of numbers, such as a text.
        PromptError: nothing given, or a wrong shape or value.

    Example:
        >>> Prompt(points=[(320, 240), (300, 200)], labels=[1, 0], box=(200, 100, 420, 400))
        Prompt(1 foreground, 1 background, box)
    """

    points_xy: Points
    labels: Labels
    box_xyxy: Points | None
    mask: NDArray[np.float32] | None
    mask_logits: NDArray[np.float32] | None
    token: NDArray[np.float32] | None

    def __init__(
        self,
        *,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        box: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        mask_logits: ArrayLike | None = None,
        token: ArrayLike | None = None,
    ) -> None:
        points_xy = _points(points)
        values = {
            "points_xy": points_xy,
            "labels": _labels(labels, len(points_xy), given=points is not None),
            "box_xyxy": None if box is None else _box(box),
            "mask": None if mask is None else mask_coverage(mask),
            "mask_logits": None if mask_logits is None else low_res_logits(mask_logits),
            "token": None if token is None else _token(token),
        }
        for name, value in values.items():
            if value is not None:
                value.setflags(write=False)
            object.__setattr__(self, name, value)
        self._check_not_empty()

    def _check_not_empty(self) -> None:
        if self.mask is not None and self.mask_logits is not None:
            raise PromptError("mask and mask_logits were both given; give one of them")
        given = (self.box_xyxy, self.mask_logits, self.token)
        if len(self.points_xy) or any(part is not None for part in given):
            return
        if self.mask is None:
            raise PromptError("the prompt is empty; give points, a box, a mask, or a mix of them")
        if not self.mask.any():
            raise PromptError("mask covers no pixel and nothing else was given; add a point or box")

    @property
    def is_single_point(self) -> bool:
        """Exactly one foreground point and nothing else: the ambiguous case with three answers."""
        others = (self.box_xyxy, self.mask, self.mask_logits, self.token)
        return len(self.points_xy) == 1 and all(part is None for part in others)

    def with_token(self, token: ArrayLike) -> Prompt:
        """The same, with an embedding before its points."""
        return self._with(token=token)

    def with_mask_logits(self, mask_logits: ArrayLike) -> Prompt:
        """The same, with other low-res logits."""
        return self._with(mask_logits=mask_logits)

    def _with(self, **changes: ArrayLike) -> Prompt:
        parts: dict[str, Any] = {
            "points": self.points_xy,
            "labels": self.labels,
            "box": self.box_xyxy,
            "mask": self.mask,
            "mask_logits": self.mask_logits,
            "token": self.token,
        }
        return Prompt(**(parts | changes))

    @classmethod
    def batch(
        cls,
        *,
        points: ArrayLike | Sequence[ArrayLike] | None = None,
        labels: ArrayLike | Sequence[ArrayLike] | None = None,
        boxes: ArrayLike | None = None,
        masks: Sequence[ArrayLike] | NDArray[np.bool_] | None = None,
    ) -> list[Prompt]:
        """Many prompts from arrays, one prompt a row, with any number of points each.

        Args:
            points: (B, N, 2), or one (n_i, 2) list of points a prompt; (N, 2) is one prompt of N
                points.
            labels: of the shape of `points` without its last axis; left out, all foreground.
            boxes: (B, 4), or (4,) for one.
            masks: B masks of shape (H, W).

        Returns:
            B prompts.

        Raises:
            PromptError: the parts do not have the same number of prompts.
        """
        parts = {
            "points": None if points is None else _rows(points, 2, "points"),
            "labels": None if labels is None else _rows(labels, 1, "labels"),
            "boxes": None if boxes is None else _box_rows(boxes),
            "masks": None if masks is None else list(masks),
        }
        counts = {name: len(part) for name, part in parts.items() if part is not None}
        if not counts:
            raise PromptError("no prompt was given; give points, boxes, masks, or a mix of them")
        if len(set(counts.values())) > 1:
            told = ", ".join(f"{count} of {name}" for name, count in counts.items())
            raise PromptError(
                f"each prompt needs its own row of every part; got {told}; "
                "group the points as one list a prompt"
            )
        none: list[ArrayLike | None] = [None] * next(iter(counts.values()))
        rows = zip(*(none if part is None else part for part in parts.values()), strict=True)
        return [cls(points=p, labels=q, box=b, mask=m) for p, q, b, m in rows]

    def __repr__(self) -> str:
        foreground = int((self.labels == FOREGROUND).sum())
        background = len(self.labels) - foreground
        parts = [f"{foreground} foreground"] * bool(foreground)
        parts += [f"{background} background"] * bool(background)
        parts += ["box"] * (self.box_xyxy is not None)
        parts += ["mask"] * (self.mask is not None)
        parts += ["mask logits"] * (self.mask_logits is not None)
        parts += ["token"] * (self.token is not None)
        return f"Prompt({', '.join(parts)})"


def _numbers(value: ArrayLike, name: str, wanted: str) -> NDArray[np.float64]:
    """`value` as float64 numbers, or an error that says what was wanted.

    Torch tensors and anything else that numpy can read are taken.
    """
    if isinstance(value, (str, bytes)):
        raise PromptTypeError(f"{name} must be {wanted}; got text {value!r}")
    try:
        numbers = np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise PromptTypeError(f"{name} must be {wanted}; got {_describe(value)}") from error
    if not np.isfinite(numbers).all():
        raise PromptError(f"{name} must be finite numbers; got {np.round(numbers, 3).tolist()}")
    return numbers


def _describe(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"


def _points(points: ArrayLike | None) -> Points:
    if points is None:
        return np.zeros((0, 2))
    wanted = "an array of shape (N, 2) of (x, y) pixels"
    array = _numbers(points, "points", wanted)
    if array.size == 0:
        return np.zeros((0, 2))
    if array.shape == (2,):
        return array.reshape(1, 2).copy()
    if array.ndim != 2 or array.shape[1] != 2:
        hint = "; for several prompts use Prompt.batch" if array.ndim == 3 else ""
        raise PromptError(f"points must be {wanted}; got shape {array.shape}{hint}")
    return array.copy()


def _labels(labels: ArrayLike | None, count: int, *, given: bool) -> Labels:
    if labels is None:
        return np.full(count, FOREGROUND, np.int64)
    array = np.atleast_1d(_numbers(labels, "labels", "an array of shape (N,) of 1 and 0"))
    if array.size == 0 and count == 0:
        return np.zeros(0, np.int64)
    if not given:
        raise PromptError("labels were given without points; give one (x, y) point a label")
    if array.ndim != 1:
        raise PromptError(f"labels must have shape (N,); got shape {array.shape}")
    if len(array) != count:
        raise PromptError(
            f"labels has {len(array)} entries but points has {count}; give one label a point"
        )
    if not np.isin(array, (BACKGROUND, FOREGROUND)).all():
        raise PromptError(
            f"labels must be 1 (foreground) or 0 (background); got {np.unique(array).tolist()}"
        )
    return array.astype(np.int64)


def _box(box: ArrayLike) -> Points:
    wanted = "four numbers x0, y0, x1, y1"
    array = _numbers(box, "box", wanted)
    if array.shape == (1, 4):
        array = array[0]
    if array.shape != (4,):
        several = array.ndim == 2 and array.shape[1] == 4 and len(array) > 1
        hint = "; one prompt holds one box, for several use Prompt.batch" if several else ""
        raise PromptError(f"box must be {wanted}, shape (4,); got shape {array.shape}{hint}")
    x0, y0, x1, y1 = array
    if x1 < x0 or y1 < y0:
        raise PromptError(
            f"box must have x0 <= x1 and y0 <= y1 (x0, y0, x1, y1); got {array.tolist()}"
        )
    return array.copy()


def _token(token: ArrayLike) -> NDArray[np.float32]:
    wanted = "one embedding, shape (C,)"
    array = _numbers(token, "token", wanted)
    if array.ndim != 1 or not array.size:
        raise PromptError(f"token must be {wanted}; got shape {array.shape}")
    return array.astype(np.float32)


def _box_rows(boxes: ArrayLike) -> list[ArrayLike]:
    wanted = "an array of shape (B, 4) of x0, y0, x1, y1"
    array = _numbers(boxes, "boxes", wanted)
    array = array[None] if array.shape == (4,) else array
    if array.ndim != 2 or array.shape[1] != 4:
        raise PromptError(f"boxes must be {wanted}; got shape {array.shape}")
    return list(array)


def _rows(value: ArrayLike | Sequence[ArrayLike], row_rank: int, name: str) -> list[ArrayLike]:
    """One entry a prompt; an array of the rank of a single prompt is one entry."""
    if isinstance(value, (str, bytes)):
        raise PromptTypeError(f"{name} must be an array, one row a prompt; got text {value!r}")
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):  # ragged: a list with one array a prompt
        return list(value) if isinstance(value, Sequence) else [value]
    return [array] if array.ndim <= row_rank else list(array)


def mask_coverage(mask: ArrayLike) -> NDArray[np.float32]:
    """A mask of any usual kind as the share of each pixel that it covers.

    Args:
        mask: (H, W) or (1, H, W) or (H, W, 1): bool; integers 0/1 or 0..255 (0..65535 for 16 bit);
            floats in [0, 1].

    Returns:
        (H, W) float32 in [0, 1].

    Raises:
        PromptError: another shape, or values that are no mask, such as logits.
    """
    if isinstance(mask, (str, bytes)):
        raise PromptTypeError(f"mask must be an array of shape (H, W); got text {mask!r}")
    array = np.asarray(mask)
    if array.dtype.kind not in "biuf":
        raise PromptTypeError(f"mask must be bool or numbers; got {_describe(mask)}")
    array = _as_plane(array, "mask")
    if not np.isfinite(array).all():
        raise PromptError("mask must be finite numbers; got NaN or infinity")
    largest = _full_value(array)
    if array.size and (array.min() < 0 or array.max() > largest):
        raise PromptError(
            f"mask must be bool, 0/1, 0/255 or in [0, 1]; got values from {array.min():g} to "
            f"{array.max():g}; give logits of a former result as mask_logits"
        )
    return np.asarray(array / largest, np.float32)


def _as_plane(array: NDArray[Any], name: str) -> NDArray[Any]:
    if array.ndim == 3 and 1 in (array.shape[0], array.shape[2]):
        array = array[0] if array.shape[0] == 1 else array[..., 0]
    if array.ndim != 2 or 0 in array.shape:
        raise PromptError(f"{name} must have shape (H, W); got shape {array.shape}")
    return array


def _full_value(array: NDArray[Any]) -> int:
    """The value that means "fully covered" for an array of this dtype and range."""
    if array.dtype.kind in "bf" or not array.size or int(array.max()) <= 1:
        return 1
    return 65535 if array.dtype == np.uint16 and int(array.max()) > 255 else 255


def low_res_logits(logits: ArrayLike) -> NDArray[np.float32]:
    """Low-res logits as the decoder takes them; a mask of 0 and 1 becomes signed logits.

    Args:
        logits: (L, L) or (1, L, L): floats, or a binary mask already in the frame of the padded
            canvas.

    Returns:
        (L, L) float32.

    Raises:
        PromptError: another shape, or values that are not finite.
    """
    if isinstance(logits, (str, bytes)):
        raise PromptTypeError(f"mask_logits must be an array of shape (L, L); got text {logits!r}")
    array = np.asarray(logits)
    if array.dtype.kind not in "biuf":
        raise PromptTypeError(f"mask_logits must be numbers; got {_describe(logits)}")
    array = _as_plane(array, "mask_logits")
    if array.shape[0] != array.shape[1]:
        raise PromptError(
            f"mask_logits must be square low-res logits, shape (L, L); got shape {array.shape}; "
            "give a mask of the image's size as mask"
        )
    if not np.isfinite(array).all():
        raise PromptError("mask_logits must be finite numbers; got NaN or infinity")
    if array.dtype.kind in "biu" or np.isin(array, (0, 1)).all():
        return ((2 * mask_coverage(array) - 1) * MASK_LOGIT).astype(np.float32)
    return array.astype(np.float32)
