"""Reports as one Markdown page, quality beside speed, to be kept with the documentation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from anymask.errors import FileFormatError
from anymask.evaluation.html import cell_text
from anymask.evaluation.jobs import Table
from anymask.evaluation.report import SCHEMA

Record = Mapping[str, Any]

_SPEED_COLUMNS: Final = "| task | what | median | peak memory | times |\n|---|---|---:|---:|---:|"


def read_report(path: Path) -> Record:
    """A report that an evaluation wrote.

    Raises:
        FileFormatError: something else, or of another version.
    """
    content = _json(path)
    schema = content.get("schema")
    if schema != SCHEMA:
        raise FileFormatError(f"{path} has schema {schema!r}; give a report with {SCHEMA!r}")
    return content


def read_speed(path: Path) -> Record:
    """The `results.json` of the benchmarks.

    Raises:
        FileFormatError: something else.
    """
    content = _json(path)
    if not {"machine", "titles", "rows"} <= content.keys():
        raise FileFormatError(f"{path} is no result of benchmarks/run.py (results.json)")
    return content


def page_markdown(reports: Sequence[Record], speed: Record | None = None) -> str:
    """The whole page.

    Args:
        reports: what `read_report` gave.
        speed: what `read_speed` gave.
    """
    parts = ["# Measured quality", "Made by `anymask evaluate page`; not written by hand."]
    for report in reports:
        parts += [f"## {report['evaluation']}", f"**{report['headline']}**", _about(report)]
        parts += map(str, report["notes"])
        parts += [f"### {table['title']}\n\n{_table(table)}" for table in report["tables"]]
    if speed is not None:
        parts += ["## Speed", _machine(speed["machine"]), _speed(speed)]
    return "\n\n".join(parts) + "\n"


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise FileFormatError(f"there is no file at {path}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise FileFormatError(f"{path} is no JSON file: {error}") from error
    if not isinstance(content, dict):
        raise FileFormatError(f"{path} is no report; give one that anymask evaluate wrote")
    return content


def _about(report: Record) -> str:
    model = report["model"]
    settings = ", ".join(f"{key} {_told(value)}" for key, value in report["settings"].items())
    return (
        f"Model {model['id']}, {model['engine']} on {model['device']}, canvas "
        f"{model['canvas_px']} px; {report['images']} images; commit {report['commit']}; "
        f"{_machine(report['machine'])}\n\nSettings: {settings}."
    )


def _told(value: Any) -> str:
    """Nested settings without those that are not given."""
    if isinstance(value, Mapping):
        inner = (f"{key} {_told(one)}" for key, one in value.items() if one is not None)
        return f"({', '.join(inner)})"
    if isinstance(value, (list, tuple)):
        return " ".join(map(_told, value)) or "none"
    return "all" if value is None else str(value)


def _machine(machine: Record) -> str:
    return f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}."


def _table(record: Record) -> str:
    table = Table(
        str(record["title"]),
        tuple(record["columns"]),
        tuple(tuple(row) for row in record["rows"]),
        frozenset(record["percent"]),
    )
    lines = [
        [cell_text(table, name, value) for name, value in zip(table.columns, row, strict=True)]
        for row in table.rows
    ]
    rule = ["---", *["---:"] * (len(table.columns) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in [table.columns, rule, *lines])


def _speed(speed: Record) -> str:
    lines = [
        f"| {speed['titles'][row['task']]} | {row['variant']} | {_duration(row['seconds'])} "
        f"| {row['peak_rss_mb']:.0f} MB | {len(row['seconds'])} |"
        for row in speed["rows"]
        if row.get("seconds") and row["allocator"] == "default"
    ]
    return "\n".join([_SPEED_COLUMNS, *lines])


def _duration(seconds: Sequence[float]) -> str:
    middle = median(seconds)
    return f"{middle:.2f} s" if middle >= 1 else f"{middle * 1000:.0f} ms"
