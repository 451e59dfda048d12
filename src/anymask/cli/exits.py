"""How a command ends: its exit code, and its one line of error."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

import typer

from anymask.errors import (
    AnymaskError,
    DeviceError,
    FileFormatError,
    ImageError,
    MaskError,
    PromptError,
    PromptTypeError,
)

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130


class UsageError(AnymaskError, ValueError):
    """Options that are wrong or do not go together."""


# what a command meets before any picture is worked on comes from its options and their files
_USAGE_ERRORS = (
    UsageError,
    PromptError,
    PromptTypeError,
    FileFormatError,
    ImageError,
    MaskError,
    DeviceError,
)


def exit_code(error: Exception) -> int:
    """2 for what the caller wrote, 1 for what went wrong."""
    return USAGE if isinstance(error, _USAGE_ERRORS) else FAILED


def error_record(error: BaseException) -> dict[str, str]:
    """An error for machines."""
    return {"type": type(error).__name__, "message": one_line(str(error) or type(error).__name__)}


def fail(error: Exception, *, as_json: bool) -> int:
    """Tell of an error: one line on stderr, and one JSON object on stdout if asked.

    Returns:
        The exit code.
    """
    record = error_record(error)
    typer.echo(f"error: {record['message']}", err=True)
    if as_json:
        echo_json({"error": record})
    return exit_code(error)


def echo_json(value: Any) -> None:
    """Print one JSON object on one line of ASCII, which every pipe and terminal takes."""
    typer.echo(json.dumps(value, ensure_ascii=True, allow_nan=False))


def one_line(text: str) -> str:
    """A message without line breaks."""
    return " ".join(text.split())


def echo_columns(rows: Iterable[Iterable[str]], *, indent: str = "") -> None:
    """Print rows with aligned columns, in plain text that `grep` and `cut` understand."""
    table = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        typer.echo(f"{indent}{'  '.join(cells)}".rstrip())
