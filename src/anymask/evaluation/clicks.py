"""Interactive segmentation with simulated clicks (paper, section 7.1 and appendix D.1).

One click is answered by several candidates; `p1` is the one the model chooses, `top` the one with
the highest predicted IoU, `oracle` the best of them. Every later click is put into the middle of
the worst error; all clicks so far and the previous low-res logits are given. `box` and `jitter` are
boxes alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.evaluation.baselines import BASELINES
from anymask.evaluation.clicks_settings import NOC_TARGETS, ClickSettings, ModelOptions, Unsure
from anymask.evaluation.clicks_summary import summarise
from anymask.evaluation.jobs import Bench, Job, Opened, Outcome, Summary, sampled
from anymask.evaluation.overlap import mask_iou
from anymask.evaluation.points import (
    Click,
    centre_click,
    jittered_box,
    next_click,
    random_click,
    truth_box,
)
from anymask.evaluation.truth import DataSet, Truth, size_class
from anymask.geometry import rle
from anymask.inference.segment import Model
from anymask.types.masks import Masks
from anymask.types.prompt import Prompt

Mask = NDArray[np.bool_]
OBJECTS_AT_ONCE = 32
"""Objects of a picture that are clicked on together; bounds what their masks hold in memory."""


class ClickTask:
    """The evaluation, see `jobs.Task`.

    Args:
        settings: how clicks are simulated.
    """

    name = "clicks"

    def __init__(self, settings: ClickSettings) -> None:
        self._settings = settings

    def settings(self) -> dict[str, Any]:
        """All that changes outcomes."""
        return asdict(self._settings)

    def jobs(self, sets: Sequence[DataSet]) -> list[Job]:
        """The sampled objects, by picture."""
        return sampled(sets, self._settings.limit, self._settings.seed)

    def work(self, bench: Bench, job: Job) -> Outcome:
        """Click on every object of one picture."""
        opened = bench.open(job.picture)
        rng = job.rng(self._settings.seed)
        cases: list[dict[str, Any]] = []
        for start in range(0, len(job.truths), OBJECTS_AT_ONCE):
            part = job.truths[start : start + OBJECTS_AT_ONCE]
            objects = [_Object.of(truth, self._settings.unsure) for truth in part]
            objects = [one for one in objects if one.mask.any()]
            asker = _Asker(bench.model, opened, self._settings.options)
            _first_clicks(asker, objects, self._settings, rng)
            _later_clicks(asker, objects, self._settings)
            _boxes(asker, objects, rng)
            _baselines(opened, objects, self._settings.baselines)
            cases += [one.case() for one in objects]
        return {"cases": cases}

    def summary(self, outcomes: Sequence[tuple[Job, Outcome]]) -> Summary:
        """Tables by set and size, and the curve over the number of clicks."""
        return summarise(outcomes, self._settings)


@dataclass(frozen=True, slots=True)
class _Asker:
    """Asks the model about one picture."""

    model: Model
    opened: Opened
    options: ModelOptions

    def __call__(self, prompts: Sequence[Prompt]) -> Masks:
        return self.options.segment(self.model, self.opened, prompts)


@dataclass(slots=True, eq=False)
class _Object:
    """One object while it is clicked on."""

    truth: Truth
    mask: Mask
    unsure: Mask | None
    clicks: list[Click] = field(default_factory=list)
    ious: list[float] = field(default_factory=list)
    measures: dict[str, float] = field(default_factory=dict)
    prediction: Mask = field(init=False)
    logits: NDArray[np.float32] = field(init=False)
    first_answer: Mask = field(init=False)

    @classmethod
    def of(cls, truth: Truth, unsure: Unsure) -> _Object:
        mask = truth.mask()
        if truth.ignore is None:
            return cls(truth, mask, None)
        band = truth.unsure()
        return cls(truth, mask, band) if unsure == "skip" else cls(truth, mask | band, None)

    def iou(self, prediction: Mask) -> float:
        return mask_iou(prediction, self.mask, self.unsure)

    def prompt(self, *, logits: bool) -> Prompt:
        return Prompt(
            points=[click.xy for click in self.clicks],
            labels=[int(click.foreground) for click in self.clicks],
            mask_logits=self.logits if logits else None,
        )

    def answer(self, prediction: Mask, logits: NDArray[np.float32]) -> None:
        self.prediction, self.logits = prediction, logits
        self.ious.append(self.iou(prediction))

    def click(self) -> bool:
        """Put a click into the worst error; False where nothing is wrong."""
        unsure = np.zeros((), np.bool_) if self.unsure is None else self.unsure
        click = next_click(self.mask, self.prediction, unsure)
        if click is not None:
            self.clicks.append(click)
        return click is not None

    def case(self) -> dict[str, Any]:
        """What is kept of it: JSON."""
        return {
            "key": self.truth.key,
            "category": self.truth.category,
            "size": size_class(int(np.count_nonzero(self.mask))),
            "ious": [round(iou, 6) for iou in self.ious],
            "measures": {name: round(value, 6) for name, value in self.measures.items()},
            "score": round(self.ious[0], 6),
            "points": [[*click.xy, int(click.foreground)] for click in self.clicks[:1]],
            "truth": rle.encode(self.mask),
            "prediction": rle.encode(self.first_answer),
        }


def _first_clicks(
    ask: _Asker, objects: Sequence[_Object], settings: ClickSettings, rng: np.random.Generator
) -> None:
    for one in objects:
        random = settings.first == "random"
        one.clicks.append(random_click(one.mask, rng) if random else centre_click(one.mask))
    masks = ask([one.prompt(logits=False) for one in objects])
    for row, one in enumerate(objects):
        candidates = masks.candidates(row)
        ious = [one.iou(mask) for mask in candidates.array]
        one.answer(candidates.array[0], candidates.low_res_logits[0])
        one.first_answer = one.prediction
        top = int(np.argmax(candidates.predicted_iou))
        one.measures |= {"top": ious[top], "oracle": max(ious)}
        one.measures["predicted_iou"] = float(candidates.predicted_iou[0])


def _later_clicks(ask: _Asker, objects: Sequence[_Object], settings: ClickSettings) -> None:
    """Go on until the last number of clicks that is asked for; a perfect mask stays as it is."""
    reported = max(settings.points)
    active = list(objects)
    for number in range(2, settings.most_clicks + 1):
        if number > reported:  # only to count clicks: those that are good enough need no more
            active = [one for one in active if max(one.ious) < max(NOC_TARGETS)]
        active = [one for one in active if one.click()]
        masks = ask([one.prompt(logits=True) for one in active])
        for one, answer in zip(active, masks, strict=True):
            one.answer(answer.array[0], answer.low_res_logits[0])


def _boxes(ask: _Asker, objects: Sequence[_Object], rng: np.random.Generator) -> None:
    boxes = [truth_box(one.mask) for one in objects]
    size_hw = ask.opened.encoded.frame.size_hw
    careless = [jittered_box(box, size_hw, rng) for box in boxes]
    for name, drawn in (("box", boxes), ("jitter", careless)):
        masks = ask([Prompt(box=box) for box in drawn])
        for one, answer in zip(objects, masks, strict=True):
            one.measures[name] = one.iou(answer.array[0])


def _baselines(opened: Opened, objects: Sequence[_Object], names: Sequence[str]) -> None:
    for name in names:
        method = BASELINES[name](opened.rgb)
        for one in objects:
            guess = method(one.clicks[0].xy, truth_box(one.mask), int(one.mask.sum()))
            one.measures[name] = one.iou(guess)
