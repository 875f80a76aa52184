"""``manifest_folder=``: a manifest that is there and fresh is taken instead of listing again."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import penstock
from penstock.errors import ConfigError, ObjectNotFound, SourceChanged
from penstock.stream import listing, manifest_cache

ROWS = 60


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    folder = tmp_path / "tables"
    folder.mkdir()
    for number in range(2):
        ids = np.arange(number * ROWS, (number + 1) * ROWS)
        table = pa.table({"id": ids, "patient": [f"p{each % 11}" for each in ids]})
        pq.write_table(table, folder / f"{number}.parquet", row_group_size=20)
    return folder


@pytest.fixture
def listings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Listings that were made, by their source."""
    made: list[str] = []

    class Counted(listing.ListingProcess):
        def __init__(self, words: Any, **options: Any) -> None:
            made.append(words.source)
            super().__init__(words, **options)

    monkeypatch.setattr(listing, "ListingProcess", Counted)
    return made


def ids(dataset: penstock.Dataset, folder: Path, **options: Any) -> list[int]:
    with dataset.loader(16, window="2Mi", epochs=1, manifest_folder=folder, **options) as loader:
        return [number for batch in loader for number in batch["id"].tolist()]


def test_it_is_taken_and_gives_the_same_order_and_places(tables: Path, tmp_path: Path, listings: list[str]) -> None:
    dataset, folder = penstock.parquet(tables, columns="id"), tmp_path / "kept"
    first = ids(dataset, folder, shuffle="block", shuffle_block=2)
    assert ids(dataset, folder, shuffle="block", shuffle_block=2, workers=1) == first
    assert len(listings) == 1
    with dataset.loader(16, window="2Mi", shuffle="block", shuffle_block=2) as loader:
        taken = [number for _, batch in zip(range(3), loader, strict=False) for number in batch["id"].tolist()]
        place = loader.state_dict()
    assert len(listings) == 2
    with dataset.loader(16, window="2Mi", shuffle="block", shuffle_block=2, manifest_folder=folder) as loader:
        loader.load_state_dict(place)
        assert taken + [number for batch in loader for number in batch["id"].tolist()] == first
    assert len(listings) == 2
    assert len(list(folder.iterdir())) == 1


def test_parts_share_one_and_what_else_is_asked_for_has_its_own(
    tables: Path, tmp_path: Path, listings: list[str]
) -> None:
    dataset, folder = penstock.parquet(tables, columns="id"), tmp_path / "kept"
    parts = dataset.split(valid=0.4, by="patient", seed=1)
    found = [ids(part, folder) for part in parts]
    assert sorted(found[0] + found[1]) == list(range(2 * ROWS))
    assert len(listings) == 1
    few = dataset.where(lambda key: key.startswith("1"))
    assert sorted(ids(few, folder)) == list(range(ROWS, 2 * ROWS))
    assert sorted(ids(dataset, folder)) == list(range(2 * ROWS))
    assert len(listings) == 2
    for other in (
        dataset.where("1.*"),
        dataset.select(["id", "patient"]),
        penstock.parquet(tables, columns="id", match="0.*"),
        dataset.split(valid=0.5, seed=2)[0],
        dataset.split(valid=0.5, seed=3)[0],
    ):
        before = len(listings)
        ids(other, folder)
        ids(other, folder, seed=7, shuffle=False)
        assert len(listings) == before + 1


def test_one_that_is_old_damaged_or_of_the_future_is_made_again(
    tables: Path, tmp_path: Path, listings: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    dataset, folder = penstock.parquet(tables, columns="id"), tmp_path / "kept"
    ids(dataset, folder)
    ids(dataset, folder, manifest_hours=0)
    assert len(listings) == 2
    (kept,) = folder.iterdir()
    kept.write_bytes(kept.read_bytes()[:-100])
    caplog.set_level(logging.WARNING)
    assert sorted(ids(dataset, folder)) == list(range(2 * ROWS))
    assert "is not used" in caplog.text
    assert len(listings) == 3
    assert ids(dataset, folder, manifest_hours=0.5)
    assert len(listings) == 3


@pytest.mark.parametrize(("change", "error"), [("another", SourceChanged), ("gone", ObjectNotFound)])
def test_what_changed_since_is_an_error_that_forgets_it(
    tables: Path, tmp_path: Path, listings: list[str], change: str, error: type[Exception]
) -> None:
    dataset, folder = penstock.parquet(tables, columns="id"), tmp_path / "kept"
    ids(dataset, folder)
    victim = tables / "1.parquet"
    if change == "gone":
        victim.unlink()
    else:
        pq.write_table(pa.table({"id": np.arange(500, 500 + ROWS)}), victim, row_group_size=20)
    with pytest.raises(error, match=r"1\.parquet.*: open it again, to list again: the manifest .* is forgotten"):
        ids(dataset, folder)
    assert len(listings) == 1
    assert not list(folder.iterdir())
    assert len(ids(dataset, folder)) == (ROWS if change == "gone" else 2 * ROWS)
    assert len(listings) == 2


def test_few_are_kept_and_those_that_were_used_longest_ago_go(
    tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listings: list[str]
) -> None:
    monkeypatch.setattr(manifest_cache, "MOST_KEPT", 2)
    folder = tmp_path / "kept"
    datasets = [penstock.parquet(tables, columns="id", match=match) for match in ("0.*", "1.*", "*")]
    others = {folder / f"penstock-manifest-{name}.parquet" for name in ("of-mine", "1", "A" * 40, "0" * 41)}
    folder.mkdir()
    for other in others:
        other.touch()
        os.utime(other, (0, 0))
    for age, dataset in ((300, datasets[0]), (200, datasets[1])):
        before = set(folder.glob("*"))
        ids(dataset, folder)
        (new,) = set(folder.glob("*")) - before
        os.utime(new, (0, new.stat().st_mtime - age))
    ids(datasets[0], folder)
    ids(datasets[2], folder)
    ids(datasets[0], folder)
    assert len(listings) == 3
    ids(datasets[1], folder)
    assert len(listings) == 4
    assert len(set(folder.glob("*"))) == len(others) + 2
    assert others < set(folder.glob("*"))


def test_what_cannot_be_honoured_is_told(tables: Path, tmp_path: Path) -> None:
    dataset = penstock.parquet(tables)
    (tmp_path / "file").write_bytes(b"")
    for options, message in (
        ({"manifest_folder": 3}, "manifest_folder 3"),
        ({"manifest_folder": tmp_path / "file"}, "manifest_folder '.*file' is no folder"),
        ({"manifest_folder": tmp_path / "a" / "b"}, "is in no folder: make .*a first"),
        ({"manifest_folder": tmp_path, "manifest_hours": -1}, "manifest_hours -1"),
        ({"manifest_folder": tmp_path, "stream_listing": True}, "stream_listing with manifest_folder"),
    ):
        with pytest.raises(ConfigError, match=message):
            dataset.loader(4, **options)  # type: ignore[arg-type]
