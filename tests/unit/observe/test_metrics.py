"""Metrics as Prometheus gets them."""

from __future__ import annotations

import socket
import threading
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from penstock.errors import ConfigError
from penstock.observe.metrics import Metric, Reading, serve_metrics


def scrape(port: int, host: str = "127.0.0.1") -> str:
    with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def gauge(*readings: Reading) -> Metric:
    return Metric(name="penstock_test_bytes", told="A test's own.", kind="gauge", readings=readings)


def test_values_are_read_when_they_are_asked_for() -> None:
    values = iter([1.0, 2.5])
    with serve_metrics(0, lambda: [gauge(Reading(value=next(values), labels={}))]) as port:
        assert "penstock_test_bytes 1.0" in scrape(port)
        assert "penstock_test_bytes 2.5" in scrape(port)


def test_labels_and_counters_arrive_as_they_were() -> None:
    odd = 'a "quoted"\\ one\nand more'
    counter = Metric(name="penstock_test_total", told="C.", kind="counter", readings=[Reading(value=3, labels={})])
    with serve_metrics(0, lambda: [gauge(Reading(value=1, labels={"state": odd})), counter]) as port:
        found = {family.name: family for family in text_string_to_metric_families(scrape(port))}
    assert found["penstock_test_bytes"].samples[0].labels == {"state": odd}
    assert (found["penstock_test"].type, found["penstock_test"].samples[0].value) == ("counter", 3.0)


def test_ipv6_is_answered_too() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with serve_metrics(0, lambda: [gauge(Reading(value=1, labels={}))]) as port:
        assert "penstock_test_bytes 1.0" in scrape(port, "[::1]")


def test_port_that_is_taken_is_an_error_that_names_it() -> None:
    with serve_metrics(0, list) as port:
        again = serve_metrics(port, list)
        with pytest.raises(ConfigError, match=f"on port {port} ") as refused:
            again.__enter__()
    assert "--metrics-port" in refused.value.fix


def test_no_thread_stays() -> None:
    before = set(threading.enumerate())
    with serve_metrics(0, list) as port:
        scrape(port)
        assert any(thread.name == "penstock-metrics-0" for thread in threading.enumerate())
    assert not set(threading.enumerate()) - before
