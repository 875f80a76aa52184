"""Configs and splits that a dataset has, by its card or by the names of its files."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.errors import PenstockError
from penstock.inspection.budget import Budgeted, BudgetSpent
from penstock.sources import ObjectInfo
from penstock.tasks.dataset_card import CARD, configs_of, split_files
from penstock.tasks.split_files import ByName
from penstock.tasks.split_listing import MOST_CARD_BYTES
from penstock.texts import printable

__all__ = ["configs_and_splits"]


async def configs_and_splits(
    source: Budgeted, objects: Sequence[ObjectInfo]
) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Return names of configs, of splits, and why the card was not read; splits that names do not tell are none."""
    card, note = "", ""
    info = next((info for info in objects if info.key == CARD and 0 < info.size_bytes <= MOST_CARD_BYTES), None)
    configs: tuple[str, ...] = ()
    found: list[str] = []
    try:
        if info is not None:
            card = bytes(await source.get_range(info, 0, info.size_bytes)).decode(errors="replace")
        configs = tuple(configs_of(card, CARD))
        for config in configs or ("",):
            found += _splits(card, config, objects, source.spec.uri, several=len(configs) > 1)
    except BudgetSpent:
        note = f"{CARD} was not read: the budget is spent"
    except PenstockError as error:
        note = error.what
    return tuple(map(printable, configs)), tuple(map(printable, found)), printable(note)


def _splits(card: str, config: str, objects: Sequence[ObjectInfo], uri: str, *, several: bool) -> list[str]:
    rule = split_files(card, "", config, uri).rule
    before = f"{config}: " if several else ""
    if not isinstance(rule, ByName):
        return [f"{before}{name}" for name in rule.names]
    for info in objects:
        if info.size_bytes:
            rule.see(info.key)
    is_told = any(rule.found[:-1])  # else all is of the one split that nothing names
    return [f"{before}{name}" for name in rule.names] if is_told else []
