"""Who charges for a run's requests and transfer: AWS, nobody, or somebody whose prices are not known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from penstock.errors import ConfigError
from penstock.options.cost import SourcePrices
from penstock.records import RunRecord
from penstock.sources import Payee, find_scheme

__all__ = ["Seller", "seller_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Seller:
    """Who charges.

    Attributes:
        name: ``s3`` has prices, ``nobody`` takes nothing, of ``unknown`` the prices are not known.
        assumption: what was taken for granted, empty where nothing was.
        warning: what makes the bill doubtful, empty where nothing does.
    """

    name: Literal["s3", "nobody", "unknown"]
    assumption: str = ""
    warning: str = ""


def seller_of(run: RunRecord, *, prices: SourcePrices) -> Seller:
    """Tell who charges for what a run read."""
    uri = str(run.config.get("source") or "")
    endpoint = str(run.config.get("endpoint-url") or run.config.get("endpoint_url") or "")
    if not uri:
        told = "Where the bytes came from is not recorded: requests and transfer are priced as S3's."
        return Seller(name="s3", assumption=told)
    payee, title = _asked(uri, endpoint)
    if payee == "s3":
        return Seller(name="s3")
    where = title if payee == "nobody" else endpoint or uri
    if prices == "s3":
        told = f"The run read from {where}, not from AWS: requests and transfer are what S3 would have charged."
        return Seller(name="s3", warning=told)
    if payee == "nobody":
        told = f"The run read from {where}: its requests and transfer are not billed."
        return Seller(name="nobody", assumption=told)
    told = f"The run read from {where}, not from AWS: what its requests and transfer cost is not known, and not in the "
    return Seller(
        name="unknown",
        warning=f"{told}total. Pass --source-prices s3 to have them priced as if it had been S3.",
    )


def _asked(uri: str, endpoint: str) -> tuple[Payee, str]:
    """Return who charges by the source's scheme, and what it is called."""
    try:
        scheme = find_scheme(uri)
    except ConfigError:  # the run was made where the package that brings it is installed
        return "unknown", uri
    return scheme.payee(uri, endpoint), scheme.title
