"""Asking sellers what things cost today: what is asked for, what was found, and the price file that it makes.

Each seller is a module: ``refresh_aws`` by boto3 (AWS Price List, and EC2 for spot), ``refresh_gcp`` (Cloud Billing
catalog) and ``refresh_azure`` (retail prices) by small requests; what they call storage, requests and transfer stands
in ``meters``. A price that a seller does not tell is not made up: the item is told as not found.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from penstock.cost.meters import unit_of
from penstock.cost.price_fields import can_be_read
from penstock.cost.price_file import read_price_file
from penstock.cost.prices import Prices
from penstock.cost.values import Lifecycle, Machine, PriceRow, Tier, in_units
from penstock.errors import AccessDenied, NotOurs, SourceError, SourceUnavailable
from penstock.files import atomic_write
from penstock.sources.http.response import retry_after_seconds
from penstock.sources.patience import MAX_RETRY_AFTER_SECONDS, pause_seconds
from penstock.sources.stores.lending import NoLender, ask_lender

__all__ = [
    "MOST_PAGES",
    "Found",
    "Key",
    "Wanted",
    "as_file",
    "ask_json",
    "believed",
    "can_be_asked",
    "flat",
    "key_of",
    "not_told",
    "number_of",
    "object_in",
    "object_of",
    "rows_of",
    "too_many_pages",
    "wanted_of",
    "write_found",
]

HEADER = "# Written by `penstock prices refresh`; rows of your own belong into a file of their own.\n"
_TRIES = 3
MOST_PAGES = 400
"""Of one question: Google's catalog of machines takes some 70."""
_MOST_DIGITS = 30
"""Before or behind a number's point."""
_MOST_BYTES = 32 << 20
"""Of a page of prices: 500 of Google's SKUs take one to two MiB."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What a price is asked for: a node's hour, or what a meter counts.

    Attributes:
        machine: what is known of it, of nodes; None where nothing is.
        unit: what the price is per.
        to_region: of transfer from one region to another.
    """

    item: str
    provider: str
    region: str
    lifecycle: Lifecycle
    machine: Machine | None
    unit: str = "hour"
    to_region: str = ""

    @property
    def is_node(self) -> bool:
        """Whether it is a node's hour."""
        return self.unit == "hour" and unit_of(self.item, self.provider) is None


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What a seller told.

    Attributes:
        tiers: in USD; none where it did not tell a price.
        source: who said so.
        why: there is none.
    """

    wanted: Wanted
    tiers: tuple[Tier, ...]
    source: str
    why: str = ""


Key = tuple[str, ...]
"""Item, provider, region, to_region, lifecycle, unit: what has one price."""


def key_of(of: Wanted | PriceRow) -> Key:
    """Return what has one price, of a question or of a row."""
    return (of.item, of.provider, of.region, of.to_region, of.lifecycle, of.unit)


def flat(usd: Decimal) -> tuple[Tier, ...]:
    """Return a price that is the same for any quantity."""
    return (Tier(above=Decimal(0), price=usd),)


def not_told(wanted: Wanted, source: str, why: str) -> Found:
    """Return that there is no price, and why."""
    return Found(wanted=wanted, tiers=(), source=source, why=why)


def wanted_of(
    prices: Prices,
    *,
    provider: str = "",
    region: str | None = None,
    to_region: str | None = None,
    items: Sequence[str] = (),
) -> list[Wanted]:
    """Return what a list has prices of that a seller can be asked for, of a provider, a region and patterns, each once.

    Args:
        to_region: of transfer, where it goes to.
        items: patterns; a name without any pattern in it is asked for where the list has no such row too.
    """
    keys = {key_of(row) for row in prices.rows if can_be_asked(row)}
    for name in items:
        if region and provider and not any(letter in name for letter in "*?["):
            keys.add((name, provider, region, to_region or "", "on-demand", unit_of(name, provider) or "hour"))
    return [
        Wanted(
            item=item, provider=owner, region=place, to_region=to, unit=unit, lifecycle=_lifecycle(lifecycle),
            machine=prices.machine(item) if unit == "hour" else None,
        )
        for item, owner, place, to, lifecycle, unit in sorted(keys)
        if (not provider or owner == provider)
        and (region is None or place == region)
        and (to_region is None or to == to_region)
        and (not items or any(fnmatchcase(item.lower(), each.lower()) for each in items))
    ]  # fmt: skip


def can_be_asked(row: PriceRow) -> bool:
    """Tell whether one question finds a row's price: those of nodes, and of what has a meter in its region."""
    if not row.region or row.provider not in ("aws", "gcp", "azure"):
        return False
    if unit_of(row.item, row.provider) == row.unit:
        return bool(row.to_region) or row.item != "transfer-cross-region"
    return row.unit == "hour" and not row.item.endswith("-hour")


def _lifecycle(text: str) -> Lifecycle:
    return "spot" if text == "spot" else "on-demand"


def ask_json(
    url: str, *, query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None, of: str
) -> dict[str, Any]:
    """Ask a seller's server; what it cannot answer now is asked again.

    Raises:
        AccessDenied: it lets whoever asks so not ask.
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
            return object_in(answer.data, of)
        problem = f"it answered with status {answer.status}"
        if answer.status in (401, 403):
            fix = "give it credentials that may ask (docs/cost.md, New prices)"
            raise AccessDenied(f"cannot ask {of} for prices: {problem}", fix=fix)
        if answer.status not in (408, 429) and answer.status < 500:
            break
        asked_for = retry_after_seconds(answer.headers.get("retry-after")) or 0.0
        least_pause = min(asked_for, MAX_RETRY_AFTER_SECONDS)
    raise SourceUnavailable(
        f"cannot ask {of} for prices: {problem}", fix="try later, or keep the prices that there are"
    )


def object_in(data: bytes | str, of: str) -> dict[str, Any]:
    """Read what a seller answered.

    Raises:
        SourceUnavailable: it is no JSON object.
    """
    try:
        found = json.loads(data, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise SourceUnavailable(f"{of} answered with what is no JSON", fix="try later") from error
    if not isinstance(found, dict):
        raise SourceUnavailable(f"{of} answered with what is no list of prices", fix="try later")
    return found


def too_many_pages(what: str) -> SourceError:
    """Return the error of answers that do not end."""
    return SourceError(f"{what} have more than {MOST_PAGES} pages", fix="report this as a bug")


def rows_of(value: object) -> list[dict[str, Any]]:
    """Return the objects of a list that somebody else made; none of what is no list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def object_of(value: object) -> dict[str, Any]:
    """Return an object that somebody else made; an empty one of what is none."""
    return value if isinstance(value, dict) else {}


def number_of(value: object) -> Decimal | None:
    """Return a number that somebody else made and that can be reckoned with, None of anything else."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    is_usual = number.is_finite() and (not number or abs(number.adjusted()) <= _MOST_DIGITS)
    return number if is_usual else None


def believed(found: Found) -> Found:
    """Return what a seller told, without a price that a price file cannot have."""
    if not found.tiers:
        return found
    tiers = tuple(Tier(above=in_units(tier.above), price=in_units(tier.price)) for tier in found.tiers)
    is_lost = any(was.price and not tier.price for was, tier in zip(found.tiers, tiers, strict=True))
    if is_lost or not can_be_read(found.wanted.item, tiers):
        return not_told(found.wanted, found.source, "what was told is no price")
    return replace(found, tiers=tiers)


def as_file(found: Iterable[Found], today: date, kept: Iterable[PriceRow] = ()) -> str:
    """Return a price file of what was found, with rows of an earlier one that were not asked for now."""
    rows = {key_of(each.wanted): (each.tiers, today, each.source) for each in found if each.tiers}
    for row in kept:
        rows.setdefault(key_of(row), (row.tiers, row.as_of or today, row.source))
    lines = "".join(_line(key, *rows[key]) for key in sorted(rows))
    return f"{HEADER}version: 1\ncurrency: USD\nprices:\n{lines}" if lines else f"{HEADER}version: 1\n"


def _line(key: Key, tiers: tuple[Tier, ...], as_of: date, source: str) -> str:
    item, provider, region, to_region, lifecycle, unit = key
    fields = {"item": json.dumps(item), "provider": provider, "region": json.dumps(region)}
    fields |= {"to_region": json.dumps(to_region)} if to_region else {}
    fields |= {"unit": json.dumps(unit), "lifecycle": lifecycle}
    if len(tiers) == 1:
        fields["price"] = f"{tiers[0].price:f}"
    else:
        fields["tiers"] = f"[{', '.join(f'{{above: {tier.above:f}, price: {tier.price:f}}}' for tier in tiers)}]"
    fields |= {"as_of": as_of.isoformat(), "source": json.dumps(source)}
    return f"- {{{', '.join(f'{name}: {value}' for name, value in fields.items())}}}\n"


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
    told = {key_of(each.wanted) for each in found if each.tiers}
    atomic_write(path, as_file(found, today, kept).encode())
    return sum(key_of(row) not in told for row in kept)
