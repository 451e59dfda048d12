"""Regions like a given one, by the segmentation network's own embedding.

A region is the mean of the image's embedding under its mask, less the mean of the picture, of unit
length. The paper (appendix D.6) encodes a crop for each mask instead, a hundred times the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anymask.inference.encoded import EncodedImage
from anymask.types.records import CompactMask, MaskRecord

SAME: Final = 0.7
"""A region that overlaps the given one by this IoU is the given one."""


@dataclass(frozen=True, slots=True)
class Similar:
    """A region like the given one.

    Attributes:
        record: its mask.
        similarity: cosine of both embeddings, -1..1.
    """

    record: MaskRecord
    similarity: float


def region_embedding(image: EncodedImage, region: CompactMask) -> NDArray[np.float32]:
    """What a region looks like to the network.

    Args:
        image: encoded.
        region: a mask of the picture's size, not empty.

    Returns:
        (C,) float32 of unit length.
    """
    (one,) = region_embeddings(image, [region])
    return np.asarray(one, np.float32)


def region_embeddings(image: EncodedImage, regions: Sequence[CompactMask]) -> NDArray[np.float32]:
    """Like `region_embedding`, of several regions: (N, C)."""
    channels, rows, columns = image.embedding.shape
    canvas = image.frame.canvas_px
    high, wide = image.frame.resized_hw
    seen = (max(1, round(high * rows / canvas)), max(1, round(wide * columns / canvas)))
    cells = image.embedding[:, : seen[0], : seen[1]].reshape(channels, -1)
    cells = cells - cells.mean(axis=1, keepdims=True)
    weights = np.array([_coverage(one, seen) for one in regions], np.float32)
    means = weights.reshape(len(regions), seen[0] * seen[1]) @ cells.T
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    return np.asarray(means / np.maximum(lengths, np.finfo(np.float32).tiny), np.float32)


def _coverage(region: CompactMask, size_hw: tuple[int, int]) -> NDArray[np.float32]:
    """Share of each cell that a mask covers, of sum 1."""
    picture = Image.fromarray(region.array.astype(np.float32))
    share = np.asarray(picture.resize((size_hw[1], size_hw[0]), Image.Resampling.BOX))
    return np.asarray(share / max(float(share.sum()), np.finfo(np.float32).tiny), np.float32)


def find_similar(
    wanted: NDArray[np.float32],
    image: EncodedImage,
    records: Sequence[MaskRecord],
    *,
    without: CompactMask | None = None,
    least: float = 0.5,
    most: int | None = None,
) -> list[Similar]:
    """The regions of a picture that are like a given one.

    Args:
        wanted: (C,) of `region_embedding`, of this or another picture.
        image: to look in.
        records: its regions, such as those of everything mode.
        without: the given region where it is of this picture, which is no answer.
        least: similarity.
        most: so many at most; None for all.

    Returns:
        The most similar first; none at all is a normal answer.
    """
    kept = [one for one in records if one.area and not _is(one, without)]
    if not kept:
        return []
    cosines = region_embeddings(image, [one.mask for one in kept]) @ wanted
    order = np.argsort(-cosines, kind="stable")
    found = [Similar(kept[row], float(cosines[row])) for row in order if cosines[row] >= least]
    return found[:most]


def _is(one: MaskRecord, region: CompactMask | None) -> bool:
    if region is None:
        return False
    a, b = one.array, region.array
    common = np.count_nonzero(a & b)
    return bool(common > SAME * (one.area + region.area - common))
