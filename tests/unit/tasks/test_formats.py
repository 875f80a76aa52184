"""Objects of a format: what lies in them is listed, in the order of the objects, and what is bad is told."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.errors import ConfigError, HeaderMismatch
from penstock.formats.registry import open_format
from penstock.manifest import Extent, ManifestInfo, ManifestReader, SourceSpec
from penstock.sources import open_source
from penstock.steps._shared.manifest_making import make_manifest
from penstock.tasks.protocols import Limits
from penstock.tasks.registry import get_task


def listed(folder: Path, kind: str, *, skip_bad: bool = False, **options: Any) -> tuple[ManifestInfo, list[Extent]]:
    path = folder.parent / "manifest.parquet"
    info = asyncio.run(
        make_manifest(
            open_source(SourceSpec(uri=str(folder))),
            get_task("objects"),
            path=path,
            limits=Limits(skip_bad=skip_bad),
            options={"match": "*", "format": kind, "format_options": json.dumps(options)},
            fractions=(1.0, 0.0, 0.0),
            by_sample=False,
            seed=0,
        )
    )
    with ManifestReader(path) as reader:
        return info, [reader.row(row) for row in range(info.num_extents)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def put_tables(folder: Path, count: int) -> None:
    for number in range(count):
        table = pa.table({"id": range(number * 10, number * 10 + 10), "text": ["x" * number] * 10})
        pq.write_table(table, folder / f"{number:03}.parquet", row_group_size=4)


def test_row_groups_of_many_files_come_in_order_with_their_rows(folder: Path) -> None:
    """More files than are indexed at once."""
    put_tables(folder, 40)
    info, extents = listed(folder, "parquet", columns=["id"])
    assert (info.num_objects, info.num_extents, info.num_samples) == (40, 120, 400)
    assert [extent.key for extent in extents][:4] == [
        "000.parquet/0",
        "000.parquet/1",
        "000.parquet/2",
        "001.parquet/0",
    ]
    kind, found = open_format("parquet", {"columns": ["id"]}), []
    for extent in extents:
        data = b"".join(
            (folder / span.object).read_bytes()[span.offset : span.offset + span.length_bytes] for span in extent.spans
        )
        found += [
            row["id"] for row in kind.decode(memoryview(data), extent, extent.codec, np.arange(extent.num_samples))
        ]
    assert found == list(range(400))


def test_other_columns_are_another_dataset(folder: Path) -> None:
    put_tables(folder, 1)
    prints = {listed(folder, "parquet", columns=names)[0].fingerprint for names in (["id"], ["text"], ["id", "text"])}
    assert len(prints) == 3


def test_what_is_not_of_the_format_is_an_error_or_left_out_and_named(folder: Path) -> None:
    put_tables(folder, 2)
    (folder / "readme.md").write_text("# no table\n")
    with pytest.raises(HeaderMismatch, match=r"readme.md: it is no Parquet file"):
        listed(folder, "parquet")
    info, extents = listed(folder, "parquet", skip_bad=True)
    assert len(extents) == 6
    assert [(item.object, item.count) for item in info.skipped] == [("readme.md", None)]
    assert info.skipped[0].reason.startswith("readme.md: it is no Parquet file: it has 11 bytes")


def test_members_that_are_left_out_are_counted_in_the_manifest(folder: Path) -> None:
    with tarfile.open(folder / "a.tar", "w") as archive:
        for name in ("0.jpg", "0.cls", "1.jpg", "README"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    info, extents = listed(folder, "tar", sample=["jpg", "cls"])
    assert [extent.key for extent in extents] == ["a.tar/0"]
    assert {(item.object, item.reason, item.count) for item in info.skipped} == {
        ("1 in a.tar", "has no extension", 1),
        ("1 in a.tar", "lacks cls", 1),
    }


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("rar", "{}", "there is no format 'rar'"),
        ("parquet", "[1]", "format-options '\\[1\\]' is not a JSON object"),
        ("objects", '{"a": 1}', "the format 'objects' has no option 'a': its options are: none"),
    ],
)
def test_formats_and_options_that_are_none(folder: Path, kind: str, text: str, message: str) -> None:
    task = get_task("objects")
    options = {"match": "*", "format": kind, "format_options": text}
    with pytest.raises(ConfigError, match=message):
        asyncio.run(task.make_samples(open_source(SourceSpec(uri=str(folder))), limits=Limits(), options=options))
