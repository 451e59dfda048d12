"""How a text token is trained."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSettings:
    """How a text token is trained; the defaults are a small run, not the paper's.

    Attributes:
        steps: the paper took 120,000.
        pictures: of each step.
        masks: of each picture at most.
        points: added after the first answer, one at a time.
        learning_rate: its peak, after the warm-up.
        weight_decay: of AdamW.
        smallest_area: pixels a mask must have.
        decoder: train the mask decoder as well, which changes the model: the published one was
            never shown such tokens, and hardly obeys them.
        seed: of everything that is drawn.
    """

    steps: int = 2000
    pictures: int = 4
    masks: int = 16
    points: int = 2
    learning_rate: float = 8e-4
    weight_decay: float = 0.1
    smallest_area: int = 100 * 100
    decoder: bool = True
    seed: int = 0
