"""The options of `penstock prices`."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal, get_args

from penstock.options import Options, choice, flag, option, repeated
from penstock.options.cost import optional_date
from penstock.options.readers import optional_path, optional_text, positive_int
from penstock.steps.options.common import CommonOptions

__all__ = ["PriceAction", "PricesOptions", "Selling"]

PriceAction = Literal["list", "check", "refresh"]
Selling = Literal["aws", "gcp", "azure", "cloudflare", "own"]


class _What(Options):
    action: PriceAction = choice(
        choices=get_args(PriceAction),
        told="list the prices that bills are made with, check a price file and the age of what is in it, or refresh: "
        "ask the sellers what things cost today",
        is_positional=True,
    )


class _Chosen(Options, group="which"):
    prices: Path | None = option(
        read=optional_path, default=None, metavar="FILE", told="price file of your own, before Penstock's"
    )
    item: tuple[str, ...] = repeated(
        read=str, default=(), metavar="PATTERN", told="only what is called so (g5.*); to be repeated"
    )
    provider: Selling | Literal[""] = choice(
        choices=("", *get_args(Selling)),
        default="",
        told="only what it sells; own is of nobody, and refreshed from OpenCost or Kubecost at --endpoint-url",
    )
    region: str | None = option(read=optional_text, default=None, metavar="REGION", told="only there")
    to_region: str | None = option(
        read=optional_text, default=None, metavar="REGION", told="only transfer that goes there"
    )
    today: date | None = option(read=optional_date, default=None, metavar="YYYY-MM-DD", told="day (default: today)")


class _Shown(Options, group="output"):
    machines: bool = flag(default=False, told="list what machines can do instead: network and disk that last, GPUs")
    json: bool = flag(default=False, told="write JSON, a row a line")
    max_age: int = option(
        read=positive_int, default=180, metavar="DAYS", told="days from which a price is old (default: %(default)s)"
    )


class _Refreshing(Options, group="refresh"):
    into: Path | None = option(
        read=optional_path,
        default=None,
        metavar="FILE",
        told="write what was found as a price file, for --prices; without it, it is only shown",
    )
    endpoint_url: str | None = option(
        read=optional_text,
        default=None,
        metavar="URL",
        told="ask there, instead of the server of --provider's seller; of own it may have a user and a password "
        "(https://USER:PASSWORD@HOST), else the token of PENSTOCK_OPENCOST_TOKEN is sent, where there is one",
    )


class PricesOptions(_What, CommonOptions, _Chosen, _Shown, _Refreshing):
    """The options of `penstock prices`."""
