"""A job's modes through the command line: what each asks a real server for, and that all learn the same."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.window import cache_used_bytes
from support.cli import fails, succeed
from support.eeg import write_eeg
from support.forked import Forked
from support.jobs import run_until_saved
from support.small_s3 import SmallS3, small_s3

TASK = "eeg-c2"
EPOCHS = 3


@pytest.fixture(scope="module")
def eeg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_eeg(tmp_path_factory.mktemp("eeg"), num_trials=24, num_subjects=8)


@pytest.fixture
def server(eeg: Path) -> Iterator[SmallS3]:
    with small_s3() as found:
        found.is_open = True
        for path in sorted(eeg.rglob("*")):
            if path.is_file():
                found.objects[f"bucket/{path.relative_to(eeg)}"] = path.read_bytes()
        yield found


def words(server: SmallS3, out: Path, *more: object, task: str = TASK) -> list[object]:
    where = ("--source", "s3://bucket/", "--endpoint-url", server.url, "--anonymous", "--region", "us-east-2")
    what = ("--task", task, "--split", "0.5,0.25,0.25", "--epochs", EPOCHS, "--batch-size", 8, "--model", "small")
    return ["run", *where, *what, "--window-size", "16Mi", "--out", out, *more]


def data_bytes(server: SmallS3) -> int:
    """Return the bytes of recordings that were asked for since the last call, but for what listing reads of them."""
    total = 0
    with server.lock:
        for asked in server.requests:
            first, _, end = asked.headers.get("range", "").removeprefix("bytes=").partition("-")
            if asked.path.endswith(".bdf") and end:
                total += int(end) + 1 - int(first)
        server.requests.clear()
    return total


def told(out: Path, name: str) -> Any:
    return json.loads((out / f"{name}.json").read_text())


def result(out: Path) -> tuple[str, Any]:
    return told(out, "run")["weights_sha256"], told(out, "evaluation")["metrics"]


def test_a_cache_that_all_fits_is_filled_once_over_epochs_and_runs(server: SmallS3, tmp_path: Path) -> None:
    succeed(*words(server, tmp_path / "stream", "--window-size", "4Mi"))
    cache = ("--mode", "cache", "--cache", tmp_path / "shared", "--cache-size", "64Mi")
    succeed(*words(server, tmp_path / "first", *cache))
    run, scored = told(tmp_path / "first", "run"), told(tmp_path / "first", "evaluation")
    assert run["config"]["mode"] == "cache"
    assert told(tmp_path / "stream", "run")["config"]["mode"] == "stream"
    # Windows of a recording overlap: what one request reads for two is read once, what two read is read twice.
    epoch = run["meters"]["sample_bytes"] // EPOCHS
    assert run["meters"]["reused_bytes"] == (EPOCHS - 1) * epoch
    assert run["meters"]["bytes_downloaded"] <= epoch
    assert 0 < run["meters"]["cache_bytes"] <= 64 << 20
    assert scored["meters"]["bytes_downloaded"] > 0

    server.requests.clear()
    succeed(*words(server, tmp_path / "second", *cache))
    again, rescored = told(tmp_path / "second", "run"), told(tmp_path / "second", "evaluation")
    assert again["meters"]["bytes_downloaded"] == rescored["meters"]["bytes_downloaded"] == 0
    assert again["meters"]["requests"] == []
    assert again["meters"]["reused_bytes"] == again["meters"]["sample_bytes"]
    assert result(tmp_path / "stream") == result(tmp_path / "first") == result(tmp_path / "second")


def test_what_does_not_fit_is_asked_for_in_each_epoch_within_the_bound(server: SmallS3, tmp_path: Path) -> None:
    size = 1 << 20
    succeed(*words(server, tmp_path / "a", "--mode", "cache", "--cache-size", size))
    assert cache_used_bytes(tmp_path / "a/cache") <= size
    run = told(tmp_path / "a", "run")["meters"]
    assert 0 < run["cache_bytes"] <= size
    epoch, kept = run["sample_bytes"] // EPOCHS, run["reused_bytes"] // (EPOCHS - 1)
    assert 0.7 * size < kept < epoch
    assert run["reused_bytes"] == (EPOCHS - 1) * kept
    fetched = run["bytes_downloaded"] - run["wasted_bytes"]
    assert (EPOCHS - 1) * (epoch - kept) * 0.5 < fetched <= run["sample_bytes"] - run["reused_bytes"]


def test_a_job_killed_in_the_middle_goes_on_from_its_cache_to_the_same_weights(server: SmallS3, tmp_path: Path) -> None:
    more = ("--mode", "cache", "--cache-size", "64Mi", "--checkpoint-every", 2)
    succeed(*words(server, tmp_path / "whole", *more))
    process = run_until_saved(words(server, tmp_path / "cut", *more), tmp_path / "cut", 4)
    process.send_signal(signal.SIGKILL)
    process.wait()
    server.requests.clear()
    succeed(*words(server, tmp_path / "cut", *more))
    assert result(tmp_path / "cut") == result(tmp_path / "whole")
    assert told(tmp_path / "cut", "run")["num_resumes"] == 1


@pytest.mark.parametrize(("more", "code", "said"), [
    (("--mode", "caches"), 2, "caches"),
    (("--cache", "somewhere"), 2, "pass --mode cache"),
    (("--mode", "cache", "--cache-size", "10Ki"), 2, "at least 1"),
    (("--mode", "cache", "--cache-size", "900Ti"), 51, "choose a smaller --cache-size"),
    (("--store", "somewhere"), 2, "pass --mode preprocess"),
    (("--mode", "preprocess", "--stream-listing"), 2, "leave one of them out"),
    (("--mode", "cache", "--prefetch", "sidecar", "--window", "w", "--prefetch-timeout", "1s"), 2, "sidecar"),
])  # fmt: skip
def test_modes_that_cannot_be_are_refused_before_anything_is_asked_for(
    server: SmallS3, tmp_path: Path, more: tuple[str, ...], code: int, said: str
) -> None:
    fails(code, said, *words(server, tmp_path / "out", *more))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("mode", "flag"), [("cache", "--cache"), ("preprocess", "--store")])
def test_a_folder_of_somebody_is_refused_before_anything_is_asked_for(
    server: SmallS3, tmp_path: Path, mode: str, flag: str
) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "letter.txt").write_text("Dear")
    more = ("--mode", mode, flag, str(tmp_path / "theirs"))
    fails(53, "letter.txt, which Penstock did not put there", *words(server, tmp_path / "out", *more))
    fails(53, "letter.txt", "compare-modes", *words(server, tmp_path / "out", *more[2:])[1:])
    assert not (tmp_path / "out").exists()
    assert [path.name for path in (tmp_path / "theirs").iterdir()] == ["letter.txt"]
    assert not server.requests


def sent(meters: Any) -> int:
    return sum(line["sent"] for line in meters["requests"])


def test_a_store_is_filled_by_reading_the_source_once_and_used_again(server: SmallS3, tmp_path: Path) -> None:
    succeed(*words(server, tmp_path / "stream"))
    server.requests.clear()
    store = ("--mode", "preprocess", "--store", tmp_path / "store")
    succeed(*words(server, tmp_path / "first", *store))
    run, listed, packed = (told(tmp_path / "first", name) for name in ("run", "list", "pack"))
    assert run["config"]["mode"] == "preprocess"
    # All that the server was asked for, by listing and the pass; training and evaluation asked it for nothing.
    assert len(server.requests) == sent(listed["meters"]) + sent(packed["meters"])
    assert packed["meters"]["bytes_downloaded"] <= packed["meters"]["sample_bytes"]
    assert result(tmp_path / "stream") == result(tmp_path / "first")
    assert "the pack step" in (tmp_path / "first/report.html").read_text()

    server.requests.clear()
    succeed(*words(server, tmp_path / "second", *store))
    assert not (tmp_path / "second/pack.json").exists()
    assert len(server.requests) == sent(told(tmp_path / "second", "list")["meters"])
    assert result(tmp_path / "second") == result(tmp_path / "first")
    fails(2, "another listing", *words(server, tmp_path / "third", *store, "--option", "window-seconds=3"))
    for path in (tmp_path / "store").glob("*.bin"):  # as a copy or a restored backup has it
        os.utime(path, (1, 1))
    server.requests.clear()
    succeed(*words(server, tmp_path / "fourth", *store))
    assert len(server.requests) == sent(told(tmp_path / "fourth", "list")["meters"])
    assert result(tmp_path / "fourth") == result(tmp_path / "first")
    (shard, *_) = sorted((tmp_path / "store").glob("*.bin"))
    damaged = bytearray(shard.read_bytes())
    damaged[::50] = bytes(byte ^ 255 for byte in damaged[::50])
    shard.write_bytes(damaged)
    fails(30, "remove", *words(server, tmp_path / "fifth", *store))


@pytest.mark.parametrize("step", ["pack", "train"])
def test_a_job_killed_while_it_stores_or_trains_goes_on_to_the_same_weights(
    server: SmallS3, tmp_path: Path, step: str
) -> None:
    more = ("--mode", "preprocess", "--checkpoint-every", 2)
    succeed(*words(server, tmp_path / "whole", *more))
    if step == "train":
        process = run_until_saved(words(server, tmp_path / "cut", *more), tmp_path / "cut", 4)
    else:
        process = Forked(words(server, tmp_path / "cut", *more))
        while not list((tmp_path / "cut").glob("store/store.json")) and process.poll() is None:
            time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    succeed(*words(server, tmp_path / "cut", *more))
    assert result(tmp_path / "cut") == result(tmp_path / "whole")


def test_the_modes_of_a_job_are_compared(server: SmallS3, tmp_path: Path) -> None:
    shown = ("--html", tmp_path / "m.html", "--markdown", tmp_path / "m.md", "--json", tmp_path / "m.json")
    job = [*words(server, tmp_path / "out", "--cache-size", "64Mi", "--node-usd-per-hour", 1), *shown]
    printed = succeed("compare-modes", *job[1:])
    assert "All modes trained to the same weights" in printed
    found = told(tmp_path, "m")
    stream, cache, stored = found["modes"]
    assert [each["mode"] for each in found["modes"]] == ["stream", "cache", "preprocess"]
    assert stream["weights_sha256"] == cache["weights_sha256"] == stored["weights_sha256"]
    assert stream["score"] == cache["score"] == stored["score"]
    assert cache["cache_bytes"] > 0 == stream["cache_bytes"] == stream["store_bytes"] == stored["cache_bytes"]
    assert stored["store_bytes"] > 0 < stored["preprocess_seconds"]
    assert stream["preprocess_seconds"] is None
    assert all(each["usd"] > 0 < each["later_epoch_seconds"] for each in found["modes"])
    # Each job's requests are those that the server had, in all.
    assert len(server.requests) == sum(each["requests"] for each in found["modes"])
    for name in ("m.md", "m.html"):
        text = (tmp_path / name).read_text()
        assert all(word in text for word in ("preprocess", "each later epoch", "dollars", "test nrmse"))

    # All is done, and nothing is done again: what a job cost alone is known better, since its report was over.
    server.requests.clear()
    printed = succeed("compare-modes", *job[1:])
    again = told(tmp_path, "m")
    for first, second in zip(found["modes"], again["modes"], strict=True):
        assert first == second | {"usd": first["usd"]}
        assert first["usd"] <= second["usd"]
    assert succeed("compare-modes", *job[1:]) == printed
    assert not server.requests


@pytest.mark.parametrize(("more", "said"), [
    (("--modes", "stream"), "two or three different modes"),
    (("--modes", "stream,stream"), "two or three different modes"),
    (("--modes", "stream,disk"), "'disk' is no mode"),
    (("--mode", "cache"), "leave --mode out"),
    (("--modes", "stream,cache", "--store", "x"), "add preprocess"),
    (("--modes", "stream,preprocess", "--cache", "x"), "add cache"),
    (("--stages", "0.1,1"), "leave --stages out"),
])  # fmt: skip
def test_comparisons_that_cannot_be_are_refused(
    server: SmallS3, tmp_path: Path, more: tuple[str, ...], said: str
) -> None:
    fails(2, said, "compare-modes", *words(server, tmp_path / "out", *more)[1:])
    assert not (tmp_path / "out").exists()
    assert not server.requests
