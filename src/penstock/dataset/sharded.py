"""What a dataset can tell of its shards, and open of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, cast

from penstock.dataset.unread import Unread
from penstock.stream.options import names_checked

if TYPE_CHECKING:
    from penstock.dataset.described import Dataset
    from penstock.dataset.shard_rows import ShardRows
    from penstock.dataset.shards import ShardInfo, Shards

__all__ = ["Sharded", "Shelf"]


class Shelf:
    """Keeps the shards of a dataset from when they are first asked for; of a copy there are none yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shards: Shards | None = None

    def get(self, dataset: Any) -> Shards:
        """Return the shards of a dataset."""
        with self._lock:
            if self._shards is None:
                self._shards = _shards_of(dataset)
            return self._shards

    def __reduce__(self) -> tuple[type[Shelf], tuple[()]]:
        return Shelf, ()


class Sharded(Unread):
    """A dataset whose shards can be read alone: objects, or folders of what belongs together."""

    __slots__ = ()

    _shelf: Shelf

    @names_checked
    def shards(self, *, manifest_folder: str | os.PathLike[str] | None = None, manifest_hours: float = 24.0) -> Shards:
        """List the dataset, and return its shards, to be closed; ``shard_names`` and what follows it keep some open.

        Args:
            manifest_folder: where what was listed is kept, for later runs; as of ``loader``.
            manifest_hours: how long it is taken.

        Raises:
            SourceError: the source could not be listed.
            DataError: an object is not of the format.
            ConfigError: it has parts of its own, of which none is taken; or values of batches.
        """
        return _shards_of(self, manifest_folder=manifest_folder, manifest_hours=manifest_hours)

    @property
    def shard_names(self) -> tuple[str, ...]:
        """Names of the shards: keys of objects. It is listed when they, or what follows, are first asked for."""
        return self._shelf.get(self).shard_names

    @property
    def num_shards(self) -> int:
        """How many shards there are."""
        return self._shelf.get(self).num_shards

    @property
    def columns(self) -> Mapping[str, str]:
        """Names of columns, or of an archive's members, with the types that they have in the first row."""
        return self._shelf.get(self).columns

    def rows(self) -> Generator[Any, None, None]:
        """Return all rows, one shard after the other; for what need not go on where it was left.

        They are read ahead into memory, and through no window: bounds, batches and positions are a loader's.

        Raises:
            PenstockError: as ``shard_names`` and ``open_shard``.
        """
        return self._shelf.get(self).rows()

    @names_checked
    def open_shard(self, name: str) -> ShardRows:
        """Return the rows of a shard in their order, as ``map``, ``filter`` and others make them.

        Raises:
            ConfigError: there is no such shard.
        """
        return self._shelf.get(self).open_shard(name)

    @names_checked
    def open_shard_at_row(self, name: str, row: int) -> ShardRows:
        """Return the rows of a shard from one on; what lies before the row group, block or member is not read.

        Raises:
            ConfigError: there is no such shard, or it has fewer rows.
        """
        return self._shelf.get(self).open_shard_at_row(name, row)

    @names_checked
    def shard_info(self, name: str) -> ShardInfo:
        """Return rows, bytes, columns, format and version of a shard.

        Raises:
            ConfigError: there is no such shard.
        """
        return self._shelf.get(self).shard_info(name)


def _shards_of(dataset: Any, **options: Any) -> Shards:
    from penstock.dataset.shards import Shards  # here: few ask for them, and what reads them takes its time

    return Shards(cast("Dataset", dataset), **options)
