"""Prompts in their published form, checked, and moved to the canvas.

More permissive than `anymask.Prompt`, as the published predictor is: points may lie somewhat
outside the image, and batches may be padded with points labelled -1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import PromptError, PromptTypeError
from anymask.geometry.frames import Frame
from anymask.inference.backend import PromptBatch
from anymask.inference.batching import BOX_CORNERS, PADDING
from anymask.types.prompt import low_res_logits, mask_coverage

Array = NDArray[Any]
Floats = NDArray[np.float64]
LabelledPoints = tuple[Floats, NDArray[np.int64]]
"""(B, N, 2) coordinates and (B, N) labels."""

MARGIN = 1
"""How many image sizes outside the image a point may lie; farther ones are mistakes."""


def batch_of_one(
    point_coords: Any, point_labels: Any, box: Any, mask_input: Any, frame: Frame, multimask: bool
) -> PromptBatch:
    """One prompt in pixels of the original image.

    Args:
        point_coords: (N, 2) or None.
        point_labels: (N,) of 1, 0 and -1 (ignored), or None.
        box: (4,) XYXY, or None.
        mask_input: (1, L, L) low-res logits, or a mask of that size or of the image's, or None.
        frame: how the image lies on the canvas.
        multimask: three candidates or one.

    Returns:
        A batch with one row.

    Raises:
        PromptTypeError: something that is not made of numbers.
        PromptError: nothing given, or a wrong shape or value.
    """
    height, width = frame.size_hw
    points = _points(point_coords, point_labels, (width, height), wanted="(N, 2)", rank=2)
    boxes = _boxes(box, (width, height), name="box")
    if boxes is not None and len(boxes) > 1:
        raise PromptError(
            f"box must be four numbers x0, y0, x1, y1, shape (4,); got shape {boxes.shape}; "
            "for several boxes use predict_torch"
        )
    if points is not None:
        points = frame.points_to_canvas(points[0]), points[1]
    if boxes is not None:
        boxes = frame.boxes_to_canvas(boxes)
    masks = _masks(mask_input, frame)
    if masks is not None and len(masks) > 1:
        raise PromptError(
            f"mask_input must hold one mask, shape {_low_res_shape(frame)}; got {len(masks)}; "
            "choose one candidate, such as low_res_logits[[scores.argmax()]]"
        )
    return _assemble(points, boxes, masks, multimask)


def batch_on_canvas(
    point_coords: Any, point_labels: Any, boxes: Any, mask_input: Any, frame: Frame, multimask: bool
) -> PromptBatch:
    """B prompts in pixels of the canvas.

    Args:
        point_coords: (B, N, 2), or (N, 2) for one prompt, or None.
        point_labels: (B, N), or (N,), of 1, 0 and -1 (ignored), or None.
        boxes: (B, 4) XYXY, or (4,) for one, or None.
        mask_input: (B, 1, L, L) low-res logits, or masks of that size or of the image's, or None;
            a single one is shared by all prompts.
        frame: how the image lies on the canvas.
        multimask: three candidates or one.

    Returns:
        A batch with B rows.

    Raises:
        PromptTypeError: something that is not made of numbers.
        PromptError: nothing given, or a wrong shape or value.
    """
    canvas = (frame.canvas_px, frame.canvas_px)
    return _assemble(
        _points(point_coords, point_labels, canvas, wanted="(B, N, 2)", rank=3),
        _boxes(boxes, canvas, name="boxes"),
        _masks(mask_input, frame),
        multimask,
    )


def _assemble(
    points: LabelledPoints | None,
    boxes: Floats | None,
    masks: NDArray[np.float32] | None,
    multimask: bool,
) -> PromptBatch:
    """Points, boxes and masks with one row a prompt, as the decoder takes them."""
    points_xy, labels = (None, None) if points is None else points
    count = _count({"point_coords": points_xy, "boxes": boxes, "mask_input": masks})
    if points_xy is None or labels is None:
        points_xy, labels = np.zeros((count, 0, 2)), np.zeros((count, 0), np.int64)
    more_xy, more_labels = _closing_tokens(boxes, count)
    if masks is not None:
        masks = np.ascontiguousarray(np.broadcast_to(masks, (count, *masks.shape[1:])))
    return PromptBatch(
        np.concatenate([points_xy, more_xy], axis=1).astype(np.float32),
        np.concatenate([labels, more_labels], axis=1),
        masks,
        np.zeros(count, np.intp),
        multimask,
    )


def _closing_tokens(boxes: Floats | None, count: int) -> LabelledPoints:
    """What follows the points: the corners of the box, or else a padding point.

    A mask alone gets the padding point too: in training no prompt was without a token.
    """
    if boxes is not None:
        return boxes.reshape(count, 2, 2), np.tile(np.array(BOX_CORNERS, np.int64), (count, 1))
    return np.zeros((count, 1, 2)), np.full((count, 1), PADDING, np.int64)


def _count(parts: dict[str, Array | None]) -> int:
    """How many prompts there are; a single mask goes with any number."""
    counts = {name: len(part) for name, part in parts.items() if part is not None}
    if not counts:
        raise PromptError(
            "no prompt was given; give point_coords with point_labels, a box, a mask_input, "
            "or a mix of them"
        )
    if counts.get("mask_input") == 1 and len(counts) > 1:
        del counts["mask_input"]
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{count} rows of {name}" for name, count in counts.items())
        raise PromptError(
            f"each prompt needs its own row of every part; got {told}; fill up a prompt's points "
            "with points labelled -1"
        )
    return next(iter(counts.values()))


def _points(
    coords: Any, labels: Any, size_wh: tuple[int, int], *, wanted: str, rank: int
) -> LabelledPoints | None:
    """Labelled points with a leading prompt axis; None where there are none."""
    if coords is None and labels is None:
        return None
    if coords is None:
        raise PromptError("point_labels was given without point_coords; give both")
    wanted = f"an array of shape {wanted} of (x, y) pixels"
    xy = np.atleast_2d(_numbers(coords, "point_coords: points", wanted))
    if labels is None:
        raise PromptError(
            "point_labels is missing; give one label a point, 1 (foreground) or 0 (background)"
        )
    marks = np.atleast_1d(_numbers(labels, "point_labels", "one label a point"))
    if not xy.size and not marks.size:
        return None
    if xy.shape[-1] != 2 or xy.ndim > rank:
        hint = "; for several prompts use predict_torch" if (xy.ndim, rank) == (3, 2) else ""
        raise PromptError(f"point_coords must be {wanted}; got shape {xy.shape}{hint}")
    if marks.shape != xy.shape[:-1]:
        raise PromptError(
            f"point_labels has shape {marks.shape} but point_coords has shape {xy.shape}; "
            f"give one label a point, shape {xy.shape[:-1]}"
        )
    _check_labels(marks)
    _check_near(xy[marks != PADDING], size_wh, "point_coords")
    one = xy.ndim == 2
    return (xy[None] if one else xy), (marks[None] if one else marks).astype(np.int64)


def _check_labels(labels: Floats) -> None:
    if np.isin(labels, BOX_CORNERS).any():
        raise PromptError(
            "point_labels 2 and 3 mean the corners of a box; give the box itself, in its own "
            "argument"
        )
    if not np.isin(labels, (PADDING, 0, 1)).all():
        raise PromptError(
            "point_labels must be 1 (foreground), 0 (background) or -1 (ignored); "
            f"got {np.unique(labels).tolist()}"
        )


def _boxes(boxes: Any, size_wh: tuple[int, int], *, name: str) -> Floats | None:
    """(B, 4) boxes; None where there are none."""
    if boxes is None:
        return None
    wanted = "x0, y0, x1, y1 of shape (4,) or (B, 4)" if name == "boxes" else "x0, y0, x1, y1"
    corners = _numbers(boxes, name, wanted)
    if corners.ndim == 3 and corners.shape[1] == 1:
        corners = corners[:, 0]
    if corners.shape[-1:] != (4,) or corners.ndim > 2 or not corners.size:
        raise PromptError(f"{name} must be {wanted}; got shape {corners.shape}")
    corners = corners.reshape(-1, 4)
    reversed_rows = (corners[:, 2:] < corners[:, :2]).any(axis=1)
    if reversed_rows.any():
        raise PromptError(
            f"{name} must have x0 <= x1 and y0 <= y1 (x0, y0, x1, y1); "
            f"got {corners[reversed_rows][0].tolist()}"
        )
    _check_near(corners.reshape(-1, 2), size_wh, name)
    return corners


def _check_near(points_xy: Floats, size_wh: tuple[int, int], name: str) -> None:
    size = np.array(size_wh)
    far = ((points_xy < -MARGIN * size) | (points_xy > (1 + MARGIN) * size)).any(axis=1)
    if far.any():
        x, y = points_xy[far][0]
        raise PromptError(
            f"{name} has ({x:g}, {y:g}), far outside of {size_wh[0]} x {size_wh[1]} pixels "
            "(width x height)"
        )


def _masks(mask_input: Any, frame: Frame) -> NDArray[np.float32] | None:
    """(B, L, L) low-res logits of masks of either size; None where there are none."""
    if mask_input is None:
        return None
    wanted = f"low-res logits of shape {_low_res_shape(frame)} or a mask of the image's size"
    masks = _numeric(mask_input, "mask_input", wanted)
    flat = masks[:, 0] if masks.ndim == 4 and masks.shape[1] == 1 else masks
    planes = flat[None] if flat.ndim == 2 else flat
    if planes.ndim != 3 or not planes.size:
        raise PromptError(f"mask_input must be {wanted}; got shape {masks.shape}")
    if not np.isfinite(planes).all():
        raise PromptError("mask_input must be finite numbers; got NaN or infinity")
    side = frame.low_res_px
    if planes.shape[1:] == (side, side):
        return np.stack([_low_res(plane) for plane in planes])
    if planes.shape[1:] == frame.size_hw:
        return np.stack([frame.coverage_to_logits(_coverage(plane)) for plane in planes])
    raise PromptError(
        f"mask_input must be {wanted} {frame.size_hw} (height, width); got shape {masks.shape}"
    )


def _low_res(plane: Array) -> NDArray[np.float32]:
    """Logits as they are; a mask in the frame of the canvas as signed logits."""
    return low_res_logits(plane.astype(np.float32) if plane.min() < 0 else plane)


def _coverage(plane: Array) -> NDArray[np.float32]:
    if plane.min() < 0 or (plane.dtype.kind == "f" and plane.max() > 1):
        raise PromptError(
            "mask_input of the image's size must be bool, 0/1, 0/255 or in [0, 1]; got values "
            f"from {plane.min():g} to {plane.max():g}; feed back the low-res logits instead"
        )
    return mask_coverage(plane)


def _low_res_shape(frame: Frame) -> tuple[int, int, int]:
    return 1, frame.low_res_px, frame.low_res_px


def _numbers(value: Any, name: str, wanted: str) -> Floats:
    numbers = _numeric(value, name, wanted).astype(np.float64)
    if not np.isfinite(numbers).all():
        raise PromptError(f"{name} must be finite numbers; got NaN or infinity")
    return numbers


def _numeric(value: Any, name: str, wanted: str) -> Array:
    try:
        array = to_numpy(value)
    except (TypeError, ValueError) as error:  # a ragged list
        raise PromptTypeError(f"{name} must be {wanted}; got {_describe(value)}") from error
    if array.dtype.kind not in "biuf":
        raise PromptTypeError(f"{name} must be {wanted}; got {_describe(value)}")
    return array


def to_numpy(value: Any) -> Array:
    """Anything array-like, or a tensor of any device and dtype, as an array."""
    if not hasattr(value, "detach"):
        return np.asarray(value)
    tensor = value.detach().cpu()
    # numpy has no bfloat16
    return np.asarray((tensor.float() if tensor.is_floating_point() else tensor).numpy())


def _describe(value: Any) -> str:
    text = " ".join(repr(value).split())
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
