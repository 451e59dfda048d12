"""The results as one Markdown page of tables, and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

import allocator

Row = dict[str, Any]
"""One variant in one task with one allocator setting, as run.py collects it."""

HEAD = (
    "| implementation | allocator | median | least | n | ratio to the original | CPU s | peak RSS "
    "| agreement with the original |\n|---|---|---:|---:|---:|---:|---:|---:|---|"
)
_MS_BELOW_SECONDS = 10.0


def write(folder: Path, head: dict[str, Any], titles: dict[str, str], rows: list[Row]) -> Path:
    """Both files; gives the path of the Markdown."""
    results = {"machine": head, "titles": titles, "rows": rows}
    (folder / "results.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    page = folder / "report.md"
    page.write_text(markdown(head, titles, rows), encoding="utf-8")
    return page


def read(folder: Path) -> dict[str, Any]:
    """Results written before, or nothing."""
    path = folder / "results.json"
    if not path.exists():
        return {"machine": {}, "titles": {}, "rows": []}
    results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return results


def markdown(head: dict[str, Any], titles: dict[str, str], rows: list[Row]) -> str:
    """The whole page."""
    parts = [_about(head, rows)]
    for task, title in titles.items():
        mine = [row for row in rows if row["task"] == task]
        if mine:
            parts.append("\n".join([f"### {title}", "", HEAD, *_lines(mine)]))
    return "\n\n".join(parts) + "\n"


def _about(head: dict[str, Any], rows: list[Row]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in head["versions"].items())
    quick = "; quick run: few repetitions, 8 x 8 points" if any(r["quick"] for r in rows) else ""
    return (
        f"CPU {head['cpu']} (family/model {head['cpu_family_model']}; "
        f"{', '.join(head['features'])}), {head['cores']} cores, {head['memory_gb']} GB, "
        f"{head['system']}, Python {head['python']}. {head['threads']} threads. {versions}. "
        f"anymask {', '.join(sorted({row['commit'] for row in rows}))}{quick}."
    )


def _lines(rows: list[Row]) -> list[str]:
    lines = []
    for setting in allocator.SETTINGS:
        mine = [row for row in rows if row["allocator"] == setting]
        original = next((row for row in mine if row.get("seconds")), None)
        lines += [_line(row, original) for row in mine]
    return lines


def _line(row: Row, original: Row | None) -> str:
    start = f"| {row['variant']} | {row['allocator']} |"
    if row.get("skipped"):
        return f"{start} skipped: {row['skipped']} | | | | | | |"
    seconds, cpu = row["seconds"], row["cpu_seconds"]
    ratio = ""
    if original is not None and original["is_original"]:
        ratio = f"{median(original['seconds']) / median(seconds):.2f}x"
    return (
        f"{start} {_duration(median(seconds))} | {_duration(min(seconds))} | {len(seconds)} | "
        f"{ratio} | {median(cpu):.3g} | {row['peak_rss_mb']:.0f} MB | {_quality(row)} |"
    )


def _duration(seconds: float) -> str:
    if seconds < _MS_BELOW_SECONDS:
        return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds * 1e3:.0f} ms"
    return f"{seconds:.1f} s"


def _quality(row: Row) -> str:
    found = row.get("quality") or {}
    if row["is_original"]:
        return f"{found['masks']} masks" if "masks" in found else "reference"
    if "cosine" in found:
        largest = found["max_difference_in_spreads"]
        return f"cosine {found['cosine']:.6f}, largest difference {largest:.1e} spreads"
    if "prompts" in found:
        mean, least = found["iou_mean"], found["iou_min"]
        return f"IoU mean {mean:.4f}, least {least:.4f} ({found['prompts']} masks)"
    if "same" in found:
        return (
            f"{found['masks']} masks of {found['reference_masks']}; same {found['same']:.0%}, "
            f"IoU >= 0.95 {found['matched_at_95']:.0%}, >= 0.9 {found['matched_at_90']:.0%}"
        )
    return ", ".join(f"{name} {value}" for name, value in found.items())
