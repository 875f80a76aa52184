"""A forecast's probe of the link, to a server that gives so many bytes a second to all together, and takes its time."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import penstock
from penstock.cli import main
from penstock.records import Meters, StepRecord, read_record, write_record
from support.images import write_class_folders
from support.small_s3 import Asked, Reply, SmallS3, small_s3

pytestmark = pytest.mark.usefixtures("children_are_forked")

RATE, OBJECT_BYTES, OBJECTS = 4_000_000, 64 * 1024, 256
LATENCY_SECONDS, LISTING_SECONDS = 0.03, 0.2
WORDS = ("--compute-hours", "1", "--epochs", "2", "--json")


class Throttle:
    """Answers after a while, and gives no more than so many bytes a second in all."""

    def __init__(self) -> None:
        self.free_at = 0.0
        self.lock = threading.Lock()

    def __call__(self, asked: Asked) -> Reply | None:
        if asked.path.endswith(".bin"):
            is_part = "range" in asked.headers
            first, last = asked.headers["range"].removeprefix("bytes=").split("-") if is_part else (0, OBJECT_BYTES - 1)
            with self.lock:
                self.free_at = max(self.free_at, time.monotonic()) + (int(last) + 1 - int(first)) / RATE
                wait = self.free_at - time.monotonic()
            time.sleep(wait + LATENCY_SECONDS)
        elif "list-type" in asked.query:
            time.sleep(LISTING_SECONDS)
        return None


@pytest.fixture
def server() -> Iterator[SmallS3]:
    with small_s3(is_open=True, takeover=Throttle()) as state:
        state.objects |= {f"data/{number:04}.bin": bytes(OBJECT_BYTES) for number in range(OBJECTS)}
        yield state


def forecast(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    assert main(["forecast", *map(str, words), *WORDS]) == 0
    return json.loads(capsys.readouterr().out)["nodes"][0]  # type: ignore[no-any-return]


def test_a_probe_measures_rate_and_latency_and_its_record_is_what_another_forecast_reads(
    server: SmallS3, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "probe.json"
    source = ("s3://data", "--endpoint-url", server.url, "--anonymous")
    probed = forecast(capsys, *source, "--probe", "1.5s", "--probe-record", kept)
    record = read_record(kept, StepRecord)
    rate = record.details["rate_bytes_per_second"]
    assert probed["rate_bytes_per_second"] == rate
    assert 0.6 * RATE < rate < 1.15 * RATE
    assert LATENCY_SECONDS < record.details["latency_seconds"] < 10 * LATENCY_SECONDS
    data = [asked for asked in server.requests if asked.path.endswith(".bin")]
    assert record.meters.count("GET", purpose="probe").sent == len(data) > 20
    assert len({asked.client for asked in data}) > 8  # many at once, as a window asks
    assert record.meters.bytes_downloaded < 3 * RATE
    asked = len(server.requests)
    again = forecast(capsys, "--size", "1GB", "--objects", 10, "--measured", kept)
    assert again["rate_bytes_per_second"] == rate
    assert len(server.requests) == asked


def test_what_handing_samples_over_takes_is_waited_for_between_batches(
    server: SmallS3, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the record of a probe, or as measured just now."""
    kept = tmp_path / "probe.json"
    source = ("s3://data", "--endpoint-url", server.url, "--anonymous", "--startup", "0s", "--latency", "0s")
    forecast(capsys, *source, "--probe", "0.3s", "--probe-record", kept)
    record = read_record(kept, StepRecord)
    assert record.details["handing_seconds"] > 0
    slow = msgspec.structs.replace(record, details={**record.details, "handing_seconds": 20.0})
    write_record(kept, slow)
    told, stated = (forecast(capsys, *source, *words) for words in (("--measured", kept), ("--rate", "1GB/s")))
    assert stated["epochs"] == told["epochs"]
    least = told["epochs"] * (told["compute_seconds"] + OBJECTS * 20.0)
    for way in told["ways"]:
        assert way["wall_seconds"] >= least * (1 - 1e-9), way["name"]
    assert stated["ways"][0]["wall_seconds"] < least
    for words, where in ((("--measured", kept), "as the probe measured it"), (("--rate", "1GB/s"), "just now")):
        assert main(["forecast", *map(str, (*source, *words)), "--compute-hours", "1"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line for line in lines if "Handing samples over" in line and where in line]


def test_what_listing_just_took_is_taken_again_by_every_way(
    server: SmallS3, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "probe.json"
    source = ("s3://data", "--endpoint-url", server.url, "--anonymous")
    forecast(capsys, *source, "--probe", "0.3s", "--probe-record", kept)
    details = {"rate_bytes_per_second": 1e9, "latency_seconds": 0.0, "handing_seconds": 0.0}
    write_record(kept, msgspec.structs.replace(read_record(kept, StepRecord), details=details, meters=Meters()))
    measured = ("--measured", str(kept))
    listed = forecast(capsys, *source, *measured, "--startup", "2s")
    took = listed["list_seconds"]
    assert took > LISTING_SECONDS
    size = ("--size", OBJECTS * OBJECT_BYTES, "--objects", OBJECTS, "--rate", "1GB/s", "--latency", "0s")
    stated = forecast(capsys, *size, "--startup", "2s")
    assert stated["list_seconds"] is None
    walls = {each["name"]: each["wall_seconds"] for each in stated["ways"]}
    for way in listed["ways"]:
        # What is listed is gone through, and some milliseconds of computing are left behind the last byte.
        within = 5e-3 if way["name"] == "window" else 1e-3
        assert way["wall_seconds"] - walls[way["name"]] == pytest.approx(took, abs=within), way["name"]
    main(["forecast", *map(str, source), *measured, "--compute-hours", "1"])
    assert f"Listing {OBJECTS} objects took " in capsys.readouterr().out


def test_a_probe_reads_no_more_than_it_may(server: SmallS3, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "probe.json"
    source = ("s3://data", "--endpoint-url", server.url, "--anonymous")
    forecast(capsys, *source, "--probe", "60s", "--probe-bytes", 10 * OBJECT_BYTES, "--probe-record", kept)
    record = read_record(kept, StepRecord)
    assert 10 * OBJECT_BYTES <= record.meters.bytes_downloaded < 11 * OBJECT_BYTES
    assert record.details["read_all"] == 1.0


def test_a_manifest_is_probed_by_the_ranges_of_its_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = write_class_folders(tmp_path / "data", 30), tmp_path
    words = ["list", "--source", data, "--task", "images", "--manifest", out / "m", "--plan", out / "p"]
    assert main([str(word) for word in (*words, "--record", out / "r")]) == 0
    capsys.readouterr()
    for plan in ((), ("--plan", out / "p")):
        forecast(capsys, "--manifest", out / "m", *plan, "--probe", "5s", "--probe-record", out / "probe.json")
        record = read_record(out / "probe.json", StepRecord)
        assert record.details["read_all"] == 1.0
        assert record.meters.bytes_downloaded > 1000
        assert record.wall_seconds < 5
    (found,) = penstock.forecast(manifest=out / "m", probe=5, samples_per_second=100)
    assert "as a probe measured it just now" in found.link.told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--size", "1GB", "--objects", "3", "--probe", "3s"), "--probe says nothing of --size"),
        (("{data}", "--probe", "3s", "--rate", "1MB/s"), "--rate states what the link does"),
    ],
)
def test_a_probe_that_says_nothing_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    data = str(write_class_folders(tmp_path / "data", 3))
    assert main(["forecast", *(word.format(data=data) for word in words), *WORDS]) == 2
    assert told in capsys.readouterr().err
