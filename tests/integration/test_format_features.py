"""What can be asked of each format of the registry: columns, keys, splits, order, places to go on from, shards."""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock.cli import main
from support.every_format import DATASETS, digest, files_of
from support.proofs import proved
from support.small_s3 import SmallS3, small_s3

pytestmark = pytest.mark.usefixtures("children_are_forked")


@pytest.fixture(scope="module")
def server() -> Iterator[SmallS3]:
    with small_s3(is_open=True) as state:
        yield state


def dataset_of(server: SmallS3, name: str, files: dict[str, bytes] | None = None, **options: Any) -> penstock.Dataset:
    place = name if files is None else f"{name}-changed"
    for key, data in (files_of(name) if files is None else files).items():
        server.objects[f"b/{place}/{key}"] = data
    kind = DATASETS[name]
    where: dict[str, Any] = {"endpoint_url": server.url, "region": "us-east-2", "anonymous": True}
    return penstock.of_format(name, f"s3://b/{place}", match=kind.match, options={**kind.options, **options}, **where)


@pytest.fixture(scope="module")
def listed(server: SmallS3) -> Any:
    """Each format's samples, told apart, in the order of the listing."""
    return functools.cache(lambda name: each(values_of(dataset_of(server, name))))


def values_of(dataset: penstock.Dataset) -> list[Any]:
    with dataset.shards() as shards:
        return [value for name in shards.shard_names for value in shards.open_shard(name)]


def each(values: list[Any]) -> list[str]:
    return [digest([value]) for value in values]


@pytest.mark.parametrize("name", proved("shuffle", "resume", "early"))
def test_an_epoch_is_shuffled_goes_on_where_it_was_left_and_begins_early(
    server: SmallS3, listed: Any, name: str
) -> None:
    dataset = dataset_of(server, name)
    options: dict[str, Any] = {"window": "64Mi", "collate": list, "epochs": 1, "seed": 2}
    with dataset.loader(1, **options) as loader:
        whole = []
        for batch in loader:
            whole += each(batch)
            if len(whole) == DATASETS[name].num_samples // 2:
                state = loader.state_dict()
    assert len(whole) == DATASETS[name].num_samples
    with dataset.loader(1, **options) as loader:
        loader.load_state_dict(state)
        assert [one for batch in loader for one in each(batch)] == whole[len(whole) // 2 :]
    with dataset.loader(1, **options, stream_listing=True) as loader:
        early = [one for batch in loader for one in each(batch)]
    assert sorted(early) == sorted(whole) == sorted(listed(name))
    assert whole != listed(name)


@pytest.mark.parametrize("name", proved("row"))
def test_a_shard_goes_on_at_any_row(server: SmallS3, name: str) -> None:
    with dataset_of(server, name).shards() as shards:
        shard = shards.shard_names[-1]
        whole = each(list(shards.open_shard(shard)))
        assert shards.shard_info(shard).num_rows == len(whole)
        for row in {len(whole) // 2, len(whole) - 1, len(whole)}:
            assert each(list(shards.open_shard_at_row(shard, row))) == whole[row:]


@pytest.mark.parametrize("name", proved("ranges"))
def test_a_sample_is_read_without_the_rest_of_its_shard(server: SmallS3, name: str) -> None:
    with dataset_of(server, name).shards() as shards:
        shard = shards.shard_names[-1]
        info = shards.shard_info(shard)
        server.requests.clear()
        with shards.open_shard_at_row(shard, info.num_rows - 1) as rows:
            next(rows)
        asked = list(server.requests)
    read = 0
    for request in asked:
        span = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("range", ""))
        read += int(span[2]) + 1 - int(span[1]) if span else len(server.objects[request.path.lstrip("/")])
    held = sum(len(data) for key, data in files_of(name).items() if key.startswith(shard))
    assert 0 < read < 0.7 * held


@pytest.mark.parametrize("name", proved("columns"))
def test_columns_are_those_that_are_asked_for(server: SmallS3, listed: Any, name: str) -> None:
    columns = DATASETS[name].columns
    assert isinstance(columns, tuple)
    some = values_of(dataset_of(server, name).select(columns))
    assert all(list(value) == list(columns) for value in some)
    assert len(some) == len(listed(name))
    assert len(set(each(some))) > 1


@pytest.mark.parametrize("name", proved("where"))
def test_samples_are_taken_by_their_keys(server: SmallS3, name: str) -> None:
    turn = itertools.count()
    some = dataset_of(server, name).where(lambda key: next(turn) % 2 == 0)
    assert 0 < some.manifest().num_samples < DATASETS[name].num_samples


@pytest.mark.parametrize("name", proved("split"))
def test_samples_of_one_value_of_a_column_are_in_one_part(server: SmallS3, listed: Any, name: str) -> None:
    column = DATASETS[name].group_by
    dataset = dataset_of(server, name)
    parts = [values_of(part) for part in dataset.split(valid=0.4, by=column, seed=0)]
    assert sorted(each(parts[0] + parts[1])) == sorted(listed(name))
    if column in parts[0][0]:
        found = [{str(value[column]) for value in part} for part in parts]
        assert all(found)
        assert not found[0] & found[1]


@pytest.mark.parametrize("name", proved("packed"))
def test_packed_files_are_read_as_they_are(server: SmallS3, listed: Any, name: str) -> None:
    pack = DATASETS[name].packed
    assert not isinstance(pack, str)
    files = pack(files_of(name))
    assert files != files_of(name)
    assert sorted(each(values_of(dataset_of(server, name, files)))) == sorted(listed(name))


@pytest.mark.parametrize("name", proved("pack"))
def test_samples_are_written_anew(server: SmallS3, name: str, tmp_path: Path) -> None:
    dataset_of(server, name)
    kind = DATASETS[name]
    words = ["pack", f"s3://b/{name}", "--endpoint-url", server.url, "--region", "us-east-2", "--anonymous"]
    words += ["--into", str(tmp_path), "--format", name, "--format-options", json.dumps(kind.options)]
    assert main([*words, "--match", kind.match, "--to", kind.pack]) == 0
    read = {"arrays": "safetensors"}.get(kind.pack, kind.pack)
    made = penstock.of_format(read, tmp_path, match="shard-*", options={"by": "row"} if kind.pack == "arrays" else {})
    assert made.manifest().num_samples == kind.num_samples
