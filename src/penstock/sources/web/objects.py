"""Files of web servers as objects.

Of a server that knows no ranges, small files are read whole and kept for the ranges that are asked for next.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from urllib.parse import urlsplit

import msgspec

from penstock.clock import running_seconds
from penstock.errors import BucketNotFound, SourceError
from penstock.manifest import SourceSpec
from penstock.records import Purpose
from penstock.sources.base import ObjectSource, refuse_beyond
from penstock.sources.http.following import FollowingClient, NoRanges
from penstock.sources.meter import RequestMeter
from penstock.sources.patience import ClientLimits, Patience
from penstock.sources.protocols import ObjectInfo
from penstock.sources.web.answers import error_of
from penstock.sources.web.listing import WebListing
from penstock.sources.web.pages import IndexPage
from penstock.sources.web.places import WebPlace, find_place
from penstock.sources.web.site import WebSite
from penstock.texts import counted
from penstock.units import MIB, format_bytes

__all__ = ["WebObjects"]

MOST_WHOLE_BYTES = 64 * MIB
"""The largest file that is read whole for a range of it."""
KEPT_BYTES = 128 * MIB

_log = logging.getLogger(__name__)


class WebObjects(ObjectSource):
    """Files at one web place.

    Raises:
        ConfigError: the URI is none that can be used.
    """

    def __init__(self, spec: SourceSpec, *, limits: ClientLimits, meter: RequestMeter, purpose: Purpose) -> None:
        super().__init__(spec, meter)
        self._limits, self._purpose = limits, purpose
        self._aim(find_place(spec.uri))
        self._whole: OrderedDict[ObjectInfo, bytes] = OrderedDict()
        self._reading: dict[ObjectInfo, asyncio.Task[bytes]] = {}
        self._rangeless: set[str] = set()
        self._num_summed = 0

    def _aim(self, place: WebPlace) -> None:
        self._place = place
        self._client = FollowingClient(
            WebSite(self.spec, place), limits=self._limits, meter=self.meter, purpose=self._purpose
        )

    @property
    def lists_in_order(self) -> bool:
        """Whether listings come sorted."""
        return False

    async def list_objects(self, prefix: str = "") -> AsyncIterator[Sequence[ObjectInfo]]:
        """List; see the base class. Where redirects led becomes the source's place."""
        listing, place = self._listing(), self._place
        if place.kind == "file":
            info = await listing.file(place, place.file_key)
            if not self._settle():
                if info.trouble:
                    raise SourceError(f"{place.url} {info.trouble}", fix="give the URL of a file", about=place.url)
                listing.num_unversioned += not info.version
                if not prefix:
                    yield [info]
        if self._place.kind == "folder":
            first = None if prefix else await self._first_page(listing)
            if self._settle():
                listing, first = self._listing(), None
            async for page in listing.folder(self._place, prefix, first=first):
                yield page
        elif self._place.kind == "list":
            async for page in listing.listed(self._place, prefix):
                yield page
        self._num_summed = listing.num_summed
        self._warn(listing)

    async def _first_page(self, listing: WebListing) -> IndexPage:
        """Return the place's own index page; the error of one that is not there names what lies beside it."""
        try:
            return await listing.page(self._place.url, self._place.base, is_root=True)
        except BucketNotFound as error:
            beside, _ = await self._beside(self._place.url)
            if not beside:
                raise
            raise BucketNotFound(f"{error.what}; beside it lie: {beside}", fix=error.fix, about=error.about) from error

    def notes(self) -> list[str]:
        """Say what checksums of a list are good for."""
        if not self._num_summed:
            return []
        return [
            f"the list tells the checksums of {counted(self._num_summed, 'file')}: they are compared where a file is "
            "read whole, and cannot be where parts of it are, which are known by ETag, date or size"
        ]

    async def read_into(self, info: ObjectInfo, offset: int, place: memoryview) -> None:
        """Read a range to its place; see the base class."""
        refuse_beyond(info, offset + len(place))
        if not len(place):
            return
        server = urlsplit(self._place.url_of(info.key)).netloc
        if info not in self._whole and (server not in self._rangeless or len(place) == info.size_bytes):
            try:
                await self._client.read_into(info, offset, place)
            except NoRanges:
                self._rangeless.add(server)
            else:
                return
        whole = await self._read_whole(info)
        place[:] = whole[offset : offset + len(place)]

    async def names_in(self, uri: str) -> list[str]:
        """Name what lies in a folder; of a list's parents nothing is known."""
        place = find_place(uri if uri.endswith("/") else f"{uri}/")
        if self._place.kind == "list":
            return []
        page = await self._listing().page(place.url, place.base, is_root=True)
        return [entry.key for entry in page.entries]

    def split_uri(self, uri: str) -> tuple[str, list[str]]:
        """Return the server's URL, and the path's parts."""
        scheme, _, rest = uri.partition("://")
        host, _, path = rest.partition("/")
        return f"{scheme}://{host}", [part for part in path.partition("?")[0].split("/") if part]

    def close(self) -> None:
        """Close connections."""
        for task in self._reading.values():
            task.cancel()
        self._client.close()

    def _listing(self) -> WebListing:
        return WebListing(self._client, self.spec, purpose="probe" if self._purpose == "probe" else "listing")

    def _settle(self) -> bool:
        """Take the place that redirects led to for the source's own, but for one that ends, as a signed link."""
        url = self._client.led_to(self._place.url)
        if url == self._place.url or "?" in url:
            return False
        place = find_place(url)
        if self._place.kind == "file" and place.kind == "file":
            return False  # the same file by its own name: the way there is asked for anew each time
        _log.info("source.moved source=%s url=%s", self.spec.uri, url)
        self.spec = msgspec.structs.replace(self.spec, uri=url)
        self._client.close()
        self._aim(place)
        return True

    def _warn(self, listing: WebListing) -> None:
        if listing.num_elsewhere:
            _log.warning("listing.left_out source=%s links=%d why=elsewhere", self.spec.uri, listing.num_elsewhere)
        if listing.num_gone:
            _log.warning("listing.left_out source=%s folders=%d why=not_there", self.spec.uri, listing.num_gone)
        if listing.num_unversioned:
            _log.warning(
                "listing.unversioned source=%s objects=%d: the server tells neither ETag nor Last-Modified, so that a "
                "changed object is known by its size alone",
                self.spec.uri,
                listing.num_unversioned,
            )

    async def _read_whole(self, info: ObjectInfo) -> bytes:
        """Return all of a small file: as it was kept, or by one read for all who ask for it."""
        if (kept := self._whole.get(info)) is not None:
            self._whole.move_to_end(info)
            return kept
        if info.size_bytes > MOST_WHOLE_BYTES:
            raise SourceError(
                f"the server of {info.key} gives no ranges, and it has {format_bytes(info.size_bytes)}: more than the "
                f"{format_bytes(MOST_WHOLE_BYTES)} that are read whole",
                fix="serve it by a server that knows ranges (nginx, Apache, S3), or download it",
                about=info.key,
            )
        task = self._reading.get(info)
        if task is None:
            task = self._reading[info] = asyncio.create_task(self._fetch_whole(info))
            task.add_done_callback(lambda done: self._reading.pop(info, None))
        return await asyncio.shield(task)

    async def _fetch_whole(self, info: ObjectInfo) -> bytes:
        patience = Patience(self._limits, clock=running_seconds)
        data = bytearray(info.size_bytes)
        while True:
            try:
                await self._client.read_into(info, 0, memoryview(data))
                break
            except NoRanges as error:  # it was cut off, and the rest of it cannot be asked for
                pause = patience.pause()
                if pause is None:
                    self.meter.add("failed_requests")
                    raise error_of(error, self.spec, info.key, is_object=True, tried=patience.told) from error
                self.meter.add("retried_requests")
                await asyncio.sleep(pause)
        self._whole[info] = whole = bytes(data)
        while sum(map(len, self._whole.values())) > KEPT_BYTES:
            self._whole.popitem(last=False)
        return whole
