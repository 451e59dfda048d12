"""Lines over two axes as inline SVG."""

from __future__ import annotations

from html import escape
from typing import Final

from anymask.evaluation.jobs import Chart, Curve

_WIDTH, _HEIGHT = 720, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 150, 16, 44
_COLOURS: Final = ("#0077cc", "#dd7700", "#009966", "#bb3377", "#7755cc", "#996633")
_STEPS: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_MOST_TICKS: Final = 12


def chart_svg(chart: Chart) -> str:
    """A chart with its heading; each line names itself when pointed at."""
    xs = [x for curve in chart.curves for x, _ in curve.points]
    low, high = (min(xs), max(xs)) if xs else (0.0, 1.0)
    frame = _Frame(low, high if high > low else low + 1)
    faint = [_line(frame, curve, "#888", 1) for curve in chart.curves if not curve.strong]
    strong = [curve for curve in chart.curves if curve.strong]
    front = [
        _line(frame, curve, _COLOURS[n % len(_COLOURS)], 3) + _name(n, curve.name)
        for n, curve in enumerate(strong)
    ]
    parts = "\n".join([*frame.axes(chart, xs), *faint, *front])
    return (
        f"<h2>{escape(chart.title)}</h2>\n"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" '
        f'aria-label="{escape(chart.title)}" font-size="12" fill="currentColor">\n{parts}\n</svg>'
    )


class _Frame:
    """From values to places in the picture."""

    def __init__(self, low: float, high: float) -> None:
        self._low, self._high = low, high

    def x(self, value: float) -> float:
        share = (value - self._low) / (self._high - self._low)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - value * (_HEIGHT - _TOP - _BOTTOM)

    def axes(self, chart: Chart, xs: list[float]) -> list[str]:
        right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
        lines = [
            f'<line x1="{_LEFT}" x2="{right}" y1="{self.y(v):.1f}" y2="{self.y(v):.1f}" '
            f'stroke="#8884"/><text x="{_LEFT - 8}" y="{self.y(v) + 4:.1f}" '
            f'text-anchor="end">{v:.1f}</text>'
            for v in _STEPS
        ]
        lines += [
            f'<text x="{self.x(v):.1f}" y="{bottom + 18}" text-anchor="middle">{v:g}</text>'
            for v in _ticks(xs)
        ]
        middle = (_LEFT + right) / 2
        lines.append(
            f'<text x="{middle}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(chart.x_label)}'
            f'</text><text x="14" y="{bottom / 2}" text-anchor="middle" '
            f'transform="rotate(-90 14 {bottom / 2})">{escape(chart.y_label)}</text>'
        )
        return lines


def _ticks(xs: list[float]) -> list[float]:
    values = sorted(set(xs))
    if len(values) <= _MOST_TICKS:
        return values
    low, high = values[0], values[-1]
    return [low + (high - low) * share for share in _STEPS]


def _line(frame: _Frame, curve: Curve, colour: str, width: int) -> str:
    points = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in curve.points)
    return (
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}">'
        f"<title>{escape(curve.name)}</title></polyline>"
    )


def _name(number: int, name: str) -> str:
    x, y = _WIDTH - _RIGHT + 14, _TOP + 16 * (number + 1)
    colour = _COLOURS[number % len(_COLOURS)]
    return f'<text x="{x}" y="{y}" style="fill:{colour};font-weight:600">{escape(name)}</text>'
