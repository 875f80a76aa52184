"""Errors of what a price list does not have: each names what it has, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from penstock.cost.values import PriceRow
from penstock.errors import ConfigError
from penstock.texts import did_you_mean

__all__ = ["no_item", "not_between"]

_MOST_TOLD = 5


def not_between(row: PriceRow, region: str, to_region: str) -> ConfigError:
    """Return the error of transfer that has a price from other regions alone."""
    where = f" to {to_region}" if to_region else ""
    asking = f"`penstock prices refresh --provider {row.provider} --region {region} --item {row.item} --into FILE`"
    return ConfigError(
        f"there is no price per {row.unit} of {row.item!r} from {region}{where}",
        fix=f"{asking} asks for it, or add a row with region and to_region to a price file of your own",
        about=row.item,
    )


def no_item(item: str, unit: str, names: Sequence[str], by_hand: str) -> ConfigError:
    """Return the error of an item that has no price by a unit, which names what has.

    Args:
        by_hand: what else may be done.
    """
    meant = did_you_mean(item, names, quoted=False)
    near = sorted(difflib.get_close_matches(item, names, n=_MOST_TOLD, cutoff=0.0))
    more = f", and {len(names) - len(near)} more: `penstock prices list`" if len(names) > len(near) else ""
    return ConfigError(
        f"there is no price per {unit} of {item!r}",
        fix=f"{meant}known per {unit}: {', '.join(near) or 'nothing'}{more}; add a row to a price file of "
        f"your own{by_hand}",
        about=item,
    )
