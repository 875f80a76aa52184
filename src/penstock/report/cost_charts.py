"""Bars of what costs how much: the lines of a bill, and the ways that data could have gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from matplotlib.axes import Axes

from penstock.records import CostReport
from penstock.report.charts import panels
from penstock.report.cost_tables import way_usd
from penstock.report.svg import SERIES, THEME, clean_text
from penstock.units import format_seconds, format_usd

__all__ = ["lines_chart", "ways_chart"]

_MUTED = tuple(THEME)[2]
_WIDTH_INCHES, _ROW_INCHES, _EDGE_INCHES = 4.3, 0.44, 0.1
_THICK = 0.3
_MAX_TEXT = 42
"""Characters above a bar."""
_MAX_LINES = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class _Bar:
    """A bar with what stands above it.

    Attributes:
        length: in the chart's unit; 0 draws none.
        figure: at the right.
    """

    text: str
    length: float
    figure: str
    color: str = SERIES[0]


def lines_chart(cost: CostReport) -> str:
    """Draw the lines of a bill, the dearest first; what has no price stands without a bar."""
    lines = sorted(cost.lines, key=lambda line: line.usd or 0, reverse=True)
    counted = [line for line in lines if line.usd or line.quantity]
    shown = counted if len(counted) <= _MAX_LINES else counted[: _MAX_LINES - 1]
    bars = [
        _Bar(
            text=line.what,
            length=float(line.usd or 0),
            figure="no price" if line.usd is None else format_usd(line.usd),
        )
        for line in shown
    ]
    if left := counted[len(shown) :]:
        usd, is_open = (
            sum((line.usd or Decimal(0) for line in left), Decimal(0)),
            any(line.usd is None for line in left),
        )
        bars.append(_Bar(text=f"{len(left)} more lines", length=float(usd), figure=_left(usd, is_open=is_open)))
    told = "; ".join(f"{bar.text} {bar.figure}" for bar in bars)
    return _drawn("cost-lines", "Cost by line", f"{told}.", bars)


def _left(usd: Decimal, *, is_open: bool) -> str:
    if not is_open:
        return format_usd(usd)
    return f"{format_usd(usd)} + ?" if usd else "no price"


def ways_chart(cost: CostReport) -> str:
    """Draw what each way costs, or how long it takes where nothing has a price."""
    is_priced = any(way.usd for way in cost.ways) and not cost.ways[0].unpriced
    bars = []
    for way in cost.ways:
        time = format_seconds(float(way.wall_seconds))
        bars.append(
            _Bar(
                text=f"{way.name}{'' if way.fits else ' (no room)'}",
                length=float(way.usd if is_priced else way.wall_seconds),
                figure=f"{way_usd(way)}, {time}" if is_priced else time,
                color=SERIES[0] if way.is_measured else _MUTED,
            )
        )
    told = "; ".join(f"{bar.text}: {bar.figure}" for bar in bars)
    return _drawn("cost-ways", "Cost by way" if is_priced else "Time by way", f"{told}.", bars)


def _drawn(name: str, title: str, description: str, bars: Sequence[_Bar]) -> str:
    most = max((bar.length for bar in bars), default=0.0) or 1.0

    def draw(axes: Axes) -> None:
        for row, bar in enumerate(bars):
            axes.barh(row, bar.length, height=_THICK, color=bar.color)
            axes.text(0, row - _THICK, _short(clean_text(bar.text)), ha="left", va="bottom")
            axes.text(most, row - _THICK, bar.figure, ha="right", va="bottom")
        axes.set_xlim(0, most)
        axes.set_ylim(len(bars) - 0.5, -1.0)
        axes.set_axis_off()

    height = _EDGE_INCHES + _ROW_INCHES * len(bars)
    return panels(name, title, description, [draw], height_inches=height, width_inches=_WIDTH_INCHES)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 1]}…"
