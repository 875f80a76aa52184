"""The store of a job in the mode `preprocess`: all samples of a listing, decoded once, in shards of arrays on disk.

The source is read once, in the manifest's order, through the window: what is stored is what training would have been
given. Beside the shards lies a manifest of the same rows in the same order and a plan of the same seed and shuffle, so
training from the store sees the same samples in the same order with the same chance.

A shard is put in its place whole, and its record behind it; a pass that was killed goes on behind the last of them. The
store is done when its plan is there. It is of one listing, which its mark names: of another it is never taken for.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from penstock.errors import ConfigError, RecordError
from penstock.manifest.listed import Listed, read_listed
from penstock.owning import refuse_others
from penstock.records import read_record, write_record
from penstock.records.codec import Part, Record

__all__ = ["SampleStore", "ShardRecord", "StoredRow"]


class _StoreRecord(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a store is of.

    Attributes:
        manifest_fingerprint: of the listing.
    """

    kind: ClassVar[str] = "store"
    version: ClassVar[int] = 1
    remake: ClassVar[str] = "remove the store's folder, and run it again"

    manifest_fingerprint: str


class StoredRow(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stored extent: where it lies, its codec and its bytes; the reason where it was left out."""

    offset: int
    length_bytes: int
    codec: str
    left_out: str = ""


class ShardRecord(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a shard holds, row by row of the manifest."""

    kind: ClassVar[str] = "shard of samples"
    version: ClassVar[int] = 1
    remake: ClassVar[str] = "remove the store's folder, and run it again"

    num_bytes: int
    rows: tuple[StoredRow, ...]


class SampleStore:
    """A store's files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = folder / "store.json"
        self.manifest = folder / "manifest.parquet"
        self.plan = folder / "plan.json"

    def shard(self, number: int) -> Path:
        """Return a shard."""
        return self.folder / f"samples-{number:06}.bin"

    def record(self, number: int) -> Path:
        """Return the record of a shard."""
        return self.folder / f"samples-{number:06}.json"

    def shards(self) -> Iterator[ShardRecord]:
        """Return the records of the shards that are whole, from the first one on."""
        number = 0
        while self.record(number).exists():
            record = read_record(self.record(number), ShardRecord)
            try:
                if self.shard(number).stat().st_size != record.num_bytes:
                    return
            except FileNotFoundError:
                return
            yield record
            number += 1

    def is_of(self, listed: Listed) -> bool:
        """Tell whether it was begun for a listing."""
        try:
            return read_record(self.mark, _StoreRecord).manifest_fingerprint == listed.info.fingerprint
        except RecordError:
            return False

    def refuse_others(self) -> None:
        """Refuse a folder that holds something and is no store; make nothing.

        Raises:
            NotOurs: it is so.
        """
        refuse_others(self.folder, self.mark.name, what="--store")

    def claim(self, listed: Listed) -> None:
        """Make the folder the store of a listing, or see that it is.

        Raises:
            ConfigError: it is that of another listing.
            NotOurs: it holds what is no store.
            DiskFull, OutputUnwritable: it cannot be used.
        """
        fingerprint = listed.info.fingerprint
        if self.mark.exists():
            found = read_record(self.mark, _StoreRecord)
            if found.manifest_fingerprint != fingerprint:
                raise ConfigError(
                    f"{self.folder} holds the samples of another listing ({found.manifest_fingerprint[:12]}; this one "
                    f"is {fingerprint[:12]}): other data, another split or other options of the task",
                    fix="choose another --store, or remove that folder",
                    about=str(self.folder),
                )
            return
        self.refuse_others()
        self.folder.mkdir(parents=True, exist_ok=True)
        write_record(self.mark, _StoreRecord(manifest_fingerprint=fingerprint))

    def is_whole(self) -> bool:
        """Tell whether nothing is left to do: plan, manifest and shards of all of it are there."""
        if not self.plan.exists():
            return False
        try:
            info = read_listed(self.manifest, self.plan).info
        except RecordError:
            return False
        num_bytes = sum(record.num_bytes for record in self.shards())
        return num_bytes == info.object_bytes

    @property
    def used_bytes(self) -> int:
        """What its files take on disk."""
        return sum(512 * path.lstat().st_blocks for path in (self.folder, *self.folder.iterdir()))
