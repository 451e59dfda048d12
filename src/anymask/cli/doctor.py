"""``anymask doctor``: what a bug ticket should say about the machine."""

from __future__ import annotations

from typing import Any

import typer

from anymask.cli.exits import echo_columns, echo_json
from anymask.cli.models import JsonOption


def doctor(as_json: JsonOption = False) -> None:
    """Report versions, processor, devices and folders, for a bug ticket; changes nothing."""
    from anymask.cli.environment import describe

    report = describe()
    if as_json:
        echo_json(report)
        return
    for section, values in report.items():
        typer.echo(f"{section}:")
        echo_columns(
            [[key, _text(value)] for key, value in values.items()] or [["none"]], indent="  "
        )


def _text(value: Any) -> str:
    """A value for people: lists with commas, nothing as a dash."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)
