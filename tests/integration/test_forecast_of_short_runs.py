"""What runs of minutes notice, by ``penstock forecast``: starts, latencies, heads of answers, scoring, repeats."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import penstock
from penstock.cli import main
from penstock.cost.forecasting.datasets import FORWARD_SHARE
from penstock.manifest import ManifestReader
from penstock.records import Meters, write_record
from support.images import write_class_folders
from support.runs import make_evaluation, make_run, sent

pytestmark = pytest.mark.usefixtures("children_are_forked")

SIZE = ("--size", "1GB", "--objects", 10_000, "--epochs", 5, "--node-usd-per-hour", 1)
COMPUTING = ("--compute-hours", 0.01)


def forecast(capsys: pytest.CaptureFixture[str], *words: object, way: str = "window") -> dict[str, Any]:
    """Return a node's forecast, with one of its ways as ``way``."""
    assert main(["forecast", *map(str, words), "--json"]) == 0
    node: dict[str, Any] = json.loads(capsys.readouterr().out)["nodes"][0]
    return node | {"way": next(each for each in node["ways"] if each["name"] == way)}


@pytest.mark.parametrize("way", ["stream", "window", "download-gp3"])
def test_what_a_run_takes_beside_its_epochs_is_waited_for(way: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked = (*SIZE, *COMPUTING, "--rate", "100MB/s", "--window-size", "100MB")
    without = forecast(capsys, *asked, way=way)["way"]
    found = forecast(capsys, *asked, "--startup", "30s", way=way)["way"]
    for name in ("wall_seconds", "stall_seconds"):
        assert found[name] - without[name] == pytest.approx(30)


def test_many_small_answers_wait_for_a_latency_and_bring_their_heads(capsys: pytest.CaptureFixture[str]) -> None:
    """512 requests of 100 kB in a second are 51.2 MB/s; of a link of 10 MB/s, 400 of 100,400 bytes are heads."""
    quick = (*SIZE, "--compute-hours", 1e-6, "--window-size", "1MB")
    late = forecast(capsys, *quick, "--rate", "1GB/s", "--latency", "1s", way="stream")["way"]
    assert late["limit"] == "the source's latency"
    assert late["wall_seconds"] == pytest.approx(5 * 1e9 / 51.2e6, rel=0.005)
    slow = forecast(capsys, *quick, "--rate", "10MB/s", way="stream")["way"]
    assert slow["limit"] == "the link"
    assert slow["wall_seconds"] == pytest.approx(5 * 100 * 1.004)


def test_samples_that_are_scored_take_a_third(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, manifest = write_class_folders(tmp_path / "data", 60), tmp_path / "manifest.parquet"
    words = ["list", "--source", data, "--task", "images", "--option", "size=16", "--manifest", manifest]
    assert main([*map(str, words), "--plan", str(tmp_path / "plan.json")]) == 0
    with ManifestReader(manifest) as reader:
        train, valid, test = (reader.info.split(name).num_samples for name in ("train", "valid", "test"))
    capsys.readouterr()
    asked = ("--manifest", manifest, "--epochs", 2, "--rate", "1GB/s", "--samples-per-second", 0.5)
    found = forecast(capsys, *asked)
    epoch = (train + valid * FORWARD_SHARE) / 0.5
    assert found["compute_seconds"] == pytest.approx(epoch)
    assert found["way"]["wall_seconds"] == pytest.approx(2 * epoch + test * FORWARD_SHARE / 0.5)


def test_an_earlier_job_tells_its_start_its_scoring_and_what_was_asked_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    meters = Meters(
        bytes_downloaded=10**8, sample_bytes=10**8, requests=sent(GET=1100), retried_requests=60, hedged_requests=40
    )
    run = make_run(num_epochs=2, num_resumes=0, wall_seconds=100.0, meters=meters)
    busy = math.fsum(each.stall_seconds + each.compute_seconds + each.valid_seconds for each in run.epochs)
    write_record(tmp_path / "run.json", run)
    asked = (*SIZE, "--rate", "100MB/s", "--window-size", "1MB", "--measured")
    plain = forecast(capsys, *asked, tmp_path, "--startup", "0", way="stream")["way"]
    found = forecast(capsys, *asked, tmp_path, way="stream")["way"]
    assert found["wall_seconds"] - plain["wall_seconds"] == pytest.approx(100 - busy)
    assert found["get_requests"] == pytest.approx(5 * 10_000 * 1.1)
    scored = msgspec.structs.replace(make_evaluation(num_samples=1), wall_seconds=7.0, meters=Meters())
    write_record(tmp_path / "evaluation.json", scored)
    more = forecast(capsys, *asked, tmp_path, way="stream")["way"]["wall_seconds"] - found["wall_seconds"]
    assert more == pytest.approx(7, rel=0.01)


def test_a_window_of_most_of_the_data_is_not_taken_to_keep_it_before_it_knows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is full after half of the first epoch, and what it has promised by then passes before it keeps anything."""
    asked = (*SIZE, *COMPUTING, "--rate", "20MB/s", "--latency", "30ms")
    half = forecast(capsys, *asked, "--window-size", "500MB")["way"]
    assert half["moved_bytes"] == pytest.approx(1e9 * (5 - 3 * 0.435))
    whole = forecast(capsys, *asked, "--window-size", "1200MB")["way"]
    assert whole["moved_bytes"] == 1e9


def test_waiting_of_scoring_is_no_computing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of 9 s of scoring an epoch 6 were waited: an epoch of the next run computes for 10 and 3 seconds."""
    run = make_run(num_epochs=2)
    epochs = tuple(
        msgspec.structs.replace(each, compute_seconds=10.0, valid_seconds=9.0, valid_stall_seconds=6.0)
        for each in run.epochs
    )
    write_record(tmp_path / "run.json", msgspec.structs.replace(run, epochs=epochs))
    asked = ("--size", "1GB", "--objects", 100, "--rate", "1GB/s", "--measured", tmp_path / "run.json")
    assert forecast(capsys, *asked)["compute_seconds"] == pytest.approx(13)


@pytest.mark.parametrize("spread", [1, 100])
def test_a_window_keeps_what_was_forecast_to_the_byte(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spread: int
) -> None:
    """Of a loop of one's own, whose window is as large as its data; samples of one size, and very unequal ones."""
    data = tmp_path / "data"
    data.mkdir()
    sizes = (20_000 * spread ** np.random.default_rng(0).random(160)).astype(int).tolist()
    for number, size in enumerate(sizes):
        (data / f"{number:04}.bin").write_bytes(bytes(size))
    window = sum(sizes)
    asked = (data, "--epochs", 3, "--window-size", window, "--rate", "50MB/s", "--compute-hours", 1e-5, "--at-once", 8)
    found = forecast(capsys, *asked)["way"]
    with penstock.objects(data).loader(
        8, window=window, window_folder=tmp_path / "window", epochs=3, shuffle=True, seed=0
    ) as loader:
        for _ in range(3):
            assert sum(len(value) for batch in loader for value in batch) == window
        meters = loader.meters()
    assert 0 < meters.kept_bytes < window
    assert found["moved_bytes"] == meters.sample_bytes - meters.reused_bytes
