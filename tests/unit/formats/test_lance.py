"""Datasets of Lance: a version's files are found in its manifest; rows are those of pylance, where it is there."""

from __future__ import annotations

import base64
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.errors import ConfigError, DataError, HeaderMismatch, PenstockError
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
