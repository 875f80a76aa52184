"""Objects that can only be opened by name: SQLite databases, from a stream that gives paths."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

import penstock

pytestmark = pytest.mark.usefixtures("children_are_forked")

NUM_OBJECTS = 40


def read_database(path: Path, key: str) -> tuple[int, str]:
    with sqlite3.connect(path) as database:
        (number,) = database.execute("select sum(number) from numbers").fetchone()
    database.close()
    assert path.suffix == ".sqlite"
    return number, key


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("databases")
    for number in range(NUM_OBJECTS):
        (root / "part").mkdir(exist_ok=True)
        with sqlite3.connect(root / "part" / f"{number:03}.sqlite") as database:
            database.execute("create table numbers (number integer)")
            database.executemany("insert into numbers values (?)", [(number,)] * 1000)
        database.close()
    return root


@pytest.mark.parametrize("workers", [0, 2])
def test_each_object_is_opened_by_its_path(folder: Path, tmp_path: Path, workers: int) -> None:
    window = tmp_path / "window"
    with penstock.Stream(
        str(folder),
        decode=read_database,
        files=True,
        collate=list,
        batch_size=4,
        window="1Mi",
        window_folder=window,
        workers=workers,
    ) as stream:
        for _ in range(2):
            found = [pair for batch in stream for pair in batch]
            assert sorted(found) == [(1000 * number, f"part/{number:03}.sqlite") for number in range(NUM_OBJECTS)]
        assert 0 < stream.meters().window_high_water_bytes <= 1 << 20
    assert list((window / "files").iterdir()) == []


def test_database_that_is_none_is_left_out_and_named(folder: Path, tmp_path: Path) -> None:
    for path in folder.glob("part/00?.sqlite"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "004.sqlite").write_bytes(b"this is no database" * 1000)
    options = {"decode": read_database, "files": True, "collate": list, "window": "1Mi", "shuffle": False, "epochs": 1}
    with penstock.Stream(str(tmp_path), on_bad_sample="skip", **options) as stream:
        assert [key for batch in stream for _, key in batch] == [f"{n:03}.sqlite" for n in range(10) if n != 4]
        meters = stream.meters()
    assert meters.num_skipped == 1
    assert "not a database" in meters.skipped[0].reason
