"""Sources over an empty folder and an empty bucket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.sources import ObjectSource, open_source
from unit.sources.places import QUICK, BucketPlace, Folder, Place, Read, by_get_range, by_read_into


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty folder, and an empty bucket."""
    if request.param == "local":
        folder = tmp_path / "source"
        folder.mkdir()
        yield Folder(path=folder)
    else:
        yield BucketPlace(bucket=request.getfixturevalue("bucket"))


@pytest.fixture
def source(place: Place) -> ObjectSource:
    return open_source(place.spec(), limits=QUICK)


@pytest.fixture(params=[by_get_range, by_read_into], ids=["get_range", "read_into"])
def read(request: pytest.FixtureRequest) -> Read:
    """Both ways to read a range."""
    found: Read = request.param
    return found
