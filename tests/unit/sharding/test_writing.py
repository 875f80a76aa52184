"""A shard that its own format does not read is not written, whatever the reason."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from penstock.errors import ConfigError
from penstock.sharding.layouts import open_layout
from penstock.sharding.records import ShardRecord
from penstock.sharding.writing import write_shard
from penstock.sources.local.blobs import LocalBlobs, remove_leftovers


@pytest.mark.parametrize("to", ["tar", "arrays", "parquet", "mds"])
def test_what_cannot_be_read_again_is_not_written(tmp_path: Path, to: str) -> None:
    layout = open_layout(to, group_bytes=100)
    record = ShardRecord(
        name=f"shard-000000.{layout.extension}",
        first_sample=0,
        num_samples=1,
        num_bytes=700,
        made_of="",
        content="",
        source_bytes=1,
        source_requests=1,
    )
    with pytest.raises(ConfigError, match=r"shard-000000\S+ could not be read again, and was not written"):
        asyncio.run(write_shard(LocalBlobs(tmp_path), layout, 0, b"\x01no shard" * 70, record))
    assert not list(tmp_path.iterdir())


def test_what_somebody_writes_is_no_leftover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs, dead = LocalBlobs(tmp_path), tmp_path / f".a.{'0' * 32}.tmp"
    dead.write_bytes(b"half")
    replace = Path.replace

    def tidied_by_another(path: Path, target: Path) -> Path:
        remove_leftovers(tmp_path)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", tidied_by_another)
    blobs.write("b", b"whole")
    assert {path.name for path in tmp_path.iterdir()} == {"b"}
    assert (tmp_path / "b").read_bytes() == b"whole"
