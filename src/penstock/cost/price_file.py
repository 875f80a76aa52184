"""Price files: YAML, checked against its schema, with errors that name the line.

Sections: ``machines``, ``prices``, ``discounts``, ``exchange``, ``own`` (what an hour of a machine of one's own
costs), and the values ``currency``, ``as_of`` and ``source`` of rows without their own. ``sources`` gives long sources
a short name. ``alone: true`` leaves Penstock's own prices out. A file with one row in one section is whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from penstock.cost.price_fields import (
    DISCOUNT,
    EXCHANGE,
    FILE,
    MACHINE,
    OWN,
    PRICE,
    SECTIONS,
    BadField,
    Field,
    read_fields,
)
from penstock.cost.price_rows import refuse_twice, refuse_wrong
from penstock.cost.values import Discount, Exchange, Machine, PriceRow, Tier, tiers_of
from penstock.errors import ConfigError, RecordError
from penstock.records.telling import what_it_is
from penstock.texts import did_you_mean
from penstock.yaml_files import MOST_BYTES, mapping_of, read_text

if TYPE_CHECKING:
    import yaml

__all__ = ["PriceFile", "decode_price_file", "read_price_file"]

_WANTED = "pass a price file: YAML with a section such as prices (docs/cost.md)"
_HOURS_PER_YEAR = Decimal(8760)
Row = TypeVar("Row")


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceFile:
    """What a price file says."""

    machines: tuple[Machine, ...] = ()
    prices: tuple[PriceRow, ...] = ()
    discounts: tuple[Discount, ...] = ()
    exchange: tuple[Exchange, ...] = ()
    is_alone: bool = False


def read_price_file(path: Path) -> PriceFile:
    """Read somebody's own price file.

    Raises:
        RecordError: it cannot be read, or is none; the message names the line.
    """
    try:
        text = read_text(path, wanted=_WANTED)
        return decode_price_file(mapping_of(text, str(path), like=_WANTED), str(path), is_own=True)
    except ConfigError as error:
        kind = _kind_of(path)
        what = f"{path} is no price file, but {kind}" if kind else error.what
        raise RecordError(what, fix=_WANTED if kind else error.fix, about=str(path)) from error


def _kind_of(path: Path) -> str:
    """Return what a file is that is no price file, empty where that cannot be told."""
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            data = file.read(MOST_BYTES)
    except (OSError, ValueError):
        return ""
    found = what_it_is(data)
    return "" if found == "some other JSON" else found


def decode_price_file(root: yaml.MappingNode | None, name: str, *, is_own: bool) -> PriceFile:
    """Check a mapping against the schema and return what it says.

    Args:
        name: of the file, for messages.
        is_own: it is somebody's own, which comes before Penstock's.

    Raises:
        ConfigError: something in it makes no sense; the message names the lines of all rows that do not.
    """
    if root is None:
        raise ConfigError(f"{name} is empty", fix=_WANTED)
    reading = _Reading(name, is_own)
    seen: set[str] = set()
    for key, _ in root.value:
        word = str(key.value)
        if word in seen:
            raise reading.refused(key, f"{word} stands twice", "put its rows together")
        seen.add(word)
        if word not in SECTIONS and word not in FILE:
            known = (*SECTIONS, *FILE)
            raise reading.refused(
                key,
                f"there is no section {word!r}",
                f"{did_you_mean(word, known, quoted=False)}use: {', '.join(known)}",
            )
    defaults = reading.fields_of(root, FILE, "the file", leaving=SECTIONS)
    reading.defaults = defaults
    reading.sources = reading.names_of(root)
    found = PriceFile(
        machines=reading.each(root, "machines", reading.machine),
        prices=(*reading.each(root, "prices", reading.price), *reading.each(root, "own", reading.own)),
        discounts=reading.each(root, "discounts", reading.discount),
        exchange=reading.each(root, "exchange", reading.exchange),
        is_alone=bool(defaults.get("alone")),
    )
    refuse_wrong(reading.problems)
    refuse_twice(found.prices)
    return found


class _Reading:
    """A file while it is read: its name, and the values that its rows without their own have."""

    def __init__(self, name: str, is_own: bool) -> None:
        self.name, self.is_own = name, is_own
        self.defaults: dict[str, Any] = {}
        self.sources: dict[str, str] = {}
        self.problems: list[ConfigError] = []

    def place(self, node: yaml.Node) -> str:
        return f"{self.name}:{node.start_mark.line + 1}"

    def refused(self, node: yaml.Node, what: str, fix: str) -> ConfigError:
        return ConfigError(f"{self.place(node)}: {what}", fix=fix, about=self.name)

    def rows(self, root: yaml.MappingNode, section: str) -> list[yaml.MappingNode]:
        import yaml

        node = next((value for key, value in root.value if key.value == section), None)
        if node is None or (isinstance(node, yaml.ScalarNode) and node.value in ("", "~", "null")):
            return []
        if not isinstance(node, yaml.SequenceNode):
            raise self.refused(node, f"{section} is no list", "begin each of its rows with a dash")
        for each in node.value:
            if not isinstance(each, yaml.MappingNode):
                raise self.refused(
                    each, f"a row of {section} is no mapping", "write it like {item: g5.xlarge, price: 1}"
                )
        return list(node.value)

    def each(self, root: yaml.MappingNode, section: str, read: Callable[[yaml.MappingNode], Row]) -> tuple[Row, ...]:
        """Read the rows of a section; the problems of those that make no sense are kept, and the others read on."""
        found = []
        for node in self.rows(root, section):
            try:
                found.append(read(node))
            except ConfigError as error:
                self.problems.append(error)
        return tuple(found)

    def names_of(self, root: yaml.MappingNode) -> dict[str, str]:
        import yaml

        node = next((value for key, value in root.value if key.value == "sources"), None)
        if node is None:
            return {}
        if not isinstance(node, yaml.MappingNode):
            raise self.refused(node, "sources is no mapping", "write a short name, a colon, and where prices were read")
        for key, value in node.value:
            if not isinstance(value, yaml.ScalarNode):
                raise self.refused(
                    value, f"the source {str(key.value)[:80]!r} is no text", "write where prices were read"
                )
        return {str(key.value): str(value.value) for key, value in node.value}

    def fields_of(
        self, node: yaml.MappingNode, known: dict[str, Field], what: str, *, leaving: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        try:
            return read_fields(node, known, what, leaving=leaving)
        except BadField as bad:
            raise self.refused(bad.node, bad.what, bad.fix) from bad

    def source(self, given: dict[str, Any]) -> str:
        text = str(given.get("source") or self.defaults.get("source") or "")
        return self.sources.get(text, text) or ("" if not self.is_own else self.name)

    def day(self, given: dict[str, Any]) -> date | None:
        found = given.get("as_of") or self.defaults.get("as_of")
        return found if isinstance(found, date) else None

    def price(self, node: yaml.MappingNode) -> PriceRow:
        given = self.fields_of(node, PRICE, "a price")
        if ("price" in given) == ("tiers" in given):
            told = "both a price and tiers" if "price" in given else "neither a price nor tiers"
            raise self.refused(node, f"{given['item']} has {told}", "write one of them")
        try:
            tiers = given.get("tiers") or tiers_of(given["price"])
        except BadField as bad:
            raise self.refused(bad.node, bad.what, bad.fix) from bad
        return self._row(node, given, str(given["unit"]), tiers)

    def own(self, node: yaml.MappingNode) -> PriceRow:
        """Return the price of an hour of a machine that somebody owns: its purchase and its power."""
        given = self.fields_of(node, OWN, "a machine of one's own")
        hours = given.get("hours_per_year", _HOURS_PER_YEAR)
        if not 0 < hours <= _HOURS_PER_YEAR + 24 or not given["years"]:
            raise self.refused(node, f"{given['item']} is never used", "write years, and hours_per_year up to 8760")
        bought = given["purchase"] / (given["years"] * hours)
        power = given.get("watts", Decimal(0)) / 1000 * given.get("kwh", Decimal(0))
        return self._row(node, {"provider": "own", **given}, "hour", tiers_of(bought + power + given.get("other", 0)))

    def _row(self, node: yaml.MappingNode, given: dict[str, Any], unit: str, tiers: tuple[Tier, ...]) -> PriceRow:
        return PriceRow(
            item=given["item"],
            unit=unit,
            tiers=tiers,
            currency=given.get("currency") or self.defaults.get("currency") or "USD",
            provider=given.get("provider", ""),
            region=given.get("region", ""),
            to_region=given.get("to_region", ""),
            lifecycle=given.get("lifecycle", "on-demand"),
            as_of=self.day(given),
            source=self.source(given),
            place=self.place(node),
            is_own=self.is_own,
        )

    def machine(self, node: yaml.MappingNode) -> Machine:
        given = self.fields_of(node, MACHINE, "a machine")
        return Machine(
            names=(given.pop("name"), *given.pop("also", ())),
            provider=given.pop("provider", "own"),
            as_of=self.day(given),
            source=self.source(given),
            place=self.place(node),
            is_own=self.is_own,
            gpu=given.get("gpu", ""),
            num_gpus=given.get("gpus", 0),
            vcpus=given.get("vcpus"),
            memory_gib=given.get("memory_gib"),
            gpu_memory_gib=given.get("gpu_memory_gib"),
            network_baseline_gbps=given.get("network_gbps"),
            network_burst_gbps=given.get("network_burst_gbps"),
            disk_baseline_mb_s=given.get("disk_mb_s"),
            disk_burst_mb_s=given.get("disk_burst_mb_s"),
            disk_baseline_iops=given.get("disk_iops"),
            local_nvme_gb=given.get("local_nvme_gb"),
        )

    def discount(self, node: yaml.MappingNode) -> Discount:
        given = self.fields_of(node, DISCOUNT, "a discount")
        return Discount(
            items=given["items"],
            kind=given.get("kind", "negotiated"),
            percent=given["percent"],
            provider=given.get("provider", ""),
            region=given.get("region", ""),
            begins=given.get("begins"),
            ends=given.get("ends"),
            why=given.get("why", ""),
            place=self.place(node),
        )

    def exchange(self, node: yaml.MappingNode) -> Exchange:
        given = self.fields_of(node, EXCHANGE, "an exchange rate")
        if not given["usd"]:
            raise self.refused(node, f"{given['currency']} is worth nothing", "write the US dollars for one")
        return Exchange(
            currency=given["currency"],
            usd=given["usd"],
            as_of=self.day(given),
            source=self.source(given),
            place=self.place(node),
        )
