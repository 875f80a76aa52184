"""What Penstock says that it asked for is what went over the wire: by kind, by answer, by byte, whatever happened.

A request counts once its head is handed to the kernel, and is counted just before: so at a SIGKILL at most the one
that was about to be sent is counted and was not seen; never is one seen that was not counted.
"""

from __future__ import annotations

import asyncio
import json
import signal
import stat
import time
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import torch

import penstock
from penstock.records import Evaluation, Meters, RunRecord, StepRecord, decode_record
from penstock.window import is_served
from support.cli import succeed
from support.eeg import write_eeg
from support.forked import Forked
from support.jobs import processes_of
from support.s3_server import Asked, OwnS3, Wire, own_s3
from support.windows import kill_serving

pytestmark = pytest.mark.usefixtures("children_are_forked")

NUM_OBJECTS, OBJECT_BYTES = 240, 16_000
OBJECTS = {f"data/{number:04}.bin": bytes([number % 251]) * OBJECT_BYTES for number in range(NUM_OBJECTS)}
SLOW_DOWN = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 4\r\n\r\nbusy"
EXPIRED = b"<Error><Code>ExpiredToken</Code></Error>"
FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n" % len(EXPIRED) + EXPIRED


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[OwnS3, Wire]]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with own_s3(OBJECTS) as (server, wire):
        yield server, wire


def decode(data: memoryview, key: str) -> torch.Tensor:
    return torch.tensor([len(data), data[0]])


def stream_of(wire: Wire, **options: Any) -> penstock.Stream:
    given = {"decode": decode, "batch_size": 8, "window": "1Mi", "epochs": 2, "endpoint_url": wire.url}
    return penstock.Stream("s3://bucket/data", **(given | options))


def assert_told(meters: Meters, wire: Wire, *, kills: int = 0, exact_bytes: bool = True) -> None:
    """Compare what was counted with what was seen."""
    kinds: Counter[str] = Counter()
    for line in meters.requests:
        kinds[line.kind] += line.sent
    unseen = sum(kinds.values()) - len(wire.asked)
    assert 0 <= unseen <= kills, (dict(kinds), wire.counts())
    if not kills:
        assert dict(sorted(kinds.items())) == wire.counts()
        answered = Counter()
        for line in meters.requests:
            for name in ("2xx", "3xx", "4xx", "5xx"):
                answered[line.kind, name] += getattr(line, f"answers_{name}")
        if exact_bytes:
            assert +answered == wire.statuses
    if exact_bytes and not kills:
        assert meters.bytes_downloaded == wire.body_bytes
    else:
        assert meters.bytes_downloaded <= wire.body_bytes


def some(kind: str, answer: object, *, every: int) -> Callable[[Asked], object]:
    """Meddle with every n-th request of a kind."""
    seen = Counter[str]()

    def meddle(asked: Asked) -> object:
        seen[asked.kind] += 1
        return answer if asked.kind == kind and seen[kind] % every == 0 else None

    return meddle


@pytest.mark.parametrize(
    ("kind", "answer"),
    [("GET", None), ("GET", SLOW_DOWN), ("GET", "cut"), ("GET", "reset"), ("LIST", SLOW_DOWN), ("LIST", "cut")],
    ids=["clean", "503", "cut", "reset", "503 listing", "cut listing"],
)
def test_a_stream_counts_what_went_out(s3: tuple[OwnS3, Wire], kind: str, answer: object) -> None:
    _, wire = s3
    wire.meddle = some(kind, answer, every=17 if kind == "GET" else 2)
    with stream_of(wire) as stream:
        assert sum(len(batch) for _ in range(2) for batch in stream) == 2 * NUM_OBJECTS
    meters = stream.meters()
    assert_told(meters, wire)
    assert meters.count("LIST", purpose="listing").sent == meters.list_requests >= 3
    assert meters.count("GET", purpose="data").sent == meters.get_requests >= NUM_OBJECTS
    assert meters.failed_requests == 0


def test_requests_that_are_made_twice_are_counted_twice(s3: tuple[OwnS3, Wire]) -> None:
    _, wire = s3
    seen = Counter[str]()

    async def late(asked: Asked) -> None:
        seen[asked.key] += 1
        if asked.kind == "GET" and asked.number > 120 and asked.number % 40 == 0 and seen[asked.key] == 1:
            await asyncio.sleep(1)

    wire.meddle = late
    with stream_of(wire, epochs=3, in_flight=4) as stream:
        assert sum(len(batch) for _ in range(3) for batch in stream) == 3 * NUM_OBJECTS
    meters = stream.meters()
    assert meters.hedged_requests >= 1
    assert_told(meters, wire, exact_bytes=False)


def test_refused_credentials_are_renewed_and_both_requests_count(
    s3: tuple[OwnS3, Wire], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time it is asked, the credential process gives another key; the third one's requests are refused once."""
    _, wire = s3
    script, counter = tmp_path / "credentials", tmp_path / "asked"
    told = '{"Version": 1, "AccessKeyId": "AKIA%s", "SecretAccessKey": "s"}'
    script.write_text(f"#!/bin/sh\necho x >> {counter}\nprintf '{told}' $(wc -l < {counter})\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    config = tmp_path / "config"
    config.write_text(f"[default]\ncredential_process = {script}\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    refused: set[str] = set()

    def refuse(asked: Asked) -> object:
        key = asked.header("Authorization").partition("Credential=")[2].partition("/")[0]
        if asked.kind == "GET" and not refused:
            refused.add(key)
        return FORBIDDEN if key in refused else None

    wire.meddle = refuse
    with stream_of(wire, epochs=1) as stream:
        assert sum(len(batch) for batch in stream) == NUM_OBJECTS
    meters = stream.meters()
    assert meters.count("GET").answers_4xx >= 1
    assert_told(meters, wire)


def test_objects_that_are_skipped_are_counted(s3: tuple[OwnS3, Wire]) -> None:
    server, wire = s3
    gone = [f"data/{number:04}.bin" for number in range(0, NUM_OBJECTS, 30)]
    listed = Counter[str]()

    def remove(asked: Asked) -> None:
        listed[asked.kind] += 1
        if asked.kind == "GET":
            for key in gone:
                server.objects.pop(key, None)

    wire.meddle = remove
    with stream_of(wire, on_bad_sample="skip", epochs=1) as stream:
        assert sum(len(batch) for batch in stream) == NUM_OBJECTS - len(gone)
    meters = stream.meters()
    assert meters.num_skipped == len(gone) == meters.count("GET").answers_4xx
    assert_told(meters, wire)


def test_a_loop_that_is_broken_off_counts_what_was_read_ahead(s3: tuple[OwnS3, Wire]) -> None:
    _, wire = s3
    with stream_of(wire, epochs=None) as stream:
        for number, _ in enumerate(stream):
            if number == 3:
                break
    assert_told(stream.meters(), wire, exact_bytes=False)


@pytest.mark.parametrize("workers", [0, 1])
def test_killed_prefetchers_lose_no_request(s3: tuple[OwnS3, Wire], workers: int) -> None:
    _, wire = s3
    kills = 0
    with stream_of(wire, epochs=3, workers=workers) as stream:
        for _ in range(3):
            for number, _ in enumerate(stream):
                if number in (5, 20):
                    reading = stream._reading  # the only way to the process that is to be killed
                    assert reading._own is not None
                    assert reading._own.prefetcher is not None
                    kill_serving(reading._own.prefetcher)
                    kills += 1
    assert kills == 6
    assert_told(stream.meters(), wire, kills=kills)


def totals(*found: Meters) -> Meters:
    total = Meters()
    for meters in found:
        total = total.plus(meters)
    return total


@pytest.mark.parametrize("with_s3_root", [True, False], ids=["run root in S3", "run root a folder"])
def test_a_run_of_steps_counts_each_request_once(s3: tuple[OwnS3, Wire], tmp_path: Path, with_s3_root: bool) -> None:
    """Listed, trained, killed and trained again, evaluated: the records of the run hold all that went out."""
    server, wire = s3
    server.objects.clear()
    root = write_eeg(tmp_path / "eeg")
    for path in sorted(root.rglob("*")):
        if path.is_file():
            server.objects[f"R1_L100_bdf/{path.relative_to(root)}"] = path.read_bytes()
    manifest, plan = tmp_path / "manifest.parquet", tmp_path / "plan.json"
    place = "s3://bucket/runs" if with_s3_root else str(tmp_path / "runs")
    run = ["--run-root", place, "--run-id", "one", "--run-endpoint-url", wire.url]
    succeed(
        *("list", "--source", "s3://bucket", "--endpoint-url", wire.url, "--task", "eeg-c1", "--manifest", manifest),
        *("--plan", plan, *run),
    )
    window = ["--window", tmp_path / "window", "--window-size", "8Mi", "--manifest", manifest, "--plan", plan]
    words = ["train", *window, "--model", "small", "--epochs", "3", "--record", tmp_path / "run.json", *run]
    process = Forked(words)
    local = tmp_path / "runs/one/checkpoints"
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        names = list(server.objects) if with_s3_root else [path.name for path in local.glob("*")]
        if any("best" in name for name in names):
            break
        time.sleep(0.005)
    process.kill()
    process.wait()
    while processes_of(tmp_path / "window"):
        time.sleep(0.05)
    succeed(*words)
    checkpoint = f"{place}/one/checkpoints"
    succeed("evaluate", *window, "--checkpoint", checkpoint, "--metrics", tmp_path / "evaluation.json", *run)

    def read(name: str, kind: Any) -> Any:
        if with_s3_root:
            return decode_record(server.objects[f"runs/one/records/{name}.json"], kind)
        return decode_record((tmp_path / f"runs/one/records/{name}.json").read_bytes(), kind)

    found = [read("list", StepRecord).meters, read("train", RunRecord).meters, read("evaluate", Evaluation).meters]
    assert_told(totals(*found), wire, kills=2)  # the trainer, and the prefetcher that ends with it
    assert json.loads((tmp_path / "run.json").read_text())["num_resumes"] == 1

    before = len(wire.asked)
    results = [word for name in ("html", "markdown", "cost", "focus") for word in (f"--{name}", tmp_path / name)]
    succeed("report", *run, *results, "--source-prices", "s3")
    own = [asked.kind for asked in wire.asked[before:]]
    assert own.count("PUT") == (4 if with_s3_root else 0)
    told = totals(*found).count("GET", "HEAD", "LIST", "PUT", "POST").billed + len(own)
    lines = json.loads((tmp_path / "cost").read_text())["lines"]
    assert sum(1000 * Decimal(str(line["quantity"])) for line in lines if line["unit"] == "1000 requests") == told
    if with_s3_root:
        assert found[1].count("PUT", purpose="checkpoint").sent >= 8
        assert found[1].count("DELETE", purpose="checkpoint").sent >= 1
        assert found[2].count("GET", purpose="checkpoint").sent >= 2


LOOP = """
import sys, time, torch, penstock
decode = lambda data, key: torch.tensor([len(data)])
stream = penstock.Stream("s3://bucket/data", decode=decode, batch_size=8, window="32Mi", epochs=9, in_flight=4,
    endpoint_url=sys.argv[1], window_folder=sys.argv[2])
for number, _ in enumerate(stream):
    if number == 3:
        if sys.argv[3] == "killed":
            print("there", flush=True)
            time.sleep(60)
        break
"""


@pytest.mark.parametrize("ending", ["killed", "broken off"])
def test_a_prefetcher_asks_for_nothing_that_nobody_reads(s3: tuple[OwnS3, Wire], tmp_path: Path, ending: str) -> None:
    """One that starts before its reader finds what the last one asked for, whose bill is made already."""
    _, wire = s3
    window = tmp_path / "window"

    async def slow(asked: Asked) -> None:  # much is left to be read ahead
        await asyncio.sleep(0.1)

    wire.meddle = slow
    (tmp_path / "loop.py").write_text(LOOP)
    loop = Forked([wire.url, window, ending], script=tmp_path / "loop.py")
    while loop.poll() is None and "there" not in loop.output()[0]:
        time.sleep(0.01)
    loop.kill()
    loop.wait()
    while processes_of(window):
        time.sleep(0.05)
    before = len(wire.asked)
    assert before
    prefetcher = Forked(["prefetch", "--window", window, "--window-size", "32Mi", "--in-flight", "4"])
    try:
        while not is_served(window):
            assert prefetcher.poll() is None
            time.sleep(0.01)
        time.sleep(1.5)  # six looks at what is asked for
        assert len(wire.asked) == before
    finally:
        prefetcher.send_signal(signal.SIGTERM)
        prefetcher.wait()
    wire.meddle = lambda asked: None
    with stream_of(wire, window_folder=window, window="32Mi", epochs=1) as stream:
        assert sum(len(batch) for batch in stream) == NUM_OBJECTS
    assert stream.meters().count("GET", "LIST").sent == len(wire.asked) - before


def test_a_job_that_is_killed_with_its_worker_and_prefetcher_counts_all(s3: tuple[OwnS3, Wire], tmp_path: Path) -> None:
    server, wire = s3
    server.objects.clear()
    root, out = write_eeg(tmp_path / "eeg"), tmp_path / "out"
    for path in sorted(root.rglob("*")):
        if path.is_file():
            server.objects[f"R1_L100_bdf/{path.relative_to(root)}"] = path.read_bytes()
    source = ["--source", "s3://bucket", "--endpoint-url", wire.url, "--task", "eeg-c1", "--model", "small"]
    words = ["run", *source, "--epochs", "3", "--workers", "1", "--window-size", "8Mi", "--out", out]
    process = Forked(words)
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline and not (out / "checkpoints/best.json").exists():
        time.sleep(0.01)
    process.kill()
    process.wait()
    while processes_of(out):
        time.sleep(0.05)
    succeed(*words)
    kinds = {"list": StepRecord, "run": RunRecord, "evaluation": Evaluation}
    found = [decode_record((out / f"{name}.json").read_bytes(), kind).meters for name, kind in kinds.items()]
    assert_told(totals(*found), wire, kills=2)
