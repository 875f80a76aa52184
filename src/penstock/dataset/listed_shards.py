"""The shards of a dataset that was listed whole, by its manifest."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Protocol

from penstock.dataset.shard_ahead import FIRST_AHEAD, Ahead, Feed
from penstock.dataset.shard_index import ShardIndex
from penstock.manifest import Extent, ManifestReader
from penstock.ranges import RangeReader, ReadingProcess
from penstock.stream.listing import begin_listing, cached_manifest_of
from penstock.stream.options import Options
from penstock.stream.reading import LANES
from penstock.temporary import TemporaryFolder

__all__ = ["Catalog", "ListedShards"]


class Catalog(Protocol):
    """What is known of a dataset's shards, and reads them."""

    @property
    def uri(self) -> str:
        """Of the source."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Of all shards, in their order."""
        ...

    def __contains__(self, name: object) -> bool: ...

    def num_rows(self, name: str) -> int:
        """Return how many rows a shard has."""
        ...

    def extents(self, name: str) -> Iterator[Extent]:
        """Return its extents."""
        ...

    def feed(self, name: str, row: int, *, one: bool = False) -> Feed:
        """Return what gives its extents from the one on that holds a row; nothing is read yet.

        Args:
            one: it is for one row, as far as is known: nothing is read ahead at first.
        """
        ...

    def note_error(self, error: BaseException) -> None:
        """Take note of what ended a shard."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


class ListedShards:
    """Shards by a manifest, read by a process of its own.

    Raises:
        PenstockError: the source could not be listed.
    """

    def __init__(self, options: Options) -> None:
        self._cached = cached_manifest_of(options)
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(TemporaryFolder("penstock-manifest-"))
            # It gets ready while the source is listed.
            process = ReadingProcess(options.environment)
            stack.callback(process.close)
            process.start()
            with contextlib.ExitStack() as listing:
                begun = begin_listing(
                    options, listing, self._cached, folder=folder, meters=folder / "meters", num_lanes=LANES
                )
                manifest = begun.listing.whole().manifest
            self._reader = stack.enter_context(ManifestReader(manifest))
            self.index = ShardIndex(self._reader, self._reader.info.split(options.data.split))
            self.ranges = RangeReader(self._reader.info.source, process)
            stack.callback(self.ranges.close)
            self._stack = stack.pop_all()
        self._lock = threading.Lock()

    @property
    def uri(self) -> str:
        """Of the source."""
        return self._reader.info.source.uri

    @property
    def names(self) -> tuple[str, ...]:
        """Of all shards, in their order."""
        return self.index.names

    def __contains__(self, name: object) -> bool:
        return name in self.index

    def num_rows(self, name: str) -> int:
        """Return how many rows a shard has."""
        return self.index.num_rows(name)

    def extents(self, name: str) -> Iterator[Extent]:
        """Return its extents."""
        return map(self._extent, self.index.rows(name))

    def feed(self, name: str, row: int, *, one: bool = False) -> Ahead:
        """Return what gives its extents from the one on that holds a row."""
        extents = ((self._extent(number), first) for number, first in self.index.from_row(name, row))
        return Ahead(self.ranges, extents, first_ahead=0 if one else FIRST_AHEAD)

    def note_error(self, error: BaseException) -> None:
        """Forget a manifest that was kept, where an error shows that it is no longer what is there."""
        if self._cached is not None:
            self._cached.forget(error)

    def close(self) -> None:
        """End the process that reads, and remove the manifest."""
        self._stack.close()

    def _extent(self, row: int) -> Extent:
        with self._lock:
            return self._reader.row(row)
