"""What an inventory is, whatever the store: a manifest that names files, and rows of objects in them.

Each store says in its own folder how its manifests are written and what its columns mean (``InventoryKind``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, TypeVar

import msgspec

from penstock.errors import ConfigError, SourceError

__all__ = [
    "BadInventory",
    "InventoryKind",
    "ManifestPlace",
    "Report",
    "ReportFile",
    "file_beside",
    "plain_name",
    "plain_names",
    "read_manifest",
    "read_time",
    "sample_size",
]

MOST_SAMPLED = 100_000

FileFormat = Literal["csv", "parquet", "orc"]
T = TypeVar("T")


class BadInventory(Exception):
    """An inventory that cannot be used, as a phrase that goes on from its name."""

    def __init__(self, what: str, *, fix: str = "take another inventory of the bucket, or list without one") -> None:
        super().__init__(what)
        self.fix = fix

    def told(self, uri: str) -> SourceError:
        """Return the error that a person is told.

        Args:
            uri: of the inventory's manifest.
        """
        return SourceError(f"the inventory {uri} {self}", fix=self.fix, about=uri)


@dataclass(frozen=True, kw_only=True, slots=True)
class ManifestPlace:
    """Where an inventory's manifest lies.

    Attributes:
        uri: of the manifest.
        bucket: that the source lies in, as its store calls it.
        prefix: of the source in it, without slashes around it.
    """

    uri: str
    bucket: str
    prefix: str

    @property
    def folder(self) -> str:
        """The URI of the manifest's folder."""
        return self.uri.rpartition("/")[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportFile:
    """A file of an inventory.

    Attributes:
        key: below the report's ``files_in``.
        size_bytes: None where the manifest does not tell it.
        md5: in hex, empty where the manifest does not tell it.
    """

    key: str
    size_bytes: int | None = None
    md5: str = ""


def file_beside(name: str, size_bytes: int | None = None) -> ReportFile:
    """Return a file that lies beside its manifest, wherever the manifest says.

    Raises:
        BadInventory: the manifest names no file.
    """
    last = name.rpartition("/")[2]
    if last in ("", ".", ".."):
        raise BadInventory(f"names a file {name!r}")
    return ReportFile(key=last, size_bytes=size_bytes)


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """An inventory as its manifest tells it.

    Attributes:
        made: when the store began to look at its objects.
        files_in: URI of the folder that the files' keys are relative to.
        columns: of a CSV without a header; those of other files stand in them.
        num_rows: of all files; None where the manifest does not tell it.
    """

    made: datetime
    files_in: str
    files: Sequence[ReportFile]
    file_format: FileFormat
    columns: Sequence[str] = ()
    delimiter: str = ","
    num_rows: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class InventoryKind:
    """How a store writes inventories. Names of columns are plain here: lower case, letters alone (``plain_name``).

    Attributes:
        title: what the store calls it.
        manifest: pattern of a manifest's key below any folder: ``config`` says which inventory it is, ``date`` which
            of them (later ones sort later).
        checksum: gives the key of the file that is written when a manifest is whole, which holds its MD5; None where
            there is none.
        read: reads a manifest; raises BadInventory.
        key: column of the object's name.
        size: column of its size.
        version: column of what the store's listings know a version by.
        storage_class: column of the class that it lies in, which a report need not have.
        quotes: the version is quoted in listings, as ETags are.
        bucket: column of the bucket, of which all rows must be; empty where there is none.
        bucket_in_key: names begin with the bucket's, and those of other buckets are left out.
        url_encoded: names are percent-encoded in CSV.
        drops: values, in lower case, by column, of rows that are no object of now; None is any value at all.
        archived: values by column of objects that cannot be read.
        ask: what to do where a column is missing.
    """

    title: str
    manifest: re.Pattern[str]
    read: Callable[[bytes, ManifestPlace], Report]
    ask: str
    key: str
    size: str
    version: str
    storage_class: str
    quotes: bool = False
    bucket: str = ""
    bucket_in_key: bool = False
    url_encoded: bool = False
    checksum: Callable[[str], str] | None = None
    drops: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    archived: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def needed(self) -> tuple[str, ...]:
        """Columns that an inventory cannot be used without."""
        return self.key, self.size, self.version

    @property
    def used(self) -> frozenset[str]:
        """Columns that are read where they are there."""
        return frozenset(
            {*self.needed, *self.drops, *self.archived, self.storage_class} | ({self.bucket} if self.bucket else set())
        )


def plain_name(column: str) -> str:
    """Return a column's name as it is compared: ``Content-Length``, ``content_length`` are one."""
    return re.sub("[^a-z0-9]", "", column.lower())


def plain_names(columns: Sequence[str]) -> dict[str, str]:
    """Return columns' names by how they are compared.

    Raises:
        BadInventory: two are the same.
    """
    found: dict[str, str] = {}
    for column in columns:
        name = plain_name(column)
        if name in found:
            raise BadInventory(f"has two columns {found[name]!r} and {column!r}")
        found[name] = column
    return found


def read_manifest(data: bytes, kind: type[T]) -> T:
    """Read a manifest's JSON.

    Raises:
        BadInventory: it is none.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadInventory(f"is no manifest of an inventory ({error})", fix="name its manifest") from error


def read_time(text: str) -> datetime:
    """Return a time that a manifest tells.

    Raises:
        BadInventory: it is none.
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise BadInventory(f"does not tell when it was made ({text!r})") from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def sample_size(text: str | None) -> int:
    """Return how many objects are to be looked up.

    Raises:
        ConfigError: it is no such number.
    """
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit() and int(text) <= MOST_SAMPLED):
        raise ConfigError(f"inventory_sample {text!r}", fix=f"give a number of objects, at most {MOST_SAMPLED}")
    return int(text)
