"""How long work says where it is: plain values handed to a callback, drawn by whoever asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """One report of a running job.

    Attributes:
        stage: what is being done, as a short phrase ("download vit_t").
        done: how much is done, in `unit`s.
        total: how much there is, or None when that is not known.
        unit: what `done` and `total` count, such as "bytes" or "images".
    """

    stage: str
    done: int
    total: int | None = None
    unit: str = "items"


ProgressCallback = Callable[[Progress], None]
