"""From masks that overlap to one label a pixel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from anymask.errors import MaskError
from anymask.types.records import MaskRecord

Policy = Literal["smallest", "largest", "best"]

# the record with the higher value gets the pixel, of equals the earlier one
_PREFERENCES: dict[str, Callable[[MaskRecord], float]] = {
    "smallest": lambda record: -record.area,
    "largest": lambda record: record.area,
    "best": lambda record: record.predicted_iou,
}


def label_map(
    records: Sequence[MaskRecord], size_hw: tuple[int, int], policy: Policy = "smallest"
) -> NDArray[np.unsignedinteger[Any]]:
    """Give every pixel to one record.

    Args:
        records: masks of one image, which may overlap.
        size_hw: (height, width) of the image.
        policy: who gets a pixel that several claim: the "smallest" mask (a button stays visible on
            its shirt), the "largest", or the "best" by predicted IoU.

    Returns:
        (H, W) labels: 0 where nobody claims the pixel, else 1 more than the number of the record,
        whatever the policy. The dtype is the smallest of uint8, uint16, uint32 that holds the
        number of records, so labels never wrap.

    Raises:
        MaskError: another policy, or a record of another image size.
    """
    if policy not in get_args(Policy):
        raise MaskError(f"policy must be one of {', '.join(get_args(Policy))}; got {policy!r}")
    wrong = next((one for one in records if one.size_hw != tuple(size_hw)), None)
    if wrong is not None:
        raise MaskError(f"a record has size {wrong.size_hw} but the image has {tuple(size_hw)}")
    labels = np.zeros(size_hw, np.min_scalar_type(len(records)))
    preference = _PREFERENCES[policy]
    # painted from the least preferred on, so that the most preferred ends on top
    for number in sorted(range(len(records)), key=lambda one: (preference(records[one]), -one)):
        x0, y0, x1, y1 = records[number].box_xyxy
        labels[y0:y1, x0:x1][records[number].mask.crop] = number + 1
    return labels
