"""The ways that data may go, and what each takes: wall time, stall, dollars by line, disk.

An epoch that is streamed takes max(Tc, bytes/B, K/disk), where K is what the window keeps on a disk; one that is read
from a disk max(Tc, D/disk). B is the least of the link, the node's network as it lasts, and for a download what its
disk can write. Dollars are those of prices; a line
whose price is not known has none, and is told.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from decimal import Decimal

from penstock.cost.forecasting.foreseen import foresee
from penstock.cost.forecasting.inputs import Demand, Link, Node, Places, holding_bytes
from penstock.cost.forecasting.market import Line, Market
from penstock.cost.forecasting.streaming import fetch_rate
from penstock.cost.values import as_decimal, in_money
from penstock.units import GIB

__all__ = ["Store", "Way", "WayCost", "cost_of", "lines_of"]

_HOUR = 3600
BLOCK_BYTES_PER_SECOND = 125 * 2**20
"""Of a block volume for whose throughput nothing more is paid."""
FSX_LEAST_GIB = 1200
SPOT_LOST_SHARE = 0.05
"""Of a run's time, that interruptions cost: a start of some minutes, and half of what lies between two saves."""
RANGE_BYTES = 8 * 2**20
"""Of one request for a part of a large packed object."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Store:
    """A disk that data is put on before it is trained on.

    Attributes:
        item: of the price list, per GiB-month; empty for the node's own, which costs nothing more.
        bytes_per_second: that it reads and writes.
        room_bytes: the most that it holds; None for any.
        least_gib: the least that is sold.
    """

    item: str
    bytes_per_second: float
    room_bytes: float | None = None
    least_gib: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """A way that data may go.

    Attributes:
        name: short, for tables and JSON.
        told: what it is, for people.
        window_bytes: what is kept in memory or on disk while it is streamed; None where nothing is streamed.
        window_store: where that lies.
        disk: where everything is put first; None where it is streamed.
        path: legs from the source; None for the link's own.
        is_staged: whether a cheap machine downloads, ahead of the node.
        is_packed: whether it is written anew as large objects first.
        is_spot: whether the node may be taken away.
        is_usual: whether it may be recommended: others ask for another place, contract or order.
        passes: epochs that are made of a part of the data before the next part is read; 1 for each of its own.
    """

    name: str
    told: str
    window_bytes: float | None = None
    window_store: Store | None = None
    disk: Store | None = None
    path: str | None = None
    is_staged: bool = False
    is_packed: bool = False
    is_spot: bool = False
    is_usual: bool = True
    passes: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class WayCost:
    """What a way takes.

    Attributes:
        wall_seconds: from the first byte to the last step.
        stall_seconds: of them, that the node waits, downloads included.
        moved_bytes: from the source.
        get_requests: of all epochs.
        disk_bytes: that it needs.
        fits: whether there is that much room.
        ahead_seconds: of the wall time, before the node begins.
        limit: what bounds the rate of the bytes.
    """

    way: Way
    wall_seconds: float
    stall_seconds: float
    moved_bytes: float
    get_requests: float
    disk_bytes: float
    fits: bool
    limit: str
    lines: tuple[Line, ...]
    ahead_seconds: float = 0.0

    @property
    def usd(self) -> Decimal:
        """Of the lines that have a price."""
        return sum((line.usd for line in self.lines if line.usd is not None), Decimal(0))

    @property
    def unpriced(self) -> tuple[str, ...]:
        """What has none."""
        return tuple(line.what for line in self.lines if line.usd is None)

    @property
    def has_price(self) -> bool:
        """Whether anything that it takes has a price: the dollars of nothing are not 0, but not known."""
        return not self.unpriced or any(line.usd is not None and line.quantity for line in self.lines)

    @property
    def utilisation(self) -> float:
        """Part of the node's time that it computes, 0 to 1."""
        on_node = self.wall_seconds - self.ahead_seconds
        return 1 - self.stall_seconds / on_node if on_node else 0.0

    def usd_of(self, word: str) -> Decimal:
        """Return the dollars of lines that a word is in."""
        return sum((line.usd for line in self.lines if word in line.what and line.usd is not None), Decimal(0))


def cost_of(way: Way, demand: Demand, link: Link, node: Node, places: Places, market: Market) -> WayCost:
    """Return what a way takes."""
    network = node.network_bytes_per_second or math.inf
    rate, limit = fetch_rate(demand, link, network, window_bytes=way.window_bytes or 0.0)
    if way.is_packed:
        return _packed(way, demand, rate, limit, link, node, places, market)
    if way.disk is not None:
        return _downloaded(way, demand, link, node, places, market)
    store = way.window_store
    found = foresee(
        demand,
        link,
        places,
        window_bytes=way.window_bytes or 0.0,
        passes=way.passes,
        network=network,
        disk_rate=math.inf if store is None else store.bytes_per_second,
    )
    wall = demand.beside_seconds + found.seconds + found.once_seconds
    stall = wall - demand.done_epochs * demand.compute_seconds
    if way.is_spot:
        wall, stall = wall * (1 + SPOT_LOST_SHARE), stall + wall * SPOT_LOST_SHARE
    moved = demand.epoch_bytes * found.times + demand.once_bytes
    gets = (demand.epoch_requests * found.request_times + demand.once_requests) * (1 + demand.again_share)
    hours = wall / _HOUR
    fits = store is None or store.room_bytes is None or (way.window_bytes or 0.0) <= store.room_bytes
    lines = [_node(node, hours, is_spot=way.is_spot), *market.asked(demand, gets, moved, hours)]
    lines += market.transfer(link, way.path or link.path, moved, hours)
    lines += market.disk("" if store is None else store.item, way.window_bytes or 0.0, hours)
    return WayCost(
        way=way,
        wall_seconds=wall,
        stall_seconds=stall,
        moved_bytes=moved,
        get_requests=gets,
        disk_bytes=way.window_bytes or 0.0,
        fits=fits,
        limit=limit,
        lines=tuple(lines),
    )


def _downloaded(way: Way, demand: Demand, link: Link, node: Node, places: Places, market: Market) -> WayCost:
    assert way.disk is not None
    network = math.inf if way.is_staged else node.network_bytes_per_second or math.inf
    disk = way.disk.bytes_per_second
    rate, limit = min(fetch_rate(demand, link, network), (disk, "the disk"))
    size = demand.epoch_bytes + demand.once_bytes
    download = size / rate
    epoch = max(demand.busy_seconds, demand.epoch_bytes / disk)
    scored = max(demand.once_compute_seconds, demand.once_bytes / disk)
    trained = demand.beside_seconds + demand.done_epochs * epoch + scored
    wall = download + trained
    on_node = trained if way.is_staged else wall
    gets = (demand.epoch_requests + demand.once_requests) * (1 + demand.again_share)
    room = way.disk.room_bytes if way.disk.room_bytes is not None else places.max_disk_bytes
    lines = [_node(node, on_node / _HOUR), *market.asked(demand, gets, size, download / _HOUR)]
    if way.is_staged:
        hours = as_decimal(download / _HOUR)
        lines.append(
            Line(what="cheap machine", quantity=hours, unit="hour", usd=in_money(hours * places.box_usd_per_hour))
        )
    lines += market.transfer(link, way.path or link.path, size, wall / _HOUR)
    lines += market.disk(way.disk.item, max(size, way.disk.least_gib * GIB), wall / _HOUR)
    return WayCost(
        way=way,
        wall_seconds=wall,
        stall_seconds=on_node - demand.done_epochs * demand.compute_seconds,
        moved_bytes=size,
        get_requests=gets,
        disk_bytes=size,
        fits=room is None or max(size, holding_bytes(demand.epoch_bytes)) <= room,
        limit=limit,
        lines=tuple(lines),
        ahead_seconds=wall - on_node,
    )


def _packed(
    way: Way, demand: Demand, rate: float, limit: str, link: Link, node: Node, places: Places, market: Market
) -> WayCost:
    """Read all once, write it as large objects, and stream these."""
    size = demand.epoch_bytes + demand.once_bytes
    packing = 2 * size / rate  # in and out again
    later = replace(
        demand,
        epoch_requests=math.ceil(demand.epoch_bytes / RANGE_BYTES),
        once_requests=math.ceil(demand.once_bytes / RANGE_BYTES),
        pages=1 + size / demand.packed_bytes / 1000,
        storage_classes={},
        archived={},  # the copy is read
        course=None,  # of the data as it lies
        once=None,
    )
    streamed = cost_of(replace(way, is_packed=False), later, replace(link, path="same-region"), node, places, market)
    hours = packing / _HOUR
    gets = (demand.epoch_requests + demand.once_requests) * (1 + demand.again_share)
    lines = [
        _node(node, hours),
        *market.asked(demand, gets, size, hours),
        *market.transfer(link, link.path, size, hours),
    ]
    if market.tariff is not None:
        parts = size / RANGE_BYTES + 2 * math.ceil(size / demand.packed_bytes)
        lines.append(market.requests("PUT requests of packing", market.tariff.put, parts))
        lines.append(market.stored("packed copy", size / GIB * (packing + streamed.wall_seconds) / _HOUR))
    return replace(
        streamed,
        way=way,
        wall_seconds=streamed.wall_seconds + packing,
        stall_seconds=streamed.stall_seconds + packing,
        moved_bytes=streamed.moved_bytes + size,
        get_requests=streamed.get_requests + gets,
        limit=limit,
        lines=(*lines, *streamed.lines),
    )


def lines_of(
    market: Market, demand: Demand, link: Link, node: Node, *, wall_seconds: float, gets: float, moved_bytes: float
) -> tuple[Line, ...]:
    """Return what node, requests and transfer of a stream cost, whose window costs nothing more."""
    hours = wall_seconds / _HOUR
    return (
        _node(node, hours),
        *market.asked(demand, gets, moved_bytes, hours),
        *market.transfer(link, link.path, moved_bytes, hours),
    )


def _node(node: Node, hours: float, *, is_spot: bool = False) -> Line:
    price, rate = (node.spot_usd_per_hour, node.spot_rate) if is_spot else (node.usd_per_hour, node.rate)
    number = as_decimal(hours)
    usd = None if price is None else in_money(number * price)
    return Line(
        what=f"{node.name or 'node'}{' (spot)' if is_spot else ''}", quantity=number, unit="hour", usd=usd, rate=rate
    )
