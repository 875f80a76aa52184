"""Each format out of each source: the same samples with the same content fingerprint, whatever fails on the way."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import penstock
from support.every_format import DATASETS, digest, files_of
from support.every_source import PLACES, Place
from support.proofs import proved, proved_sources

pytestmark = pytest.mark.usefixtures("children_are_forked")

FAULT_EVERY = 7


@functools.cache
def all_files() -> dict[str, bytes]:
    return {f"of/{name}/{file}": data for name in DATASETS for file, data in files_of(name).items()}


@pytest.fixture(scope="module", params=proved_sources())
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Place]]:
    with contextlib.ExitStack() as stack:
        yield request.param, PLACES[request.param](stack, all_files(), tmp_path_factory.mktemp("place"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("folder")
    with contextlib.ExitStack() as stack:
        PLACES["local"](stack, all_files(), made)
    return made / "of"


@pytest.fixture(scope="module")
def expected(folder: Path) -> Any:
    """What a folder gives, by format."""
    return functools.cache(lambda name: content_of(dataset_of(name, str(folder / name))))


def dataset_of(name: str, uri: str, **where: Any) -> penstock.Dataset:
    kind = DATASETS[name]
    return penstock.of_format(name, uri, match=kind.match, options=kind.options, **where)


def content_of(dataset: penstock.Dataset) -> tuple[int, str]:
    """Return how many samples there are and their fingerprint, in the order of the shards."""
    with dataset.shards() as shards:
        values = [value for name in shards.shard_names for value in shards.open_shard(name)]
    return len(values), digest(values)


@pytest.mark.parametrize("name", proved("from"))
def test_every_format_is_the_same_through_every_source(source: tuple[str, Place], name: str, expected: Any) -> None:
    place = source[1]
    if place.faulty is not None:
        place.faulty.every = FAULT_EVERY
    assert content_of(dataset_of(name, place.uri(f"of/{name}"), **place.options)) == expected(name)
    assert expected(name)[0] == DATASETS[name].num_samples
