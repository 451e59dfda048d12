"""From a picture to candidates: crops are encoded, points asked, logits kept within a budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anymask.errors import AnymaskError, PromptError
from anymask.geometry.frames import Frame
from anymask.geometry.grids import Crop
from anymask.inference.backend import PromptBatch
from anymask.inference.batching import PADDING
from anymask.inference.encoded import EncodedImage
from anymask.inference.everything.candidates import Candidate, CropView
from anymask.inference.everything.novelty import novel_points
from anymask.inference.everything.settings import EverythingSettings
from anymask.inference.everything.suppress import is_stable
from anymask.inference.everything.upsampled import Upsampler
from anymask.inference.segment import ColorOrder, Model, Picture, read_picture
from anymask.types.progress import Progress, ProgressCallback
from anymask.types.prompt import FOREGROUND

Cancel = Callable[[], bool]
Points = NDArray[np.float64]


class Cancelled(AnymaskError):  # noqa: N818 - what the caller asked for is no error
    """The work was stopped by `cancel`."""


class Watch:
    """Says how much is done, and asks whether to go on.

    Args:
        progress: called after every batch of points.
        cancel: asked before every batch of points; True stops the work.
    """

    def __init__(self, progress: ProgressCallback | None, cancel: Cancel | None) -> None:
        self._progress, self._cancel = progress, cancel
        self._done = self._total = 0

    def expect(self, points: int) -> None:
        """So many points are to be asked."""
        self._total = points

    def spare(self, points: int) -> None:
        """So many of them need not be asked after all."""
        self._total -= points

    def check(self) -> None:
        """Go on, or not.

        Raises:
            Cancelled: `cancel` said so.
        """
        if self._cancel is not None and self._cancel():
            raise Cancelled(f"stopped after {self._done} of {self._total} points")

    def add(self, points: int) -> None:
        """So many more are done."""
        self._done += points
        if self._progress is not None:
            self._progress(Progress("segment everything", self._done, self._total, "points"))


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """The picture, or what the encoder made of it.

    Attributes:
        size_hw: (height, width) of the picture.
        rgb: (H, W, 3) uint8, or None where only the encoded image is there.
        encoded: of the whole picture, or None.
    """

    size_hw: tuple[int, int]
    rgb: NDArray[np.uint8] | None
    encoded: EncodedImage | None

    @classmethod
    def of(cls, image: Picture | EncodedImage, color: ColorOrder) -> Source:
        """Of whatever the caller gave.

        Raises:
            ImageError: a picture that cannot be read.
        """
        if isinstance(image, EncodedImage):
            return cls(image.frame.size_hw, None, image)
        rgb = read_picture(image, color)
        return cls((rgb.shape[0], rgb.shape[1]), rgb, None)

    def encode(self, model: Model, crop: Crop) -> EncodedImage:
        """A part of it, encoded.

        Raises:
            PromptError: the pixels of a part are needed and not there.
        """
        x0, y0, x1, y1 = crop.box_xyxy
        if self.rgb is not None:
            return model.encode(np.ascontiguousarray(self.rgb[y0:y1, x0:x1]))
        if self.encoded is None or crop.size_hw != self.size_hw:
            raise PromptError(
                "image is an encoded image but crops and tiles are encoded one by one; "
                "give the picture itself"
            )
        return model.encode(self.encoded)


def crops_candidates(
    model: Model, source: Source, settings: EverythingSettings, watch: Watch
) -> Iterator[list[Candidate]]:
    """The confident candidates of each crop, in the order they were found.

    Args:
        model: what to ask.
        source: the picture.
        settings: which crops, which points, how confident.
        watch: progress and cancellation.

    Raises:
        Cancelled: the watch said so.
    """
    crops, grids = settings.crops(source.size_hw), settings.grids()
    watch.expect(sum(len(grids[crop.layer]) for crop in crops))
    for crop in crops:
        watch.check()
        encoded = source.encode(model, crop)
        view = CropView(
            crop, source.size_hw, Upsampler(encoded.frame), settings.stability_score_offset
        )
        found: list[Candidate] = []
        for part in _parts(_points(grids[crop.layer], encoded, settings, watch), settings):
            watch.check()
            found += _ask(model, encoded, view, part, settings)
            found = within_budget(found, settings)
            watch.add(len(part))
        yield found


def within_budget(found: list[Candidate], settings: EverythingSettings) -> list[Candidate]:
    """Decide at once about candidates whose logits take too much memory together."""
    if sum(candidate.held_bytes for candidate in found) <= settings.memory_budget_bytes:
        return found
    stable = [one for one in found if is_stable(one, settings.stability_score_thresh)]
    for candidate in stable:
        candidate.settle()
    return stable


def _points(
    grid: Points, encoded: EncodedImage, settings: EverythingSettings, watch: Watch
) -> Points:
    """The points to ask, in pixels of the crop."""
    height, width = encoded.frame.size_hw
    points: Points = grid * (width, height)
    if settings.novel_share == 1:
        return points
    frame = encoded.frame
    chosen = novel_points(
        encoded.embedding,
        frame.points_to_canvas(points),
        frame.canvas_px,
        settings.novel_share,
        settings.novel_distance,
    )
    watch.spare(len(points) - len(chosen))
    return points[chosen]


def _parts(points: Points, settings: EverythingSettings) -> Iterator[Points]:
    size = settings.points_per_batch
    return (points[start : start + size] for start in range(0, len(points), size))


def _ask(
    model: Model,
    encoded: EncodedImage,
    view: CropView,
    points: Points,
    settings: EverythingSettings,
) -> Sequence[Candidate]:
    """The confident answers to some points."""
    least = settings.pred_iou_thresh if settings.pred_iou_thresh > 0 else -np.inf
    decoded = model.backend.decode_confident([encoded], _batch(points, encoded.frame), least)
    places = points[decoded.prompt] + view.crop.box_xyxy[:2]
    return [
        Candidate(view, (float(x), float(y)), float(iou), logits)
        for (x, y), iou, logits in zip(places, decoded.iou, decoded.logits, strict=True)
    ]


def _batch(points: Points, frame: Frame) -> PromptBatch:
    """Points (N, 2) of the crop, each a prompt of its own with three candidates."""
    count = len(points)
    coords = np.zeros((count, 2, 2), np.float32)
    coords[:, 0] = frame.points_to_canvas(points)
    labels = np.tile(np.array([FOREGROUND, PADDING], np.int64), (count, 1))
    return PromptBatch(coords, labels, None, np.zeros(count, np.intp), multimask=True)
