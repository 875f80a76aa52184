"""An inspection as one HTML page that needs nothing beside itself: no script, no font, no picture from elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from importlib import resources

from penstock.inspection.found import Inspection, Kind, Picture
from penstock.inspection.words import (
    KIND_HEADS,
    headline,
    kind_cells,
    notes,
    sizes_told,
    spent_told,
    splits_told,
)
from penstock.report.markdown import escape_html as escape
from penstock.units import format_bytes

__all__ = ["as_page"]


def as_page(found: Inspection, pictures: Sequence[Picture]) -> str:
    """Return the page."""
    css = resources.files(__package__).joinpath("page.css").read_text()
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    sections = [_summary(found), _panel("Advice", _items([*found.advice, *notes(found), spent_told(found)]))]
    sections.append(_panel("Kinds", _table(KIND_HEADS, [kind_cells(kind) for kind in found.kinds], numbers=(1, 2, 3))))
    sections += [_of_kind(kind) for kind in found.kinds if kind.columns or kind.mismatches or kind.note]
    if pictures:
        sections.append(_panel("Pictures", f'<div class="pictures">{"".join(map(_picture, pictures))}</div>'))
    title = f"What lies at {found.source}"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
        f"<title>{escape(title)}</title>\n<style>\n{css}</style>\n</head>\n<body>\n<main>\n"
        f'<p class="kicker">Penstock inspect</p>\n<h1>{escape(found.source)}</h1>\n'
        f"{''.join(sections)}</main>\n</body>\n</html>\n"
    )


def _summary(found: Inspection) -> str:
    most = max(each.num_objects for each in found.figures.classes)
    bars = "".join(
        f'<tr><th scope="row">up to {escape(format_bytes(each.up_to_bytes))}</th><td class="number">'
        f'{each.num_objects:,}</td><td class="bar">'
        f'<span style="width:{100 * each.num_objects / most:.1f}%"></span></td></tr>'
        for each in found.figures.classes
    )
    lines = "".join(f"<p>{escape(line)}</p>" for line in (f"Sizes: {sizes_told(found)}", *splits_told(found)))
    return _panel(headline(found), f'{lines}<table class="sizes"><tbody>{bars}</tbody></table>')


def _of_kind(kind: Kind) -> str:
    told = "".join(f'<p class="warn">{escape(note)}</p>' for note in kind.mismatches)
    told += f'<p class="note">{escape(kind.note)}</p>' if kind.note else ""
    if not kind.columns:
        return _panel(kind.extension or "(no extension)", told)
    num_values = max(len(column.values) for column in kind.columns)
    heads = ("column", "type", *(f"sample {number}" for number in range(num_values)))
    rows = [
        (column.name, column.type, *column.values, *[""] * (num_values - len(column.values))) for column in kind.columns
    ]
    return _panel(kind.example, told + _table(heads, rows))


def _picture(picture: Picture) -> str:
    data = base64.b64encode(picture.png).decode()
    told = f"{picture.name}: {picture.told}"
    return (
        f'<figure><img alt="{escape(told)}" src="data:image/png;base64,{data}"><figcaption>{escape(told)}'
        "</figcaption></figure>"
    )


def _panel(heading: str, body: str) -> str:
    return f'<section class="panel"><h2>{escape(heading)}</h2>\n{body}\n</section>\n'


def _items(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[int] = ()) -> str:
    def cell(number: int, text: str) -> str:
        if not number:
            return f'<th scope="row">{escape(text)}</th>'
        return f"<td{' class=number' if number in numbers else ''}>{escape(text)}</td>"

    top = "".join(
        f'<th scope="col"{" class=number" if number in numbers else ""}>{escape(head)}</th>'
        for number, head in enumerate(heads)
    )
    body = "".join(f"<tr>{''.join(cell(number, text) for number, text in enumerate(row))}</tr>\n" for row in rows)
    return f'<div class="scroll" tabindex="0"><table><thead><tr>{top}</tr></thead><tbody>\n{body}</tbody></table></div>'
