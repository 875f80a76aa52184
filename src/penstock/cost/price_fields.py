"""The fields of a price file's rows, and how each is read; a wrong one is told with the node that it stands in."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import TYPE_CHECKING, Any, get_args

from penstock.cost.values import UNITS, Lifecycle, Provider, Tier
from penstock.texts import did_you_mean, printable

if TYPE_CHECKING:
    import yaml

__all__ = [
    "DISCOUNT",
    "EXCHANGE",
    "FILE",
    "MACHINE",
    "OWN",
    "PRICE",
    "SECTIONS",
    "BadField",
    "Field",
    "can_be_read",
    "read_fields",
]

SECTIONS = ("machines", "prices", "discounts", "exchange", "own", "sources")
_MOST = 10**12
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?([eE][-+]?[0-9]{1,2})?")
_LONGEST = 80


class BadField(Exception):
    """A field that makes no sense.

    Attributes:
        node: where it stands.
        what: is wrong, with the value.
        fix: what to write.
    """

    def __init__(self, node: yaml.Node, what: str, fix: str) -> None:
        super().__init__(what)
        self.node, self.what, self.fix = node, what, fix


class _Wrong(Exception):
    """A value that a reader does not take; its text says what to write."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """How a field is read.

    Attributes:
        read: a value of a scalar's text.
        is_list: several values, in brackets, or one.
        is_needed: every row must have it.
    """

    read: Callable[[str], Any]
    is_list: bool = False
    is_needed: bool = False


def read_fields(
    node: yaml.MappingNode, known: dict[str, Field], what: str, *, leaving: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return the values of a row's fields.

    Args:
        what: the row is, for messages.
        leaving: names that are somebody else's.

    Raises:
        BadField: one is not known, makes no sense, stands twice or lacks.
    """
    found: dict[str, Any] = {}
    for key, value in node.value:
        name = str(key.value)
        if name in leaving:
            continue
        if name not in known:
            near = did_you_mean(name, known, quoted=False)
            raise BadField(key, f"{what} has no {_shown(name)}", f"{near}known are: {', '.join(known)}")
        if name in found:
            raise BadField(key, f"{name} stands twice", "keep the right one")
        found[name] = _tiers(value) if name == "tiers" else _value(value, known[name], name)
    for name, field in known.items():
        if field.is_needed and found.get(name) in (None, ""):
            raise BadField(node, f"{what} lacks its {name}", f"write {name}, a colon, and its value")
    return {name: value for name, value in found.items() if value is not None}


def _value(node: yaml.Node, field: Field, name: str) -> Any:
    import yaml

    if field.is_list and isinstance(node, yaml.SequenceNode):
        return tuple(_scalar(each, field, name) for each in node.value)
    value = _scalar(node, field, name)
    return (value,) if field.is_list else value


def _scalar(node: yaml.Node, field: Field, name: str) -> Any:
    import yaml

    if not isinstance(node, yaml.ScalarNode):
        raise BadField(node, f"{name} is no single value", "write a text or a number")
    text = str(node.value)
    if text in ("", "~", "null") and node.style not in ("'", '"'):
        return None
    try:
        return field.read(text)
    except _Wrong as wrong:
        raise BadField(node, f"{name} is {_shown(text)}", str(wrong)) from wrong


def _tiers(node: yaml.Node) -> tuple[Tier, ...]:
    """Read tiers: a list of ``{above: 100, price: 0.09}``, the first above 0."""
    import yaml

    if not isinstance(node, yaml.SequenceNode) or not node.value:
        raise BadField(node, "tiers is no list", "write it like [{above: 0, price: 0}, {above: 100, price: 0.09}]")
    tiers = []
    for each in node.value:
        if not isinstance(each, yaml.MappingNode):
            raise BadField(each, "a tier is no mapping", "write it like {above: 100, price: 0.09}")
        given = read_fields(each, _TIER, "a tier")
        tiers.append(Tier(above=given["above"], price=given["price"]))
    if not _do_rise(tiers):
        raise BadField(node, "tiers do not rise from 0", "begin with above: 0, and let each begin above the one before")
    return tuple(tiers)


def _do_rise(tiers: Sequence[Tier]) -> bool:
    return tiers[0].above == 0 and all(low.above < high.above for low, high in pairwise(tiers))


def can_be_read(name: str, tiers: Sequence[Tier]) -> bool:
    """Tell whether a price file may have such a name and such prices."""
    numbers = [number for tier in tiers for number in (tier.above, tier.price)]
    try:
        _text(name)
        for number in numbers:
            _number(f"{number:f}")
    except _Wrong:
        return False
    return _do_rise(tiers)


def _shown(text: str) -> str:
    return repr(printable(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."))


def _number(text: str) -> Decimal:
    try:
        if _NUMBER.fullmatch(text):
            return _held(Decimal(text))
    except InvalidOperation:
        pass
    raise _Wrong("write a number that is not negative, like 1.006")


def _held(number: Decimal) -> Decimal:
    if number > _MOST:
        raise _Wrong(f"write a number of at most {_MOST:,}, which a bill can hold")
    return number


def _rate(text: str) -> Decimal:
    number = _number(text)
    if not number:
        raise _Wrong("write what it does, more than 0, or leave it out where that is not known")
    return number


def _whole(text: str) -> int:
    number = _number(text)
    if number != int(number):
        raise _Wrong("write a whole number")
    return int(number)


def _percent(text: str) -> Decimal:
    number = _number(text)
    if number > 100:
        raise _Wrong("write a number from 0 to 100")
    return number


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise _Wrong("write a day as YYYY-MM-DD") from error


def _text(text: str) -> str:
    if len(text) > 500 or printable(text) != text:
        raise _Wrong("write a short text without control characters")
    return text


def _currency(text: str) -> str:
    if not re.fullmatch(r"[A-Z]{3}", text):
        raise _Wrong("write a currency's three letters, like USD or EUR")
    return text


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise _Wrong("write true or false")
    return text == "true"


def _one_of(*known: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in known:
            raise _Wrong(f"{did_you_mean(text, known, quoted=False)}write one of: {', '.join(known)}")
        return text

    return read


_TEXT, _DAY, _NUMBERS = Field(read=_text), Field(read=_day), Field(read=_number)
_NAME = Field(read=_text, is_needed=True)
_NEEDED = Field(read=_number, is_needed=True)
_CURRENCY = Field(read=_currency)
_SOLD = {"provider": Field(read=_one_of(*get_args(Provider))), "region": _TEXT}
_ORIGIN = {"as_of": _DAY, "source": _TEXT}
_TIER = {"above": _NEEDED, "price": _NEEDED}
FILE = {"version": Field(read=_one_of("1")), "currency": _CURRENCY, "alone": Field(read=_flag), **_ORIGIN}
PRICE = {
    "item": _NAME,
    "unit": Field(read=_one_of(*UNITS), is_needed=True),
    "price": _NUMBERS,
    "tiers": _TEXT,
    "currency": _CURRENCY,
    **_SOLD,
    "to_region": _TEXT,
    "lifecycle": Field(read=_one_of(*get_args(Lifecycle))),
    **_ORIGIN,
}
MACHINE = {
    "name": _NAME,
    "also": Field(read=_text, is_list=True),
    "provider": _SOLD["provider"],
    "vcpus": Field(read=_whole),
    "memory_gib": _NUMBERS,
    "gpu": _TEXT,
    "gpus": Field(read=_whole),
    "gpu_memory_gib": _NUMBERS,
    "network_gbps": Field(read=_rate),
    "network_burst_gbps": _NUMBERS,
    "disk_mb_s": Field(read=_rate),
    "disk_burst_mb_s": _NUMBERS,
    "disk_iops": Field(read=_whole),
    "local_nvme_gb": _NUMBERS,
    **_ORIGIN,
}
DISCOUNT = {
    "items": _NAME,
    "percent": Field(read=_percent, is_needed=True),
    "kind": Field(read=_one_of("negotiated", "committed")),
    **_SOLD,
    "begins": _DAY,
    "ends": _DAY,
    "why": _TEXT,
}
EXCHANGE = {"currency": Field(read=_currency, is_needed=True), "usd": _NEEDED, **_ORIGIN}
OWN = {
    "item": _NAME,
    "purchase": _NEEDED,
    "years": _NEEDED,
    "hours_per_year": _NUMBERS,
    "watts": _NUMBERS,
    "kwh": _NUMBERS,
    "other": _NUMBERS,
    "currency": _CURRENCY,
    **_ORIGIN,
}
