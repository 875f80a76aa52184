"""Asking sellers what things cost today: what is asked for, what was found, and the price file that it makes.

Each seller is a module: ``refresh_aws`` by boto3 (AWS Price List, and EC2 for spot), ``refresh_gcp`` (Cloud Billing
catalog) and ``refresh_azure`` (retail prices) by small requests. A price that a seller does not tell is not made up:
the item is told as not found.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from penstock.cost.price_file import read_price_file
from penstock.cost.prices import Prices
from penstock.cost.values import Lifecycle, Machine, PriceRow
from penstock.errors import NotOurs, SourceUnavailable
from penstock.files import atomic_write
from penstock.sources.http.response import retry_after_seconds
from penstock.sources.patience import MAX_RETRY_AFTER_SECONDS, pause_seconds
from penstock.sources.stores.lending import NoLender, ask_lender

__all__ = ["Found", "Wanted", "as_file", "ask_json", "number_of", "rows_of", "wanted_of", "write_found"]

HEADER = "# Written by `penstock prices refresh`; rows of your own belong into a file of their own.\n"
_TRIES = 3
_MOST_BYTES = 32 << 20
"""Of a page of prices: 500 of Google's SKUs take one to two MiB."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A node's hour that a price is asked for.

    Attributes:
        machine: what is known of it; None where nothing is.
    """

    item: str
    provider: str
    region: str
    lifecycle: Lifecycle
    machine: Machine | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What a seller told.

    Attributes:
        usd: of an hour; None where it did not tell one.
        source: who said so.
        why: there is none.
    """

    wanted: Wanted
    usd: Decimal | None
    source: str
    why: str = ""


Asking = Callable[[Sequence[Wanted]], Iterable[Found]]


def wanted_of(
    prices: Prices, *, provider: str = "", region: str | None = None, items: Sequence[str] = ()
) -> list[Wanted]:
    """Return the nodes' prices that a list has, of a provider, a region and patterns, each once.

    Args:
        items: patterns; a name without any pattern in it is asked for where the list has no such row too.
    """
    keys = {
        (row.item, row.provider, row.region, row.lifecycle)
        for row in prices.rows
        if row.unit == "hour"
        and not row.item.endswith("-hour")
        and row.region
        and row.provider in ("aws", "gcp", "azure")
    }
    for name in items:
        if region and provider and not any(letter in name for letter in "*?["):
            keys.add((name, provider, region, "on-demand"))
    return [
        Wanted(item=item, provider=owner, region=place, lifecycle=lifecycle, machine=prices.machine(item))
        for item, owner, place, lifecycle in sorted(keys)
        if (not provider or owner == provider)
        and (region is None or place == region)
        and (not items or any(fnmatchcase(item.lower(), each.lower()) for each in items))
    ]


def ask_json(
    url: str, *, query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None, of: str
) -> dict[str, Any]:
    """Ask a seller's server; what it cannot answer now is asked again.

    Raises:
        SourceUnavailable: it did not answer, or not with JSON.
    """
    full = f"{url}{'&' if '?' in url else '?'}{urlencode(query)}" if query else url
    problem, least_pause = "it did not answer", 0.0
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(max(least_pause, pause_seconds(attempt, random.random())))  # noqa: S311 - a pause, no secret
        try:
            answer = ask_lender(full, headers=headers, most_bytes=_MOST_BYTES)
        except NoLender as error:
            problem = str(error)
            continue
        if answer.status == 200:
            return _object(answer.data, of)
        problem = f"it answered with status {answer.status}"
        if answer.status not in (408, 429) and answer.status < 500:
            break
        asked_for = retry_after_seconds(answer.headers.get("retry-after")) or 0.0
        least_pause = min(asked_for, MAX_RETRY_AFTER_SECONDS)
    raise SourceUnavailable(
        f"cannot ask {of} for prices: {problem}", fix="try later, or keep the prices that there are"
    )


def _object(data: bytes, of: str) -> dict[str, Any]:
    try:
        found = json.loads(data, parse_float=Decimal)
    except ValueError as error:
        raise SourceUnavailable(f"{of} answered with what is no JSON", fix="try later") from error
    if not isinstance(found, dict):
        raise SourceUnavailable(f"{of} answered with what is no list of prices", fix="try later")
    return found


def rows_of(value: object) -> list[dict[str, Any]]:
    """Return the objects of a list that somebody else made; none of what is no list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def number_of(value: object) -> Decimal | None:
    """Return a finite number that somebody else made, None of anything else."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def as_file(found: Iterable[Found], today: date, kept: Iterable[PriceRow] = ()) -> str:
    """Return a price file of what was found, with rows of an earlier one that were not asked for now."""
    rows = {_key(each.wanted): (each.usd, today.isoformat(), each.source) for each in found if each.usd is not None}
    for row in kept:
        as_of = row.as_of.isoformat() if row.as_of else today.isoformat()
        rows.setdefault(_key(row), (row.tiers[0].price, as_of, row.source))
    lines = [
        f"- {{item: {json.dumps(item)}, provider: {provider}, region: {json.dumps(region)}, unit: hour, "
        f"lifecycle: {lifecycle}, "
        f"price: {usd:f}, as_of: {as_of}, source: {json.dumps(source)}}}\n"
        for (item, provider, region, lifecycle), (usd, as_of, source) in sorted(rows.items())
    ]
    return f"{HEADER}version: 1\ncurrency: USD\nprices:\n{''.join(lines)}" if lines else f"{HEADER}version: 1\n"


def write_found(path: Path, found: Sequence[Found], today: date) -> int:
    """Write what was found into a price file; give how many rows one that was written so before keeps.

    Raises:
        NotOurs: there is a file that was not written so.
        RecordError: it is no price file.
    """
    kept: tuple[PriceRow, ...] = ()
    if path.exists():
        if not path.is_file() or not path.read_bytes().startswith(HEADER.encode()):
            raise NotOurs(f"{path} was not written by `penstock prices refresh`", fix="name another file with --into")
        kept = read_price_file(path).prices
    told = {_key(each.wanted) for each in found if each.usd is not None}
    atomic_write(path, as_file(found, today, kept).encode())
    return sum(_key(row) not in told for row in kept)


def _key(of: Wanted | PriceRow) -> tuple[str, ...]:
    return (of.item, of.provider, of.region, of.lifecycle)
