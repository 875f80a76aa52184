"""Objects of S3 buckets, through Penstock's own client; boto3 finds the credentials and does nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence

from penstock.clock import running_seconds
from penstock.errors import SourceError, SourceUnavailable
from penstock.manifest import SourceSpec
from penstock.records import Purpose
from penstock.sources.base import ObjectSource, refuse_beyond
from penstock.sources.http.client import GaveUp
from penstock.sources.meter import RequestMeter
from penstock.sources.patience import ClientLimits, Patience
from penstock.sources.protocols import ObjectInfo
from penstock.sources.s3.client import S3Client, error_of
from penstock.sources.s3.credentials import credentials_for
from penstock.sources.s3.listing import (
    LISTING_HEADERS,
    MAX_PAGE_BYTES,
    Asked,
    BadListing,
    Page,
    PageOrder,
    listing_query,
    parse_page,
)
from penstock.sources.s3.place import S3Address, source_place

__all__ = ["S3Objects"]

_log = logging.getLogger(__name__)


class S3Objects(ObjectSource):
    """Objects under one prefix of one bucket; nothing is requested before it is used.

    Raises:
        ConfigError: the URI or an option is not one that Penstock can use.
    """

    def __init__(
        self, spec: SourceSpec, *, limits: ClientLimits, meter: RequestMeter | None = None, purpose: Purpose = "data"
    ) -> None:
        super().__init__(spec, RequestMeter() if meter is None else meter)
        self._limits, self._purpose = limits, purpose
        self._place = _place(spec)
        self._client = S3Client(
            spec,
            self._place,
            limits=limits,
            credentials=None if spec.flag("anonymous") else credentials_for(spec.uri, self._place.region),
            meter=self.meter,
            purpose=purpose,
        )

    @property
    def lists_in_order(self) -> bool:
        """Whether listings come sorted."""
        return True

    async def list_objects(self, prefix: str = "") -> AsyncIterator[Sequence[ObjectInfo]]:
        """List; see the base class."""
        base = f"{self._place.prefix}/" if self._place.prefix else ""
        below = f"{base}{prefix.rstrip('/')}/" if prefix else base
        async for page in self._pages(Asked(bucket=self._place.bucket, base=base, prefix=below), prefix):
            if page.objects:
                yield page.objects

    async def find(self, key: str) -> ObjectInfo | None:
        """Look one object up by the first page of what begins with its key; see the base class."""
        base = f"{self._place.prefix}/" if self._place.prefix else ""
        page = await self._page(Asked(bucket=self._place.bucket, base=base, prefix=f"{base}{key}"), key)
        return next((info for info in page.objects if info.key == key), None)

    async def read_into(self, info: ObjectInfo, offset: int, place: memoryview) -> None:
        """Read a range to its place; see the base class."""
        refuse_beyond(info, offset + len(place))
        if len(place):
            await self._client.read_into(info, offset, place)

    async def names_in(self, uri: str) -> list[str]:
        """Name what lies in a folder."""
        place = _place(SourceSpec.of(uri, region=self._place.region, endpoint_url=self._place.endpoint))
        base = f"{place.prefix}/" if place.prefix else ""
        asked = Asked(bucket=place.bucket, base=base, prefix=base, by_folder=True)
        page = await self._page(asked, "")
        return [*page.prefixes, *(info.key for info in page.objects)]

    def split_uri(self, uri: str) -> tuple[str, list[str]]:
        """Return the bucket's URI and the prefix's parts."""
        place = _place(SourceSpec.of(uri, region=self._place.region, endpoint_url=self._place.endpoint))
        return f"s3://{place.bucket}", [part for part in place.prefix.split("/") if part]

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    async def _pages(self, asked: Asked, about: str) -> AsyncIterator[Page]:
        order = PageOrder()
        while True:
            page = await self._page(asked, about)
            try:
                order.take(page)
            except BadListing as error:
                raise self._untrusted(error) from error
            yield page
            if not page.next_token:
                return
            asked = Asked(
                bucket=asked.bucket,
                base=asked.base,
                prefix=asked.prefix,
                by_folder=asked.by_folder,
                token=page.next_token,
            )

    async def _page(self, asked: Asked, about: str) -> Page:
        """Return a page; a damaged one is asked for again."""
        patience = Patience(self._limits, clock=running_seconds)
        while True:
            try:
                answer = await self._client.call(
                    "GET",
                    None,
                    kind="LIST",
                    purpose="probe" if self._purpose == "probe" else "listing",
                    query=dict(listing_query(asked)),
                    headers=LISTING_HEADERS,
                    most_bytes=MAX_PAGE_BYTES,
                )
            except GaveUp as error:
                raise error_of(error, self.spec, about, is_object=False) from error
            if answer.head.status != 200:
                self.meter.add("failed_requests")
                raise error_of(answer, self.spec, about, is_object=False)
            try:
                return parse_page(answer.body, asked)
            except BadListing as error:
                pause = patience.pause() if error.may_pass else None
                if pause is None:
                    self.meter.add("failed_requests")
                    raise self._untrusted(error, patience.told) from error
                _log.warning("listing.damaged source=%s reason=%s", self.spec.uri, error)
                self.meter.add("retried_requests")
                await asyncio.sleep(pause)

    def _untrusted(self, error: BadListing, tried: str = "") -> SourceError:
        kind = SourceUnavailable if error.may_pass else SourceError
        return kind(
            f"the listing of {self.spec.uri} cannot be trusted: {error}{'; ' if tried else ''}{tried}",
            fix="run it again; if it stays, the server is at fault, or what answers in its place (a proxy, a captive "
            "portal)",
            about=self.spec.uri,
        )


def _place(spec: SourceSpec) -> S3Address:
    place = source_place(spec)
    assert place is not None
    return place
