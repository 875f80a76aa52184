"""Shards of datasets: each format's, read alone and from any row on, by no more than the extents that hold the rows."""

from __future__ import annotations

import asyncio
import copy
import gc
import io
import json
import os
import pickle
import re
import signal
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import wait
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import penstock
from penstock.children.process import Child
from penstock.dataset.found_shards import MOST_READY, FoundShards
from penstock.dataset.listed_shards import ListedShards
from penstock.dataset.shards import Shards
from penstock.errors import ConfigError, DataError, PenstockError, SourceChanged, StreamMisused
from penstock.ranges import RangeReader, ReadingProcess
from penstock.ranges.loop import LoopThread
from support.formats import FORMATS, NUM_ROWS, plain, text_lines, zip_file
from support.media_archives import tar_of
from support.small_s3 import Asked, Reply, SmallS3, small_s3

pytestmark = pytest.mark.usefixtures("children_are_forked", "shards_are_closed")


@pytest.fixture(scope="module")
def server() -> Iterator[SmallS3]:
    with small_s3(is_open=True) as state:
        for name, (_, ending, data, _) in FORMATS.items():
            for number in range(2):
                state.objects[f"b/{name}/{number}.{ending}"] = data
        yield state


def on_server(server: SmallS3, name: str) -> penstock.Dataset:
    kind, _, _, options = FORMATS[name]
    where: dict[str, Any] = {"endpoint_url": server.url, "region": "us-east-2", "anonymous": True}
    return penstock.of_format(kind, f"s3://b/{name}", options=options, **where)


def ranges_of(shards: Shards) -> RangeReader:
    """Return what reads shards that were listed whole."""
    assert isinstance(shards._catalog, ListedShards)
    return shards._catalog.ranges


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "penstock-reads"}


def spans(server: SmallS3, name: str = "") -> list[tuple[int, int]]:
    """Return what was asked for: first byte and what is behind the last one."""
    found = []
    for asked in [asked for asked in server.requests if asked.path.endswith(name)]:
        span = re.fullmatch(r"bytes=(\d+)-(\d+)", asked.headers.get("range", ""))
        size = len(server.objects.get(asked.path.lstrip("/"), b""))
        found.append((int(span[1]), int(span[2]) + 1) if span else (0, size))
    return found


@pytest.mark.parametrize("name", ["csv", "jsonl.gz", "objects", "parquet", "tar", "zip"])
def test_a_shard_goes_on_at_each_row_and_reads_nothing_that_lies_before(server: SmallS3, name: str) -> None:
    dataset = on_server(server, name)
    first, second = dataset.shard_names
    assert (first, second) == tuple(f"{number}.{FORMATS[name][1]}" for number in range(2))
    assert dataset.num_shards == 2
    whole = [plain(row) for row in dataset.open_shard(second)]
    assert [plain(row) for row in dataset.open_shard(first)] == whole
    info = dataset.shard_info(second)
    assert (info.name, info.num_rows, info.size_bytes) == (second, len(whole), len(FORMATS[name][2]))
    assert info.num_rows in (1, NUM_ROWS, 2 * NUM_ROWS)
    assert info.version
    assert list(info.columns) == ([str(each) for each in whole[0]] if isinstance(whole[0], dict) else [])
    assert dataset.columns == info.columns
    extents = list(dataset._shelf.get(dataset)._catalog.extents(second))  # to tell what may be read
    for row in {0, 1, info.num_rows // 2, info.num_rows - 1, info.num_rows}:
        server.requests.clear()
        with dataset.open_shard_at_row(second, row) as rows:
            assert not server.requests
            some = [plain(each) for _, each in zip(range(1), rows, strict=False)]
            assert some == whole[row : row + 1]
            ends = list(accumulate(extent.num_samples for extent in extents))
            number = next((at for at, end in enumerate(ends) if row < end), len(ends))
            holding = {(each.offset, each.offset + each.length_bytes) for e in extents[number:][:1] for each in e.spans}
            assert holding <= set(spans(server))
            assert all(begin >= min(holding)[0] for begin, _ in spans(server))
            assert not holding or len(server.requests) <= len(holding) + sum(
                len(e.spans) for e in extents[number + 1 :]
            )
            assert rows.row == row + len(some)
            assert [*some, *map(plain, rows)] == whole[row:]
            assert list(rows) == []


def test_a_whole_shard_is_read_once_and_ahead(server: SmallS3) -> None:
    dataset = on_server(server, "jsonl")
    info = dataset.shard_info("0.jsonl")
    server.requests.clear()
    assert len(list(dataset.open_shard("0.jsonl"))) == NUM_ROWS
    assert len(spans(server)) < info.num_extents
    read = sum(end - begin for begin, end in spans(server))
    assert read == info.read_bytes <= len(FORMATS["jsonl"][2])


@pytest.mark.parametrize("count", [1, 5])
def test_what_fails_on_the_way_is_tried_again(server: SmallS3, count: int) -> None:
    dataset = on_server(server, "parquet")
    whole = list(dataset.open_shard("1.parquet"))
    left = [count]

    def now_and_then(asked: Asked) -> Reply | None:
        if "range" not in asked.headers or not left[0]:
            return None
        left[0] -= 1
        return Reply(status=503, headers={"Retry-After": "0"})

    server.takeover = now_and_then
    try:
        assert list(dataset.open_shard_at_row("1.parquet", 3)) == whole[3:]
        assert left == [0]
    finally:
        server.takeover = lambda asked: None


def test_one_column_is_all_that_is_read_of_it(server: SmallS3) -> None:
    dataset = on_server(server, "parquet").select(["n"])
    info = dataset.shard_info("0.parquet")
    assert list(info.columns) == ["n"]
    assert info.read_bytes < info.size_bytes / 2
    server.requests.clear()
    assert [row["n"] for row in dataset.open_shard("0.parquet")] == list(range(NUM_ROWS))
    assert sum(end - begin for begin, end in spans(server)) == info.read_bytes


def test_a_shard_has_what_is_taken_by_key_and_part(server: SmallS3) -> None:
    dataset = on_server(server, "zip").where(lambda key: key.endswith(("1", "3")))
    assert [int(row["cls"]) for row in dataset.open_shard("1.zip")] == [1, 3, 11, 13, 21, 23, 31, 33]
    assert [int(row["cls"]) for row in dataset.open_shard_at_row("1.zip", 5)] == [23, 31, 33]
    train, valid = on_server(server, "zip").split(valid=0.3)
    found = [[int(row["cls"]) for row in part.open_shard("0.zip")] for part in (train, valid)]
    assert all(found)
    assert all(each == sorted(each) for each in found)
    assert sorted(found[0] + found[1]) == list(range(NUM_ROWS))


@pytest.mark.parametrize("name", ["jsonl", "npy", "zip"])
def test_all_rows_come_one_shard_after_the_other(server: SmallS3, name: str) -> None:
    dataset = on_server(server, name)
    expected = [plain(row) for each in dataset.shard_names for row in dataset.open_shard(each)]
    assert [plain(row) for row in dataset.rows()] == expected
    before = threads()
    with dataset.shards() as shards:
        rows = shards.rows()
        assert plain(next(rows)) == expected[0]
        rows.close()
        assert list(rows) == []
        assert [plain(row) for row in shards.rows()] == expected
    assert threads() <= before


def test_functions_change_rows_and_those_that_are_left_out_are_counted(server: SmallS3) -> None:
    base = on_server(server, "jsonl")
    dataset = base.rename({"n": "number"}).drop("text").filter(lambda row: row["number"] % 2)
    dataset = dataset.map(lambda row: {**row, "square": row["number"] ** 2})
    with dataset.open_shard_at_row("0.jsonl", 10) as rows:
        assert next(rows) == {"number": 11, "square": 121}
        assert rows.row == 12
    assert dataset.columns == {"number": "int", "square": "int"}
    with pytest.raises(ConfigError, match="in no batch, with map_batches"):
        _ = base.map_batches(list).shard_names


def test_what_is_asked_for_and_is_not_there_is_said_before_anything_is_read(server: SmallS3) -> None:
    dataset = on_server(server, "tar")
    with pytest.raises(ConfigError, match=r"no shard '1.tat' among 2 shards, '0.tar' for one: did you mean '1.tar'\?"):
        dataset.open_shard("1.tat")
    with pytest.raises(ConfigError, match=r"row 41 of the shard '1.tar', which has 40 rows: give a row from 0 to 40"):
        dataset.open_shard_at_row("1.tar", 41)
    for wrong in (-1, 1.5, True, "1", None):
        with pytest.raises(ConfigError, match=r"row .*: give a whole number"):
            dataset.open_shard_at_row("1.tar", wrong)  # type: ignore[arg-type]
    for name in (0, None, "", ["1.tar"]):
        with pytest.raises(ConfigError, match="there is no shard"):
            dataset.shard_info(name)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="no argument 'at'"):
        dataset.open_shard_at_row("1.tar", at=3)  # type: ignore[call-arg]


def test_rows_that_are_closed_let_go_and_give_nothing_more(server: SmallS3) -> None:
    dataset = on_server(server, "zip")
    rows = dataset.open_shard("0.zip")
    next(rows)
    next(rows)
    assert "at row 2" in repr(rows)
    for make in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(StreamMisused, match="cannot be pickled"):
            make(rows)
    rows.close()
    rows.close()
    assert list(rows) == []
    assert "closed" in repr(rows)
    ranges = ranges_of(dataset._shelf.get(dataset))
    assert not ranges._waiting
    assert not ranges._found
    with dataset.shards() as shards:
        assert len(list(shards.open_shard("0.zip"))) == NUM_ROWS
    with pytest.raises(ConfigError, match="these shards are closed"):
        shards.open_shard("0.zip")


def test_a_dataset_that_has_shards_open_is_copied_without_them(server: SmallS3) -> None:
    dataset = on_server(server, "npy")
    assert dataset.num_shards == 2
    with dataset.shards() as shards, pytest.raises(StreamMisused, match="shards cannot be pickled"):
        pickle.dumps(shards)
    for other in (copy.copy(dataset), copy.deepcopy(dataset), pickle.loads(pickle.dumps(dataset))):
        assert other.shard_names == dataset.shard_names


def test_columns_are_those_of_one_row_however_many_shards_have_none(server: SmallS3) -> None:
    dataset = on_server(server, "lines")
    assert dataset.num_shards == 2
    server.requests.clear()
    assert dataset.columns == {}
    assert {asked.path for asked in server.requests} == {"/b/lines/0.txt"}
    assert on_server(server, "jsonl").filter(lambda row: False).columns == {}


def test_an_error_of_a_function_names_shard_and_row_and_ends_it(server: SmallS3) -> None:
    def fail(row: Any) -> Any:
        if row["n"] == 9:
            raise ValueError("no nine")
        return row

    rows = on_server(server, "jsonl").map(fail).open_shard("1.jsonl")
    found = []
    with pytest.raises(ValueError, match="no nine") as caught:
        found += [row["n"] for row in iter(lambda: next(rows), None)]
    assert any("of the shard '1.jsonl', row 9" in note for note in caught.value.__notes__)
    assert list(rows) == []
    ended = on_server(server, "jsonl").map(lambda row: next(iter(()))).open_shard("1.jsonl")
    with pytest.raises(RuntimeError, match="StopIteration was raised"):
        next(ended)


def test_several_shards_are_read_at_once_by_threads(server: SmallS3) -> None:
    dataset = on_server(server, "mds")
    found: dict[str, list[int]] = {}

    def read(name: str) -> None:
        found[threading.current_thread().name] = [row["n"] for row in dataset.open_shard(name)]

    threads = [threading.Thread(target=read, args=(name,)) for name in dataset.shard_names * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(found.values()) == [list(range(NUM_ROWS))] * 6


@pytest.mark.parametrize("name", ["csv", "objects"])
def test_threads_that_share_the_rows_of_a_shard_lose_none(server: SmallS3, name: str) -> None:
    """One extent of many rows, and one of one."""

    def slow(row: Any) -> Any:
        time.sleep(0.001)
        return row

    dataset, found = on_server(server, name).map(slow), list[Any]()
    rows = dataset.open_shard(dataset.shard_names[0])
    threads = [threading.Thread(target=lambda: found.extend(map(plain, rows))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    expected = [plain(row) for row in dataset.open_shard(dataset.shard_names[0])]
    assert len(found) == len(expected) > 0
    assert sorted(map(repr, found)) == sorted(map(repr, expected))


def test_the_process_that_reads_is_ready_before_the_first_row_is_asked_for(server: SmallS3) -> None:
    with on_server(server, "zip").shards() as shards:
        ready = ranges_of(shards)._own.child()
        assert ready is not None
        assert int(next(shards.open_shard("0.zip"))["cls"]) == 0
        assert ranges_of(shards)._own.child() is ready
    assert ranges_of(shards)._own.child() is None
    assert ready.wait(0) is not None


def test_no_process_is_left_where_listing_fails(server: SmallS3, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Child] = []
    start = ReadingProcess.start
    monkeypatch.setattr(ReadingProcess, "start", lambda self: begun.append(start(self)))
    where: dict[str, Any] = {"endpoint_url": server.url, "region": "us-east-2", "anonymous": True}
    with pytest.raises(PenstockError):
        penstock.zip("s3://b/nothing-is-here", **where).shards()
    (child,) = begun
    assert child.wait(0) is not None


def test_the_process_that_reads_may_be_killed(server: SmallS3) -> None:
    dataset = on_server(server, "zip")
    rows = dataset.open_shard("0.zip")
    some = [int(next(rows)["cls"]) for _ in range(20)]
    child = ranges_of(dataset._shelf.get(dataset))._own.child()
    assert child is not None
    os.kill(child.pid, signal.SIGKILL)
    assert [*some, *(int(row["cls"]) for row in rows)] == list(range(NUM_ROWS))


@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet", "tar"])
def test_a_forked_process_reads_by_itself(server: SmallS3, name: str) -> None:
    dataset = on_server(server, name)
    first, second = dataset.shard_names
    rows = dataset.open_shard(first)
    next(rows)
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        code = 1
        try:
            os.write(write, b"%d %d" % (len(list(dataset.open_shard(second))), len(list(rows))))
            dataset._shelf.get(dataset).close()
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read, "rb") as told:
        assert told.read() == b"%d %d" % (NUM_ROWS, NUM_ROWS - 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert len(list(rows)) == NUM_ROWS - 1


@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet", "tar"])
def test_shards_that_are_objects_need_no_process(
    server: SmallS3, name: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Child, "__init__", lambda self, *args, **options: pytest.fail("a process was started"))
    before = threads()
    with on_server(server, name).shards() as shards:
        assert [len(list(shards.open_shard(each))) for each in shards.shard_names] == [NUM_ROWS] * 2
        assert len(threads() - before) == 1
    assert threads() <= before
    with pytest.raises(ConfigError, match="these shards are closed"):
        shards.open_shard(shards.shard_names[0])
    with pytest.raises(PenstockError, match="nothing lies under"):
        penstock.of_format(name, "s3://b/no-such", endpoint_url=server.url, region="us-east-2", anonymous=True).shards()
    assert threads() <= before
    assert capfd.readouterr() == ("", "")


def test_shards_end_with_the_error_that_ended_a_row_and_need_no_search_for_garbage(server: SmallS3) -> None:
    def fails() -> None:
        changed = on_server(server, "jsonl").map(lambda row: row["no-such"])
        with pytest.raises(KeyError, match="no-such"):
            next(changed.open_shard(changed.shard_names[0]))

    before = threads()
    was_on = gc.isenabled()
    gc.disable()
    try:
        fails()
        assert threads() <= before
    finally:
        if was_on:
            gc.enable()


def test_shards_that_nobody_refers_to_end_also_where_their_own_thread_finds_that(server: SmallS3) -> None:
    before = threads()

    def dropped() -> LoopThread:
        shards = on_server(server, "jsonl").shards()
        rows = shards.open_shard(shards.shard_names[0])
        next(rows)
        in_a_cycle: list[Any] = [rows, shards]
        in_a_cycle.append(in_a_cycle)
        assert isinstance(shards._catalog, FoundShards)
        return shards._catalog._own().begun[0]

    async def search() -> None:
        gc.collect()

    was_on = gc.isenabled()
    gc.disable()
    try:
        searching = dropped().submit(search())
        assert threads() - before
        wait({searching}, timeout=30)  # an answer that comes may begin a search as well
    finally:
        if was_on:
            gc.enable()
    give_up = time.monotonic() + 30
    while not threads() <= before:
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_a_shard_is_asked_for_alone_and_once(server: SmallS3) -> None:
    """Nothing is read of the other shards; of what is read from its begin on to its end no byte twice."""
    for number in range(2, 5):
        server.objects[f"b/parquet/{number}.parquet"] = FORMATS["parquet"][2]
        server.objects[f"b/jsonl/{number}.jsonl"] = FORMATS["jsonl"][2]
    try:
        for name in ("parquet", "jsonl"):
            dataset, key = on_server(server, name), f"3.{FORMATS[name][1]}"
            assert dataset.num_shards == 5
            server.requests.clear()
            assert [row["n"] for row in dataset.open_shard(key)] == list(range(NUM_ROWS))
            assert {asked.path for asked in server.requests} == {f"/b/{name}/{key}"}
            assert sum(end - begin for begin, end in spans(server)) <= len(FORMATS[name][2]) * (1 + (name == "parquet"))
            server.requests.clear()
            assert [row["n"] for row in dataset.open_shard_at_row(key, 30)] == list(range(30, NUM_ROWS))
            assert sum(end - begin for begin, end in spans(server)) < len(FORMATS[name][2]) / 2
    finally:
        for number in range(2, 5):
            del server.objects[f"b/parquet/{number}.parquet"], server.objects[f"b/jsonl/{number}.jsonl"]


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallS3]:
    """Twelve files of Parquet and of JSON lines that take many reads."""
    monkeypatch.setattr("penstock.formats.streams.whole.CHUNK_BYTES", 1 << 12)
    monkeypatch.setattr("penstock.dataset.shard_pass.LEAST_AHEAD_BYTES", 1 << 10)
    monkeypatch.setattr("penstock.dataset.shard_pass.MOST_HELD_BYTES", 1 << 13)
    monkeypatch.setattr("penstock.dataset.shard_pass.MOST_AHEAD_BYTES", 1 << 12)
    with small_s3(is_open=True) as server:
        for number in range(12):
            rows = [{"n": number * 1000 + each, "text": "x" * 90} for each in range(1000)]
            lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
            server.objects[f"b/in/{number:02}.jsonl"] = lines
            file = io.BytesIO()
            pq.write_table(pa.Table.from_pylist(rows), file, row_group_size=200)
            server.objects[f"b/in/{number:02}.parquet"] = file.getvalue()
        yield server


def of_many(server: SmallS3, kind: str, **options: Any) -> penstock.Dataset:
    where: dict[str, Any] = {"endpoint_url": server.url, "region": "us-east-2", "anonymous": True}
    return penstock.of_format(kind, "s3://b/in", match=f"*.{kind}", options=options, **where)


@pytest.mark.parametrize(("kind", "options"), [("jsonl", {"block": "8Ki"}), ("parquet", {})])
def test_shards_that_are_read_one_after_the_other_are_made_ready_before(
    many: SmallS3, kind: str, options: dict[str, Any]
) -> None:
    with of_many(many, kind, **options).shards() as shards:
        assert isinstance(shards._catalog, FoundShards)
        many.requests.clear()
        found = [row["n"] for name in shards.shard_names for row in shards.open_shard(name)]
        assert found == list(range(12_000))
        asked = len(many.requests)
        own = shards._catalog._own()
        assert (not own.ready, not own.indexing) == (True, True)
        with_help = {(request.path, request.headers["range"]) for request in many.requests}
        assert len(with_help) == asked  # nothing twice
        for name in (shards.shard_names[5], shards.shard_names[6], shards.shard_names[2]):
            first = int(name[:2]) * 1000
            assert [row["n"] for row in shards.open_shard(name)] == list(range(first, first + 1000))
        assert len(own.ready) <= MOST_READY


@pytest.mark.parametrize("late", [0, 1, 2])
def test_a_tar_of_small_members_is_read_once_whichever_read_ends_first(
    monkeypatch: pytest.MonkeyPatch, late: int
) -> None:
    monkeypatch.setattr("penstock.formats.tar.blocks.FIRST_READ_BYTES", 6 << 10)
    monkeypatch.setattr("penstock.formats.tar.blocks.AHEAD_READ_BYTES", 32 << 10)
    monkeypatch.setattr("penstock.dataset.shard_pass.LEAST_AHEAD_BYTES", 16 << 10)
    with small_s3(is_open=True) as server:
        for number in range(4):
            members = {f"{number}-{each:03}.txt": b"%d" % each * 2000 for each in range(60)}
            server.objects[f"b/in/{number}.tar"] = tar_of(members)

        def slow(asked: Asked) -> Reply | None:
            first = re.match(r"bytes=(\d+)-", asked.headers.get("range", ""))
            if first and int(first[1]) // (32 << 10) % 3 == late:
                time.sleep(0.05)
            return None

        server.takeover = slow
        dataset = penstock.tar("s3://b/in", endpoint_url=server.url, region="us-east-2", anonymous=True)
        rows = list(dataset.rows())
        assert [row["__key__"] for row in rows] == [f"{number}-{each:03}" for number in range(4) for each in range(60)]
        assert [row["txt"] for row in rows] == [b"%d" % each * 2000 for _ in range(4) for each in range(60)]
        for key, data in server.objects.items():
            read = sorted(spans(server, key.rpartition("/")[2]))
            assert [begin for begin, _ in read] == [0, *(end for _, end in read[:-1])], key
            assert read[-1][1] <= len(data)


@pytest.mark.parametrize("are_apart", [False, True])
def test_a_tar_is_read_once_though_those_behind_it_are_indexed_and_its_members_lie_apart(
    monkeypatch: pytest.MonkeyPatch, are_apart: bool
) -> None:
    monkeypatch.setattr("penstock.formats.tar.blocks.FIRST_READ_BYTES", 6 << 10)
    monkeypatch.setattr("penstock.formats.tar.blocks.AHEAD_READ_BYTES", 32 << 10)
    if not are_apart:
        monkeypatch.setattr("penstock.dataset.found_shards.MOST_EXTENTS_KEPT", 50)
    names = [f"{n:03}.{part}" for part in ("a", "b") for n in range(60)]
    members = {name: name.encode() * 200 for name in (names if are_apart else sorted(names))}
    expected = [{"__key__": f"{n:03}", "a": b"%03d.a" % n * 200, "b": b"%03d.b" % n * 200} for n in range(60)]
    with small_s3(is_open=True) as server:
        server.objects.update({f"b/in/{number}.tar": tar_of(members) for number in range(5)})
        dataset = penstock.tar("s3://b/in", endpoint_url=server.url, region="us-east-2", anonymous=True)
        found = []
        for row in dataset.rows():
            found.append(row)
            if len(found) % 60 == 1:
                time.sleep(0.05)  # the shards behind this one are indexed meanwhile
        for key, data in server.objects.items():
            read = sorted(spans(server, key.rpartition("/")[2]))
            assert [begin for begin, _ in read] == [0, *(end for _, end in read[:-1])], key
            assert read[-1][1] <= len(data)
    assert found == 5 * expected


def test_samples_of_a_tar_that_are_left_out_are_told_of_once_a_reason(caplog: pytest.LogCaptureFixture) -> None:
    with small_s3(is_open=True) as server:
        members = {"a.jpg": b"1", "a.cls": b"1", "b.jpg": b"2", "c.jpg": b"3"}
        server.objects.update({f"b/in/{number}.tar": tar_of(members) for number in range(3)})
        where: dict[str, Any] = {"endpoint_url": server.url, "region": "us-east-2", "anonymous": True}
        dataset = penstock.tar("s3://b/in", sample=["cls"], **where)
        assert [row["__key__"] for row in dataset.rows()] == ["a"] * 3
        assert dataset.shard_info("0.tar").num_rows == 1
    told = "left out: 2 in 0.tar (lacks cls); of other shards this is not told again"
    assert [each.getMessage() for each in caplog.records] == [told]


def test_of_a_tar_of_larger_members_nothing_is_asked_for_before_its_turn_that_is_not_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Reads from header to header leave the bytes between them out: what would follow one of them is not the next."""
    monkeypatch.setattr("penstock.formats.tar.blocks.FAR_SECONDS", 0.0)
    members = {f"{each:02}.bin": bytes([each]) * (300_000 + each) for each in range(30)}
    with small_s3(is_open=True) as server:
        server.objects["b/in/0.tar"] = data = tar_of(members)
        server.takeover = lambda asked: time.sleep(0.005)
        dataset = penstock.tar("s3://b/in", endpoint_url=server.url, region="us-east-2", anonymous=True)
        assert [row["bin"] for row in dataset.rows()] == list(members.values())
        assert sum(end - begin for begin, end in spans(server, "0.tar")) < 2.1 * len(data)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_shard_that_could_not_be_read_before_its_turn_is_read_in_its_turn(many: SmallS3, kind: str) -> None:
    """What kept it from being read may be over by then."""
    with of_many(many, kind).shards() as shards:
        names = shards.shard_names
        if kind == "parquet":
            assert shards.shard_info(names[4]).num_rows == 1000  # its extents are known: they are asked for before
        many.takeover = lambda asked: Reply.error(403, "AccessDenied") if names[4] in asked.path else None
        for name in names[:4]:
            assert len(list(shards.open_shard(name))) == 1000
        assert isinstance(shards._catalog, FoundShards)
        loop, source = shards._catalog._own().begun
        while not source.meter.read().failed_requests:
            time.sleep(0.01)
        loop.run(asyncio.sleep(0.1))
        many.takeover = lambda asked: None
        assert len(list(shards.open_shard(names[4]))) == 1000


def test_a_pass_reads_no_more_than_it_may_hold_before_its_rows_are_taken(many: SmallS3) -> None:
    with of_many(many, "jsonl", block="8Ki").shards() as shards:
        many.requests.clear()
        with shards.open_shard("03.jsonl") as rows:
            assert next(rows)["n"] == 3000
            assert len(list(shards.open_shard("04.jsonl"))) == 1000  # while the other stands still
            read = sum(end - begin for begin, end in spans(many, "03.jsonl"))
            assert read < len(many.objects["b/in/03.jsonl"]) / 2
            assert len(list(rows)) == 999


def test_what_a_file_lacks_is_said_before_its_first_row(many: SmallS3) -> None:
    many.objects["b/in/03.jsonl"] += b'{"late": 1}\n'
    with of_many(many, "jsonl", block="8Ki", columns=["n", "late"]).shards() as shards:
        with pytest.raises(ConfigError, match=r"02\.jsonl has no column 'late'"):
            next(shards.open_shard("02.jsonl"))
        assert [row["n"] for row in shards.open_shard("03.jsonl")][-2:] == [3999, None]
    many.objects["b/in/04.jsonl"] = many.objects["b/in/04.jsonl"][:50_000] + b"\nno json\n"
    with of_many(many, "jsonl", block="8Ki").shards() as shards:
        found = []
        with pytest.raises(DataError, match=r"04\.jsonl, line \d+"):
            found += [row["n"] for row in iter(shards.open_shard("04.jsonl").__next__, None)]
        with pytest.raises(DataError, match=r"04\.jsonl, line \d+"):
            shards.shard_info("04.jsonl")
        assert len(list(shards.open_shard("05.jsonl"))) == 1000
        many.objects["b/in/06.jsonl"] += b"{}\n"
        with pytest.raises(SourceChanged, match=r"06\.jsonl"):
            list(shards.open_shard("06.jsonl"))


def test_an_interrupt_ends_a_wait_and_what_it_waited_for(many: SmallS3) -> None:
    with of_many(many, "jsonl").shards() as shards:
        standing = threading.Event()

        def stands(asked: Asked) -> Reply | None:
            standing.wait(30)
            return None

        many.takeover = stands
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        rows = shards.open_shard("00.jsonl")
        with pytest.raises(KeyboardInterrupt):
            next(rows)
        timer.join()
        many.takeover = lambda asked: None
        standing.set()
        assert list(rows) == []
        assert len(list(shards.open_shard("01.jsonl"))) == 1000


def test_an_object_that_changed_is_an_error_and_a_kept_manifest_is_forgotten(tmp_path: Path) -> None:
    with small_s3(is_open=True) as server:
        server.objects["b/in/a.jsonl"] = text_lines()
        where: dict[str, Any] = {"endpoint_url": server.url, "region": "us-east-2", "anonymous": True}
        dataset = penstock.jsonl("s3://b/in", **where)
        kept = tmp_path / "kept"
        with dataset.shards(manifest_folder=kept) as shards:
            assert len(list(shards.open_shard("a.jsonl"))) == NUM_ROWS
        server.requests.clear()
        with dataset.shards(manifest_folder=kept) as shards:
            assert not server.requests
            assert shards.shard_info("a.jsonl").num_rows == NUM_ROWS
            server.objects["b/in/a.jsonl"] = b'{"n": 1}\n' * 1000
            with pytest.raises(SourceChanged, match=r"a\.jsonl .* changed .* is forgotten"):
                list(shards.open_shard("a.jsonl"))
        with dataset.shards(manifest_folder=kept) as shards:
            assert len(list(shards.open_shard("a.jsonl"))) == 1000


def test_bytes_that_do_not_mean_what_they_should_are_named(tmp_path: Path) -> None:
    data = bytearray(zip_file())
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        at = archive.getinfo("0007.txt").header_offset
    data[at + 40] ^= 0xFF
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(DataError, match="0007"):
        list(penstock.zip(tmp_path).open_shard("a.zip"))


def test_secrets_of_storage_options_reach_the_process_that_reads_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with small_s3(takes={"AKIDTEST"}) as server:
        server.objects["b/in/a.jsonl"] = text_lines()
        options = {"key": "AKIDTEST", "secret": "very-secret-indeed", "endpoint_url": server.url}
        dataset = penstock.jsonl("s3://b/in", region="us-east-2", storage_options=options)
        assert [row["n"] for row in dataset.open_shard_at_row("a.jsonl", 38)] == [38, 39]
        child = ranges_of(dataset._shelf.get(dataset))._own.child()
        assert child is not None
        assert b"very-secret" not in Path(f"/proc/{child.pid}/cmdline").read_bytes()
        assert "very-secret-indeed" not in os.environ.values()


@pytest.mark.parametrize("folder", ["", "d/s.zarr"])
def test_objects_that_make_samples_together_are_one_shard(tmp_path: Path, folder: str) -> None:
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(str(tmp_path / folder), mode="w")
    for name, chunk in (("x", 4), ("y", 7)):
        group.create_array(name, shape=(20,), chunks=(chunk,), dtype="i8")[:] = np.arange(20)
    dataset = penstock.of_format("zarr", tmp_path, options={"by": "row", "block": 32})
    (name,) = dataset.shard_names
    assert name == (folder or "zarr.json")
    info = dataset.shard_info(name)
    assert (info.num_rows, info.num_objects, dict(info.columns)) == (20, 8, {"x": "int64", "y": "int64"})
    assert info.num_extents > 1
    assert len(info.version) == 64
    for row in (0, 6, 7, 19, 20):
        assert [int(each["y"]) for each in dataset.open_shard_at_row(name, row)] == list(range(row, 20))


def test_a_task_s_samples_are_in_shards_too(tmp_path: Path) -> None:
    from PIL import Image

    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for number in range(3):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / label / f"{number}.png")
    dataset = penstock.images(tmp_path, size=16)
    assert dataset.shard_names[:2] == ("cat/0.png", "cat/1.png")
    ((pixels, label),) = dataset.open_shard("dog/2.png")
    assert pixels.shape == (3, 16, 16)
    assert label == 1
    assert dataset.columns == {}
