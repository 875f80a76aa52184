"""The options that the bill depends on."""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path
from typing import Literal, get_args

from penstock.errors import ConfigError
from penstock.options.declaration import Options, choice, option, switch
from penstock.options.paths import LEGS, check_path
from penstock.options.readers import at_least_zero, dollars, optional_path, optional_text
from penstock.options.rules import Change

__all__ = [
    "NODE_DISK",
    "RESTORE_TIERS",
    "USUAL_DISK",
    "BillOptions",
    "Co2Options",
    "CostOptions",
    "SourcePrices",
    "optional_date",
]

USUAL_DISK = "usual"
"""What was found of the window's disk, and where that is a volume, the one that nodes of its provider have."""
NODE_DISK = "node"
"""The node's own disk or memory, which is not billed apart."""
RESTORE_TIERS = ("standard", "bulk", "expedited", "high")
"""Of all stores that have archives."""

SourcePrices = Literal["auto", "s3"]


def _optional_usd(text: str) -> float | None:
    """Read a price; the empty text, as pipelines pass an unset one, is None, and 0 is a price."""
    return dollars(text) if text else None


def _optional_grams(text: str) -> float | None:
    """Read grams for a kWh; the empty text, as pipelines pass an unset one, is None."""
    return at_least_zero(text) if text else None


def optional_date(text: str) -> date | None:
    """Read a day; the empty text, as pipelines pass an unset one, is None."""
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date like 2026-11-21") from error


def _path(text: str) -> str:
    try:
        return check_path(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(f"{error.what}: {error.fix}") from error


def _disk(text: str) -> str:
    """Read what a disk is billed as; the empty text, as pipelines pass an unset one, is the usual one."""
    return text.strip() or USUAL_DISK


class CostOptions(Options, group="prices", change=Change.FREE):
    """The options that the bill depends on."""

    prices: Path | None = option(
        read=optional_path,
        default=None,
        metavar="FILE",
        told="price file of your own, whose rows come before Penstock's (docs/cost.md)",
        run_option="",
    )
    node_usd_per_hour: float | None = option(
        read=_optional_usd,
        default=None,
        metavar="USD",
        told="price of the node, in USD an hour (default: the price file's for its type)",
        field="price_node_usd_per_hour",
    )
    price_region: str | None = option(
        read=optional_text,
        default=None,
        metavar="REGION",
        told="region of the prices (default: the node's, where it is known, else the seller's first of the list)",
    )
    transfer: str = option(
        read=_path,
        default="same-region",
        metavar="WAY",
        told=f"way from the source to the node, legs joined by + (nat+cross-region): {', '.join(LEGS)} (default: "
        "same-region, which is free)",
    )
    source_prices: SourcePrices = choice(
        choices=get_args(SourcePrices),
        default="auto",
        told="price requests and transfer as the store does that the data lies in (S3, Google Cloud Storage, Azure, "
        "R2), and leave them open elsewhere (auto, default), or as S3 does wherever it lies (s3)",
    )
    today: date | None = option(
        read=optional_date, default=None, metavar="YYYY-MM-DD", told="day of the bill (default: today)"
    )


class Co2Options(Options, group="prices", change=Change.FREE):
    """The options of an estimate of CO2."""

    co2: bool = switch(default=False, told="estimate the CO2 of the nodes too (docs/cost.md)")
    grid_gco2_per_kwh: float | None = option(
        read=_optional_grams,
        default=None,
        metavar="GRAMS",
        told="what a kWh emits where the nodes are, in grams of CO2 equivalents (default: the region's figure)",
    )


class BillOptions(CostOptions, group="prices", change=Change.FREE):
    """The same, of a bill of what was done."""

    window_disk: str = option(
        read=_disk,
        default=USUAL_DISK,
        metavar="ITEM",
        told="what the window's disk is billed as: an item of the prices like gp3, node for the node's own disk or "
        "memory, or usual (default): what was found of it, and where that is a volume, the node's provider's usual one",
    )
    bill_idle: bool = switch(
        default=False,
        told="bill the training's node between attempts too, where it was kept while nothing ran",
    )
