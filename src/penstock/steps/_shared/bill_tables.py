"""Tables of many bills: their sums by user, task and month, and what a cloud's export has for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal

from penstock.cost.focus import FocusRun, kind_of_line, tags_of
from penstock.cost.in_vain import parts_usd
from penstock.cost.reconciling import Theirs
from penstock.records import CostLine
from penstock.texts import columns_of, counted, printable
from penstock.units import format_grams, format_seconds, format_usd

__all__ = ["bills_by_tag", "reconciled", "summed_up"]

_HEADS = ("run", "user", "task", "month", "time", "USD", "an epoch", "1,000 samples", "a GiB")
_DASH = "–"


def summed_up(found: Mapping[str, FocusRun], *, without: str = "") -> str:
    """Return a row a run, by its place, then the sums.

    Args:
        without: what of them is told to lack.
    """
    runs = list(found.values())
    has_co2 = any(each.cost.co2 for each in runs)
    told = [(*_cells(each), *([_co2(each)] if has_co2 else [])) for each in runs]
    rows = [(*cells, place) for cells, place in zip(told, found, strict=True)]
    lines = [columns_of([(*_HEADS, *(["CO2e"] if has_co2 else []), "in"), *rows])]
    for word, key in _GROUPS.items():
        groups: dict[str, list[FocusRun]] = defaultdict(list)
        for each in runs:
            groups[key(each)].append(each)
        lines += [f"{word} {printable(name)}: {_sum(group)}\n" for name, group in sorted(groups.items())]
    lines.append(f"total of {counted(len(runs), 'run')}: {_sum(runs)}{without}\n")
    return "".join(lines)


def bills_by_tag(
    runs: Sequence[FocusRun], *, tag_key: str, tags: Mapping[str, str]
) -> dict[str, dict[str, list[CostLine]]]:
    """Return lines of bills by the value of a tag that their FOCUS rows have, then by what they are for."""
    found: dict[str, dict[str, list[CostLine]]] = {}
    for each in runs:
        if value := tags_of(each.run, tags).get(tag_key):
            lines = found.setdefault(value, defaultdict(list))
            for line in each.cost.lines:
                if line.quantity:
                    lines[kind_of_line(line)].append(line)
    return found


def reconciled(
    ours: Mapping[str, Mapping[str, Sequence[CostLine]]], theirs: Theirs, *, tag_key: str, without: str = ""
) -> str:
    """Return a table of what bills have and what exports have, by tag and by what it is for.

    Args:
        without: what either is told to lack.
    """
    rows: list[tuple[str, ...]] = [(tag_key, "for", "bill", "export", "difference", "")]
    for value, own in ours.items():
        other = theirs.by_tag.get(value, {})
        every = [line for lines in own.values() for line in lines]
        rows.append(_compared(value, "all", every, sum(other.values(), Decimal(0))))
        names = sorted({*(name for name, lines in own.items() if any(line.usd != 0 for line in lines)), *other})
        rows += [_compared("", name, own.get(name), other.get(name)) for name in names]
    lines = [f"{theirs.title}, {counted(theirs.num_rows, 'row')}{without}\n", columns_of(rows)]
    lines += [
        f"{printable(value)}: nothing of the export has this tag\n" for value in ours if not theirs.by_tag.get(value)
    ]
    lines += [f"{told}\n" for told in _left(theirs, tag_key)]
    return "".join(lines)


def _left(theirs: Theirs, tag_key: str) -> Iterator[str]:
    if theirs.other_usd:
        yield f"with other values of {tag_key}: {_usd(theirs.other_usd)}"
    if theirs.untagged_usd:
        yield f"without the tag {tag_key}: {_usd(theirs.untagged_usd)}"


def _compared(value: str, name: str, lines: Sequence[CostLine] | None, theirs: Decimal | None) -> tuple[str, ...]:
    """Return a row; a bill that has something without a price differs by nobody knows how much."""
    known = [line.usd for line in lines or () if line.usd is not None]
    ours = sum(known, Decimal(0)) if known or lines is None or not lines else None
    if lines and len(known) < len(lines):
        bill = _DASH if ours is None else f"{_usd(ours)} + ?"
        return value, name, bill, _usd(theirs), _DASH, "not all of the bill has a price"
    difference = (theirs or Decimal(0)) - (ours or Decimal(0))
    told = "the export alone" if lines is None else "the bill alone" if theirs is None else _share(difference, ours)
    sign = "+" if difference > 0 else "-" if difference else ""
    return value, name, _usd(None if lines is None else ours), _usd(theirs), f"{sign}{_usd(abs(difference))}", told


def _share(difference: Decimal, ours: Decimal | None) -> str:
    return f"{100 * difference / ours:+.1f} %" if ours and difference else ""


def _usd(usd: Decimal | None) -> str:
    return _DASH if usd is None else format_usd(usd)


def _sum(runs: Sequence[FocusRun]) -> str:
    has_price = any(each.cost.has_price for each in runs)
    total = sum((each.cost.total_usd for each in runs), Decimal(0)) if has_price else None
    grams = [each.cost.co2.gco2 for each in runs if each.cost.co2 and each.cost.co2.gco2 is not None]
    co2 = f", {format_grams(sum(grams, Decimal(0)))} of CO2e in {counted(len(grams), 'run')}" if grams else ""
    open_ones = sum(bool(each.cost.unpriced) for each in runs)
    left = f", without what has no price in {counted(open_ones, 'run')}" if open_ones else ""
    return f"{_usd(total)}{left}{co2}"


def _co2(each: FocusRun) -> str:
    found = each.cost.co2
    return _DASH if found is None or found.gco2 is None else format_grams(found.gco2)


def _user(each: FocusRun) -> str:
    return each.run.user or _DASH


def _task(each: FocusRun) -> str:
    return each.run.task or _DASH


def _month(each: FocusRun) -> str:
    return each.period[0].strftime("%Y-%m")


_GROUPS: Mapping[str, Callable[[FocusRun], str]] = {"user": _user, "task": _task, "month": _month}


def _cells(each: FocusRun) -> tuple[str, ...]:
    run, cost = each.run, each.cost
    sign = " + ?" if cost.unpriced else ""
    sums = (cost.known_usd, *parts_usd(run, cost))
    told = [_DASH if usd is None else f"{format_usd(usd)}{sign}" for usd in sums]
    return run.run_id, _user(each), _task(each), _month(each), format_seconds(run.wall_seconds), *told
