"""A prefetcher's metrics, scraped from a real process while it serves."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from penstock.window import WindowReader, is_served
from support.cli import command
from support.raw import RawDataset, make_raw_dataset
from support.windows import make_spec, take_all

WINDOW_BYTES = 1 << 20
SAMPLE_BYTES = 5_000
NUM_SAMPLES = 300

Found = dict[tuple[str, str], float]


def free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        port: int = made.getsockname()[1]
    return port


def scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def values(text: str) -> Found:
    """Return values by name and the value of the one label."""
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {(sample.name, ",".join(sample.labels.values())): sample.value for sample in samples}


@contextlib.contextmanager
def prefetcher(folder: Path, *words: object) -> Iterator[subprocess.Popen[str]]:
    argv = command("prefetch", "--window", folder, "--window-size", WINDOW_BYTES, *words)
    process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    try:
        while process.poll() is None and not is_served(folder):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert process.stderr is not None
        process.stderr.close()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> RawDataset:
    return make_raw_dataset(tmp_path_factory.mktemp("raw"), sizes=[SAMPLE_BYTES] * NUM_SAMPLES)


def test_metrics_follow_a_session(dataset: RawDataset, tmp_path: Path) -> None:
    folder, port = tmp_path / "window", free_port()
    with prefetcher(folder, "--metrics-port", port):
        before = values(scrape(port))
        assert before["penstock_window_bytes", ""] == WINDOW_BYTES
        assert (before["penstock_prefetch_state", "waiting"], before["penstock_prefetch_state", "running"]) == (1, 0)
        assert not [key for key in before if key[0] in ("penstock_stream_end_index", "penstock_stream_cursor_index")]

        reader = WindowReader(folder, make_spec(dataset)).begin()
        take_all(reader, dataset, 0, 100)
        under_way = values(scrape(port))
        assert under_way["penstock_prefetch_state", "running"] == 1
        assert under_way["penstock_stream_cursor_index", "0"] == 100
        assert under_way["penstock_stream_end_index", ""] == NUM_SAMPLES
        assert under_way["penstock_window_slots", "ready"] >= 1
        slots = sum(under_way["penstock_window_slots", state] for state in ("free", "filling", "ready"))
        assert 0 < under_way["penstock_window_used_bytes", ""] <= WINDOW_BYTES
        assert slots >= 2

        take_all(reader, dataset, 100, NUM_SAMPLES)
        assert reader.meters().window_bytes == WINDOW_BYTES  # asked for it, all that was read is counted
        after = values(scrape(port))
        reader.close()
    assert after["penstock_prefetch_sample_bytes_total", ""] == NUM_SAMPLES * SAMPLE_BYTES
    assert after["penstock_prefetch_downloaded_bytes_total", ""] == NUM_SAMPLES * SAMPLE_BYTES
    assert after["penstock_prefetch_requests_total", "GET,data"] >= NUM_SAMPLES * SAMPLE_BYTES / WINDOW_BYTES
    assert after["penstock_stream_fetched_index", ""] == NUM_SAMPLES
    assert after["penstock_prefetch_failed_requests_total", ""] == after["penstock_prefetch_refetched_bytes_total", ""]
    assert after["penstock_prefetch_beats_total", ""] >= before["penstock_prefetch_beats_total", ""]
    assert after["penstock_window_high_water_bytes", ""] <= WINDOW_BYTES
    assert 0 < after["penstock_window_volume_free_bytes", ""] < after["penstock_window_volume_bytes", ""]


def test_metrics_are_as_prometheus_wants_them(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on the PATH (Debian: apt-get install prometheus)")
    port = free_port()
    with prefetcher(tmp_path / "window", "--metrics-port", port):
        text = scrape(port)
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_port_that_is_taken_keeps_no_window_from_being_served(dataset: RawDataset, tmp_path: Path) -> None:
    folder = tmp_path / "window"
    with socket.socket(socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET) as other:
        other.bind(("", 0))
        other.listen()
        with prefetcher(folder, "--metrics-port", other.getsockname()[1]) as process:
            take_all(WindowReader(folder, make_spec(dataset)).begin(), dataset, 0, 10)
            assert process.stderr is not None
            assert "metrics.not_served" in process.stderr.readline()


def test_prefetcher_without_metrics_loads_nothing_for_them(tmp_path: Path) -> None:
    argv = command("prefetch", "--window", tmp_path / "window", "--window-size", WINDOW_BYTES, "--until-stdin-closes")
    done = subprocess.run(
        argv,
        input="",
        stderr=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"},
    )
    assert "penstock.window.slots_file" in done.stderr
    assert "penstock.observe.metrics" not in done.stderr
    assert "prometheus_client" not in done.stderr
