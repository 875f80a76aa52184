"""A source that is listed by an inventory of its store, and read as ever.

An inventory is of an earlier moment. What was added since is not in it; what was changed or has gone since is found out
when it is read, as a change is that comes after any listing. Notes of the listing say how old it was, and a number of
its objects, drawn by chance, may be looked up at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pyarrow as pa

from penstock.errors import ConfigError, EmptyListing, SourceChanged
from penstock.files import ScratchFile
from penstock.manifest import SourceSpec
from penstock.sources.base import ObjectSource
from penstock.sources.inventory.fetching import fetch_file
from penstock.sources.inventory.finding import OpenSpec, find_manifest
from penstock.sources.inventory.report import (
    BadInventory,
    InventoryKind,
    ManifestPlace,
    Report,
    sample_size,
)
from penstock.sources.inventory.rows import Rows
from penstock.sources.inventory.tables import read_tables
from penstock.sources.protocols import ObjectInfo
from penstock.sources.registry import find_scheme
from penstock.sources.scheme import INVENTORY_OPTIONS
from penstock.sources.stores.objects import StoreObjects
from penstock.texts import counted
from penstock.urls import check_location

__all__ = ["InventorySource"]

PAGE_OBJECTS = 1000
LOOKED_UP_AT_ONCE = 16
SHOWN = 3

_log = logging.getLogger(__name__)


class InventorySource(ObjectSource):
    """Objects of a bucket as an inventory tells them.

    Args:
        spec: of the source, the inventory among its options; once it is listed, the manifest's own URI.
        live: the source itself.
        kind: of the inventory.
        open_spec: opens a source, whose requests count as those of a listing.

    Raises:
        ConfigError: an option cannot be used.
    """

    def __init__(self, spec: SourceSpec, live: ObjectSource, kind: InventoryKind, open_spec: OpenSpec) -> None:
        super().__init__(spec, live.meter)
        if not isinstance(live, StoreObjects):
            raise ConfigError(f"{spec.uri} cannot be listed by an inventory", fix="leave the inventory out")
        self._live, self._kind, self._open = live, kind, open_spec
        uri = spec.text("inventory")
        self._sample_size = sample_size(spec.text("inventory_sample"))
        if uri is None:
            raise ConfigError("inventory_sample is given without an inventory", fix="name the inventory")
        self._uri = check_location(uri, "the inventory")
        self.restoring = live.restoring
        self._notes: list[str] = []

    @property
    def lists_in_order(self) -> bool:
        """Whether listings come sorted: files of inventories have no order."""
        return False

    async def list_objects(self, prefix: str = "") -> AsyncIterator[Sequence[ObjectInfo]]:
        """List; see the base class."""
        manifest, data = await find_manifest(self._spec_of(self._uri), self._kind, self._open)
        bucket, path = self._live.place_in(self.spec.uri)
        place = ManifestPlace(uri=manifest, bucket=bucket.partition("://")[2].partition("@")[0], prefix=path)
        sample = _Sample(self._sample_size)
        num_found = 0
        try:
            report = self._kind.read(data, place)
            _log.info("listing.inventory source=%s inventory=%s made=%s", self.spec.uri, manifest, report.made)
            self._notes = [_note(self._kind, report, manifest)]
            async with contextlib.aclosing(self._pages(report, place, prefix)) as pages:  # type: ignore[type-var]
                async for page in pages:
                    num_found += len(page)
                    self.see_classes(page)
                    sample.see(page)
                    for first in range(0, len(page), PAGE_OBJECTS):
                        yield page[first : first + PAGE_OBJECTS]
        except BadInventory as error:
            raise error.told(manifest) from error
        looked_up = await self._look_up(sample.drawn, report)
        self.spec = msgspec.structs.replace(self.spec, options={**self.spec.options, "inventory": manifest})
        self._notes = [_note(self._kind, report, manifest, num_found, looked_up)]

    def notes(self) -> list[str]:
        """Say how old the inventory was."""
        return self._notes

    async def read_into(self, info: ObjectInfo, offset: int, place: memoryview) -> None:
        """Read a range to its place; see the base class."""
        await self._live.read_into(info, offset, place)

    async def find(self, key: str) -> ObjectInfo | None:
        """Look one object up in the store itself."""
        return await self._live.find(key)

    async def names_in(self, uri: str) -> list[str]:
        """Name what lies in a folder of the store itself."""
        return await self._live.names_in(uri)

    def split_uri(self, uri: str) -> tuple[str, list[str]]:
        """Return the bucket's URI and the prefix's parts."""
        return self._live.split_uri(uri)

    async def nothing_found(self, prefix: str = "") -> EmptyListing:
        """Return the error of an inventory that names nothing there."""
        asked = f"{self.spec.uri.rstrip('/')}/{prefix}".rstrip("/")
        return EmptyListing(
            f"the inventory {self.spec.text('inventory')} names nothing under {asked}",
            fix="check the prefix (it is taken exactly as written, case included), and what the inventory is of: it "
            "may be of a part of the bucket, or older than what lies there",
            about=asked,
        )

    def close(self) -> None:
        """Close connections."""
        self._live.close()

    def _spec_of(self, uri: str) -> SourceSpec:
        """Return the spec of where the inventory lies: asked as the source is, where it lies in the same store."""
        is_same = find_scheme(uri) is find_scheme(self.spec.uri)
        options = {name: value for name, value in self.spec.options.items() if name not in INVENTORY_OPTIONS}
        return SourceSpec(uri=uri, options=options if is_same else {})

    async def _pages(self, report: Report, place: ManifestPlace, folder: str) -> AsyncIterator[list[ObjectInfo]]:
        """Return the objects of all files, one file after another; the next is fetched meanwhile."""
        rows = Rows(self._kind, place, folder, is_csv=report.file_format == "csv")
        source = self._open(self._spec_of(report.files_in))
        coming: asyncio.Task[ScratchFile] | None = None
        try:
            for number, file in enumerate(report.files):
                scratch = await (coming or fetch_file(source, file))
                coming = None
                if number + 1 < len(report.files):
                    coming = asyncio.create_task(fetch_file(source, report.files[number + 1]))
                with contextlib.closing(scratch), scratch.reader() as handle:
                    batches = _objects_of(read_tables(handle, report, self._kind), rows)
                    while (page := await asyncio.to_thread(next, batches, None)) is not None:
                        yield page
        finally:
            if coming is not None:
                coming.cancel()
                for left in await asyncio.gather(coming, return_exceptions=True):
                    if isinstance(left, ScratchFile):
                        left.close()
            source.close()
        if report.num_rows is not None and rows.num_rows != report.num_rows:
            raise BadInventory(f"says that it has {report.num_rows} rows, and has {rows.num_rows}")

    async def _look_up(self, drawn: Sequence[ObjectInfo], report: Report) -> int:
        """See that objects are there as the inventory has them, and return how many were looked up."""
        places = asyncio.Semaphore(LOOKED_UP_AT_ONCE)

        async def differs(info: ObjectInfo) -> str:
            async with places:
                found = await self._live.find(info.key)
            if found is None:
                return f"{info.key} (gone)"
            return (
                "" if (found.size_bytes, found.version) == (info.size_bytes, info.version) else f"{info.key} (changed)"
            )

        told = [each for each in await asyncio.gather(*map(differs, drawn)) if each]
        if told:
            more = f" and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
            raise SourceChanged(
                f"{len(told)} of {len(drawn)} objects of {self.spec.uri}, drawn by chance, are not what the inventory "
                f"of {_moment(report.made)} says: {', '.join(told[:SHOWN])}{more}",
                fix="take a newer inventory, list without one, or go without inventory_sample and leave out what "
                "changed with --on-bad-sample skip",
                about=self.spec.uri,
            )
        return len(drawn)


class _Sample:
    """Objects drawn by chance from a listing of unknown length, each with the same chance (Vitter's algorithm R)."""

    def __init__(self, size: int) -> None:
        self._size, self._num_seen = size, 0
        self._random = random.Random()  # noqa: S311 - no secret
        self.drawn: list[ObjectInfo] = []

    def see(self, page: Sequence[ObjectInfo]) -> None:
        """Take objects in; those that cannot be read anyway are not drawn, nor are markers of folders."""
        for info in page if self._size else ():
            if info.trouble or not info.size_bytes:
                continue
            self._num_seen += 1
            if len(self.drawn) < self._size:
                self.drawn.append(info)
            elif (place := self._random.randrange(self._num_seen)) < self._size:
                self.drawn[place] = info


def _objects_of(batches: Iterator[pa.RecordBatch], rows: Rows) -> Iterator[list[ObjectInfo]]:
    for batch in batches:
        try:
            yield rows.objects(batch)
        except (pa.ArrowException, UnicodeDecodeError) as error:  # texts of Parquet may be none
            raise BadInventory(f"has rows that cannot be read ({error})") from error


def _note(kind: InventoryKind, report: Report, uri: str, num_found: int | None = None, num_looked_up: int = 0) -> str:
    """Say what was listed from; ``num_found`` is None before that has ended."""
    age = max(datetime.now(UTC) - report.made, timedelta())
    told = f"{age.days} days" if age.days > 1 else f"{age.total_seconds() / 3600:.0f} hours"
    looked_up = f"; {counted(num_looked_up, 'object')} of it, drawn by chance, are as it says" if num_looked_up else ""
    found = "" if num_found is None else f", {counted(num_found, 'object')} of the source"
    return (
        f"listed from the {kind.title} of {_moment(report.made)}, {told} old ({uri}{found}): "
        f"what was added since is not in it{looked_up}"
    )


def _moment(made: datetime) -> str:
    return made.strftime("%Y-%m-%d %H:%M UTC")
