"""The options that the bill depends on."""

from __future__ import annotations

import argparse
from datetime import date

from penstock.steps.options.values import at_least_zero, optional_path, optional_text

__all__ = ["add_cost_options"]


def add_cost_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that the bill depends on."""
    group = parser.add_argument_group("prices")
    group.add_argument("--prices", type=optional_path, metavar="FILE", help="price file (default: one of 2026)")
    group.add_argument(
        "--node-usd-per-hour", type=_optional_usd, metavar="USD", help="price of the node, instead of the file's"
    )
    group.add_argument("--price-region", type=optional_text, metavar="REGION", help="region of the prices")
    group.add_argument(
        "--transfer",
        choices=("same-region", "cross-region", "internet", "nat"),
        default="same-region",
        help="way from the source to the node (default: same-region, which is free)",
    )
    group.add_argument(
        "--source-prices",
        choices=("auto", "s3"),
        default="auto",
        help="price requests and transfer as S3 does where the run read from AWS, and leave them open elsewhere (auto, "
        "default), or wherever it read from (s3)",
    )
    group.add_argument("--today", type=_date, metavar="YYYY-MM-DD", help="day of the bill (default: today)")


def _optional_usd(text: str) -> float | None:
    """Read a price; the empty text, as pipelines pass an unset one, is None, and 0 is a price."""
    return at_least_zero(text) if text else None


def _date(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date like 2026-11-21") from error
