"""Masks for phrases in the server's pictures; the scorer is loaded when the first phrase comes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from anymask.inference.everything.generate import Cancelled
from anymask.server.jobs import Job
from anymask.types.records import MaskRecord
from anymask.words.find import PhraseResult, Regions, TextSettings, match_regions
from anymask.words.scorer import RegionTextScorer

_PICTURES_KEPT = 4
"""Regions of so many pictures are kept, so that a second phrase is answered at once."""


@dataclass(frozen=True, slots=True)
class TextOrder:
    """What is looked for.

    Attributes:
        phrases: such as "a dog", each by itself.
        settings: see `TextSettings`.
    """

    phrases: tuple[str, ...]
    settings: TextSettings


class WordSearch:
    """Finds phrases, and remembers the regions of the last pictures.

    Args:
        load: makes the scorer; called once, in the thread of a job.
    """

    def __init__(self, load: Callable[[], RegionTextScorer]) -> None:
        self._load = load
        self._regions: OrderedDict[str, Regions] = OrderedDict()
        self._lock = threading.Lock()

    @cached_property
    def _scorer(self) -> RegionTextScorer:
        return self._load()

    def find(
        self,
        image_id: str,
        order: TextOrder,
        pixels: Callable[[], NDArray[np.uint8]],
        records: Callable[[], list[MaskRecord]],
        job: Job,
    ) -> list[PhraseResult]:
        """Masks for each phrase.

        Args:
            image_id: the picture.
            order: what is looked for.
            pixels: gives (H, W, 3) uint8.
            records: finds the picture's regions, if they are not known.
            job: looked at between the steps.

        Raises:
            Cancelled: the job was stopped.
            MissingExtraError: packages for words are not installed.
            DownloadError: the scorer's weights are not there and no source answered.
        """
        scorer = self._scorer
        regions = self._known(image_id)
        if regions is None:
            found = records()
            if job.is_stopped():
                raise Cancelled("stopped before the regions were looked at")
            regions = Regions.of(scorer, pixels(), found)
            self._keep(image_id, regions)
        return match_regions(scorer, regions, order.phrases, order.settings)

    def forget(self, image_id: str) -> None:
        """Forget a picture's regions."""
        with self._lock:
            self._regions.pop(image_id, None)

    def _known(self, image_id: str) -> Regions | None:
        with self._lock:
            if image_id in self._regions:
                self._regions.move_to_end(image_id)
            return self._regions.get(image_id)

    def _keep(self, image_id: str, regions: Regions) -> None:
        with self._lock:
            self._regions[image_id] = regions
            while len(self._regions) > _PICTURES_KEPT:
                self._regions.popitem(last=False)
