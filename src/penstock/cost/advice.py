"""What would have made a run faster or cheaper, each with its effect, computed of the run's own figures.

Nothing is advised for time that could not be gained: where training was the bottleneck, only requests and transfer are
looked at. Effects are each alone, and not to be added up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from penstock.cost.advice_case import Case, advised, as_seconds
from penstock.cost.bottleneck import waited_little
from penstock.cost.forecasting import Demand, Places, Way
from penstock.cost.forecasting.offered import window_store
from penstock.cost.forecasting.ways import cost_of
from penstock.cost.values import Machine, as_decimal, in_money
from penstock.errors import ConfigError
from penstock.records import CostAdvice
from penstock.units import GIB, MIB, format_bytes, format_seconds, format_usd
from penstock.window.geometry import KEPT_SHARE

__all__ = ["advice_on"]

_DEAR = Decimal("0.05")
"""Of the bill: less than this is not worth another place, or another form."""
_NEARLY = Decimal("0.7")
"""Of what the largest window would save: enough for a smaller one."""
_SMALL_REQUEST_BYTES = MIB
_FULL = 0.8
"""Of a node's network, from which on the network is taken to be what bounds the rate."""
_MOST_REPEAT = 1000
_GBPS, _BITS, _HOUR = 10**9, 8, 3600
_IF_DOWNLOAD = "if it was the download that was waited for"
_IF_DECODING = "if it was decoding that was waited for"


def advice_on(case: Case) -> tuple[CostAdvice, ...]:
    """Return what to do, the most useful first."""
    found = list(_cheaper(case))
    if not waited_little(case.run):
        found += _of_download(case) if case.cause != "decoding" else ()
        found += _of_decoding(case) if case.cause != "download" else ()
    useful = [each for each in found if (each.seconds_saved or 0) > 0 or (each.usd_saved or 0) > 0]
    return tuple(sorted(useful, key=_rank))


def _rank(each: CostAdvice) -> tuple[Decimal, Decimal]:
    """Put what saves most dollars first, and what saves most time where dollars are not known."""
    return -(each.usd_saved or Decimal(0)), -(each.seconds_saved or Decimal(0))


def _of_download(case: Case) -> Iterator[CostAdvice]:
    """What brings bytes sooner, or fewer of them."""
    yield from _window(case)
    yield from _cache(case)
    yield from _repeat(case)
    yield from _faster_node(case)
    yield from _staged(case)


def _window(case: Case) -> Iterator[CostAdvice]:
    """The window that ends the stall by the forecast's rules; where a run is too short for it, one that holds all."""
    kept, size = case.feed.window_without_stall_bytes, case.feed.epoch_bytes
    if case.epochs < 2 or case.passes > 1 or not case.feed.kept_bytes < kept < size:
        return
    enough, whole = _of_window(case, kept), _of_window(case, size)
    yield enough if (enough.seconds_saved or 0) >= _NEARLY * (whole.seconds_saved or 0) else whole


def _of_window(case: Case, kept_bytes: float) -> CostAdvice:
    """Advise on a window that keeps so much of an epoch."""
    size = math.ceil(kept_bytes / KEPT_SHARE / MIB) * MIB
    told = f"keeps {format_bytes(kept_bytes)} of {format_bytes(case.feed.epoch_bytes)} for the next epoch"
    if kept_bytes == case.feed.window_without_stall_bytes:
        told = f"{told} (W*)"
    way = _windowed(case, float(size))
    store = way.window_store
    if store is not None and store.item and math.isfinite(store.bytes_per_second):
        told = f"{told}, on {store.item}, which gives it at {format_bytes(store.bytes_per_second)}/s"
    return _of_way(case, way, "A larger window", f"--window-size {size // MIB}Mi", told)


def _windowed(case: Case, window_bytes: float) -> Way:
    """Return the way through a window of another size, on what that lies on."""
    known = next(each.mid.way for each in case.other.outlooks if each.mid.way.window_store is not None)
    return replace(known, window_bytes=window_bytes, window_store=window_store(case.other.node, window_bytes))


def _cache(case: Case) -> Iterator[CostAdvice]:
    if case.epochs < 2 or case.passes > 1 or case.run.config.get("mode", "stream") != "stream":
        return
    size = f"{format_bytes(case.feed.epoch_bytes)} of disk"
    told = f"downloads everything once, in the first epoch, to a disk of the node's ({size}), and reads it there"
    places = replace(case.other.places, kept_share=1.0, keeps_at_once=True)
    way = _windowed(case, case.feed.epoch_bytes)
    yield _of_way(case, way, "Keep everything on disk", "--mode cache", told, places=places)


def _repeat(case: Case) -> Iterator[CostAdvice]:
    feed, passes = case.feed, case.epochs * case.passes
    computed = feed.compute_seconds / case.passes
    times = math.ceil(feed.epoch_bytes / feed.rate_bytes_per_second / computed) if computed else _MOST_REPEAT
    times = min(max(times, case.passes + 1), passes, _MOST_REPEAT)
    if times <= case.passes:
        return
    told = "reads each part of the data so often while the next one comes; the order is less random"
    flag = f"--repeat {times} --epochs {math.ceil(passes / times)}"
    demand = replace(case.other.demand, epochs=passes, compute_seconds=computed)
    way = replace(case.other.outlook("stream").mid.way, passes=times)
    yield _of_way(case, way, "Read each part several times", flag, told, demand=demand)


def _of_way(
    case: Case,
    way: Way,
    action: str,
    flag: str,
    told: str,
    *,
    demand: Demand | None = None,
    places: Places | None = None,
) -> CostAdvice:
    """Advise on a way by what the forecast has for it.

    Args:
        demand: None for the run's, as it is for the places.
    """
    other = case.other
    cost = cost_of(way, demand or other.demand, other.link, other.node, places or other.places, other.market)
    usd = None if cost.unpriced else cost.usd
    return advised(case, action, flag, told, wall_seconds=cost.wall_seconds, usd=usd, doubt=_IF_DOWNLOAD)


def _faster_node(case: Case) -> Iterator[CostAdvice]:
    """Another kind of node, with the same GPU and a faster network, where the network bounds the rate."""
    now = case.market.prices.machine(case.other.node.name)
    rate = case.feed.rate_bytes_per_second
    price = case.other.node.usd_per_hour
    if now is None or price is None or now.network_baseline_gbps is None or rate < _FULL * _rate_of(now):
        return
    needed = min(case.feed.rate_without_stall, 1e15)
    found: list[CostAdvice] = []
    for machine in case.market.prices.machines:
        is_like = machine.provider == now.provider and machine.gpu == now.gpu and machine.num_gpus >= now.num_gpus
        if is_like and machine.name != now.name and _rate_of(machine) > _rate_of(now):
            found += _on(case, machine, min(needed, rate * _rate_of(machine) / _rate_of(now)))
    yield from sorted(found, key=_rank)[:1]


def _on(case: Case, machine: Machine, rate: float) -> Iterator[CostAdvice]:
    """Advise on a kind of node where it has a price."""
    other = case.other
    try:
        price = case.market.prices.node(machine.name, region=other.market.region).usd
    except ConfigError:
        return
    node = replace(other.node, usd_per_hour=price * case.num_nodes)
    link = replace(other.link, bytes_per_second=rate)
    cost = case.streamed(link=link, node=node)
    usd = None if cost.unpriced else cost.usd
    told = f"its network lasts at {machine.network_baseline_gbps:g} Gbit/s; what it computes is taken to be the same"
    flag = f"--instance-type {machine.name}"
    yield advised(case, "A node with a faster network", flag, told, wall_seconds=cost.wall_seconds, usd=usd)


def _rate_of(machine: Machine) -> float:
    return float(machine.network_baseline_gbps or 0) * _GBPS / _BITS


def _staged(case: Case) -> Iterator[CostAdvice]:
    """A cheap machine that downloads while the dear one is not there yet."""
    found = [each.mid for each in case.other.outlooks if each.mid.way.is_staged and each.mid.fits]
    for cost in found if case.other.node.usd_per_hour is not None else ():
        if cost.unpriced or case.measured.unpriced:
            continue
        told = (
            f"fetching {format_bytes(cost.disk_bytes)} to a volume takes {format_seconds(cost.ahead_seconds)}; the "
            "node begins then, and is paid for its epochs alone"
        )
        yield CostAdvice(
            action="Download ahead on a cheap machine",
            flag="--source /VOLUME",
            told=told,
            seconds_saved=as_seconds(case.measured.wall_seconds - cost.wall_seconds),
            usd_saved=in_money(case.measured.usd - cost.usd),
        )


def _of_decoding(case: Case) -> Iterator[CostAdvice]:
    """What decodes faster, or less often."""
    yield from _workers(case)
    if case.epochs < 2 or case.run.config.get("mode", "stream") == "preprocess":
        return
    told = "decodes once for all epochs; the pass that does it is not counted in this"
    saved = case.feed.stall_seconds * (case.epochs - 1) / case.epochs
    yield _timed(case, "Decode once", "--mode preprocess", told, saved)


def _workers(case: Case) -> Iterator[CostAdvice]:
    """More processes, as many as there are processors at most."""
    stall, computed = case.feed.stall_seconds, case.feed.compute_seconds * case.epochs
    decoded = (stall + computed) * case.workers if case.workers else stall
    wanted = math.ceil(decoded / computed) if computed else case.run.host.num_cpus
    workers = min(max(wanted, case.workers + 1), case.run.host.num_cpus)
    if workers <= case.workers:
        return
    left = max(computed, decoded / workers)
    told = f"decode beside the training; there are {case.run.host.num_cpus} processors"
    yield _timed(case, "Decode in more processes", f"--workers {workers}", told, stall + computed - left)


def _timed(case: Case, action: str, flag: str, told: str, saved: float) -> CostAdvice:
    """Advise on what saves time of the nodes alone."""
    price, saved = case.other.node.usd_per_hour, min(saved, case.feed.stall_seconds)
    usd = None if price is None else case.measured.usd - price * as_decimal(saved / _HOUR)
    wall = case.measured.wall_seconds - saved
    return advised(case, action, flag, told, wall_seconds=wall, usd=usd, doubt=_IF_DECODING)


def _cheaper(case: Case) -> Iterator[CostAdvice]:
    """What saves dollars however long the run takes."""
    yield from _same_region(case)
    yield from _packed(case)
    yield from _retrieved_once(case)


def _same_region(case: Case) -> Iterator[CostAdvice]:
    paid = _paid(case, "transfer-")
    if paid <= _DEAR * case.cost.total_usd or case.other.link.path == "same-region":
        return
    moved = sum((line.quantity for line in case.cost.lines if "transfer-" in line.item), Decimal(0))
    told = f"{format_bytes(float(moved) * GIB)} came by way of {case.other.link.path}; within a region that is free"
    yield CostAdvice(
        action="A node in the data's own region",
        flag="--transfer same-region",
        told=told,
        seconds_saved=None,
        usd_saved=in_money(paid),
    )


def _retrieved_once(case: Case) -> Iterator[CostAdvice]:
    """A disk that keeps everything, where a class of storage is paid for by what is read of it."""
    paid, moved = _paid(case, "-retrieval"), case.run.meters.bytes_downloaded
    if paid <= _DEAR * case.cost.total_usd or case.feed.epoch_bytes >= moved:
        return
    names = [line.what.rpartition(" of ")[2] for line in case.cost.lines if line.item.endswith("-retrieval")]
    told = (
        f"{format_usd(paid)} was paid for what was read of {', '.join(names)}, each time that it was; kept on disk, "
        "or packed into the usual class (penstock pack), it is paid once"
    )
    once = as_decimal(case.feed.epoch_bytes / moved)
    yield CostAdvice(
        action="Retrieve it once",
        flag="--mode cache",
        told=told,
        seconds_saved=None,
        usd_saved=in_money(paid * (1 - once)),
    )


def _paid(case: Case, word: str) -> Decimal:
    """Return the dollars of lines that a word is in the item or the unit of."""
    lines = [line for line in case.cost.lines if word in line.item or word in line.unit]
    return sum((line.usd for line in lines if line.usd is not None), Decimal(0))


def _packed(case: Case) -> Iterator[CostAdvice]:
    """Large objects, where requests for small ones are what is paid for."""
    gets = case.run.meters.get_requests
    each = case.run.meters.bytes_downloaded / gets if gets else math.inf
    if each >= _SMALL_REQUEST_BYTES or _paid(case, "requests") <= _DEAR * case.cost.total_usd:
        return
    for outlook in case.other.outlooks:
        cost = outlook.mid
        if cost.way.is_packed and not cost.unpriced and not case.measured.unpriced:
            told = (
                f"a request brought {format_bytes(each)} on average; large objects need fewer, the packing itself is "
                "counted in this"
            )
            yield CostAdvice(
                action="Pack the dataset once",
                flag="penstock pack SOURCE --into BUCKET",
                told=told,
                seconds_saved=None,
                usd_saved=in_money(case.measured.usd - cost.usd),
            )
