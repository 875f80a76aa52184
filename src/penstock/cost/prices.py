"""Dated prices: reading the price list, and finding in it what applies.

A price is never made up: an item that the list does not have is an error that names what it has, and whoever must go on
leaves it open. Of an item's rows somebody's own of the region asked for comes first, or one without a region; then
Penstock's of the region, without one, and of the seller's first region; among equals the latest that is not of the
future.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cache
from importlib import resources
from pathlib import Path

from penstock.cost.disks import DISKS, INCLUDED, Disk
from penstock.cost.given import check_day, check_one_of, check_text, check_texts
from penstock.cost.price_file import PriceFile, decode_price_file, read_price_file
from penstock.cost.rating import best_of, rate_of
from penstock.cost.unpriced import no_item, not_between
from penstock.cost.values import UNITS, Lifecycle, Machine, PriceRow, Rate
from penstock.errors import ConfigError
from penstock.options.paths import PREFIXES, check_path, legs_of
from penstock.urls import local_path

__all__ = ["Prices", "load_prices", "node_key"]

_CLASSES = {
    "gcs": {"get": "class-b", "list": "class-a", "put": "class-a"},
    "r2": {"get": "class-b", "list": "class-a", "put": "class-a"},
    "azure": {"get": "read", "put": "write"},
}
"""What stores call kinds of requests, where that is not what they are."""
_USUAL_CLASS = {"azure": "hot"}
"""Storage class of objects that nothing is said of, where it is not called standard."""
_PACKAGED = "prices.yaml"


@dataclass(frozen=True, kw_only=True)
class Prices:
    """A price list on a day.

    Attributes:
        files: somebody's own first, Penstock's last.
        today: rows dated later are not looked at, and ages are counted by it.
    """

    files: tuple[PriceFile, ...]
    today: date

    @property
    def rows(self) -> tuple[PriceRow, ...]:
        """All rows, somebody's own first."""
        return tuple(row for file in self.files for row in file.prices)

    @property
    def machines(self) -> tuple[Machine, ...]:
        """All machines, somebody's own first."""
        return tuple(machine for file in self.files for machine in file.machines)

    def on(self, today: date) -> Prices:
        """Return the list as it is on another day."""
        return replace(self, today=today)

    def regions(self) -> tuple[str, ...]:
        """Name the regions that anything has a price in, sorted."""
        return tuple(sorted({row.region for row in self.rows if row.region}))

    def node_items(self) -> tuple[str, ...]:
        """Name the machines that have a price by the hour, sorted."""
        return tuple(sorted({row.item for row in self.rows if row.unit == "hour" and not row.item.endswith("-hour")}))

    def machine(self, name: str) -> Machine | None:
        """Return what is known of a kind of node, None where it is none that is known."""
        key = node_key(name)
        return next((each for each in self.machines if key in map(node_key, each.names)), None)

    def provider_of(self, name: str | None) -> str:
        """Return whose a node of such a type is; empty where that is not known."""
        if not name:
            return ""
        if machine := self.machine(name):
            return machine.provider
        key = node_key(name)
        return next((row.provider for row in self.rows if row.unit == "hour" and node_key(row.item) == key), "")

    def node(self, name: str, *, region: str | None = None, lifecycle: Lifecycle = "on-demand") -> Rate:
        """Return the price of a node's hour, by whatever name its cloud, its label or a person gives it.

        Raises:
            ConfigError: it has none.
        """
        machine = self.machine(name)
        keys = {node_key(each) for each in ((name,) if machine is None else (name, *machine.names))}
        rows = [row for row in self.rows if row.unit == "hour" and node_key(row.item) in keys]
        chosen = [row for row in rows if row.lifecycle == lifecycle]
        if not chosen:
            raise self._no_node(name, lifecycle, has_other=bool(rows))
        return self._rate(chosen, region)

    def find(
        self,
        item: str,
        *,
        unit: str,
        region: str | None = None,
        lifecycle: Lifecycle = "on-demand",
    ) -> Rate:
        """Return the price of an item.

        Args:
            unit: what the price must be per.
            region: the cloud's name of a region; None takes the seller's first.

        Raises:
            ConfigError: the list does not have it by that unit.
        """
        check_text(item, "item")
        check_one_of(unit, "unit", UNITS)
        if unit == "hour":
            return self.node(item, region=region, lifecycle=lifecycle)
        rows = [row for row in self._sold(item, unit, lifecycle) if not row.to_region]
        if not rows:
            raise self._no_item(item, unit)
        return self._rate(rows, region)

    def between(self, item: str, *, unit: str, region: str | None, to_region: str = "") -> Rate:
        """Return the price of transfer from a region to another: that of the two, else that from it to any other.

        Args:
            region: that it leaves; None takes the seller's first.

        Raises:
            ConfigError: the list has neither. What leaves another region costs is never taken for it.
        """
        check_texts(item=item, to_region=to_region)
        rows = self._sold(item, unit, "on-demand")
        if not rows:
            raise self._no_item(item, unit)
        fitting = [
            row
            for row in rows
            if (region is None or row.region in (region, "")) and row.to_region in ("", to_region)
            if region is not None or not row.to_region
        ]
        fitting = [row for row in fitting if row.is_own] or fitting
        if not fitting:
            raise not_between(rows[0], region or "", to_region)
        return self._rate([row for row in fitting if row.to_region] or fitting, region)

    def requests(self, store: str, kind: str, *, storage_class: str = "standard", region: str | None = None) -> Rate:
        """Return the price of 1000 requests of a kind (``get``, ``put``, ``list``) to a store (``s3``, ``gcs``, ...).

        Raises:
            ConfigError: there is none.
        """
        check_texts(store=store, kind=kind)
        name = _CLASSES.get(store, {}).get(kind, kind)
        return self.find(f"{_class_of(store, storage_class)}-{name}", unit="1000 requests", region=region)

    def retrieval(self, store: str, *, storage_class: str, region: str | None = None) -> Rate:
        """Return what a GiB that is read costs besides its transfer.

        Raises:
            ConfigError: there is no price of it; where reading is free, there is one of 0.
        """
        check_texts(store=store, storage_class=storage_class)
        return self.find(f"{_class_of(store, storage_class)}-retrieval", unit="GiB", region=region)

    def storage(self, store: str, *, storage_class: str = "standard", region: str | None = None) -> Rate:
        """Return what a GiB that is kept for a month costs.

        Raises:
            ConfigError: there is no price of it.
        """
        check_texts(store=store, storage_class=storage_class)
        name = _USUAL_CLASS.get(store, "standard") if storage_class == "standard" else storage_class
        return self.find(f"{store}-{name}", unit="GiB-month", region=region)

    def transfer(
        self, path: str, *, provider: str = "aws", region: str | None = None, to_region: str = ""
    ) -> tuple[Rate, ...]:
        """Return the prices of a way from the source to the node: one a leg, which add up.

        Args:
            path: legs joined by ``+`` (``nat+cross-region``), those of ``penstock.options.paths``.
            region: of the source; None where that is not known.
            to_region: of the node.

        Raises:
            ConfigError: there is no such way, or a leg has no price.
        """
        check_path(path)
        check_texts(provider=provider, to_region=to_region)
        prefix = PREFIXES.get(provider, f"{provider}-transfer")
        return tuple(
            self.between(f"{prefix}-{leg.item}", unit=leg.unit, region=region, to_region=to_region)
            if leg.is_far
            else self.find(
                f"{prefix}-{leg.item}",
                unit=leg.unit,
                region=((to_region or region) if leg.is_of_node else (region or to_region)) or None,
            )
            for leg in legs_of(path)
        )

    def disk(self, item: str | None = None, *, provider: str = "aws", region: str | None = None) -> Disk:
        """Return the prices of a block volume, the provider's usual one where none is named.

        Raises:
            ConfigError: nothing is known of it.
        """
        check_text(item, "item", may_lack=True)
        check_text(provider, "provider")
        name = item or DISKS.get(provider)
        if name is None:
            raise ConfigError(
                f"which disks {provider or 'the provider'} sells is not known", fix="name one, or give its price"
            )
        iops, mib_s = INCLUDED.get(name, (0, 0))
        return Disk(
            storage=self.find(name, unit="GiB-month", region=region),
            iops=self._maybe(f"{name}-iops", "IOPS-month", region),
            throughput=self._maybe(f"{name}-throughput", "MiB/s-month", region),
            included_iops=iops,
            included_mib_s=mib_s,
        )

    def _maybe(self, item: str, unit: str, region: str | None) -> Rate | None:
        has = any(row.item == item and row.unit == unit for row in self.rows)
        return self.find(item, unit=unit, region=region) if has else None

    def _sold(self, item: str, unit: str, lifecycle: Lifecycle) -> list[PriceRow]:
        return [row for row in self.rows if row.item == item and row.unit == unit and row.lifecycle == lifecycle]

    def _no_item(self, item: str, unit: str) -> ConfigError:
        return no_item(item, unit, sorted({row.item for row in self.rows if row.unit == unit}), "")

    def _no_node(self, name: str, lifecycle: str, *, has_other: bool) -> ConfigError:
        if has_other:
            return ConfigError(
                f"there is no {lifecycle} price of {name!r}",
                fix="add a row to a price file of your own, or pass --node-usd-per-hour",
                about=name,
            )
        return no_item(name, "hour", self.node_items(), ", or pass --node-usd-per-hour")

    def _rate(self, rows: Sequence[PriceRow], region: str | None) -> Rate:
        check_text(region, "region", may_lack=True)
        return rate_of(best_of(rows, region, self.today), self.files, self.today, region)


def load_prices(path: str | Path | None = None, *, today: date | None = None) -> Prices:
    """Read Penstock's price list, with somebody's own file in front of it.

    Args:
        path: the file; None reads Penstock's alone.
        today: day to look at prices on; None is today.

    Raises:
        ConfigError: it is no path, or no day.
        RecordError: it is no price file; the message names the line.
    """
    day = datetime.now(UTC).date() if today is None else today
    check_day(day, "today")
    if path is None:
        return Prices(files=(_packaged(),), today=day)
    if not isinstance(path, Path):
        check_text(path, "the price file")
        path = Path(local_path(path, "the price file"))
    own = read_price_file(path)
    return Prices(files=(own,) if own.is_alone else (own, _packaged()), today=day)


@cache
def _packaged() -> PriceFile:
    import yaml  # here: `--help` does without it

    text = resources.files("penstock.cost").joinpath(_PACKAGED).read_text(encoding="utf-8")
    root = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    assert isinstance(root, yaml.MappingNode)
    return decode_price_file(root, f"Penstock's own {_PACKAGED}", is_own=False)


def node_key(name: str) -> str:
    """Return what names of one kind of node have in common: ``Standard_NC24ads_A100_v4`` is ``NC24ads_A100_v4``."""
    check_text(name, "a node's type")
    last = name.strip().rstrip("/").rpartition("/")[2].lower()
    return last.removeprefix("standard_").removeprefix("basic_")


def _class_of(store: str, storage_class: str) -> str:
    return store if storage_class in ("standard", _USUAL_CLASS.get(store)) else f"{store}-{storage_class}"
