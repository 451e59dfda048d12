"""A report as one HTML file that needs nothing else: no script, no font, no other file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from anymask.evaluation.charts import chart_svg
from anymask.evaluation.jobs import Summary, Table
from anymask.evaluation.pictures import CasePicture

_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.headline { font-size: 1.15rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid #8884; }
th:first-child, td:first-child { text-align: left; }
tbody tr:last-child.mean td { font-weight: 700; border-top: 2px solid #8888; }
svg { max-width: 100%; height: auto; }
.cases { display: grid; grid-template-columns: repeat(auto-fill, minmax(22rem, 1fr)); gap: 1rem; }
figure { margin: 0; } figure img { width: 100%; border-radius: 4px; }
figcaption { font-size: .8rem; overflow-wrap: anywhere; }
.key span { display: inline-block; padding: 0 .5rem; margin-right: .5rem; color: #fff;
  border-radius: 3px; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .8rem; }
"""
_KEY: Final = (
    '<p class="key"><span style="background:#28be6e">right</span>'
    '<span style="background:#286eff">missing</span>'
    '<span style="background:#f03c3c">too much</span>'
    "yellow: foreground point or box, black: background point</p>"
)


@dataclass(frozen=True, slots=True)
class Page:
    """What a page shows.

    Attributes:
        title: its heading.
        summary: tables, charts, notes.
        head: what it was measured with; only what JSON can hold.
        failures: one line each.
        pictures: the worst cases, worst first.
    """

    title: str
    summary: Summary
    head: Mapping[str, Any]
    failures: tuple[str, ...]
    pictures: tuple[CasePicture, ...]


def page_html(page: Page) -> str:
    """The whole file."""
    title, summary = escape(page.title), page.summary
    parts = [
        f"<h1>{title}</h1>",
        f'<p class="headline">{escape(summary.headline)}</p>',
        *(f"<p>{escape(note)}</p>" for note in summary.notes),
        *map(chart_svg, summary.charts),
        *map(table_html, summary.tables),
        *_failures(page.failures),
        *_cases(page.pictures),
        "<h2>Measured with</h2>",
        f"<pre>{escape(json.dumps(page.head, indent=2, ensure_ascii=False))}</pre>",
    ]
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width">\n<title>{title}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def table_html(table: Table) -> str:
    """A table with its heading; shares are shown as percent."""
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.columns)
    rows = "\n".join(_row(table, row) for row in table.rows)
    return (
        f'<h2>{escape(table.title)}</h2>\n<div class="scroll"><table>\n'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>"
    )


def cell_text(table: Table, column: str, value: str | float | None) -> str:
    """A cell for people: one decimal of percents, two of other numbers, a dash for none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, str | int):
        return str(value)
    return f"{100 * value:.1f}" if column in table.percent else f"{value:.2f}"


def _row(table: Table, row: Iterable[str | float | int | None]) -> str:
    cells = [
        escape(cell_text(table, column, value))
        for column, value in zip(table.columns, row, strict=True)
    ]
    kind = ' class="mean"' if cells[0] == "mean" else ""
    return f"<tr{kind}>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _failures(failures: tuple[str, ...]) -> list[str]:
    if not failures:
        return []
    items = "".join(f"<li>{escape(one)}</li>" for one in failures)
    return [f"<h2>Failed</h2><ul>{items}</ul>"]


def _cases(pictures: tuple[CasePicture, ...]) -> list[str]:
    if not pictures:
        return []
    figures = "\n".join(
        f'<figure><img alt="{escape(one.caption)}" src="{one.data_uri}">'
        f"<figcaption>{escape(one.caption)}</figcaption></figure>"
        for one in pictures
    )
    return [f'<h2>The {len(pictures)} worst</h2>\n{_KEY}\n<div class="cases">\n{figures}\n</div>']
