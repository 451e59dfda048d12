"""`ClickSettings`: how clicks are simulated; `ModelOptions`: how the model is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from anymask.errors import PromptError
from anymask.evaluation.baselines import BASELINES
from anymask.evaluation.jobs import Opened
from anymask.inference.choice import Rank
from anymask.inference.segment import Model
from anymask.inference.zoom import segment_zoomed
from anymask.types.masks import Masks
from anymask.types.prompt import Prompt

FirstClick = Literal["centre", "random"]
Unsure = Literal["skip", "object"]

NOC_CLICKS = 20
NOC_TARGETS = (0.85, 0.90)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """How the model is asked: the one place through which every prompt of an evaluation goes.

    Attributes:
        rank: which rule chooses the answer, see `Model.segment`.
        zoom: look at small objects in a window, see `segment_zoomed`.
    """

    rank: Rank = "plausibility"
    zoom: bool = False

    def segment(self, model: Model, opened: Opened, prompts: Sequence[Prompt]) -> Masks:
        """Masks for prompts on one picture, as a user of the model gets them."""
        if self.zoom:
            return segment_zoomed(
                model, opened.rgb, prompts, encoded=opened.encoded, rank=self.rank
            )
        return model.segment(opened.encoded, prompts, rank=self.rank)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickSettings:
    """How clicks are simulated.

    Attributes:
        limit: objects a set, see `jobs.sampled`; None takes all.
        seed: of sampling, random clicks and careless boxes.
        points: numbers of clicks to tell of.
        first: where the first click goes.
        unsure: pixels nobody is sure of belong to the object, as plain COCO readers take them, or
            count for nothing.
        options: how the model is asked.
        noc: go on to 20 clicks where needed, to count how many 85 and 90 % IoU take.
        baselines: names of methods to compare with, see `baselines.BASELINES`.
        bootstrap: repeats for the intervals.
    """

    limit: int | None = None
    seed: int = 0
    points: tuple[int, ...] = (1, 2, 3, 5, 9)
    first: FirstClick = "centre"
    unsure: Unsure = "object"
    options: ModelOptions = field(default_factory=ModelOptions)
    noc: bool = False
    baselines: tuple[str, ...] = ()
    bootstrap: int = 1000

    def __post_init__(self) -> None:
        """Refuse values that mean nothing."""
        if self.limit is not None and self.limit < 1:
            raise PromptError(f"limit is {self.limit}; give at least 1")
        if not self.points or min(self.points) < 1 or max(self.points) > 100:
            raise PromptError(f"points is {self.points}; give numbers of clicks from 1 to 100")
        if self.bootstrap < 0:
            raise PromptError(f"bootstrap is {self.bootstrap}; give 0 or more repeats")
        unknown = sorted(set(self.baselines) - BASELINES.keys())
        if unknown:
            raise PromptError(
                f"baselines names {unknown[0]!r}; there are {', '.join(sorted(BASELINES))}"
            )

    @property
    def most_clicks(self) -> int:
        """How many are simulated at most."""
        return max(*self.points, NOC_CLICKS if self.noc else 1)
