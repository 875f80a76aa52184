"""The metrics of a prefetcher: its window's gauges under the names that dashboards and alerts know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from penstock import __version__
from penstock.observe.metrics import Metric, Reading
from penstock.records import RequestCount
from penstock.window import WindowGauges, read_gauges

__all__ = ["prefetch_metrics", "read_metrics"]

_STATES = ("waiting", "running", "failed")

Kind = Literal["gauge", "counter"]


def read_metrics(folder: Path, meters: Path | None = None) -> list[Metric]:
    """Return the metrics of the window in a folder; that of the build alone where there is no window yet."""
    found = read_gauges(folder, meters=meters)
    build = _metric("penstock_build_info", "1, with the release as a label.", "gauge", {__version__: 1}, "version")
    return [build] if found is None else [build, *prefetch_metrics(found)]


def prefetch_metrics(found: WindowGauges) -> list[Metric]:
    """Return the metrics of a window, in the order of a page."""
    return [*_window(found), *_stream(found), *_requests(found), *_spent(found)]


def _window(found: WindowGauges) -> list[Metric]:
    meters = found.meters
    return [
        _gauge("penstock_window_bytes", "Bound on everything in the window's folder.", meters.window_bytes),
        _gauge("penstock_window_used_bytes", "What the window's folder takes on disk.", found.used_bytes),
        _gauge(
            "penstock_window_high_water_bytes",
            "The most that the window's folder held since it was made.",
            meters.window_high_water_bytes,
        ),
        _gauge("penstock_window_kept_bytes", "Samples that the window keeps from epoch to epoch.", meters.kept_bytes),
        _metric("penstock_window_slots", "Slots of the window, by state.", "gauge", found.num_slots, "state"),
        _gauge("penstock_window_volume_bytes", "Size of the file system that the window is on.", found.volume_bytes),
        _gauge(
            "penstock_window_volume_free_bytes",
            "What is free on the file system that the window is on.",
            found.volume_free_bytes,
        ),
    ]


def _stream(found: WindowGauges) -> list[Metric]:
    states = {state: float(found.state == state) for state in _STATES}
    cursors = {str(rank): index for rank, index in found.cursors.items()}
    ends = [] if found.end_index is None else [found.end_index]
    return [
        _metric("penstock_prefetch_state", "1 for what the prefetcher is at, else 0.", "gauge", states, "state"),
        _counter("penstock_prefetch_beats_total", "Goes up twice a second while the prefetcher lives.", found.beats),
        _gauge(
            "penstock_stream_fetched_index", "Stream index below which all samples were fetched.", found.fetched_index
        ),
        _gauge("penstock_stream_end_index", "Stream index that the trainer's session ends before.", *ends),
        _metric(
            "penstock_stream_cursor_index",
            "Stream index below which a rank needs no sample any more.",
            "gauge",
            cursors,
            "rank",
        ),
    ]


def _requests(found: WindowGauges) -> list[Metric]:
    meters = found.meters
    return [
        _counter(
            "penstock_prefetch_downloaded_bytes_total",
            "Bodies received from the source, retries included.",
            meters.bytes_downloaded,
        ),
        _counter(
            "penstock_prefetch_sample_bytes_total",
            "Bytes of samples that readers took and passed, kept ones included.",
            meters.sample_bytes,
        ),
        _counter(
            "penstock_prefetch_refetched_bytes_total",
            "Downloaded once more because a process was started again.",
            meters.refetched_bytes,
        ),
        _counter(
            "penstock_prefetch_reused_bytes_total",
            "Of samples that the window or a cache had kept from an earlier epoch.",
            meters.reused_bytes,
        ),
        _lines(
            "penstock_prefetch_requests_total",
            "Requests that went out, each try by itself, by kind and purpose.",
            [({"kind": line.kind, "purpose": line.purpose}, line.sent) for line in meters.requests],
        ),
        _counter(
            "penstock_prefetch_wasted_bytes_total",
            "Downloaded and thrown away: between samples, and second answers.",
            meters.wasted_bytes,
        ),
        _counter(
            "penstock_prefetch_retried_requests_total",
            "Requests that were made again after they failed.",
            meters.retried_requests,
        ),
        _counter(
            "penstock_prefetch_hedged_requests_total",
            "Requests that were made a second time because they were late.",
            meters.hedged_requests,
        ),
        _lines(
            "penstock_prefetch_answers_total",
            "Answers by kind and purpose of the request and class of the status; none: cut off, silent or under way.",
            [
                ({"kind": line.kind, "purpose": line.purpose, "status": status}, number)
                for line in meters.requests
                for status, number in answers_by_class(line)
            ],
        ),
        _gauge(
            "penstock_prefetch_in_flight_limit", "Ranges that may be requested at a time, now.", found.in_flight_limit
        ),
        _counter(
            "penstock_prefetch_failed_requests_total",
            "Requests that were given up, after however many tries.",
            meters.failed_requests,
        ),
    ]


def _spent(found: WindowGauges) -> list[Metric]:
    usd, rate = ([found.spent[0]], [found.spent[1]]) if found.spent is not None else ([], [])
    return [
        _gauge("penstock_run_spent_usd", "US dollars that the run spent so far, as its bill would say.", *usd),
        _gauge("penstock_run_usd_per_hour", "US dollars that an hour of the run costs, on average so far.", *rate),
    ]


def _gauge(name: str, told: str, *values: float) -> Metric:
    return Metric(name=name, told=told, kind="gauge", readings=[Reading(value=value, labels={}) for value in values])


def _counter(name: str, told: str, value: float) -> Metric:
    return Metric(name=name, told=told, kind="counter", readings=[Reading(value=value, labels={})])


def _lines(name: str, told: str, values: Sequence[tuple[dict[str, str], int]]) -> Metric:
    readings = [Reading(value=value, labels=labels) for labels, value in values]
    return Metric(name=name, told=told, kind="counter", readings=readings)


def answers_by_class(line: RequestCount) -> list[tuple[str, int]]:
    """Return the answers to requests by the class of their status."""
    return [
        ("2xx", line.answers_2xx),
        ("3xx", line.answers_3xx),
        ("4xx", line.answers_4xx),
        ("5xx", line.answers_5xx),
        ("none", line.unanswered),
    ]


def _metric(name: str, told: str, kind: Kind, values: Mapping[str, float], label: str) -> Metric:
    readings = [Reading(value=value, labels={label: key}) for key, value in values.items()]
    return Metric(name=name, told=told, kind=kind, readings=readings)
