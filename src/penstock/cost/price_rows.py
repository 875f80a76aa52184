"""What rows of a price file may not be together: wrong, or twice the same."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.cost.values import PriceRow
from penstock.errors import ConfigError
from penstock.texts import counted

__all__ = ["refuse_twice", "refuse_wrong"]

_MOST_SHOWN = 20
"""Rows that cannot be read, beside the first."""


def refuse_wrong(problems: Sequence[ConfigError]) -> None:
    """Raise the first problem, which names the others; nothing where there are none.

    Raises:
        ConfigError: that is it.
    """
    if not problems:
        return
    first, *others = problems
    if not others:
        raise first
    shown = "; ".join(each.what for each in others[:_MOST_SHOWN])
    more = f"; {len(others) - _MOST_SHOWN} more" if len(others) > _MOST_SHOWN else ""
    told = f"{first.what}, and {counted(len(others), 'other row')} cannot be read ({shown}{more})"
    raise ConfigError(told, fix=first.fix, about=first.about)


def refuse_twice(rows: Sequence[PriceRow]) -> None:
    """Refuse two prices of the same.

    Raises:
        ConfigError: there are some.
    """
    seen: dict[tuple[object, ...], PriceRow] = {}
    for row in rows:
        key = (row.item, row.unit, row.provider, row.region, row.to_region, row.lifecycle, row.as_of)
        if key in seen:
            as_of = f"each as of {row.as_of}" if row.as_of else "none of them dated"
            raise ConfigError(
                f"{row.place}: there are 2 prices of {row.item} per {row.unit} in {row.region or 'any region'}, "
                f"{as_of}; the other one is at {seen[key].place}",
                fix="keep the right one",
            )
        seen[key] = row
