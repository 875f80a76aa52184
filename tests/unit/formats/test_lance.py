"""Datasets of Lance: a version's files are found in its manifest; rows are those of pylance, where it is there."""

from __future__ import annotations

import asyncio
import base64
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.errors import ConfigError, DataError, HeaderMismatch, PenstockError
from penstock.formats.lance import format as lance_format
from penstock.formats.lance import pages
from penstock.formats.lance.manifests import read_manifest, version_of
from penstock.formats.registry import open_format
from support.folder_source import Folder

# Made by pylance 14.0.2, see tests/support/lance_golden.py.
GOLDEN = json.loads((Path(__file__).parent / "golden" / "lance.json").read_text())


def files_of(name: str) -> dict[str, bytes]:
    return {f"a.lance/{key}": base64.b64decode(text) for key, text in GOLDEN[name].items()}


def kind(**options: Any) -> Any:
    return pickle.loads(pickle.dumps(open_format("lance", options)))


def newest(files: dict[str, bytes]) -> str:
    return min(key for key in files if key.endswith(".manifest"))


def test_fragments_of_the_newest_version_and_of_another() -> None:
    source = Folder(files_of("added"))
    extents, skipped = source.index(kind())
    assert skipped == []
    assert [(extent.key, extent.num_samples, len(extent.spans)) for extent in extents] == [
        ("a.lance/0", 6, 2),
        ("a.lance/1", 4, 2),
    ]
    assert source.read_bytes == len(source.files[newest(source.files)])
    assert [len(each.spans) for each in Folder(files_of("added")).index(kind(version=1))[0]] == [1, 1]
    assert [len(each.spans) for each in Folder(files_of("added")).index(kind(columns=["twice"]))[0]] == [1, 1]
    with pytest.raises(ConfigError, match=r"has no version 9: its versions are: 1, 2"):
        Folder(files_of("added")).index(kind(version=9))
    with pytest.raises(ConfigError, match=r"has no column 'x': .*its columns are: id, text, l, twice"):
        Folder(files_of("added")).index(kind(columns=["x"]))


def test_rows_are_those_that_were_written() -> None:
    pytest.importorskip("lance", reason="pylance is not installed: pip install 'penstock[lance]'")
    for name in ("plain", "added"):
        rows = Folder(files_of(name)).values(kind())
        assert [(row["id"], row["text"], row["l"].tolist()) for row in rows] == [
            (n, f"é{n}", [n] * (n % 3)) for n in range(10)
        ]
    assert [dict(row) for row in Folder(files_of("added")).values(kind(columns=["twice", "id"]))] == [
        {"twice": 2 * n, "id": n} for n in range(10)
    ]
    source, made = Folder(files_of("plain")), kind()
    extent = source.index(made)[0][1]
    (row,) = made.decode(source.joined(extent), extent, extent.codec, np.array([2]))
    assert row["id"] == 8
    for wrong in (b"", source.joined(extent)[:-50], b"x" * extent.size_bytes):
        with pytest.raises(DataError, match=r"the rows of a\.lance/1 cannot be read"):
            made.decode(wrong, extent, extent.codec, np.arange(2))


def changed(data: bytes) -> dict[str, bytes]:
    files = files_of("plain")
    return files | {newest(files): data}


PLAIN = files_of("plain")
MANIFEST = PLAIN[newest(PLAIN)]
REFUSED: list[tuple[dict[str, bytes], type[PenstockError], str]] = [
    (files_of("deleted"), DataError, r"fragment 0 of .* has deleted rows, which are not read: compact the dataset"),
    (files_of("old"), DataError, "is of the file format 0; those of 2 in it are read"),
    ({key: data for key, data in PLAIN.items() if "/data/" not in key}, HeaderMismatch, "data/.* is not there"),
    (changed(MANIFEST[:-1]), HeaderMismatch, "does not end as manifests do"),
    (changed(b"x" * 40), HeaderMismatch, "does not end as manifests do"),
    (changed(MANIFEST[:-16] + b"\xff" * 12 + b"LANC"), HeaderMismatch, "does not lie in it"),
]


@pytest.mark.parametrize(("files", "error", "what"), REFUSED)
def test_what_is_not_read_is_named(files: dict[str, bytes], error: type[PenstockError], what: str) -> None:
    with pytest.raises(error, match=what) as raised:
        Folder(files).index(kind())
    assert "\n" not in str(raised.value)


def test_damaged_manifests_are_told_of() -> None:
    for at in range(len(MANIFEST)):
        for value in (0, 0x7F, 0xFF):
            data = MANIFEST[:at] + bytes([value]) + MANIFEST[at + 1 :]
            try:
                read_manifest(data)
            except ValueError:
                continue


def test_names_of_versions_and_options() -> None:
    assert [version_of(name) for name in ("1.manifest", "18446744073709551614.manifest", "x.manifest", "1.txt")] == [
        1,
        1,
        None,
        None,
    ]
    for options in ({"version": 0}, {"version": "1"}, {"columns": []}, {"memory": 0}):
        with pytest.raises(ConfigError):
            kind(**options)
    with pytest.raises(DataError, match="more than memory="):
        Folder(PLAIN).index(kind(memory=100))


@pytest.fixture
def small_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lance_format, "WHOLE_BYTES", 4000)
    monkeypatch.setattr(pages, "_NEAR_BYTES", 0)
    monkeypatch.setattr(pages, "GUESS_BYTES", 64)  # so that all that lies before is read again
    monkeypatch.setattr(pages, "_MOST_WASTE", 0)


def runs_of(extents: list[Any]) -> list[tuple[int, int]]:
    """Return the first row of each extent, and the one behind its last."""
    firsts = [int(extent.key.removeprefix("a.lance/0/")) for extent in extents]
    return [(first, first + extent.num_samples) for first, extent in zip(firsts, extents, strict=True)]


@pytest.mark.usefixtures("small_runs")
def test_a_large_fragment_is_read_by_runs_of_rows() -> None:
    extents, skipped = Folder(files_of("pages")).index(kind())
    assert skipped == []
    runs = runs_of(extents)
    assert len(runs) > 3
    assert [first for first, _ in runs] == [0, *(end for _, end in runs[:-1])]
    assert runs[-1][1] == 300
    for extent in extents:
        assert all(span.offset + span.length_bytes <= span.object_bytes for span in extent.spans)
    of_id = Folder(files_of("pages")).index(kind(columns=["id"]))[0]
    assert sum(extent.size_bytes for extent in of_id) < sum(extent.size_bytes for extent in extents) / 2
    assert {span.object for extent in of_id for span in extent.spans} == {"a.lance/data/0.lance"}


@pytest.mark.usefixtures("small_runs")
def test_a_run_of_rows_is_bounded_by_memory() -> None:
    most = max(extent.size_bytes for extent in Folder(files_of("pages")).index(kind())[0])
    assert Folder(files_of("pages")).index(kind(memory=most))[0]
    with pytest.raises(DataError, match=r"rows 0 to \d+ of fragment 0 of .* have|has .*, more than memory=1\.0 KiB"):
        Folder(files_of("pages")).index(kind(memory=1024))


@pytest.mark.usefixtures("small_runs")
def test_lists_of_the_oldest_files_are_read_whole_and_their_other_columns_by_rows() -> None:
    assert [extent.key for extent in Folder(files_of("old pages")).index(kind())[0]] == ["a.lance/0"]
    assert len(Folder(files_of("old pages")).index(kind(columns=["b", "text"]))[0]) > 3


@pytest.mark.usefixtures("small_runs")
@pytest.mark.parametrize("name", ["pages", "old pages"])
@pytest.mark.parametrize("columns", [None, ["b"], ["text", "id"]])
def test_runs_of_rows_are_those_that_were_written(name: str, columns: list[str] | None) -> None:
    pytest.importorskip("lance", reason="pylance is not installed: pip install 'penstock[lance]'")
    whole = {
        "id": range(300),
        "text": [f"é{n}" for n in range(300)],
        "l": [[n] * (n % 3) for n in range(300)],
        "s": [{"a": n, "b": str(n)} for n in range(300)],
        "b": [bytes([n % 256]) * 40 for n in range(300)],
    }
    expected = {key: whole[key] for key in columns or whole if name == "pages" or key != "s"}
    rows = Folder(files_of(name)).values(kind(columns=columns))
    assert [{key: plain(value) for key, value in row.items()} for row in rows] == [
        dict(zip(expected, values, strict=True)) for values in zip(*expected.values(), strict=True)
    ]


def plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else dict(value) if isinstance(value, dict) else value


@pytest.mark.usefixtures("small_runs")
@pytest.mark.parametrize("name", ["pages", "old pages"])
def test_damaged_ends_of_files_are_told_of(name: str) -> None:
    files = files_of(name)
    key = next(each for each in files if "/data/" in each)
    data = files[key]
    end = asyncio.run(pages.read_end(Folder(files), next(each for each in Folder(files).infos() if each.key == key)))
    for at in range(end.at, len(data), 7):
        for value in (0, 0x7F, 0xFF):
            wrong = Folder(files | {key: data[:at] + bytes([value]) + data[at + 1 :]})
            try:
                wrong.index(kind(columns=["b", "text"]))
            except PenstockError as error:
                assert "\n" not in str(error)  # noqa: PT017
    for cut in (b"x" * 5000, data[:-1], data[:-40] + b"\xff" * 36 + b"LANC", data[:5000]):
        with pytest.raises(HeaderMismatch, match="cannot be read as Lance"):
            Folder(files | {key: cut}).index(kind(columns=["b", "text"]))
