"""Price lists for tests: of a text, and with something left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

from penstock.cost import Prices, load_prices
from penstock.cost.price_file import PriceFile, decode_price_file
from penstock.yaml_files import mapping_of

__all__ = ["TODAY", "Told", "decoded", "listed", "without", "written"]

TODAY = date(2026, 11, 21)
Told = Callable[..., tuple[int, str, str]]
"""Calls ``penstock prices``: exit status, what it wrote, and its errors."""


def decoded(text: str) -> PriceFile:
    """Return what somebody's own price file says."""
    return decode_price_file(mapping_of(text, "own.yaml", like=""), "own.yaml", is_own=True)


def listed(text: str, *, today: date = TODAY) -> Prices:
    """Return the price list that a file alone gives."""
    return Prices(files=(decoded(text),), today=today)


def written(folder: Path, text: str, *, today: date = TODAY) -> Prices:
    """Return Penstock's price list with a file in front of it."""
    path = folder / "own.yaml"
    path.write_text(text)
    return load_prices(path, today=today)


def without(prices: Prices, item: str) -> Prices:
    """Leave an item out."""
    return replace(
        prices,
        files=tuple(
            replace(file, prices=tuple(row for row in file.prices if row.item != item)) for file in prices.files
        ),
    )
