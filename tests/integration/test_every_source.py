"""One dataset through every source: the same samples in the same order, whatever fails on the way."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import penstock
from penstock.errors import BudgetSpent, SourceChanged
from penstock.records import Meters
from penstock.sources import open_source
from penstock.sources.meter_file import MeterFile, sum_meters
from penstock.stream.options import _source_of
from support.every_source import PLACES, Place, watched
from support.kaggle_server import TOKEN as KAGGLE_TOKEN
from support.kaggle_server import serve_kaggle
from support.objects import content, to_number
from support.proofs import proved_sources

pytestmark = pytest.mark.usefixtures("children_are_forked")

NUM_OBJECTS = 24
NUM_ROWS, ROWS_OF_GROUP = 600, 100


def _table() -> bytes:
    numbers = list(range(NUM_ROWS))
    table = pa.table({"number": numbers, "text": [f"row {number}" * 20 for number in numbers], "other": numbers})
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=ROWS_OF_GROUP, compression="none", use_dictionary=False)
    return file.getvalue()


FILES = {f"objects/{number:04}.bin": content(number) for number in range(NUM_OBJECTS)} | {"tables/a.parquet": _table()}


@pytest.fixture(params=proved_sources())
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with contextlib.ExitStack() as stack:
        yield PLACES[request.param](stack, FILES, tmp_path)


def objects_of(place: Place) -> tuple[list[int], Meters]:
    with penstock.Stream(
        place.uri("objects"), decode=to_number, batch_size=8, window="2Mi", seed=1, **place.options
    ) as stream:
        found = [int(number) for _ in range(2) for batch in stream for number in batch]
    return found, stream.meters()


def rows_of(place: Place) -> tuple[str, Meters]:
    """Return the content that came, in its order, as one digest; what does not come is not asked for."""
    dataset = penstock.parquet(place.uri("tables"), columns=["number", "text"], **place.options)
    digest, numbers = hashlib.sha256(), []
    with dataset.loader(50, seed=3, window="4Mi") as loader:
        for batch in loader:
            numbers += [int(number) for number in torch.as_tensor(batch["number"])]
            digest.update(repr((numbers[-1], batch["text"])).encode())
    assert sorted(numbers) == list(range(NUM_ROWS))
    return digest.hexdigest(), loader.meters()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[int], str]:
    """What a folder gives."""
    with contextlib.ExitStack() as stack:
        place = PLACES["local"](stack, FILES, tmp_path_factory.mktemp("local"))
        return objects_of(place)[0], rows_of(place)[0]


@pytest.mark.covers(columns=("window", "faults"))
def test_every_source_gives_the_same_objects_whatever_fails(place: Place, expected: tuple[list[int], str]) -> None:
    if place.faulty is not None:
        place.faulty.every = 5
    found, meters = objects_of(place)
    assert found == expected[0]
    _check_faults(place, meters)


@pytest.mark.covers(columns=("ranges",))
def test_every_source_gives_the_same_rows_whatever_fails(place: Place, expected: tuple[list[int], str]) -> None:
    if place.faulty is not None:
        place.faulty.every = 3
    found, meters = rows_of(place)
    assert found == expected[1]
    _check_faults(place, meters)


@pytest.mark.covers(columns=("rows",))
def test_every_source_gives_the_same_shards_from_any_row_on_whatever_fails(place: Place) -> None:
    if place.faulty is not None:
        place.faulty.every = 3
    dataset = penstock.parquet(place.uri("tables"), columns=["number"], **place.options)
    with dataset.shards() as shards:
        (name,) = shards.shard_names
        assert shards.shard_info(name).num_rows == NUM_ROWS
        for row in (0, 250, NUM_ROWS - 1, NUM_ROWS):
            assert [int(each["number"]) for each in shards.open_shard_at_row(name, row)] == [*range(row, NUM_ROWS)]
    if place.faulty is not None:
        assert place.faulty.num_faults >= 2


@pytest.mark.covers(columns=("early",))
def test_every_source_gives_samples_before_it_is_listed_to_its_end(place: Place) -> None:
    where = {"window": "2Mi", "stream_listing": True, "epochs": 1, **place.options}
    with penstock.Stream(place.uri("objects"), decode=to_number, batch_size=8, **where) as stream:
        assert sorted(int(number) for batch in stream for number in batch) == list(range(NUM_OBJECTS))


def test_every_source_asks_for_no_more_than_it_is_let(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is counted as a request was let through first, whatever the source is."""
    given = {name: place.options.get(name) for name in ("endpoint_url", "region", "storage_options")}
    flags = {name: place.options.get(name, False) for name in ("anonymous", "requester_pays")}
    spec, environment = _source_of({"source": place.uri("objects"), **given, **flags})
    for name, value in environment.items():
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)

    async def read_some(counts: MeterFile) -> int:
        with contextlib.closing(open_source(spec, meter=counts.meter)) as source:
            infos = await source.list_all()
            before = sum_meters(counts.read()).count().sent
            counts.meter.allow(NUM_OBJECTS // 3)
            with contextlib.suppress(BudgetSpent):
                for info in infos:
                    await source.get(info)
            assert counts.meter.is_spent
            return sum_meters(counts.read()).count().sent - before

    with MeterFile.open(None, "test") as counts:
        assert asyncio.run(read_some(counts)) == NUM_OBJECTS // 3


@pytest.mark.parametrize("place", proved_sources("changed"), indirect=True)
@pytest.mark.covers(columns=("changed",))
def test_every_source_refuses_what_changed_after_it_was_listed(place: Place) -> None:
    """The other content has the same size: its version alone tells."""
    where = {"window": "2Mi", **place.options}
    with penstock.Stream(place.uri("objects"), decode=to_number, batch_size=8, **where) as stream:
        assert len(stream) > 0
        for number in range(NUM_OBJECTS):
            place.put(f"objects/{number:04}.bin", content(number + 1))
        with pytest.raises(SourceChanged, match=r"00\d\d\.bin"):
            next(iter(stream))


def test_members_of_the_archive_of_kaggle_are_those_files_whatever_fails() -> None:
    """One link does for all members, asked for anew when it ends; the archive is not read twice."""
    with serve_kaggle() as kaggle:
        kaggle.files, kaggle.is_private, kaggle.link_seconds = {1: FILES}, True, 0.3
        faulty = watched(kaggle.store, kaggle.signed, lambda asked: True)
        faulty.every = 5
        options = {"token": KAGGLE_TOKEN, "endpoint": kaggle.url, "archive": True}
        dataset = penstock.zip("kaggle://datasets/owner/name", by="member", storage_options=options)
        with dataset.loader(8, seed=1, window="2Mi", epochs=1, collate=list) as loader:
            found = [value for batch in loader for value in batch]
        meters = loader.meters()
        assert sorted(found) == sorted(FILES.values())
        assert meters.failed_requests == 0
        assert meters.retried_requests <= faulty.num_faults
        downloads = [asked for asked in kaggle.api.requests if "/download/" in asked.path]
        assert 1 <= len(downloads) < 16
        assert not any("authorization" in asked.headers for asked in kaggle.store.requests)


def _check_faults(place: Place, meters: Meters) -> None:
    """See that each fault was met by one more try, and counted.

    A connection that was used before and is reset before it answers is no fault but one that grew old: the request is
    sent again at once, and counted as sent.
    """
    assert meters.failed_requests == 0
    if place.faulty is None:
        return
    faults, resets = place.faulty.num_faults, place.faulty.num_resets
    assert faults >= 2
    assert faults - resets <= meters.retried_requests <= faults
    data = [each for each in meters.requests if each.kind == "GET"]
    answers = sum(each.answers_2xx + each.answers_3xx + each.answers_4xx + each.answers_5xx for each in data)
    assert sum(each.sent for each in data) - answers >= resets
