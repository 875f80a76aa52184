"""What all sources of objects have in common.

A read names the ETag and size it expects: the request carries If-Match and the answer is compared, so a part of a
changed object is never returned. An answer of other bytes than were asked for is tried again, as a cut body is.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Hashable, MutableMapping, Sequence
from contextlib import aclosing
from typing import Any

import numpy as np

from penstock.errors import EmptyListing, ObjectUnreadable, PenstockError, SourceChanged, TruncatedObject
from penstock.manifest import ObjectClasses, SkippedObject, SourceSpec
from penstock.sources.meter import RequestMeter
from penstock.sources.protocols import ObjectInfo
from penstock.sources.sorting import without_repeats
from penstock.units import MIB, format_bytes

__all__ = ["ObjectSource", "changed", "refuse_beyond"]

NEIGHBOURS_SHOWN = 8
NEIGHBOURS_SECONDS = 10
BESIDE_KEPT = 8
MOST_BESIDE_BYTES = 64 * MIB


class ObjectSource(ABC):
    """Objects under one prefix of one store.

    Attributes:
        spec: of the source.
        meter: counts what is sent and received.
        classes: takes note of the classes of objects that are listed; None where nobody asked, or the store has none.
        restoring: what to do with archived objects.
    """

    classes: ObjectClasses | None = None
    restoring = "restore them"

    def __init__(self, spec: SourceSpec, meter: RequestMeter) -> None:
        self.spec = spec
        self.meter = meter
        self._small: OrderedDict[str, asyncio.Future[tuple[ObjectInfo, bytes] | None]] = OrderedDict()

    @property
    @abstractmethod
    def lists_in_order(self) -> bool:
        """Whether listings come sorted by key but for folder markers, as S3 promises and file systems do not."""

    @abstractmethod
    def list_objects(self, prefix: str = "") -> AsyncIterator[Sequence[ObjectInfo]]:
        """Return the objects in the folder ``prefix`` in pages of at most 1000, in the store's order.

        Raises:
            BucketNotFound, AccessDenied, SourceUnavailable: it could not be listed.
            SourceError: an object's name is one that could not be read.
        """

    def left_out(self) -> list[SkippedObject]:
        """Return what a listing that has ended passed over, since it is no object; stores hold nothing else."""
        return []

    def see_classes(self, page: Sequence[ObjectInfo]) -> None:
        """Take note of the classes of listed objects, where anybody asked for that."""
        if self.classes is not None:
            self.classes.see(page)

    def notes(self) -> list[str]:
        """Return what a person should know of a listing that has ended; most say nothing."""
        return []

    async def get_range(self, info: ObjectInfo, offset: int, length_bytes: int) -> memoryview:
        """Return ``length_bytes`` bytes from ``offset`` of the version of the object that ``info`` names.

        Raises:
            SourceChanged: its ETag or size is another by now.
            TruncatedObject: it ends before the range does.
            ObjectNotFound, AccessDenied, SourceUnavailable: it could not be read.
        """
        place = np.empty(length_bytes, np.uint8).data  # a bytearray would be filled with zeros before
        await self.read_into(info, offset, place)
        return place.toreadonly()

    @abstractmethod
    async def read_into(self, info: ObjectInfo, offset: int, place: memoryview) -> None:
        """Fill ``place`` with the bytes from ``offset`` of the version of the object that ``info`` names.

        From S3 they are received straight into it; where this is cancelled, nothing is written to it any more.

        Raises: what ``get_range`` does.
        """

    @abstractmethod
    async def names_in(self, uri: str) -> list[str]:
        """Return the names of what lies in a folder of the same store, those of folders with a slash at their end.

        Raises:
            PenstockError, OSError: it could not be listed.
        """

    @abstractmethod
    def split_uri(self, uri: str) -> tuple[str, list[str]]:
        """Return what cannot be left out of this store's URIs (a bucket, a host; nothing of a path), and its parts."""

    @abstractmethod
    def close(self) -> None:
        """Close connections that are kept open; they are also closed when nobody uses them for a while."""

    async def list_all(self, prefix: str = "") -> list[ObjectInfo]:
        """Return all objects in the folder ``prefix``, sorted by key; S3's empty folder markers are left out.

        Raises:
            EmptyListing: there are none; the message names what lies beside the prefix.
            SourceError: it could not be listed.
        """
        found = [info async for page in self.list_objects(prefix) for info in page]
        if not found:
            raise await self.nothing_found(prefix)
        folders = {info.key[:end] for info in found for end in _slashes(info.key)}
        kept = [info for info in found if info.size_bytes or info.key not in folders]
        return list(without_repeats(sorted(kept, key=lambda info: info.key)))

    async def find(self, key: str) -> ObjectInfo | None:
        """Return one object, None where there is none of that key; a store may know a shorter way than its listing.

        Raises:
            SourceError: its folder could not be listed.
        """
        async with aclosing(self.list_objects(key.rpartition("/")[0])) as pages:  # type: ignore[type-var]
            async for page in pages:
                for info in page:
                    if info.key == key:
                        return info
        return None

    async def beside(self, key: str) -> tuple[ObjectInfo, bytes] | None:
        """Return a small object with its bytes, None where there is none of that key; the last few are kept.

        Raises:
            SourceError: it could not be had, or is larger than 64 MiB.
        """
        kept = self._small.get(key)
        loop = asyncio.get_running_loop()
        if kept is None or kept.get_loop() is not loop or _has_failed(kept):
            kept = self._small[key] = loop.create_task(self._read_beside(key))
            while len(self._small) > BESIDE_KEPT:
                self._small.popitem(last=False)
        return await asyncio.shield(kept)

    async def _read_beside(self, key: str) -> tuple[ObjectInfo, bytes] | None:
        info = await self.find(key)
        if info is None:
            return None
        if info.size_bytes > MOST_BESIDE_BYTES:
            raise ObjectUnreadable(
                f"{key} has {format_bytes(info.size_bytes)}, more than the 64 MiB that an index may have",
                fix="check what was uploaded there",
                about=key,
            )
        return info, await self.get(info)

    def expect(self, key: str) -> None:  # noqa: B027 - most stores have nothing to gain
        """Say that a small object, if it is there, will be got when all is listed: a store may read it meanwhile."""

    async def get_ready(self) -> None:  # noqa: B027 - most stores have nothing to ask before
        """Ask for what is needed before objects are listed; an error is met again, and told, by who lists them."""

    def foresee(self, first: Callable[[Sequence[str]], str | None]) -> None:  # noqa: B027 - most stores list at once
        """Say which key of some will be read first when all is listed: a store may look up meanwhile where that lies.

        Args:
            first: gives one of the keys that there are, or None.
        """

    async def find_way(self, key: str) -> None:  # noqa: B027 - most stores give objects where they are asked for
        """Look up where an object lies that will be read soon, where its URL leads elsewhere; never fails."""

    def share_ways(self, shared: MutableMapping[Hashable, Any]) -> None:  # noqa: B027 - as of ``find_way``
        """Know where objects lie as other sources of the same spec do, and have them know it; before anything is read.

        Args:
            shared: by all of them; each kind of source puts in it what it likes.
        """

    async def get(self, info: ObjectInfo) -> bytes:
        """Return a whole (small) object."""
        return bytes(await self.get_range(info, 0, info.size_bytes))

    async def nothing_found(self, prefix: str = "") -> EmptyListing:
        """Return the error of an empty listing: it names what lies beside the prefix."""
        asked = f"{self.spec.uri.rstrip('/')}/{prefix}".rstrip("/") if prefix else self.spec.uri
        beside, is_file = await self._beside(asked)
        if is_file:
            folder, _, name = asked.rstrip("/").rpartition("/")
            return EmptyListing(
                f"nothing lies under {asked}, which is an object and no folder",
                fix=f"name its folder, {folder}, and choose {name!r} by its name (match)",
                about=asked,
            )
        lies = f"; beside it lie: {beside}" if beside else "; the bucket or folder holds nothing"
        return EmptyListing(
            f"nothing lies under {asked}{lies}",
            fix="check the prefix (it is taken exactly as written, case included)",
            about=asked,
        )

    async def _beside(self, asked: str) -> tuple[str, bool]:
        """Name what lies under the nearest parent of a URI that holds anything; empty where that is not known.

        And tell whether the URI is itself an object's.
        """
        base, parts = self.split_uri(asked)
        for depth in range(len(parts) - 1, -1, -1):
            uri = "/".join([base, *parts[:depth]]) or "/"
            try:
                async with asyncio.timeout(NEIGHBOURS_SECONDS):
                    names = await self.names_in(uri)
            except (OSError, ValueError, PenstockError):  # the empty listing is the news, whatever the parents say
                continue
            if depth == len(parts) - 1 and parts[depth] in names:
                return "", True
            beside = sorted(set(names) - {f"{parts[depth]}/"})
            if beside:
                more = f" and {len(beside) - NEIGHBOURS_SHOWN} more" if len(beside) > NEIGHBOURS_SHOWN else ""
                return f"{', '.join(beside[:NEIGHBOURS_SHOWN])}{more} (in {uri})", False
        return "", False


def _has_failed(reading: asyncio.Future[Any]) -> bool:
    return reading.done() and (reading.cancelled() or reading.exception() is not None)


def refuse_beyond(info: ObjectInfo, end: int) -> None:
    """Refuse a range that ends beyond its object.

    Raises:
        TruncatedObject: it does.
    """
    if end > info.size_bytes:
        raise TruncatedObject(
            f"{info.key} has {info.size_bytes} bytes, {end} are needed",
            fix="the object was cut off: upload it again, or leave it out",
            about=info.key,
        )


def changed(spec: SourceSpec, key: str) -> SourceChanged:
    """Return the error of an object that is another by now."""
    return SourceChanged(
        f"{key} in {spec.uri} changed after the manifest was made",
        fix="run `penstock list` again and start a new run",
        about=key,
    )


def _slashes(key: str) -> list[int]:
    return [place for place, letter in enumerate(key) if letter == "/"]
