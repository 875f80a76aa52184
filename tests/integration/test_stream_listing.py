"""A stream that begins before its listing has ended: every sample once an epoch, exact resume, the same manifest."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import torch

import penstock
from penstock import stream_listing
from penstock.children.step import Restarts
from penstock.errors import AccessDenied, CheckpointMismatch, EmptyListing, ProcessLost, SourceError
from penstock.loader import ByKey, Decoding, WindowStream
from penstock.loader.dataset_stream import DatasetStream
from penstock.manifest import ManifestInfo, ManifestReader, SourceSpec
from penstock.manifest.listed import Listed
from penstock.options.window import ServingOptions
from penstock.records import Plan
from penstock.sources import open_source
from penstock.steps._shared.manifest_making import make_manifest
from penstock.tasks.protocols import Limits
from penstock.tasks.registry import get_task
from penstock.window import start_prefetcher
from support.cli import Bucket

pytestmark = pytest.mark.usefixtures("children_are_forked")

NUM_OBJECTS, OBJECT_BYTES, BATCH = 230, 3000, 8


def content(number: int) -> bytes:
    return np.random.default_rng(number).bytes(OBJECT_BYTES)


def decode(data: memoryview, key: str) -> int:
    number = int(Path(key).stem)
    assert bytes(data) == content(number)
    return number


@dataclass(kw_only=True)
class Recorded:
    """The parts of a listing as they were recorded, and the whole."""

    parts: list[Listed] = field(default_factory=list)
    everything: Listed | None = None

    def part(self, number: int) -> Listed | None:
        return self.parts[number] if number < len(self.parts) else None

    def whole(self) -> Listed:
        assert self.everything is not None
        return self.everything


def record(spec: SourceSpec, out: Path, *, split: tuple[float, ...] = (1.0, 0.0, 0.0), early: bool = True) -> Recorded:
    listed = Recorded()

    def listing(path: Path, info: ManifestInfo, *, is_whole: bool) -> Listed:
        plan = Plan(manifest_fingerprint=info.fingerprint, seed=5, num_lanes=64, shuffle="full", mix=1)
        return Listed(manifest=path, info=info, plan=plan, is_whole=is_whole)

    def on_part(path: Path, info: ManifestInfo) -> None:
        listed.parts.append(listing(path, info, is_whole=False))

    info = asyncio.run(
        make_manifest(
            open_source(spec),
            get_task("objects"),
            path=out / "manifest.parquet",
            limits=Limits(early=early),
            options={"match": "*.bin"},
            fractions=split,
            by_sample=sum(part > 0 for part in split) > 1,
            seed=5,
            on_part=on_part if early else None,
            first_part_samples=20,
        )
    )
    listed.everything = listing(out / "manifest.parquet", info, is_whole=True)
    return listed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("objects")
    for number in range(NUM_OBJECTS):
        path = root / f"{number % 3}" / f"{number:04}.bin"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content(number))
    return root


@contextlib.contextmanager
def streaming(listing: Recorded, window: Path) -> Iterator[DatasetStream]:
    def open_stream(listed: Listed, splits: Sequence[tuple[str, bool]], num_epochs: int) -> WindowStream:
        return WindowStream(
            folder=window,
            manifest=listed.manifest,
            info=listed.info,
            plan=listed.plan,
            splits=splits,
            decoding=Decoding(decode=ByKey(decode), collate=list),
            batch_size=BATCH,
            num_epochs=num_epochs,
        )

    child = start_prefetcher(window, ServingOptions(prefetch="process", window_size=1 << 20))
    assert child is not None
    with child, contextlib.closing(DatasetStream(listing, open_stream=open_stream, num_epochs=3)) as stream:
        yield stream


def test_the_first_epoch_comes_part_by_part_and_every_sample_once(folder: Path, tmp_path: Path) -> None:
    listing = record(SourceSpec(uri=str(folder)), tmp_path)
    sizes = [part.info.num_samples for part in listing.parts]
    assert sizes == [20, 40, 80, 90]
    in_order = [int(path.stem) for path in sorted(folder.rglob("*.bin"))]
    with streaming(listing, tmp_path / "window") as stream:
        assert stream.epoch == 0
        epochs = []
        for number in range(3):
            assert stream.epoch == number
            epochs.append([sample for batch in stream.batches(number, 0) for sample in batch])
        meters = stream.meters()
    assert all(sorted(epoch) == list(range(NUM_OBJECTS)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    start = 0
    for size in sizes:
        part = epochs[0][start : start + size]
        assert sorted(part) == sorted(in_order[start : start + size])
        assert part != in_order[start : start + size]
        start += size
    assert meters.sample_bytes >= 3 * NUM_OBJECTS * OBJECT_BYTES


def test_a_saved_place_gives_the_batches_that_would_have_come(folder: Path, tmp_path: Path) -> None:
    spec = SourceSpec(uri=str(folder))
    whole, states = [], []
    with streaming(record(spec, tmp_path / "a"), tmp_path / "window") as stream:
        states.append(stream.state_dict())
        for _ in range(2):
            for batch in stream.batches(stream.epoch, 0):
                whole.append(batch)
                states.append(stream.state_dict())
    again = record(spec, tmp_path / "b")
    with streaming(again, tmp_path / "window") as stream:
        for place in (0, 2, 3, 7, 8, 19, 30, 31, 45):
            stream.load_state_dict(states[place])
            coming = [batch for _ in range(2) for batch in stream.batches(stream.epoch, 0)]
            assert coming[: len(whole) - place] == whole[place:]


def test_a_place_in_another_listing_is_refused(folder: Path, tmp_path: Path) -> None:
    with streaming(record(SourceSpec(uri=str(folder)), tmp_path / "a"), tmp_path / "window") as stream:
        batches = stream.batches(0, 0)
        states = []
        for _ in range(5):
            next(batches)
            states.append(stream.state_dict())
    other = tmp_path / "other"
    for path in sorted(folder.rglob("*.bin"))[1:]:
        copy = other / path.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    with streaming(record(SourceSpec(uri=str(other)), tmp_path / "b"), tmp_path / "window") as stream:
        for state in (states[0], states[4]):
            with pytest.raises(CheckpointMismatch):
                stream.load_state_dict(state)


def test_parts_of_a_bucket_are_cut_while_it_is_listed_and_make_the_same_manifest(
    bucket: Bucket, folder: Path, tmp_path: Path
) -> None:
    bucket.upload(folder, "images/")
    bucket.put("images/1/", b"")
    spec = SourceSpec.of(f"{bucket.uri}/images", endpoint_url=bucket.url, region="us-east-2")
    early, late = record(spec, tmp_path / "a"), record(spec, tmp_path / "b", early=False)
    assert early.whole().info.fingerprint == late.whole().info.fingerprint
    assert early.whole().info.skipped == late.whole().info.skipped == ()
    split = record(spec, tmp_path / "c", split=(0.5, 0.25, 0.25))
    keys: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for part in split.parts:
        with ManifestReader(part.manifest) as reader:
            for found in part.info.splits:
                keys[found.name] += [reader.row(found.first_row + row).key for row in range(found.num_samples)]
    with ManifestReader(split.whole().manifest) as reader:
        for found in split.whole().info.splits:
            rows = range(found.first_row, found.first_row + found.num_samples)
            assert [reader.row(row).key for row in rows] == keys[found.name]


class _Slow(BaseHTTPRequestHandler):
    """A bucket of tiny objects whose listing stops behind a page until it is let go on."""

    protocol_version = "HTTP/1.1"
    go_on: threading.Event
    fails = backwards = False
    num_pages, stops_at = 12, 9

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        query = parse_qs(place.query)
        if "list-type" in query:
            page = int(query.get("continuation-token", ["0"])[0])
            if page == self.stops_at:
                self.go_on.wait()
                if self.fails:
                    self._send(403, b"<Error><Code>AccessDenied</Code></Error>", {})
                    return
            self._send(200, self._page(page), {"Content-Type": "application/xml"})
            return
        number = int(Path(place.path).stem)
        body, asked = content(number), self.headers["Range"]
        headers = {"ETag": f'"{number:032x}"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
        if asked is None:
            self._send(200, body, headers)
            return
        first, last = (int(part) for part in asked.removeprefix("bytes=").split("-"))
        self._send(206, body[first : last + 1], headers | {"Content-Range": f"bytes {first}-{last}/{len(body)}"})

    def _page(self, page: int) -> bytes:
        place = self.num_pages - page if self.backwards else page
        entries = "".join(
            f"<Contents><Key>{number:06}.bin</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>&quot;{number:032x}&quot;</ETag><Size>{OBJECT_BYTES}</Size></Contents>"
            for number in range(place * 1000, place * 1000 + 1000)
        )
        more = page + 1 < self.num_pages
        told = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        told += f"<NextContinuationToken>{page + 1}</NextContinuationToken>" if more else ""
        return f"<ListBucketResult><Name>b</Name>{told}{entries}</ListBucketResult>".encode()

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def slow_bucket(**attributes: Any) -> Iterator[tuple[threading.Event, dict[str, Any]]]:
    """Serve; give what lets the listing go on, and the options of a stream."""
    go_on = threading.Event()
    handler: Any = type("Handler", (_Slow,), {"go_on": go_on, **attributes})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        options = {"decode": to_tensor, "batch_size": 8, "window": "1Mi", "anonymous": True, "stream_listing": True}
        try:
            yield go_on, options | {"endpoint_url": f"http://127.0.0.1:{server.server_port}", "region": "us-east-2"}
        finally:
            go_on.set()
            server.shutdown()


def to_tensor(data: memoryview, key: str) -> torch.Tensor:
    return torch.tensor(decode(data, key))


@pytest.mark.parametrize("fails", [False, True])
def test_training_begins_before_the_listing_has_ended(*, fails: bool) -> None:
    with slow_bucket(fails=fails) as (go_on, options), penstock.Stream("s3://b", **options) as stream:
        batches = iter(stream)
        begun = torch.cat([next(batches) for _ in range(4)]).tolist()
        assert len(set(begun)) == 32
        assert max(begun) < 8192
        go_on.set()
        if fails:
            with pytest.raises(AccessDenied):
                len(stream)
        else:
            assert len(stream) == 1500
        assert len(next(batches)) == 8


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_listing_that_is_killed_is_gone_on_with(number: signal.Signals) -> None:
    with slow_bucket() as (go_on, options), penstock.Stream("s3://b", **options) as stream:
        batches = iter(stream)
        found = [*next(batches).tolist(), *next(batches).tolist()]
        before = listers(options["endpoint_url"])
        os.kill(before[0], number)
        while listers(options["endpoint_url"]) in ([], before):
            time.sleep(0.05)
        go_on.set()
        found += next(batches).tolist()
        assert len(stream) == 1500
        found += next(batches).tolist()
    assert len(set(found)) == 32


def test_a_listing_that_is_killed_again_and_again_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_listing, "PROGRAM", replace(stream_listing.PROGRAM, restarts=Restarts(deaths=2)))
    with slow_bucket() as (_, options), penstock.Stream("s3://b", **options) as stream:
        for _ in range(2):
            while not (before := listers(options["endpoint_url"])):
                time.sleep(0.05)
            os.kill(before[0], signal.SIGKILL)
            while listers(options["endpoint_url"]) == before:
                time.sleep(0.05)
        with pytest.raises(ProcessLost, match=r"was killed .*2 times in a row"):
            len(stream)


def listers(url: str) -> list[int]:
    """Return the processes that list what a server has."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes()
            if b"\0list\0" in words and url.encode() in words:
                found.append(int(path.parent.name))
    return found


def test_a_listing_that_does_not_come_by_key_is_refused() -> None:
    with (
        slow_bucket(backwards=True, stops_at=99) as (_, options),
        pytest.raises(SourceError, match=r"not by key: leave stream_listing out"),
    ):
        penstock.Stream("s3://b", **options)


def test_an_error_as_long_as_what_was_given_is_told_as_what_it_is(tmp_path: Path) -> None:
    """A listing in a process of its own tells it through a pipe."""
    (tmp_path / "object").write_bytes(b"x")
    with pytest.raises(EmptyListing, match="none of the 1 object"):
        penstock.Stream(tmp_path, decode=lambda data, key: 1, match="a" * 100_000, window="1Mi").__enter__()


def test_all_but_the_first_epochs_order_is_the_same_without_waiting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What it gives, counts, leaves out and warns of: once, when the listing has ended."""
    for number in range(40):
        (tmp_path / f"{number:04}.bin").write_bytes(content(number) if number % 10 else b"")
    (tmp_path / "other.txt").write_bytes(b"x")
    told = []
    for early in (False, True):
        caplog.clear()
        options = {"match": "*.bin", "batch_size": 8, "stream_listing": early, "epochs": 2}
        with penstock.Stream(tmp_path, decode=to_tensor, **options) as stream:  # type: ignore[arg-type]
            epochs = [torch.cat(list(stream)).tolist() for _ in range(2)]
            found = (sorted(epochs[0]), epochs[1], stream.num_samples, len(stream), stream.left_out, stream.classes)
        told.append((*found, [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]))
    assert told[0] == told[1]
    assert len(told[0][-1]) == 1
