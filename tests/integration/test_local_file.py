"""A local file is a source as it is of any other scheme: it alone is listed, with its folder as the source's place."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.errors import BucketNotFound
from penstock.manifest import ManifestReader, SourceSpec
from penstock.sources import open_source
from support.cli import penstock


@pytest.mark.parametrize("as_uri", [False, True])
def test_list_takes_a_local_file(tmp_path: Path, *, as_uri: bool) -> None:
    folder = tmp_path / "data [1]"
    folder.mkdir()
    for name in ("a.bin", "a.bin2", "b.bin"):
        (folder / name).write_bytes(name.encode())
    source = (folder / "a.bin").as_uri() if as_uri else str(folder / "a.bin")
    paths = ("--manifest", tmp_path / "m.parquet", "--plan", tmp_path / "p.json")
    done = penstock("list", "--source", source, "--task", "objects", "--split", "1,0,0", *paths)
    assert done.returncode == 0, done.stderr
    with ManifestReader(tmp_path / "m.parquet") as reader:
        assert [row.key for row in reader.rows("train")] == ["a.bin"]
        assert reader.info.source.uri == (folder.as_uri() if as_uri else str(folder))


def test_what_is_neither_file_nor_folder_is_told_as_that(tmp_path: Path) -> None:
    with pytest.raises(BucketNotFound, match="there is no folder"):
        open_source(SourceSpec(uri=str(tmp_path / "none")))
    with pytest.raises(BucketNotFound, match="is neither file nor folder"):
        open_source(SourceSpec(uri="/dev/null"))
