"""All ways of one training on one node, with what each would take if things go better or worse, and which to take."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from penstock.cost.forecasting.breakevens import Breakevens, breakevens_of, first_epochs
from penstock.cost.forecasting.course import MOST_REPLAYED
from penstock.cost.forecasting.inputs import Demand, Link, Node, Places
from penstock.cost.forecasting.market import Market
from penstock.cost.forecasting.offered import ways_of
from penstock.cost.forecasting.streaming import fetch_rate
from penstock.cost.forecasting.ways import SPOT_LOST_SHARE, Way, WayCost, cost_of
from penstock.cost.values import Rate
from penstock.units import format_bytes, format_seconds, format_usd

__all__ = ["Forecast", "Outlook", "download_of", "forecast_ways"]

LOW_RATE, LOW_COMPUTE = 1.25, 0.9
HIGH_RATE, HIGH_COMPUTE, HIGH_REQUESTS = 0.75, 1.1, 1.02
ALIKE = 0.05
"""Of dollars or time: less is no difference that a forecast could tell."""
SIMPLER = 0.02
"""Of dollars: as much more may a way cost that needs half of the disk, or less."""
ASSUMPTIONS = (
    "An epoch takes the longer of its computing and its bytes: the prefetcher works while the node computes.",
    "A window keeps what reading ahead leaves of it, once it has been full and its rate was watched for some seconds; "
    "at once where it is no smaller than an epoch, or where the source answers at once.",
    f"A run whose order is known is gone through request by request, as its window will, up to {MOST_REPLAYED:,} of "
    "them: connections are taken to be there, answers to share the link by turns, and the rest to be like that part.",
    "Samples that are only scored, for validation and test, take a third of their time in training: forward alone.",
    "What a run takes before its first epoch and behind its last, such as imports, is counted where --startup or a "
    "record of --measured tells it, or the run itself by how long it took to begin.",
    "Networks and disks are taken at what they do for as long as one likes (baselines), never at their bursts.",
    f"Low: a link {LOW_RATE:g} times as fast and {1 - LOW_COMPUTE:.0%} less computing; high: {HIGH_RATE:g} times as "
    f"fast, {HIGH_COMPUTE - 1:.0%} more computing, and {HIGH_REQUESTS - 1:.0%} of the requests made twice.",
    "A GB of a price list is 1 GiB, a month of disk 720 hours; hours are billed by the second.",
    "A disk is billed for as long as the run; on the node's own disk data is gone with the node.",
    "Packing reads everything once and writes it once, on the training's node; the copy is kept until the run ends.",
)
LISTED_AGAIN = "A run lists a URI again before it begins, which takes it as long as it just took."
SPOT_LOSES = f"A spot node is taken to lose {SPOT_LOST_SHARE:.0%} of its time to interruptions."
REPEATED = "A way that repeats reads each part of the data once for so many passes in a row: the order is another one."


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
        cheaper: name of the way that would be recommended if disk were no matter, empty where that is the best.
        quickest: name of the way that takes least of those that may be recommended, empty where that is the best.
        rate: bytes per second of samples that a stream gets.
        limit: what bounds that.
        market: whose prices these are.
        asked: options of `penstock run` that name the data, as words.
        co2_grams: of CO2 equivalents by the name of the way; empty where they are not known, or nobody asked.
        co2_told: what there is to say of them; empty where nobody asked.
    """

    demand: Demand
    link: Link
    node: Node
    places: Places
    outlooks: tuple[Outlook, ...]
    breakevens: Breakevens
    best: str
    cheaper: str
    quickest: str
    rate: float
    limit: str
    market: Market
    asked: tuple[str, ...] = ()
    co2_grams: Mapping[str, Decimal] = field(default_factory=dict)
    co2_told: str = ""

    def outlook(self, name: str) -> Outlook:
        """Return a way by its name."""
        return next(each for each in self.outlooks if each.mid.way.name == name)

    @property
    def is_open(self) -> bool:
        """Whether something has no price that streaming or the download of the break-evens would take."""
        return any(self.outlook(name).mid.unpriced for name in ("stream", self.breakevens.download))

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What was taken for granted."""
        ways = [each.mid.way for each in self.outlooks]
        block = next((each.disk.item for each in ways if each.disk is not None and each.disk.item), "")
        told = (
            (LISTED_AGAIN, self.demand.list_seconds is not None),
            (SPOT_LOSES, any(each.is_spot for each in ways)),
            (REPEATED, any(each.passes > 1 for each in ways)),
            (f"Whose the node is is not known: a disk of it is priced as AWS's {block}.", not self.node.provider),
        )
        return (*ASSUMPTIONS, *(line for line, is_so in told if is_so), *self.demand.noted)

    @property
    def rates(self) -> tuple[Rate, ...]:
        """Prices of the list that any of its ways is by."""
        lines = (line for each in self.outlooks for line in each.mid.lines)
        return tuple(dict.fromkeys(line.rate for line in lines if line.rate is not None))

    @property
    def recommendation(self) -> str:
        """Say in one sentence what to do."""
        if not self.best:
            return "Nothing fits: name a larger node, or a larger window."
        mid = self.outlook(self.best).mid
        money = f"about {format_usd(float(mid.usd))} and " if not mid.unpriced else ""
        left = f" (without {', '.join(mid.unpriced)}, whose price is not known)" if mid.unpriced else ""
        where = f" on {self.node.name}" if self.node.name else ""
        told = f"{mid.way.told[0].upper()}{mid.way.told[1:]}{where}: {money}{format_seconds(mid.wall_seconds)}"
        return f"{told}{self._spared()}{left}."

    def _spared(self) -> str:
        """Say what disk a way that costs a little less would need."""
        if not self.cheaper:
            return ""
        mid, other = self.outlook(self.best).mid, self.outlook(self.cheaper).mid
        disk = f"needs less disk ({format_bytes(mid.disk_bytes)} for {format_bytes(other.disk_bytes)})"
        return f", within {100 * SIMPLER:.0f} % of {self.cheaper} ({format_usd(float(other.usd))}), and {disk}"

    @property
    def sentences(self) -> tuple[str, ...]:
        """Say what the break-evens mean."""
        is_priced = self.node.usd_per_hour is not None
        found = self.breakevens.sentences(self.demand, self.rate, is_priced=is_priced)
        if is_priced and self.is_open:
            found = (f"{found[0].removesuffix('.')}, as far as prices are known.", *found[1:])
        more = (*self._quicker(), *([self.co2_told] if self.co2_told else []))
        if self.demand.is_compute_known:
            return (*found, *more)
        return (
            "How long an epoch computes is not known, and is taken to be nothing: times, dollars and E* are the least "
            "that they can be; state it, or name the record of an earlier run.",
            found[0],
            *more,
        )

    def _quicker(self) -> tuple[str, ...]:
        if not self.quickest:
            return ()
        quick, best = self.outlook(self.quickest).mid, self.outlook(self.best).mid
        return (
            f"Quickest is {self.quickest}: {format_seconds(quick.wall_seconds)} for {format_usd(float(quick.usd))}, "
            f"where {self.best} takes {format_seconds(best.wall_seconds)} for {format_usd(float(best.usd))}.",
        )


def forecast_ways(
    demand: Demand, link: Link, node: Node, places: Places, market: Market, *, paths: Sequence[str] = ()
) -> Forecast:
    """Return what each way would take."""
    low = demand.scaled(compute=LOW_COMPUTE, requests=1.0)
    high = demand.scaled(compute=HIGH_COMPUTE, requests=HIGH_REQUESTS)
    fast, slow = (replace(link, bytes_per_second=link.bytes_per_second * times) for times in (LOW_RATE, HIGH_RATE))
    outlooks = [
        _outlook(
            cost_of(way, demand, link, node, places, market),
            better=cost_of(way, low, fast, node, places, market),
            worse=cost_of(way, high, slow, node, places, market),
        )
        for way in ways_of(demand, node, places, paths=paths)
    ]
    rate, limit = fetch_rate(demand, link, node.network_bytes_per_second or math.inf)
    download = download_of(outlooks)
    streamed = outlooks[0].mid.way

    def usd(way: Way, epochs: int) -> Decimal:
        return cost_of(way, replace(demand, epochs=epochs, done_share=1.0, course=None), link, node, places, market).usd

    is_priced = node.usd_per_hour is not None
    epochs = first_epochs(lambda n: usd(streamed, n), lambda n: usd(download.mid.way, n)) if is_priced else None
    best, cheaper, quickest = _best(
        [each.mid for each in outlooks], window_bytes=places.window_bytes, is_priced=is_priced
    )
    return Forecast(
        demand=replace(demand, course=None, once=None),  # the files that it is read of may be gone
        link=link,
        node=node,
        places=places,
        outlooks=tuple(outlooks),
        breakevens=breakevens_of(demand, rate, epochs=epochs, download=download.mid.way.name),
        best=best,
        cheaper=cheaper,
        quickest=quickest,
        rate=rate,
        limit=limit,
        market=market,
    )


def _outlook(mid: WayCost, *, better: WayCost, worse: WayCost) -> Outlook:
    """Return a way with the least and the most of three costs: on a slower link a window may keep from earlier on."""
    return Outlook(
        mid=mid,
        low=min(better, mid, worse, key=lambda each: each.usd),
        high=max(worse, mid, better, key=lambda each: each.usd),
    )


def download_of(outlooks: Sequence[Outlook]) -> Outlook:
    """Return the cheaper download of those that fit, or that to block storage."""
    found = [each for each in outlooks if each.mid.way.disk is not None and each.mid.way.is_usual]
    fitting = [each for each in found if each.mid.fits] or found[:1]
    return min(fitting, key=lambda each: each.mid.usd)


def _best(costs: Sequence[WayCost], *, window_bytes: float, is_priced: bool) -> tuple[str, str, str]:
    """Return the way to take, the one that costs a little less with more disk, and the quickest.

    The first is the cheapest, or where others cost as much the quickest of them, or one that needs half of its disk or
    less beyond the window that was asked for; the quickest where the node has no price. It is empty where none fits,
    the others where they are the first, or no quicker.
    """
    usual = [each for each in costs if each.way.is_usual and each.fits]
    if not usual:
        return "", "", ""
    fewest = min(len(each.unpriced) for each in usual)
    usual = [each for each in usual if len(each.unpriced) == fewest]
    quickest = min(usual, key=lambda each: (each.wall_seconds, each.usd))
    if not is_priced:
        return quickest.way.name, "", ""
    most = float(min(each.usd for each in usual)) * (1 + ALIKE)
    cheap = [each for each in usual if float(each.usd) <= most]
    longest = min(each.wall_seconds for each in cheap) * (1 + ALIKE)
    in_time = sorted(
        (each for each in cheap if each.wall_seconds <= longest), key=lambda each: (each.usd, each.wall_seconds)
    )
    cheapest = in_time[0]
    best = _simplest_of(in_time, window_bytes)
    is_quicker = quickest.wall_seconds * (1 + ALIKE) < best.wall_seconds
    return (
        best.way.name,
        "" if best is cheapest else cheapest.way.name,
        _cheapest_of(usual, quickest.wall_seconds) if is_quicker else "",
    )


def _simplest_of(costs: Sequence[WayCost], window_bytes: float) -> WayCost:
    """Return the first, or one that costs little more and needs half of the disk or less, beyond a window of a size."""

    def more(each: WayCost) -> float:
        return max(0.0, each.disk_bytes - window_bytes)

    most = float(costs[0].usd) * (1 + SIMPLER)
    found = min((each for each in costs if float(each.usd) <= most), key=more)  # the cheaper where they need the same
    return found if more(found) <= more(costs[0]) / 2 else costs[0]


def _cheapest_of(usual: Sequence[WayCost], seconds: float) -> str:
    """Return the cheapest of those that take as long."""
    alike = [each for each in usual if each.wall_seconds <= seconds * (1 + ALIKE)]
    return min(alike, key=lambda each: each.usd).way.name
