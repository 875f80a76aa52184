"""Google's Cloud Billing catalog (https://cloud.google.com/billing/v1/how-tos/catalog-api).

The catalog sells cores, memory and GPUs; a machine costs the sum of its own. Asked with the key of ``GOOGLE_API_KEY``,
or with the credentials that Google's libraries find.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from penstock.cost.refreshing import Found, Wanted, ask_json, number_of, rows_of
from penstock.errors import AccessDenied

__all__ = ["URL", "ask_gcp"]

URL = "https://cloudbilling.googleapis.com"
_SERVICE = "6F81-5844-456A"
"""Compute Engine's."""
_SOURCE = "Google Cloud Billing catalog, sum of vCPU, memory and GPU"
_PAGE = "500"
"""SKUs of a page; each takes about a kilobyte."""
_MOST_PAGES = 400
_GPUS = {
    "A100": {40: r"Nvidia Tesla A100 GPU", 80: r"Nvidia Tesla A100 80GB GPU"},
    "H100": {80: r"Nvidia H100 80GB GPU"},
    "H200": {141: r"Nvidia H200 141GB GPU"},
    "L4": {24: r"Nvidia L4 GPU"},
    "T4": {16: r"Nvidia Tesla T4 GPU"},
    "V100": {16: r"Nvidia Tesla V100 GPU"},
}
_FAMILIES = {"n1": r"N1 Predefined Instance"}
"""Of which the catalog speaks otherwise than ``A2 Instance``."""


def ask_gcp(wanted: Sequence[Wanted], *, url: str = URL) -> Iterable[Found]:
    """Ask for the prices of nodes; the catalog is read once.

    Raises:
        AccessDenied, SourceUnavailable: it did not let us, or did not answer.
    """
    skus = list(_skus(url)) if wanted else []
    for each in wanted:
        yield _found(each, skus)


def _skus(url: str) -> Iterable[dict[str, Any]]:
    headers, token = _headers(), ""
    for _ in range(_MOST_PAGES):
        query = {"currencyCode": "USD", "pageSize": _PAGE, **({"pageToken": token} if token else {})}
        answer = ask_json(
            f"{url.rstrip('/')}/v1/services/{_SERVICE}/skus", query=query, headers=headers, of="Google Cloud"
        )
        yield from rows_of(answer.get("skus"))
        token = str(answer.get("nextPageToken") or "")
        if not token:
            return


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
        return Found(
            wanted=wanted, usd=None, source=_SOURCE, why="how many cores and how much memory it has is not known"
        )
    family = wanted.item.partition("-")[0].lower()
    name = _FAMILIES.get(family, rf"{family.upper()} Instance")
    parts = [(f"^(?:Spot Preemptible )?{name} Core running", Decimal(machine.vcpus))]
    parts += [(f"^(?:Spot Preemptible )?{name} Ram running", machine.memory_gib)]
    if machine.num_gpus:
        gpu = _GPUS.get(machine.gpu, {}).get(int(machine.gpu_memory_gib or 0))
        if gpu is None:
            return Found(
                wanted=wanted, usd=None, source=_SOURCE, why=f"what the catalog calls {machine.gpu} is not known"
            )
        parts += [(f"^{gpu}(?: attached to Spot Preemptible VMs)? running", Decimal(machine.num_gpus))]
    total = Decimal(0)
    for pattern, count in parts:
        prices = {_hourly(sku) for sku in skus if _is_sold(sku, pattern, wanted)} - {None}
        if len(prices) != 1:
            why = f"the catalog has {len(prices) or 'no'} prices of {pattern.strip('^')!r} in {wanted.region}"
            return Found(wanted=wanted, usd=None, source=_SOURCE, why=why)
        total += (prices.pop() or Decimal(0)) * count
    return Found(wanted=wanted, usd=total, source=_SOURCE)


def _is_sold(sku: dict[str, Any], pattern: str, wanted: Wanted) -> bool:
    usage = "Preemptible" if wanted.lifecycle == "spot" else "OnDemand"
    category, regions = sku.get("category"), sku.get("serviceRegions")
    return (
        isinstance(category, dict)
        and category.get("usageType") == usage
        and isinstance(regions, list)
        and wanted.region in regions
        and re.match(pattern, str(sku.get("description"))) is not None
    )


def _hourly(sku: dict[str, Any]) -> Decimal | None:
    """Return the price of the last tier, by the unit that it is used in (an hour, a GiB-hour)."""
    for info in rows_of(sku.get("pricingInfo")):
        for expression in rows_of([info.get("pricingExpression")]):
            for rate in rows_of(expression.get("tieredRates"))[-1:]:
                for price in rows_of([rate.get("unitPrice")]):
                    if str(price.get("currencyCode", "USD")) != "USD":
                        return None
                    units, nanos = number_of(price.get("units") or 0), number_of(price.get("nanos") or 0)
                    return None if units is None or nanos is None else units + nanos / 10**9
    return None
