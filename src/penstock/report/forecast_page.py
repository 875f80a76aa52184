"""A forecast as one HTML page that needs nothing beside itself."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.cost.forecasting import Forecast, Line
from penstock.cost.forecasting.plan import Outlook
from penstock.report.forecast_told import HEADS, assumptions_told, command_of, facts_told, nodes_told, way_cells
from penstock.report.markdown import escape_html as escape
from penstock.units import format_usd, plain_number

__all__ = ["forecast_page"]

_CSS = """
:root { color-scheme: light dark; --line: #8886; --best: #2a7; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 70rem; padding: 1rem; }
h1, h2, p, li, summary { overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .5rem; text-align: left; white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
tr.best { outline: 2px solid var(--best); outline-offset: -2px; }
.advice { border-left: 4px solid var(--best); padding-left: .8rem; }
code { overflow-wrap: anywhere; }
code span { display: inline-block; max-width: 100%; }
@media screen and (max-width: 46rem) {
  th, td { white-space: normal; overflow-wrap: anywhere; padding: .3rem .4rem .3rem 0; }
  .ways thead { display: none; }
  .ways tr { display: grid; grid-template-columns: 1.25fr 1.25fr .8fr 1fr; border-bottom: 1px solid var(--line); }
  .ways th { grid-column: 1 / -1; border: 0; padding-bottom: 0; }
  .ways td { border: 0; text-align: left; font-size: .85rem; white-space: normal; }
  .ways td::before { content: attr(data-head); display: block; opacity: .65; }
}
@media print {
  body { font-size: 12px; max-width: none; padding: 0; }
  .wide { overflow: visible; }
  th, td { white-space: normal; font-size: 10px; padding: .15rem .6rem; }
  tr { break-inside: avoid; }
  h2, summary { break-after: avoid; }
  details::details-content { content-visibility: visible; }
}
"""


def forecast_page(found: Sequence[Forecast]) -> str:
    """Return the page."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    nodes = "".join(f"<p>{escape(line)}</p>" for line in nodes_told(found))
    assumed = "".join(f"<li>{escape(line)}</li>" for line in assumptions_told(found))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
        f"<title>Forecast</title>\n<style>{_CSS}</style>\n</head>\n<body>\n<h1>What it will cost</h1>\n{nodes}"
        f"{''.join(map(_section, found))}<h2>Assumptions</h2><ul>{assumed}</ul>\n</body>\n</html>\n"
    )


def _section(found: Forecast) -> str:
    facts = "".join(f"<p>{escape(line)}</p>" for line in facts_told(found))
    name, *figures = map(escape, HEADS)
    heads = f'<th scope="col">{name}</th>' + "".join(f'<th scope="col" class="number">{head}</th>' for head in figures)
    rows = "".join(_row(each, is_best=each.mid.way.name == found.best) for each in found.outlooks)
    told = "".join(f"<p>{escape(line)}</p>" for line in found.sentences)
    words = " ".join(f"<span>{escape(word)}</span>" for word in command_of(found).split(" "))  # a flag stays whole
    advice = f"<strong>{escape(found.recommendation)}</strong><br><code>{words}</code>"
    return (
        f"<section><h2>{escape(found.node.name or 'Node')}</h2>{facts}"
        f'<p class="advice">{advice}</p>'
        f'<div class="wide"><table class="ways"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
        f"{told}{''.join(map(_lines, found.outlooks))}</section>\n"
    )


def _row(outlook: Outlook, *, is_best: bool) -> str:
    name, *others = way_cells(outlook, is_best=is_best)
    cells = "".join(
        f'<td class="number" data-head="{escape(head)}">{escape(cell)}</td>'
        for head, cell in zip(HEADS[1:], others, strict=True)
    )
    title = escape(outlook.mid.way.told)
    return f'<tr{" class=best" if is_best else ""}><th scope="row" title="{title}">{escape(name)}</th>{cells}</tr>'


def _lines(outlook: Outlook) -> str:
    rows = "".join(map(_line, outlook.mid.lines))
    told = escape(f"{outlook.mid.way.name}: {outlook.mid.way.told}")
    return f'<details><summary>{told}</summary><div class="wide"><table><tbody>{rows}</tbody></table></div></details>'


def _line(line: Line) -> str:
    usd = "no price" if line.usd is None else format_usd(float(line.usd))
    quantity = f"{_number(float(line.quantity))} {line.unit}{'s' if line.unit.endswith('hour') else ''}"
    return (
        f'<tr><th scope="row">{escape(line.what)}</th><td class="number">{escape(quantity)}</td>'
        f'<td class="number">{escape(usd)}</td></tr>'
    )


def _number(quantity: float) -> str:
    return f"{quantity:,.0f}" if quantity >= 1000 else plain_number(quantity, digits=4)
