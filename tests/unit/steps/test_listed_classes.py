"""What a listing says of archived objects: what restoring them costs and takes, by the prices of their store."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.errors import ObjectUnreadable
from penstock.manifest import SourceSpec
from penstock.sources import ObjectInfo, ObjectSource, RequestMeter, open_source
from penstock.sources.protocols import archived
from penstock.steps._shared.listed_classes import archived_notes, seen_classes

GIB = 1 << 30
TOLD = "Restoring what lies in DEEP_ARCHIVE costs $0.20 and takes up to 12 hours (standard), or $0.025 and takes"


@contextlib.contextmanager
def _seen(uri: str, storage_class: str, folder: Path, **options: str) -> Iterator[ObjectSource]:
    """Take note of two archived objects of 5 GiB, as a listing does; nothing is asked for."""
    spec = SourceSpec(uri=uri, options=options)
    with (
        contextlib.closing(open_source(spec, meter=RequestMeter(), purpose="listing")) as source,
        seen_classes(source, folder),
    ):
        assert source.classes is not None
        source.classes.see(
            ObjectInfo(
                key=key, size_bytes=5 * GIB, version="", storage_class=storage_class, trouble=archived(storage_class)
            )
            for key in ("a.bin", "b.bin")
        )
        yield source


def test_what_was_left_out_is_told_with_what_restoring_it_takes(tmp_path: Path) -> None:
    with _seen("s3://bucket/data", "DEEP_ARCHIVE", tmp_path) as source:
        note, told = archived_notes(source)
    assert note.startswith("of what was listed, 2 objects of 10.0 GiB are archived (DEEP_ARCHIVE)")
    assert told.startswith(TOLD)


def test_it_is_told_at_the_prices_of_the_buckets_region(tmp_path: Path) -> None:
    with _seen("s3://bucket/data", "DEEP_ARCHIVE", tmp_path, region="eu-central-1") as source:
        _, told = archived_notes(source)
    assert "costs $0.24 and takes up to 12 hours (standard)" in told


def test_a_listing_that_ends_at_an_archived_object_says_what_restoring_takes(tmp_path: Path) -> None:
    with (
        pytest.raises(ObjectUnreadable, match=r"of what was listed, 2 objects of 10\.0 GiB are archived") as caught,
        _seen("s3://bucket/data", "DEEP_ARCHIVE", tmp_path),
    ):
        raise ObjectUnreadable("a.bin is archived (DEEP_ARCHIVE)", fix="restore it")
    assert f"--on-bad-object skip. {TOLD}" in caught.value.fix


def test_nothing_is_told_of_a_store_whose_prices_are_not_known(tmp_path: Path) -> None:
    with _seen("s3://bucket/data", "GLACIER", tmp_path, endpoint_url="http://127.0.0.1:9") as source:
        assert len(archived_notes(source)) == 1
