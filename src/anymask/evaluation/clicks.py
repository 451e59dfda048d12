"""Interactive segmentation with simulated clicks (paper, section 7.1 and appendix D.1).

One click is answered by three candidates; `p1` is the one the model chooses, `top` the one with
the highest predicted IoU, `oracle` the best of the three. Every later click is put into the middle
of the worst error, all clicks so far and the previous low-res logits are given, and one mask comes
back. `box` and `jitter` are boxes alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.evaluation.baselines import BASELINES
from anymask.evaluation.clicks_settings import NOC_TARGETS, ClickSettings
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
from anymask.inference.encoded import EncodedImage
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
            part = map(_Object, job.truths[start : start + OBJECTS_AT_ONCE])
            objects = [one for one in part if one.mask.any()]
            _first_clicks(bench.model, opened.encoded, objects, self._settings, rng)
            _later_clicks(bench.model, opened.encoded, objects, self._settings)
            _boxes(bench.model, opened.encoded, objects, rng)
            _baselines(opened, objects, self._settings.baselines)
            cases += [one.case() for one in objects]
        return {"cases": cases}

    def summary(self, outcomes: Sequence[tuple[Job, Outcome]]) -> Summary:
        """Tables by set and size, and the curve over the number of clicks."""
        return summarise(outcomes, self._settings)


@dataclass(slots=True, eq=False)
class _Object:
    """One object while it is clicked on."""

    truth: Truth
    mask: Mask = field(init=False)
    unsure: Mask | None = field(init=False)
    clicks: list[Click] = field(default_factory=list)
    ious: list[float] = field(default_factory=list)
    measures: dict[str, float] = field(default_factory=dict)
    prediction: Mask = field(init=False)
    logits: NDArray[np.float32] = field(init=False)
    first_answer: Mask = field(init=False)

    def __post_init__(self) -> None:
        self.mask = self.truth.mask()
        self.unsure = self.truth.unsure() if self.truth.ignore is not None else None

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

    def next_click(self) -> Click | None:
        unsure = np.False_ if self.unsure is None else self.unsure
        return next_click(self.mask, self.prediction, np.asarray(unsure))

    def case(self) -> dict[str, Any]:
        """What is kept of it: JSON."""
        return {
            "key": self.truth.key,
            "category": self.truth.category,
            "size": size_class(np.count_nonzero(self.mask)),
            "ious": [round(iou, 6) for iou in self.ious],
            "measures": {name: round(value, 6) for name, value in self.measures.items()},
            "score": round(self.ious[0], 6),
            "points": [[*click.xy, int(click.foreground)] for click in self.clicks[:1]],
            "truth": rle.encode(self.mask),
            "prediction": rle.encode(self.first_answer),
        }


def _first_clicks(
    model: Model,
    image: EncodedImage,
    objects: Sequence[_Object],
    settings: ClickSettings,
    rng: np.random.Generator,
) -> None:
    for one in objects:
        random = settings.first == "random"
        one.clicks.append(random_click(one.mask, rng) if random else centre_click(one.mask))
    masks = model.segment(image, [one.prompt(logits=False) for one in objects], multimask=True)
    for row, one in enumerate(objects):
        candidates = masks.candidates(row)
        top = int(np.argmax(candidates.predicted_iou))
        chosen = top if settings.choice == "top-iou" else 0  # the model puts its choice first
        ious = [one.iou(mask) for mask in candidates.array]
        one.answer(candidates.array[chosen], candidates.low_res_logits[chosen])
        one.first_answer = one.prediction
        one.measures |= {"top": ious[top], "oracle": max(ious)}
        one.measures["predicted_iou"] = float(candidates.predicted_iou[chosen])


def _later_clicks(
    model: Model, image: EncodedImage, objects: Sequence[_Object], settings: ClickSettings
) -> None:
    """Go on until the last number of clicks that anybody asks for; a perfect mask stays as it is."""
    reported = max(settings.points)
    active = list(objects)
    for number in range(2, settings.most_clicks + 1):
        if number > reported:  # only to count clicks: those that are good enough need no more
            active = [one for one in active if max(one.ious) < max(NOC_TARGETS)]
        active = [one for one in active if _clicked(one)]
        masks = model.segment(image, [one.prompt(logits=True) for one in active], multimask=False)
        for one, answer in zip(active, masks, strict=True):
            one.answer(answer.array[0], answer.low_res_logits[0])


def _clicked(one: _Object) -> bool:
    click = one.next_click()
    if click is None:
        return False
    one.clicks.append(click)
    return True


def _boxes(
    model: Model, image: EncodedImage, objects: Sequence[_Object], rng: np.random.Generator
) -> None:
    boxes = [truth_box(one.mask) for one in objects]
    careless = [jittered_box(box, image.frame.size_hw, rng) for box in boxes]
    for name, drawn in (("box", boxes), ("jitter", careless)):
        masks: Masks = model.segment(image, [Prompt(box=box) for box in drawn], multimask=False)
        for one, answer in zip(objects, masks, strict=True):
            one.measures[name] = one.iou(answer.array[0])


def _baselines(opened: Opened, objects: Sequence[_Object], names: Sequence[str]) -> None:
    for name in names:
        method = BASELINES[name](opened.rgb)
        for one in objects:
            guess = method(one.clicks[0].xy, truth_box(one.mask), int(one.mask.sum()))
            one.measures[name] = one.iou(guess)
