"""All ways of one training on one node, with what each would take if things go better or worse, and which to take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from penstock.cost.forecasting.breakevens import Breakevens, breakevens_of, first_epochs
from penstock.cost.forecasting.inputs import Demand, Link, Node, Places
from penstock.cost.forecasting.ways import BLOCK_BYTES_PER_SECOND, FSX_LEAST_GIB, Market, Store, Way, WayCost, cost_of
from penstock.cost.prices import DISKS
from penstock.units import GIB, format_bytes, format_seconds, format_usd

__all__ = ["ASSUMPTIONS", "Forecast", "Outlook", "forecast_ways", "ways_of"]

LOW_RATE, LOW_COMPUTE = 1.25, 0.9
HIGH_RATE, HIGH_COMPUTE, HIGH_REQUESTS = 0.75, 1.1, 1.02
HYBRID_PARTS = (0.25, 0.5, 0.75)
ASSUMPTIONS = (
    "An epoch takes the longer of its computing and its bytes: the prefetcher works while the node computes.",
    "Networks and disks are taken at what they do for as long as one likes (baselines), never at their bursts.",
    f"Low: a link {LOW_RATE:g} times as fast and {1 - LOW_COMPUTE:.0%} less computing; high: {HIGH_RATE:g} times as "
    f"fast, {HIGH_COMPUTE - 1:.0%} more computing, and {HIGH_REQUESTS - 1:.0%} of the requests made twice.",
    "A GB of a price list is 1 GiB, a month of disk 720 hours; hours are billed by the second.",
    "A disk is billed for as long as the run; on the node's own disk data is gone with the node.",
    "A spot node is taken to lose 5 % of its time to interruptions.",
    "Packing reads everything once and writes it once, on the training's node; the copy is kept until the run ends.",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """A way with what it would cost if things go better or worse."""

    mid: WayCost
    low: WayCost
    high: WayCost


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """What there is to say before a run.

    Attributes:
        outlooks: of all ways, as they were asked for.
        best: name of the way that is recommended, empty where no way fits.
        rate: bytes per second that a stream gets.
    """

    demand: Demand
    link: Link
    node: Node
    places: Places
    outlooks: tuple[Outlook, ...]
    breakevens: Breakevens
    best: str
    rate: float

    def outlook(self, name: str) -> Outlook:
        """Return a way by its name."""
        return next(each for each in self.outlooks if each.mid.way.name == name)

    @property
    def recommendation(self) -> str:
        """Say in one sentence what to do."""
        if not self.best:
            return "Nothing fits: name a larger node, or a larger window."
        mid = self.outlook(self.best).mid
        money = f"about {format_usd(float(mid.usd))} and " if not mid.unpriced else ""
        left = f" (without {', '.join(mid.unpriced)}, whose price is not known)" if mid.unpriced else ""
        where = f" on {self.node.name}" if self.node.name else ""
        return f"{mid.way.told[0].upper()}{mid.way.told[1:]}{where}: {money}{format_seconds(mid.wall_seconds)}{left}."

    @property
    def sentences(self) -> tuple[str, ...]:
        """Say what the break-evens mean."""
        return self.breakevens.sentences(self.demand, self.rate, is_priced=self.node.usd_per_hour is not None)


def ways_of(demand: Demand, node: Node, places: Places, *, paths: Sequence[str] = ()) -> list[Way]:
    """Return the ways that there are on a node.

    Args:
        paths: other ways from the source to price a stream on.
    """
    size = demand.epoch_bytes + demand.once_bytes
    nvme = Store(item="", bytes_per_second=math.inf, room_bytes=node.nvme_bytes)
    volume = DISKS.get(node.provider, DISKS["aws"])
    rate = min(BLOCK_BYTES_PER_SECOND, node.disk_bytes_per_second or math.inf)
    block = Store(item=volume, bytes_per_second=rate)
    on_node = node.nvme_bytes >= places.window_bytes
    lies = nvme if on_node else block
    where = "the node's own disk" if on_node else volume
    window = f"stream through a window of {format_bytes(places.window_bytes)} on {where}"
    found = [Way(name="stream", told="stream each epoch anew, in a window that keeps nothing", window_bytes=0.0)]
    if places.window_bytes:
        found.append(Way(name="window", told=window, window_bytes=places.window_bytes, window_store=lies))
    for part in HYBRID_PARTS:
        kept = part * demand.epoch_bytes / places.kept_share
        if kept > places.window_bytes:
            store = nvme if node.nvme_bytes >= kept else block
            told = f"keep {part:.0%} of the data in a window of {format_bytes(kept)} and stream the rest"
            found.append(Way(name=f"hybrid-{part:.0%}".rstrip("%"), told=told, window_bytes=kept, window_store=store))
    found.append(Way(name=f"download-{volume}", told=f"download everything to {volume} first", disk=block))
    if node.nvme_bytes:
        found.append(Way(name="download-nvme", told="download everything to the node's own disk first", disk=nvme))
    if volume == DISKS["aws"]:
        gib = max(size / GIB, FSX_LEAST_GIB)
        fsx = Store(item="fsx-lustre-scratch", bytes_per_second=gib / 1024 * 200 * 2**20, least_gib=FSX_LEAST_GIB)
        told = "download everything to FSx for Lustre first"
        found.append(Way(name="download-fsx", told=told, disk=fsx, is_usual=False))
    staged = f"have a cheap machine download everything to {volume}, and begin the node when it is there"
    found.append(Way(name="staged", told=staged, disk=block, is_staged=True, is_usual=False))
    packed = "pack everything once into large objects, and stream these"
    found.append(
        Way(
            name="pack",
            told=packed,
            window_bytes=places.window_bytes,
            window_store=lies,
            is_packed=True,
            is_usual=False,
        )
    )
    for path in paths:
        told = f"{window}, by way of {path}"
        found.append(
            Way(name=path, told=told, window_bytes=places.window_bytes, window_store=lies, path=path, is_usual=False)
        )
    if node.spot_usd_per_hour is not None:
        told = f"{window}, on a spot node"
        found.append(
            Way(
                name="spot",
                told=told,
                window_bytes=places.window_bytes,
                window_store=lies,
                is_spot=True,
                is_usual=False,
            )
        )
    return found


def forecast_ways(
    demand: Demand, link: Link, node: Node, places: Places, market: Market, *, paths: Sequence[str] = ()
) -> Forecast:
    """Return what each way would take."""
    low = demand.scaled(compute=LOW_COMPUTE, requests=1.0)
    high = demand.scaled(compute=HIGH_COMPUTE, requests=HIGH_REQUESTS)
    fast, slow = (replace(link, bytes_per_second=link.bytes_per_second * times) for times in (LOW_RATE, HIGH_RATE))
    outlooks = [
        Outlook(
            mid=cost_of(way, demand, link, node, places, market),
            low=cost_of(way, low, fast, node, places, market),
            high=cost_of(way, high, slow, node, places, market),
        )
        for way in ways_of(demand, node, places, paths=paths)
    ]
    rate = min(link.bytes_per_second, node.network_bytes_per_second or math.inf)
    download = _download(outlooks)
    streamed = outlooks[0].mid.way

    def usd(way: Way, epochs: int) -> Decimal:
        return cost_of(way, replace(demand, epochs=epochs), link, node, places, market).usd

    is_priced = node.usd_per_hour is not None
    epochs = first_epochs(lambda n: usd(streamed, n), lambda n: usd(download.mid.way, n)) if is_priced else None
    return Forecast(
        demand=demand,
        link=link,
        node=node,
        places=places,
        outlooks=tuple(outlooks),
        breakevens=breakevens_of(demand, rate, epochs=epochs, download=download.mid.way.name),
        best=_best([each.mid for each in outlooks], is_priced=is_priced),
        rate=rate,
    )


def _download(outlooks: Sequence[Outlook]) -> Outlook:
    """Return the cheaper download of those that fit, or that to block storage."""
    found = [each for each in outlooks if each.mid.way.disk is not None and each.mid.way.is_usual]
    fitting = [each for each in found if each.mid.fits] or found[:1]
    return min(fitting, key=lambda each: each.mid.usd)


def _best(costs: Sequence[WayCost], *, is_priced: bool) -> str:
    """Return the way that costs least, or takes least where the node has no price; empty where none fits."""
    usual = [each for each in costs if each.way.is_usual and each.fits]
    if not usual:
        return ""
    fewest = min(len(each.unpriced) for each in usual)
    usual = [each for each in usual if len(each.unpriced) == fewest]
    return min(usual, key=lambda each: (each.usd if is_priced else 0, each.wall_seconds, each.usd)).way.name
