"""Tables of many bills: their sums by user, task and month, and what a cloud's export has for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal

from penstock.cost.focus import FocusRun, kind_of_line, tags_of
from penstock.cost.reconciling import Theirs
from penstock.texts import columns_of, counted
from penstock.units import GIB, format_grams, format_usd

__all__ = ["bills_by_tag", "reconciled", "summed_up"]

_HEADS = ("run", "user", "task", "month", "hours", "USD", "an epoch", "1,000 samples", "a GiB")
_DASH = "–"


def summed_up(runs: Sequence[FocusRun]) -> str:
    """Return a row a run, then the sums."""
    has_co2 = any(each.cost.co2 for each in runs)
    rows = [(*_cells(each), *([_co2(each)] if has_co2 else [])) for each in runs]
    lines = [columns_of([(*_HEADS, *(["CO2e"] if has_co2 else [])), *rows])]
    for word, key in _GROUPS.items():
        groups: dict[str, list[FocusRun]] = defaultdict(list)
        for each in runs:
            groups[key(each)].append(each)
        lines += [f"{word} {name}: {_sum(group)}\n" for name, group in sorted(groups.items())]
    lines.append(f"total of {counted(len(runs), 'run')}: {_sum(runs)}\n")
    return "".join(lines)


def bills_by_tag(runs: Sequence[FocusRun], *, tag_key: str, tags: Mapping[str, str]) -> dict[str, dict[str, Decimal]]:
    """Add up what bills have by the value of a tag that their FOCUS rows have, then by what it is for."""
    found: dict[str, dict[str, Decimal]] = {}
    for each in runs:
        if value := tags_of(each.run, tags).get(tag_key):
            sums = found.setdefault(value, defaultdict(Decimal))
            for line in each.cost.lines:
                sums[kind_of_line(line)] += line.usd or Decimal(0)
    return found


def reconciled(ours: Mapping[str, Mapping[str, Decimal]], theirs: Theirs, *, tag_key: str) -> str:
    """Return a table of what bills have and what exports have, by tag and by what it is for."""
    rows: list[tuple[str, ...]] = [(tag_key, "for", "bill", "export", "difference", "")]
    for value, own in ours.items():
        other = theirs.by_tag.get(value, {})
        rows.append(_compared(value, "all", sum(own.values(), Decimal(0)), sum(other.values(), Decimal(0))))
        names = sorted({*(name for name, usd in own.items() if usd), *other})
        rows += [_compared("", name, own.get(name), other.get(name)) for name in names]
    lines = [f"{theirs.title}, {counted(theirs.num_rows, 'row')}\n", columns_of(rows)]
    lines += [f"{value}: nothing of the export has this tag\n" for value in ours if not theirs.by_tag.get(value)]
    lines += [f"{told}\n" for told in _left(theirs, tag_key)]
    return "".join(lines)


def _left(theirs: Theirs, tag_key: str) -> Iterator[str]:
    if theirs.other_usd:
        yield f"with other values of {tag_key}: {_usd(theirs.other_usd)}"
    if theirs.untagged_usd:
        yield f"without the tag {tag_key}: {_usd(theirs.untagged_usd)}"


def _compared(value: str, name: str, ours: Decimal | None, theirs: Decimal | None) -> tuple[str, ...]:
    difference = (theirs or Decimal(0)) - (ours or Decimal(0))
    told = "the export alone" if ours is None else "the bill alone" if theirs is None else _share(difference, ours)
    sign = "+" if difference > 0 else "-" if difference else ""
    return value, name, _usd(ours), _usd(theirs), f"{sign}{_usd(abs(difference))}", told


def _share(difference: Decimal, ours: Decimal) -> str:
    return f"{100 * difference / ours:+.1f} %" if ours and difference else ""


def _usd(usd: Decimal | None) -> str:
    return _DASH if usd is None else format_usd(usd)


def _sum(runs: Sequence[FocusRun]) -> str:
    total = sum((each.cost.total_usd for each in runs), Decimal(0))
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
    run, usd = each.run, each.cost.total_usd
    parts = (len(run.epochs), run.num_trained_samples / 1000, run.meters.sample_bytes / GIB)
    sign = " + ?" if each.cost.unpriced else ""
    told = [f"{format_usd(float(usd) / part)}{sign}" if part else _DASH for part in parts]
    hours = f"{run.wall_seconds / 3600:.2f}"
    return run.run_id, _user(each), _task(each), _month(each), hours, f"{format_usd(float(usd))}{sign}", *told
