"""What several runs took and cost, side by side, by their records and bills."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from penstock.cost.focus import kind_of_line
from penstock.cost.in_vain import parts_usd
from penstock.records import CostReport, RunRecord
from penstock.report.comparing import Compared
from penstock.report.tables import Table
from penstock.units import format_bytes, format_grams, format_seconds, format_usd

__all__ = ["cost_rows", "cost_table"]

_DASH = "–"
_OPEN = " + ?"
"""Stands behind a sum that something without a price belongs to."""


def cost_rows(runs: Sequence[Compared]) -> list[tuple[str, ...]]:
    """Return rows of a name and a cell a run: what each took, then what it cost, ``*`` at the least of a row."""
    taken = [(name, *(_DASH if each.run is None else tell(each.run) for each in runs)) for name, tell in _TAKEN]
    billed = [_sums(name, [_sum_of(each, tell) for each in runs], is_best=is_best) for name, tell, is_best in _BILLED]
    co2 = [each.cost.co2 if each.cost else None for each in runs]
    emitted = [("CO2e, estimated", *(_DASH if not one or one.gco2 is None else format_grams(one.gco2) for one in co2))]
    return [*taken, *billed, *(emitted if any(co2) else [])]


def cost_table(runs: Sequence[Compared]) -> Table | None:
    """Return the table of a page; None where no run is known but by its scores."""
    if all(each.run is None and each.cost is None for each in runs):
        return None
    return Table(
        caption="What each took and cost; * is the least of a row, + ? leaves out what has no price",
        header=("", *(each.label for each in runs)),
        rows=tuple(cost_rows(runs)),
        side_by_side=True,
    )


def _node(run: RunRecord) -> str:
    host = run.host
    words = (
        host.instance_type or host.device or _DASH,
        host.region,
        host.lifecycle if host.lifecycle == "spot" else "",
    )
    return ", ".join(filter(None, words))


def _stall(run: RunRecord) -> str:
    return f"{format_seconds(run.stall_seconds)} ({100 * run.stall_share:.1f} %)" if run.epochs else _DASH


_TAKEN: tuple[tuple[str, Callable[[RunRecord], str]], ...] = (
    ("ended", lambda run: run.state),
    ("user", lambda run: run.user or _DASH),
    ("node", _node),
    ("wall time", lambda run: format_seconds(run.wall_seconds)),
    ("epochs", lambda run: f"{len(run.epochs)}"),
    ("waiting for data", _stall),
    ("training downloaded", lambda run: format_bytes(run.meters.bytes_downloaded)),
    ("training requests", lambda run: f"{run.meters.count().sent:,}"),
)

_Sum = tuple[Decimal, bool] | None
"""US dollars, and whether they are all; None where they are not known."""
_Tell = Callable[[RunRecord | None, CostReport], _Sum]


def _lines(cost: CostReport, belongs: Callable[[str, str], bool]) -> _Sum:
    lines = [line for line in cost.lines if line.quantity and belongs(kind_of_line(line), line.unit)]
    known = [line.usd for line in lines if line.usd is not None]
    return None if lines and not known else (sum(known, Decimal(0)), len(known) == len(lines))


def _total(cost: CostReport) -> _Sum:
    return _told(cost, cost.known_usd)


def _part(number: int) -> _Tell:
    """Return what tells what one of its parts came to, as ``parts_usd`` numbers them."""
    return lambda run, cost: None if run is None else _told(cost, parts_usd(run, cost)[number])


def _told(cost: CostReport, usd: Decimal | None) -> _Sum:
    return None if usd is None else (usd, not cost.unpriced)


_BILLED: tuple[tuple[str, _Tell, bool], ...] = (
    ("USD, total", lambda _, cost: _total(cost), True),
    ("USD, nodes", lambda _, cost: _lines(cost, lambda kind, _: kind == "Compute"), False),
    ("USD, requests", lambda _, cost: _lines(cost, lambda _, unit: unit == "1000 requests"), False),
    ("USD, transfer", lambda _, cost: _lines(cost, lambda kind, _: kind == "Networking"), False),
    (
        "USD, disk and storage",
        lambda _, cost: _lines(cost, lambda kind, unit: kind == "Storage" and unit != "1000 requests"),
        False,
    ),
    ("USD, stall", lambda _, cost: None if cost.stall_usd is None else (cost.stall_usd, True), False),
    ("USD, an epoch", _part(0), True),
    ("USD, 1,000 samples", _part(1), True),
    ("USD, a GiB of samples", _part(2), True),
)


def _sum_of(each: Compared, tell: _Tell) -> _Sum:
    return None if each.cost is None else tell(each.run, each.cost)


def _sums(name: str, sums: Sequence[_Sum], *, is_best: bool) -> tuple[str, ...]:
    whole = [each[0] for each in sums if each is not None and each[1]]
    can_tell = is_best and len(whole) == len(sums) and len(set(whole)) > 1
    least = min(whole) if can_tell else None
    return name, *(_cell(each, least) for each in sums)


def _cell(found: _Sum, least: Decimal | None) -> str:
    if found is None:
        return _DASH
    return f"{format_usd(found[0])}{'' if found[1] else _OPEN}{' *' if found[0] == least else ''}"
