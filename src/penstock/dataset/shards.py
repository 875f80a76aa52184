"""The shards of a dataset: its objects, or what else lies together, each to be read alone and from any row on."""

from __future__ import annotations

import hashlib
import os
import weakref
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

import msgspec

from penstock.dataset.asking import begin_asking, end_asking, may_find
from penstock.errors import ConfigError, StreamMisused
from penstock.formats.registry import open_format
from penstock.lazy import imported
from penstock.stream.checks import count, shown
from penstock.stream.options import Options
from penstock.stream.words import in_python
from penstock.texts import counted, did_you_mean, printable

if TYPE_CHECKING:
    from penstock.dataset.described import Dataset
    from penstock.dataset.listed_shards import Catalog
    from penstock.dataset.shard_rows import ShardRows
    from penstock.formats.protocols import Format

__all__ = ["ShardInfo", "Shards"]

_NOTHING: Final = object()


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardInfo:
    """What is known of a shard.

    Attributes:
        name: key of its object, or of what its objects are members of.
        format: that reads it; of a task's samples the task.
        num_rows: samples, of the dataset's part where it is one, and of what is taken by ``where``.
        num_extents: what they are read in: row groups, blocks of lines, members.
        num_objects: that they lie in.
        size_bytes: of those objects.
        read_bytes: of what is read of them for all rows: the chosen columns or members alone.
        version: of its object; of several what names all their versions.
        columns: names, each with its type, as of the dataset's ``columns``.
    """

    name: str
    format: str
    num_rows: int
    num_extents: int
    num_objects: int
    size_bytes: int
    read_bytes: int
    version: str
    columns: Mapping[str, str]


class Shards:
    """Shards of a dataset that was listed; ``Dataset.shards`` makes it. A context manager.

    Any number of shards may be open at a time, and be read by any threads, each shard by one.

    Args:
        manifest_folder: as of ``Dataset.loader``, likewise ``manifest_hours``.

    Raises:
        SourceError: the source could not be listed.
        DataError: an object is not of the format.
        ConfigError: an option cannot be honoured.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        manifest_folder: str | os.PathLike[str] | None = None,
        manifest_hours: float = 24.0,
    ) -> None:
        self.change: Callable[[Any], Any] | None = _change_of(dataset)
        self._format = dataset.format
        with in_python():
            options = dataset.opened_with({"manifest_folder": manifest_folder, "manifest_hours": manifest_hours})
            self.decode: Callable[..., Sequence[Any]] = dataset._decode(augments=False)
            self._catalog = _catalog_of(dataset, options)
        self._close = weakref.finalize(self, self._catalog.close)
        self._columns: dict[str, Mapping[str, str] | None] = {}
        self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        of = printable(self._catalog.uri)
        return f"<Shards of {of}: {counted(self.num_shards, 'shard')}{', closed' if self._is_closed else ''}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise StreamMisused(
            "shards cannot be pickled or copied", fix="send the dataset, and call its shards() where they are read"
        )

    def close(self) -> None:
        """End what reads, and let go of what is known; nothing can be opened any more."""
        self._is_closed = True
        self._close()

    @property
    def shard_names(self) -> tuple[str, ...]:
        """Names of all shards, in their order: keys of objects, or of what objects are members of."""
        return self._catalog.names

    @property
    def num_shards(self) -> int:
        """How many there are."""
        return len(self._catalog.names)

    def rows(self) -> Generator[Any, None, None]:
        """Return all rows, one shard after the other; raises as ``open_shard`` does, when one is asked for."""
        for name in self.shard_names:
            with self.open_shard(name) as rows:
                yield from rows

    def open_shard(self, name: str) -> ShardRows:
        """Return the rows of a shard, in their order.

        Raises:
            ConfigError: there is no such shard.
        """
        return self.open_shard_at_row(name, 0)

    def open_shard_at_row(self, name: str, row: int) -> ShardRows:
        """Return the rows of a shard from one on; nothing that lies before the extent that holds it is read.

        Args:
            row: number, 0-based, as rows are stored: those that ``filter`` leaves out are counted. As many as there are
                gives none.

        Raises:
            ConfigError: there is no such shard, or no such row.
        """
        found = self._known(name)
        first = count("row", row, 0, most=2**63 - 1)
        if first and first > (num_rows := self._catalog.num_rows(found)):
            raise ConfigError(
                f"row {first} of the shard {shown(found)}, which has {counted(num_rows, 'row')}",
                fix=f"give a row from 0 to {num_rows}",
            )
        return self._rows(found, first)

    def shard_info(self, name: str) -> ShardInfo:
        """Return what is known of a shard; types of columns are those of its first row, which is read for that.

        Raises:
            ConfigError: there is no such shard.
        """
        found = self._known(name)
        versions: dict[str, tuple[int, str]] = {}
        read_bytes = num_rows = num_extents = 0
        for extent in self._catalog.extents(found):
            read_bytes += extent.size_bytes
            num_rows += extent.num_samples
            num_extents += 1
            versions.update({span.object: (span.object_bytes, span.version) for span in extent.spans})
        only = next(iter(versions.values()))[1] if len(versions) == 1 else _digest(versions)
        return ShardInfo(
            name=found,
            format=self._format,
            num_rows=num_rows,
            num_extents=num_extents,
            num_objects=len(versions),
            size_bytes=sum(size for size, _ in versions.values()),
            read_bytes=read_bytes,
            version=only,
            columns=self._columns_of(found) or {},
        )

    @property
    def columns(self) -> Mapping[str, str]:
        """Names of columns, or of an archive's members, each with its type; empty where rows have none.

        They are those of the first row, which is read when they are first asked for.
        """
        for name in self.shard_names:
            found = self._columns_of(name)
            if found is not None:
                return found
        return {}

    def note_error(self, error: BaseException) -> None:
        """Forget a manifest that was kept, where an error shows that it is no longer what is there."""
        self._catalog.note_error(error)

    def _rows(self, name: str, first: int, *, one: bool = False) -> ShardRows:
        from penstock.dataset.shard_rows import ShardRows  # here: the source is asked before

        return ShardRows(self, name, self._catalog.feed(name, first, one=one), first)

    def _known(self, name: str) -> str:
        if self._is_closed:
            raise ConfigError("these shards are closed", fix="make others with shards()")
        if not isinstance(name, str) or name not in self._catalog:
            near = did_you_mean(name, self.shard_names[:1000]) if isinstance(name, str) else ""
            first = self.shard_names[0]
            raise ConfigError(
                f"there is no shard {shown(name)} among {counted(self.num_shards, 'shard')}, {first!r} for one",
                fix=f"{near}take one of shard_names",
            )
        return name

    def _columns_of(self, name: str) -> Mapping[str, str] | None:
        """Return the columns of a shard's first row; None where no row is left of it."""
        if name not in self._columns:
            with self._rows(self._known(name), 0, one=True) as rows:
                value = next(rows, _NOTHING)
            row = value if isinstance(value, Mapping) else {}
            found = None if value is _NOTHING else {str(each): _type(row[each]) for each in row}
            self._columns[name] = found
        return self._columns[name]


def _catalog_of(dataset: Dataset, options: Options) -> Catalog:
    """Return the shards that are objects as they are found, or those of a whole listing."""
    if dataset.task == "objects" and not dataset.patterns:
        kind = open_format(dataset.format, dataset.options)
        if may_find(options, kind):
            return _found(options, kind)
    from penstock.dataset.listed_shards import ListedShards  # here: it knows windows

    return ListedShards(options)


def _found(options: Options, kind: Format) -> Catalog:
    """Return shards as they are found; what finds them is imported while the source is asked for the first."""
    begun, ready = begin_asking(options)
    try:
        made = imported("penstock.dataset.found_shards").FoundShards
    except BaseException:
        end_asking(*begun)
        raise
    found: Catalog = made(begun, ready, options, kind)
    return found


def _change_of(dataset: Dataset) -> Callable[[Any], Any] | None:
    if not dataset.functions:
        return None
    from penstock.dataset.functions import change_of  # here: most datasets have none

    return change_of(dataset.functions)


def _type(value: Any) -> str:
    """Name the type of a column's value; bytes are bytes, whatever is in them."""
    from penstock.inspection.values import type_of  # here: it knows of pictures, and few ask for types

    return "bytes" if isinstance(value, bytes | bytearray | memoryview) else type_of(value)


def _digest(versions: Mapping[str, tuple[int, str]]) -> str:
    """Name the versions of several objects."""
    return hashlib.sha256(msgspec.json.encode(sorted(versions.items()))).hexdigest()
