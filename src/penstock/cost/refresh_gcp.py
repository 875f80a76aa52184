"""Google's Cloud Billing catalog (https://cloud.google.com/billing/v1/how-tos/catalog-api).

The catalog sells cores, memory and GPUs; a machine costs the sum of its own. Storage, requests and transfer are SKUs of
Cloud Storage. Asked with the key of ``GOOGLE_API_KEY``, or with the credentials that Google's libraries find.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

from penstock.cost.meters import GCP_METERS, GcpMeter, continent_of
from penstock.cost.refreshing import (
    MOST_PAGES,
    Found,
    Wanted,
    ask_json,
    flat,
    not_told,
    number_of,
    rows_of,
    too_many_pages,
)
from penstock.errors import AccessDenied

__all__ = ["URL", "ask_gcp"]

URL = "https://cloudbilling.googleapis.com"
_SERVICE = "6F81-5844-456A"
"""Compute Engine's."""
_SOURCE, _METER_SOURCE = "Google Cloud Billing catalog, sum of vCPU, memory and GPU", "Google Cloud Billing catalog"
_PAGE = "500"
"""SKUs of a page; each takes about a kilobyte."""
_GPUS = {
    "A100": {40: r"Nvidia Tesla A100 GPU", 80: r"Nvidia Tesla A100 80GB GPU"},
    "H100": {80: r"Nvidia H100 80GB GPU"},
    "H200": {141: r"Nvidia H200 141GB GPU"},
    "L4": {24: r"Nvidia L4 GPU"},
    "T4": {16: r"Nvidia Tesla T4 GPU"},
    "V100": {16: r"Nvidia Tesla V100 GPU"},
}
_UNITS = {"GiBy.mo": ("GiB-month", 1), "GiBy": ("GiB", 1), "count": ("1000 requests", 1000)}
"""What the catalog's units are in the list's, and how many of its prices one of the list's is."""
_FAMILIES = {"n1": r"N1 Predefined Instance"}
"""Of which the catalog speaks otherwise than ``A2 Instance``."""


def ask_gcp(wanted: Sequence[Wanted], *, url: str = URL) -> Iterable[Found]:
    """Ask for the prices of nodes, and of what has a meter; the catalog of a service is read once.

    Raises:
        AccessDenied, SourceUnavailable: it did not let us, or did not answer.
    """
    headers = _headers() if wanted else {}

    @cache
    def skus(service: str) -> list[dict[str, Any]]:
        return list(_skus(url, service, headers))

    for each in wanted:
        if each.is_node:
            yield _found(each, skus(_SERVICE))
        else:
            meter = GCP_METERS[each.item]
            yield _metered(each, meter, skus(meter.service))


def _skus(url: str, service: str, headers: Mapping[str, str]) -> Iterable[dict[str, Any]]:
    token = ""
    for _ in range(MOST_PAGES):
        query = {"currencyCode": "USD", "pageSize": _PAGE, **({"pageToken": token} if token else {})}
        answer = ask_json(
            f"{url.rstrip('/')}/v1/services/{service}/skus", query=query, headers=headers, of="Google Cloud"
        )
        yield from rows_of(answer.get("skus"))
        token = str(answer.get("nextPageToken") or "")
        if not token:
            return
    raise too_many_pages("Google Cloud's prices")


def _headers() -> Mapping[str, str]:
    if key := os.environ.get("GOOGLE_API_KEY"):
        return {"X-Goog-Api-Key": key}
    if token := os.environ.get("GOOGLE_OAUTH_ACCESS_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    import google.auth  # here: few ask
    import google.auth.transport.requests
    from google.auth.exceptions import GoogleAuthError

    try:
        credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-billing.readonly"])
        credentials.refresh(google.auth.transport.requests.Request())  # type: ignore[no-untyped-call]
    except GoogleAuthError as error:
        raise AccessDenied(
            "Google Cloud does not tell prices without a key or credentials",
            fix="set GOOGLE_API_KEY, or make credentials with `gcloud auth application-default login`",
        ) from error
    return {"Authorization": f"Bearer {credentials.token}"}


def _found(wanted: Wanted, skus: Sequence[dict[str, Any]]) -> Found:
    machine = wanted.machine
    if machine is None or machine.vcpus is None or machine.memory_gib is None:
        return not_told(wanted, _SOURCE, "how many cores and how much memory it has is not known")
    family = wanted.item.partition("-")[0].lower()
    name = _FAMILIES.get(family, rf"{family.upper()} Instance")
    parts = [(f"^(?:Spot Preemptible )?{name} Core running", Decimal(machine.vcpus))]
    parts += [(f"^(?:Spot Preemptible )?{name} Ram running", machine.memory_gib)]
    if machine.num_gpus:
        gpu = _GPUS.get(machine.gpu, {}).get(int(machine.gpu_memory_gib or 0))
        if gpu is None:
            return not_told(wanted, _SOURCE, f"what the catalog calls {machine.gpu} is not known")
        parts += [(f"^{gpu}(?: attached to Spot Preemptible VMs)? running", Decimal(machine.num_gpus))]
    total = Decimal(0)
    for pattern, count in parts:
        prices = {_hourly(sku) for sku in skus if _is_sold(sku, pattern, wanted)} - {None}
        if len(prices) != 1:
            why = f"the catalog has {len(prices) or 'no'} prices of {pattern.strip('^')!r} in {wanted.region}"
            return not_told(wanted, _SOURCE, why)
        total += (prices.pop() or Decimal(0)) * count
    return Found(wanted=wanted, tiers=flat(total), source=_SOURCE)


def _metered(wanted: Wanted, meter: GcpMeter, skus: Sequence[dict[str, Any]]) -> Found:
    """Return the first price above 0 of the SKUs that a meter has where it was asked for."""
    place = "global" if meter.is_global else wanted.region
    description = meter.description.replace("CONTINENT", continent_of(wanted.region) or "a continent of its own")
    prices = {
        price
        for sku in skus
        if place in _regions(sku)
        and re.fullmatch(description, str(sku.get("description")))
        and (price := _first_price(sku, meter.unit)) is not None
    }
    if len(prices) != 1:
        why = f"the catalog has {len(prices) or 'no'} prices of {description!r} in {place}"
        return not_told(wanted, _METER_SOURCE, why)
    return Found(wanted=wanted, tiers=flat(prices.pop()), source=_METER_SOURCE)


def _is_sold(sku: dict[str, Any], pattern: str, wanted: Wanted) -> bool:
    usage = "Preemptible" if wanted.lifecycle == "spot" else "OnDemand"
    category = sku.get("category")
    return (
        isinstance(category, dict)
        and category.get("usageType") == usage
        and wanted.region in _regions(sku)
        and re.match(pattern, str(sku.get("description"))) is not None
    )


def _regions(sku: dict[str, Any]) -> list[Any]:
    regions = sku.get("serviceRegions")
    return regions if isinstance(regions, list) else []


def _hourly(sku: dict[str, Any]) -> Decimal | None:
    """Return the price of the last tier, by the unit that it is used in (an hour, a GiB-hour)."""
    prices = list(_prices(sku))
    return prices[-1][1] if prices else None


def _first_price(sku: dict[str, Any], unit: str) -> Decimal | None:
    """Return the first price above 0 in the list's unit: what a month is given for nothing comes before it."""
    for used, price in _prices(sku):
        name, count = _UNITS.get(used, ("", 1))
        if name == unit and price:
            return (price * count).normalize()
    return None


def _prices(sku: dict[str, Any]) -> Iterable[tuple[str, Decimal]]:
    """Return units and prices of a SKU's tiers, in dollars alone."""
    for info in rows_of(sku.get("pricingInfo")):
        for expression in rows_of([info.get("pricingExpression")]):
            for rate in rows_of(expression.get("tieredRates")):
                for price in rows_of([rate.get("unitPrice")]):
                    units, nanos = number_of(price.get("units") or 0), number_of(price.get("nanos") or 0)
                    if str(price.get("currencyCode", "USD")) == "USD" and units is not None and nanos is not None:
                        yield str(expression.get("usageUnit")), units + nanos / 10**9
