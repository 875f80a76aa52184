"""What a forecast stands on: the demand, the link, the node and the places that data may lie in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from penstock.cost.forecasting.course import Course
from penstock.cost.prices import Prices
from penstock.cost.values import Lifecycle, Rate, as_decimal
from penstock.errors import ConfigError
from penstock.records import ClassSize
from penstock.window.geometry import KEPT_SHARE

__all__ = ["LEAST_WINDOW_BYTES", "Demand", "Link", "Node", "Places", "holding_bytes", "node_of"]

LEAST_WINDOW_BYTES = 64 * 2**20
_STREAMING_BYTES = 64 * 2**20
"""Of a window that holds everything, for what streams through it."""

_BITS = 8
_GBPS, _MB = 10**9, 10**6


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """What a training reads and computes.

    Attributes:
        epoch_bytes: D, of one epoch.
        epoch_requests: GETs of one epoch that finds nothing in the window.
        pages: LIST requests of the listing.
        num_objects: that a download asks for.
        epochs: E, 1 or more.
        compute_seconds: Tc, of one epoch.
        once_bytes: read once behind the epochs, as a test split is.
        once_requests: GETs of that.
        packed_bytes: of one object that a packed copy would have.
        is_compute_known: whether it is known how long an epoch computes: it is taken to be nothing otherwise, which
            makes times and dollars the least that they can be.
        least_window_bytes: that a window needs to stream it.
        largest_bytes: of what is fetched as one, such as a sample; 0 where that is not known.
        batch_extents: of those, that a window must hold at once.
        handing_seconds: of an epoch, that a loop's own process takes to be given its samples, between two batches.
        once_compute_seconds: of what is read once.
        start_seconds: before the first epoch and behind the last, such as imports; 0 where nobody told.
        list_seconds: that listing takes before that; None where it was not listed for this.
        again_share: of the requests, that are made once more, after faults or because they were late: the bytes that
            came by then are not asked for again.
        done_share: of all epochs, that is done by when the run ends.
        noted: what was taken for granted of this demand, for people.
        storage_classes: what there is of each class of storage in the source; empty where it tells none.
        archived: what of it must be restored before it is read, by class.
        restore: tier of that; empty for the usual one.
        course: an epoch's samples in their order; None where that is not known.
        once: the same, of what is read once.
    """

    epoch_bytes: float
    epoch_requests: float
    pages: float
    num_objects: float
    epochs: int
    compute_seconds: float
    once_bytes: float = 0.0
    once_requests: float = 0.0
    packed_bytes: float = 256 * 2**20
    is_compute_known: bool = True
    least_window_bytes: int = LEAST_WINDOW_BYTES
    largest_bytes: float = 0.0
    batch_extents: int = 1
    handing_seconds: float = 0.0
    once_compute_seconds: float = 0.0
    start_seconds: float = 0.0
    list_seconds: float | None = None
    again_share: float = 0.0
    done_share: float = 1.0
    noted: tuple[str, ...] = ()
    storage_classes: Mapping[str, ClassSize] = field(default_factory=dict)
    archived: Mapping[str, ClassSize] = field(default_factory=dict)
    restore: str = ""
    course: Course | None = field(default=None, repr=False, compare=False)
    once: Course | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("epoch_bytes", "epoch_requests", "pages", "num_objects", "compute_seconds", "once_bytes"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ConfigError(f"{name} {value} cannot be used", fix="give a number of 0 or more")
        if self.epochs < 1 or not self.epoch_bytes:
            raise ConfigError(
                f"{self.epochs} epochs of {self.epoch_bytes:g} bytes cannot be forecast", fix="give 1 or more of both"
            )

    @property
    def beside_seconds(self) -> float:
        """What a run takes beside its epochs and what is read once."""
        return self.start_seconds + (self.list_seconds or 0.0)

    @property
    def busy_seconds(self) -> float:
        """What an epoch takes that waits for nothing."""
        return self.compute_seconds + self.handing_seconds

    @property
    def done_epochs(self) -> float:
        """Epochs that are done by when the run ends, the last one not to its end."""
        return self.epochs * self.done_share

    @property
    def request_bytes(self) -> float:
        """What a request brings, on average."""
        return self.epoch_bytes / max(1.0, self.epoch_requests)

    def scaled(self, *, compute: float, requests: float) -> Demand:
        """Return the same with longer epochs and more requests."""
        return replace(
            self,
            compute_seconds=self.compute_seconds * compute,
            once_compute_seconds=self.once_compute_seconds * compute,
            epoch_requests=self.epoch_requests * requests,
            once_requests=self.once_requests * requests,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """From the source to the node.

    Attributes:
        bytes_per_second: B, more than 0, of the source; a node's network may do less.
        told: where the figure is from.
        path: legs that add up, as of ``--transfer``.
        region: of the source; None where that is not known.
        latency_seconds: from a request to the first byte of its answer.
        head_bytes: of an answer, that pass beside its body; 0 where the rate is that of bodies, as it was measured.
    """

    bytes_per_second: float
    told: str = "as stated"
    path: str = "same-region"
    region: str | None = None
    latency_seconds: float = 0.0
    head_bytes: float = 0.0

    def __post_init__(self) -> None:
        if not self.bytes_per_second > 0:
            raise ConfigError(f"a link of {self.bytes_per_second} B/s moves nothing", fix="give a rate above 0")


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """What trains.

    Attributes:
        name: of its type.
        usd_per_hour: None where it has no price.
        spot_usd_per_hour: None where that has none.
        rate: the list's price that usd_per_hour is; None where it is somebody's own.
        spot_rate: that spot_usd_per_hour is.
        network_bytes_per_second: that lasts; None where it is not known, and is no limit.
        disk_bytes_per_second: of block storage, that lasts.
        nvme_bytes: of its own disks.
        provider: whose block storage it has; empty where that is not known, which is taken to be AWS's.
    """

    name: str
    usd_per_hour: Decimal | None
    spot_usd_per_hour: Decimal | None = None
    network_bytes_per_second: float | None = None
    disk_bytes_per_second: float | None = None
    nvme_bytes: float = 0.0
    provider: str = ""
    rate: Rate | None = None
    spot_rate: Rate | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """What data may lie in beside the source.

    Attributes:
        window_bytes: W.
        kept_share: of the window that keeps samples from one epoch to the next.
        keeps_at_once: whether it keeps from the first byte on, as a cache on disk does.
        max_disk_bytes: that a block volume may have; None for any.
        box_usd_per_hour: of a cheap machine that downloads ahead of the training.
        passes: over a part of the data before the next is read, of the ways that repeat.
    """

    window_bytes: float
    kept_share: float = KEPT_SHARE
    keeps_at_once: bool = False
    max_disk_bytes: float | None = 64 * 2**40
    box_usd_per_hour: Decimal = field(default_factory=lambda: Decimal("0.02"))
    passes: tuple[int, ...] = (2, 4)


def holding_bytes(epoch_bytes: float) -> float:
    """Return the room of a window that holds all of an epoch, as a download by its command does."""
    return epoch_bytes / KEPT_SHARE + _STREAMING_BYTES


def node_of(name: str, prices: Prices, *, region: str | None = None, usd_per_hour: float | None = None) -> Node:
    """Return what is known of a kind of node: its price, and what its network and disks do for as long as one likes.

    Args:
        usd_per_hour: in place of the list's price.
    """
    machine = prices.machine(name)
    gbps = machine.network_baseline_gbps if machine is not None else None
    disk = machine.disk_baseline_mb_s if machine is not None else None
    nvme = machine.local_nvme_gb if machine is not None else None
    stated = None if usd_per_hour is None else as_decimal(usd_per_hour)
    rate = None if stated is not None else _rate(prices, name, region, "on-demand")
    spot_rate = _rate(prices, name, region, "spot")
    return Node(
        name=name,
        usd_per_hour=stated if rate is None else rate.usd,
        spot_usd_per_hour=None if spot_rate is None else spot_rate.usd,
        network_bytes_per_second=None if gbps is None else float(gbps) * _GBPS / _BITS,
        disk_bytes_per_second=None if disk is None else float(disk) * _MB,
        nvme_bytes=0.0 if nvme is None else float(nvme) * _GBPS,
        provider=prices.provider_of(name),
        rate=rate,
        spot_rate=spot_rate,
    )


def _rate(prices: Prices, name: str, region: str | None, lifecycle: Lifecycle) -> Rate | None:
    try:
        return prices.node(name, region=region, lifecycle=lifecycle)
    except ConfigError:
        return None
