"""The bill, other ways, and advice as tables of text: whoever puts them into a page escapes them."""

from __future__ import annotations

from decimal import Decimal

from penstock.records import CostAdvice, CostLine, CostReport, CostWay
from penstock.report.tables import DASH, Table, lower
from penstock.units import format_bytes, format_seconds, format_usd, plain_number

__all__ = ["advice_table", "cost_table", "ways_table"]


def cost_table(cost: CostReport) -> Table:
    """Return the lines of the bill, its total last."""
    rows = [
        (
            line.what,
            DASH if line.usd is None else _sum(line.usd, cost.total_usd),
            _quantity(line),
            "unpriced" if line.unit_usd is None else f"${plain_number(line.unit_usd, digits=5)}",
            line.item,
            line.as_of,
            line.source,
        )
        for line in cost.lines
    ]
    without = f", without: {'; '.join(map(lower, cost.unpriced))}" if cost.unpriced else ""
    total = _sum(cost.total_usd, cost.total_usd) if cost.has_price else DASH
    rows.append((f"total{without}", total, "", "", "", "", ""))
    header = ("What", "Cost", "Quantity", "Unit price", "Item", "Price of", "Source")
    return Table(caption="Cost in US dollars", header=header, rows=tuple(rows), text_columns=(0, 4, 5, 6), total=True)


def _quantity(line: CostLine) -> str:
    """Write a quantity with its unit: ``0.0809 hours``, ``104.8 x 1000 requests``."""
    number = f"{line.quantity:,.0f}" if line.quantity >= 1000 else plain_number(line.quantity, digits=4)
    if line.unit[0].isdigit():
        return f"{number} \N{MULTIPLICATION SIGN} {line.unit}"
    return f"{number} {line.unit}s" if line.unit.endswith("hour") else f"{number} {line.unit}"


def _sum(usd: Decimal, total_usd: Decimal) -> str:
    """Write a sum so that a column of them can be compared: all with as many decimals."""
    decimals = 2 if total_usd >= 100 else 4
    least = 10.0**-decimals
    return f"< ${least:.{decimals}f}" if 0 < usd < least else f"${usd:,.{decimals}f}"


def ways_table(cost: CostReport) -> Table | None:
    """Return the ways that the data went, and could have gone; None where they are not known."""
    if not cost.ways:
        return None
    rows = tuple(
        (
            f"{way.name}: {way.told}",
            format_seconds(float(way.wall_seconds)),
            format_seconds(float(way.stall_seconds)),
            way_usd(way),
            format_bytes(way.disk_bytes) if way.disk_bytes else DASH,
            "yes" if way.fits else "NO",
        )
        for way in cost.ways
    )
    header = ("Way", "Time", "Waiting", "Cost", "Disk", "Fits")
    caption = "The epochs as they went, and as they would have gone by the run's own figures"
    return Table(caption=caption, header=header, rows=rows)


def way_usd(way: CostWay) -> str:
    """Write what a way costs, and that some of it has no price; a dash where nothing has one."""
    if way.unpriced and not way.usd:
        return DASH
    return f"{format_usd(way.usd)} + ?" if way.unpriced else format_usd(way.usd)


def advice_table(cost: CostReport) -> Table | None:
    """Return what to do, with its effect; None where there is nothing."""
    if not cost.advice:
        return None
    rows = tuple((f"{each.action}: {each.told}", each.flag, *_saved(each)) for each in cost.advice)
    header = ("What", "By", "Time saved", "Saved")
    return Table(caption="Each alone: effects do not add up", header=header, rows=rows, text_columns=(0, 1))


def _saved(advice: CostAdvice) -> tuple[str, str]:
    seconds, usd = advice.seconds_saved, advice.usd_saved
    return (
        DASH if seconds is None else _signed(format_seconds(abs(float(seconds))), seconds),
        DASH if usd is None else _signed(format_usd(abs(usd)), usd),
    )


def _signed(text: str, value: Decimal) -> str:
    return f"-{text}" if value < 0 else text
