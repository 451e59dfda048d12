"""A hole filled with what the rest of the picture looks like, from coarse to fine.

Wexler, Shechtman & Irani, "Space-time completion of video", 2007; Newson et al., "Non-local
patch-based image inpainting", 2017, from which come the texture and the start. At each size,
patches at the hole find like patches of the picture, and every pixel takes the weighted mean of
what the patches over it propose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anymask.apps.inpaint.match import (
    Matches,
    Source,
    carried,
    improve,
    measure,
    random_matches,
)
from anymask.apps.inpaint.patches import RADIUS, SIDE, learn_basis, texture, touching, whole
from anymask.apps.inpaint.peeling import peeled
from anymask.apps.inpaint.smooth import Hole, Levels, biharmonic, doubled, halved, harmonic

_FEWEST_SOURCES: Final = 60
_SMALLEST_SIDE: Final = 3 * SIDE
_COARSEST_DEPTH_PX: Final = 10.0  # a hole this shallow is begun from a smooth fill
_CONFIDENCE: Final = 1.3  # how much less a patch counts for each pixel it lies deeper in the hole
_LARGEST_SEARCH_PX: Final = 3_000_000  # finer pictures take over what was found at half their size


@dataclass(frozen=True, slots=True)
class ExemplarSettings:
    """How thoroughly to search.

    Attributes:
        seed: equal seeds give equal pictures.
        directions: length of the vectors that stand for patches.
        rounds: of searching and voting at the coarsest size; finer ones need fewer.
        finest_rounds: of the picture's own size, where there are coarser ones.
        texture: how much the roughness around a pixel counts, beside its colour; more keeps the
            fill from turning to the picture's blurred places.
    """

    seed: int = 0
    directions: int = 24
    rounds: int = 12
    finest_rounds: int = 3
    texture: float = 3.0


def enough_sources(hole: Hole) -> bool:
    """Whether the picture has patches to fill this hole with."""
    return bool(min(hole.shape) >= SIDE and np.count_nonzero(whole(hole)) >= _FEWEST_SOURCES)


def exemplar(
    levels: Levels,
    hole: Hole,
    settings: ExemplarSettings | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Levels:
    """Fill a hole with patches of the picture.

    Args:
        levels: (H, W, C) float32.
        hole: (H, W) bool, with `enough_sources` around it.
        settings: how thoroughly.
        on_step: told (done, total) as it goes on.

    Returns:
        (H, W, C) float32, a new array; known pixels are kept.
    """
    settings = settings or ExemplarSettings()
    rough = np.float32(settings.texture) * texture(levels, hole)
    colours, levels = levels.shape[2], np.concatenate([levels, rough], axis=2)
    rng = np.random.default_rng(settings.seed)
    sizes = _sizes(levels, hole)
    coarsest = len(sizes) - 1
    rounds = [_rounds(settings, step, coarsest) for step in range(len(sizes))]
    costs = [_cost(count, size[1]) for count, size in zip(rounds, sizes, strict=True)]
    filled, matches = _begun(*sizes[-1], rng, deep=coarsest > 0), None
    for step in range(coarsest, -1, -1):
        known, gap = sizes[step]
        if matches is not None:
            filled = np.where(gap[..., None], doubled(filled, gap.shape), known)
        if matches is not None and gap.size > _LARGEST_SEARCH_PX:
            filled, matches = _take_over(filled, gap, matches, rng)
        else:
            filled, matches = _refine(filled, gap, matches, rounds[step], settings, rng)
        if on_step is not None:
            on_step(sum(costs[step:]), sum(costs))
    return _joined(levels, filled, hole, matches)[..., :colours]


def _sizes(levels: Levels, hole: Hole) -> list[tuple[Levels, Hole]]:
    """The picture at its size, half of it and so on, while there is enough to copy from."""
    sizes = [(levels, hole)]
    while _depth_px(sizes[-1][1]) > _COARSEST_DEPTH_PX:
        smaller = halved(*sizes[-1])
        if min(smaller[1].shape) < _SMALLEST_SIDE or not enough_sources(smaller[1]):
            break
        sizes.append(smaller)
    return sizes


def _depth_px(hole: Hole) -> float:
    from scipy.ndimage import distance_transform_edt

    return float(distance_transform_edt(np.pad(hole, 1, mode="edge")).max())


def _begun(levels: Levels, hole: Hole, rng: np.random.Generator, *, deep: bool) -> Levels:
    """A first fill: deep holes from the rim inwards, shallow ones smoothly."""
    return peeled(levels, hole, rng) if deep else biharmonic(levels, hole)


def _rounds(settings: ExemplarSettings, step: int, coarsest: int) -> int:
    """Each finer size needs about half the rounds of the one before."""
    wanted = settings.finest_rounds * 2**step
    return settings.rounds if step == coarsest else min(settings.rounds, wanted)


def _cost(rounds: int, hole: Hole) -> int:
    return rounds * int(np.count_nonzero(hole)) + hole.size // 10


def _refine(
    filled: Levels,
    hole: Hole,
    coarse: Matches | None,
    rounds: int,
    settings: ExemplarSettings,
    rng: np.random.Generator,
) -> tuple[Levels, Matches]:
    """Search and vote at one size."""
    allowed = whole(hole)
    basis = learn_basis(filled, allowed, settings.directions, rng)
    vectors = basis.of_picture(filled)
    source = Source(vectors.reshape(-1, vectors.shape[2]), allowed)
    ys, xs = np.nonzero(touching(hole))
    if coarse is None:
        matches = random_matches(ys, xs, allowed, rng)
    else:
        matches = carried(coarse, ys, xs, allowed, rng)
    confidence = _confidence(hole)[ys, xs]
    for number in range(rounds):
        wanted = basis.at(filled, ys, xs)
        measure(matches, wanted, source)
        if coarse is None:
            improve(matches, wanted, source, rng, jumps=(4, 2, 1))
        else:
            improve(matches, wanted, source, rng, largest_step_px=None if number == 0 else 8)
        filled = filled.copy()
        filled[hole] = _vote(filled, hole, matches, confidence)
    return filled, matches


def _take_over(
    filled: Levels, hole: Hole, coarse: Matches, rng: np.random.Generator
) -> tuple[Levels, Matches]:
    """The places found at half the size, copied without a search: quick, and small in memory."""
    ys, xs = np.nonzero(touching(hole))
    matches = carried(coarse, ys, xs, whole(hole), rng)
    matches.distances = np.zeros(len(ys), np.float32)
    filled = filled.copy()
    filled[hole] = _vote(filled, hole, matches, _confidence(hole)[ys, xs])
    return filled, matches


def _joined(levels: Levels, filled: Levels, hole: Hole, matches: Matches | None) -> Levels:
    """Take away the step at the rim: what the patches miss there is made up for, fading inwards.

    The difference between the picture and the patches' proposals is known on the ring around the
    hole; its harmonic continuation is added inside (a membrane, as in seamless cloning: Perez et
    al., "Poisson image editing", 2003).
    """
    from scipy.ndimage import binary_dilation

    if matches is None:
        return filled
    ring = binary_dilation(hole, np.ones((3, 3), bool)) & ~hole & touching(hole)
    if not ring.any():
        return filled
    missed = np.zeros_like(levels)
    proposed = _vote(filled, ring, matches, _confidence(hole)[matches.ys, matches.xs])
    missed[ring] = levels[ring] - proposed
    joined = filled.copy()
    joined[hole] += harmonic(missed, ~ring)[hole]
    lowest, highest = levels[~hole].min(axis=0), levels[~hole].max(axis=0)
    joined[hole] = np.clip(joined[hole], lowest, highest)
    return joined


def _confidence(hole: Hole) -> NDArray[np.float32]:
    """How much a patch's proposal counts, by how deep in the hole its centre lies."""
    from scipy.ndimage import distance_transform_edt

    return np.asarray(_CONFIDENCE ** -distance_transform_edt(hole), np.float32)


def _vote(
    filled: Levels, pixels: Hole, matches: Matches, confidence: NDArray[np.float32]
) -> Levels:
    """The weighted mean of what the patches over each pixel propose.

    Args:
        filled: (H, W, C) float32.
        pixels: (H, W) bool, M pixels.
        matches: N patches.
        confidence: (N,) float32.

    Returns:
        (M, C) float32.
    """
    height, width = pixels.shape
    number = np.full((height + 2 * RADIUS, width + 2 * RADIUS), len(matches.ys), np.intp)
    number[matches.ys + RADIUS, matches.xs + RADIUS] = np.arange(len(matches.ys))
    spread = np.float32(max(float(np.percentile(matches.distances, 75)), 1.0))
    weights = np.append(confidence * np.exp(-matches.distances / (2 * spread)), np.float32(0))
    weights = np.maximum(weights, 1e-8).astype(np.float32)
    weights[-1] = 0
    found = np.append(matches.found, matches.found[0])
    flat = filled.reshape(-1, filled.shape[2])
    ys, xs = np.nonzero(pixels)
    total = np.zeros((len(ys), filled.shape[2]), np.float32)
    weight = np.zeros((len(ys), 1), np.float32)
    for dy in range(-RADIUS, RADIUS + 1):
        for dx in range(-RADIUS, RADIUS + 1):
            patch = number[ys - dy + RADIUS, xs - dx + RADIUS]
            part = weights[patch][:, None]
            total += np.take(flat, found[patch] + (dy * width + dx), axis=0) * part
            weight += part
    return total / weight
