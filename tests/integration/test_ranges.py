"""Ranges that a process of their own reads: as they are, in whatever number, and errors as they were met."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.errors import ConfigError, ObjectNotFound, ProcessLost, SourceChanged
from penstock.manifest import SourceSpec, Span
from penstock.ranges import RangeReader, ReadingProcess

pytestmark = pytest.mark.usefixtures("children_are_forked")

LONG = "/".join(["d" * 250] * 12)
"""A folder whose path is nearly as long as one may be."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ranges")
    for name in ("a.bin", f"{LONG}/b.bin"):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(bytes(range(256)) * 40)
    return path


@pytest.fixture(name="reader")
def _reader(folder: Path) -> Iterator[RangeReader]:
    reader = RangeReader(SourceSpec(uri=str(folder)))
    yield reader
    reader.close()


def span(offset: int, length: int, name: str = "a.bin", version: str = "") -> Span:
    return Span(object=name, version=version, object_bytes=10_240, offset=offset, length_bytes=length)


def test_any_number_of_spans_is_joined_in_their_order(reader: RangeReader) -> None:
    for name in ("a.bin", f"{LONG}/b.bin"):
        asked = [reader.ask([span(at, 1, name) for at in range(count)]) for count in (0, 1, 16, 17, 100)]
        assert [bytes(reader.take(each)) for each in reversed(asked)] == [
            bytes(range(count)) for count in (100, 17, 16, 1, 0)
        ]
    assert [each.size_bytes for each in asked] == [0, 1, 16, 17, 100]
    assert not reader._waiting
    assert not reader._found


def test_errors_are_those_that_were_met_and_others_go_on(reader: RangeReader) -> None:
    bad = [
        reader.ask([span(0, 3), span(0, 1, "none.bin")]),
        reader.ask([span(0, 1, version='"another"')]),
    ]
    good = reader.ask([span(3, 2)])
    with pytest.raises(ObjectNotFound, match=r"none\.bin"):
        reader.take(bad[0])
    with pytest.raises(SourceChanged, match=r"a\.bin .* changed"):
        reader.take(bad[1])
    assert bytes(reader.take(good)) == b"\3\4"
    assert not reader._found


def test_a_source_that_cannot_be_opened_is_told_when_it_is_read() -> None:
    reader = RangeReader(SourceSpec(uri="s3://", options={}))
    with pytest.raises(ConfigError, match="bucket"):
        reader.take(reader.ask([span(0, 1)]))
    reader.close()


def test_what_was_forgotten_or_closed_is_not_waited_for(reader: RangeReader) -> None:
    forgotten, kept = reader.ask([span(0, 1)]), reader.ask([span(1, 1)])
    reader.forget(forgotten)
    assert bytes(reader.take(kept)) == b"\1"
    with pytest.raises(ProcessLost, match="forgotten meanwhile"):
        reader.take(forgotten)
    closed = reader.ask([span(0, 1)])
    reader.close()
    with pytest.raises(ProcessLost):
        reader.take(closed)
    assert bytes(reader.take(reader.ask([span(9, 1)]))) == b"\x09"


def test_threads_are_each_given_their_own(reader: RangeReader) -> None:
    found: dict[int, bytes] = {}

    def read(number: int) -> None:
        found[number] = b"".join(bytes(reader.take(reader.ask([span(number + 16 * at, 2)]))) for at in range(10))

    threads = [threading.Thread(target=read, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    data = bytes(range(256)) * 40
    assert found == {
        number: b"".join(data[number + 16 * at : number + 16 * at + 2] for at in range(10)) for number in range(12)
    }


def test_a_process_that_is_lost_again_and_again_is_an_error(
    reader: RangeReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = ReadingProcess.start

    def dying(self: ReadingProcess) -> object:
        child = start(self)
        child._process.kill()
        return child

    monkeypatch.setattr(ReadingProcess, "start", dying)
    with pytest.raises(ProcessLost, match="was lost 3 times in a row"):
        reader.take(reader.ask([span(0, 1)]))
    monkeypatch.undo()
    assert bytes(reader.take(reader.ask([span(5, 1)]))) == b"\5"
