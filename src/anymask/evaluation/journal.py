"""The outcomes of a run, kept line by line, so that an interrupted run goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anymask.evaluation.jobs import Outcome

SCHEMA = "anymask.evaluation-journal/1"


class Journal:
    """A file of outcomes, one JSON object a line.

    Its name tells what the outcomes depend on, so those of other settings, models or versions are
    never taken for these.

    Args:
        folder: where it lies; made when the first outcome is added.
        about: what the outcomes depend on; only what JSON can hold.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        text = json.dumps({"schema": SCHEMA, **about}, sort_keys=True)
        self.path = folder / f"journal-{hashlib.sha256(text.encode()).hexdigest()[:12]}.jsonl"

    def read(self) -> dict[str, Outcome]:
        """Key of the job -> its outcome; lines that were cut short are left out."""
        if not self.path.is_file():
            return {}
        outcomes: dict[str, Outcome] = {}
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
                outcomes[str(entry["key"])] = entry["outcome"]
            except (ValueError, KeyError, TypeError):
                continue
        return outcomes

    def add(self, key: str, outcome: Outcome) -> None:
        """Append an outcome; it is on its way to the disk when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"key": key, "outcome": outcome}, allow_nan=False)
        # a line that a killed run cut short is ended first
        with self.path.open("a+b") as file:
            if file.tell():
                file.seek(-1, 2)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write(line.encode() + b"\n")

    def clear(self) -> None:
        """Forget everything."""
        self.path.unlink(missing_ok=True)
