"""Composites with known alpha: objects of photos laid over other photos with edges that are known.

The hard mask that goes with each is what a segmenter would give: the coverage on a grid four times
as coarse, above one half.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from anymask.apps.edit.blurs import blurred
from anymask.apps.edit.mattes import resized

KINDS = ("outline", "defocus", "fur")
LONGER_PX = 640
_FINE = 3  # strands are drawn at so many times the size

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Case:
    """One composite.

    Attributes:
        name: object and backdrop.
        kind: of `KINDS`.
        image: (H, W, 3) uint8.
        mask: (H, W) bool, what matting starts from.
        alpha: (H, W) float32, the truth.
        colours: (H, W, 3) float32, the object's own.
    """

    name: str
    kind: str
    image: Array
    mask: Array
    alpha: Array
    colours: Array


def cases(objects: dict[str, tuple[Array, Array]], backdrops: dict[str, Array]) -> Iterator[Case]:
    """Every object over another photo, once for each kind of edge.

    Args:
        objects: name -> picture (H, W, 3) uint8 and mask (H, W) bool.
        backdrops: name -> picture.
    """
    names = sorted(backdrops)
    for number, (name, (picture, mask)) in enumerate(sorted(objects.items())):
        others = [other for other in names if other != name]
        for turn, kind in enumerate(KINDS):
            other = others[(number + turn) % len(others)]
            rng = np.random.default_rng([number, turn])
            yield _case(f"{name} over {other}", kind, picture, mask, backdrops[other], rng)


def _case(
    name: str, kind: str, picture: Array, mask: Array, backdrop: Array, rng: np.random.Generator
) -> Case:
    picture, mask = _shrunk(picture, mask)
    alpha = {"outline": _outline, "defocus": _defocus, "fur": _fur}[kind](mask, rng)
    own = _continued(picture, mask)
    height, width = mask.shape
    behind = np.asarray(Image.fromarray(backdrop).resize((width, height)), np.float32) / 255
    laid = own * alpha[..., None] + behind * (1 - alpha[..., None])
    image = np.rint(laid * 255).astype(np.uint8)
    return Case(name, kind, image, _segmented(alpha), alpha, own)


def _shrunk(picture: Array, mask: Array) -> tuple[Array, Array]:
    height, width = mask.shape
    scale = min(1.0, LONGER_PX / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    small = np.asarray(Image.fromarray(picture).resize(size[::-1], Image.Resampling.LANCZOS))
    return small, resized(mask.astype(np.float32), size) > 0.5


def _continued(picture: Array, mask: Array) -> Array:
    """The object's colours, those at its edge continued outwards with a little of its texture."""
    sure = ndimage.binary_erosion(mask, iterations=4)
    rows, columns = ndimage.distance_transform_edt(~sure, return_distances=False, return_indices=1)
    mirrored = 2 * rows - np.arange(mask.shape[0])[:, None], 2 * columns - np.arange(mask.shape[1])
    inside = [np.clip(at, 0, side - 1) for at, side in zip(mirrored, mask.shape, strict=True)]
    there = sure[inside[0], inside[1]]
    colours = np.where(there[..., None], picture[inside[0], inside[1]], picture[rows, columns])
    return colours.astype(np.float32) / 255


def _segmented(alpha: Array) -> Array:
    coarse = resized(alpha, tuple(max(1, side // 4) for side in alpha.shape))
    return resized(coarse, alpha.shape) > 0.5


def _outline(mask: Array, _: np.random.Generator) -> Array:
    return np.clip(_signed(mask) / 1.5 + 0.5, 0, 1)


def _defocus(mask: Array, _: np.random.Generator) -> Array:
    """Out of focus by different amounts around the object."""
    height, width = mask.shape
    place = np.linspace(0, 1, width, dtype=np.float32)[None] * np.ones((height, 1), np.float32)
    hard = mask.astype(np.float32)
    return np.asarray(blurred(hard, 1.0) * place + blurred(hard, 4.0) * (1 - place))


def _fur(mask: Array, rng: np.random.Generator) -> Array:
    """Strands that grow out of the outline, bent, thinning, with gaps between tufts."""
    smooth = _signed(mask)
    down, across = np.gradient(blurred(-smooth, 4.0))
    roots = np.argwhere(np.abs(smooth) < 1.5)
    tufts = blurred(rng.normal(size=mask.shape).astype(np.float32), 9.0)
    fine = np.zeros([side * _FINE for side in mask.shape], np.float32)
    for y, x in roots[rng.random(len(roots)) < 0.5]:
        if tufts[y, x] > 0:
            _strand(fine, (float(y), float(x)), (down[y, x], across[y, x]), rng)
    strands = fine.reshape(mask.shape[0], _FINE, mask.shape[1], _FINE).mean(axis=(1, 3))
    return np.asarray(np.maximum(strands, np.clip(smooth / 1.5 + 0.5, 0, 1)), np.float32)


def _strand(
    fine: Array, root: tuple[float, float], out: tuple[float, float], rng: np.random.Generator
) -> None:
    length, bend = rng.uniform(4, 14), rng.normal(0, 0.06)
    heading = np.arctan2(*out) + rng.normal(0, 0.5)
    steps = np.arange(0, length, 0.2)
    headings = heading + bend * steps
    rows = (root[0] + np.cumsum(np.sin(headings)) * 0.2) * _FINE
    columns = (root[1] + np.cumsum(np.cos(headings)) * 0.2) * _FINE
    thick = np.where(steps < length * rng.uniform(0.3, 0.8), 2, 1)
    for dy in (0, 1):
        for dx in (0, 1):
            drawn = thick > max(dy, dx)
            y, x = rows[drawn].astype(int) + dy, columns[drawn].astype(int) + dx
            within = (y >= 0) & (x >= 0) & (y < fine.shape[0]) & (x < fine.shape[1])
            fine[y[within], x[within]] = 1


def _signed(mask: Array) -> Array:
    """Distance to the smoothed outline, positive inside."""
    smooth = blurred(mask.astype(np.float32), 1.5) > 0.5
    inner, outer = ndimage.distance_transform_edt(smooth), ndimage.distance_transform_edt(~smooth)
    return np.asarray(np.where(smooth, inner - 0.5, 0.5 - outer), np.float32)


def objects_of_sets(paths: list[Path], limit: int) -> dict[str, tuple[Array, Array]]:
    """The largest object of each of the first pictures of data sets with true masks."""
    from anymask.evaluation.sets.find import find_mask_sets
    from anymask.io.images import read_image

    found: dict[str, tuple[Array, Array]] = {}
    for data_set in find_mask_sets(paths):
        for picture in data_set.pictures[:limit]:
            mask = max((truth.mask() for truth in picture.truths), key=np.count_nonzero)
            if 0.02 < mask.mean() < 0.8:
                found[f"{data_set.name}/{picture.path.stem}"] = read_image(picture.path), mask
    return found
