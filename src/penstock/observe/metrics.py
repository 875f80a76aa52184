"""Metrics for Prometheus: values that are read when they are asked for, served over HTTP.

Nothing is imported and no thread is started until somebody serves: ``prometheus_client`` alone takes 70 ms to
import. Names and units follow https://prometheus.io/docs/practices/naming/: base units, counters end in ``_total``.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from penstock.errors import ConfigError

if TYPE_CHECKING:
    from prometheus_client.core import Metric as Family

__all__ = ["Metric", "Reading", "serve_metrics"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """A value, and the labels that tell it from others of its metric."""

    value: float
    labels: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """A metric with its values.

    Attributes:
        name: with its unit; that of a counter ends in ``_total``.
        told: what it counts, in one line.
        kind: a counter only goes up, or begins anew at 0.
    """

    name: str
    told: str
    kind: Literal["gauge", "counter"]
    readings: Sequence[Reading]


@contextlib.contextmanager
def serve_metrics(port: int, read: Callable[[], Sequence[Metric]]) -> Iterator[int]:
    """Serve what ``read`` gives at ``/metrics``, on all addresses of this machine; give the port.

    Args:
        port: 0 takes any that is free.
        read: called for each request, in a thread of its own.

    Raises:
        ConfigError: the port cannot be listened on.
    """
    from prometheus_client import CollectorRegistry, start_http_server

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(read))
    try:
        server, thread = start_http_server(port, addr=_any_address(), registry=registry)
    except OSError as error:
        raise ConfigError(
            f"cannot serve metrics on port {port} ({error.strerror})",
            fix="choose another --metrics-port, or 0 for none",
        ) from error
    thread.name = "penstock-metrics-0"
    _log.info("metrics.served port=%d", server.server_port)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _any_address() -> str:
    """Return the address that stands for all: clusters may have IPv4, IPv6 or both."""
    return "::" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104 - a scraper comes from another machine


class _Collector:
    def __init__(self, read: Callable[[], Sequence[Metric]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Family]:
        return map(_family, self._read())


def _family(metric: Metric) -> Family:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    names = sorted({name for reading in metric.readings for name in reading.labels})
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.told, labels=names)
    for reading in metric.readings:
        family.add_metric([reading.labels[name] for name in names], reading.value)
    return family
