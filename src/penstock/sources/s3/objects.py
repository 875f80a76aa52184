"""Objects of S3 buckets, through Penstock's own client; boto3 finds the credentials and does nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from penstock.errors import PenstockError
from penstock.manifest import SourceSpec
from penstock.records import Purpose
from penstock.sources.http.client import GaveUp
from penstock.sources.http.connection import Answer
from penstock.sources.meter import RequestMeter
from penstock.sources.patience import ClientLimits
from penstock.sources.s3.client import S3Client, error_of
from penstock.sources.s3.credentials import credentials_for
from penstock.sources.s3.listing import LISTING_HEADERS, listing_query, parse_page
from penstock.sources.s3.place import S3Address, source_place
from penstock.sources.stores.objects import StoreObjects
from penstock.sources.stores.pages import MAX_PAGE_BYTES, Asked, Page

__all__ = ["S3Objects"]


class S3Objects(StoreObjects):
    """Objects under one prefix of one bucket; nothing is requested before it is used.

    Raises:
        ConfigError: the URI or an option is not one that Penstock can use.
    """

    restoring = "restore them (aws s3api restore-object)"

    def __init__(
        self, spec: SourceSpec, *, limits: ClientLimits, meter: RequestMeter | None = None, purpose: Purpose = "data"
    ) -> None:
        meter = RequestMeter() if meter is None else meter
        self._place = place = _place(spec)
        self._credentials = None if spec.flag("anonymous") else credentials_for(spec.uri, place.region)
        self._purpose = purpose
        self._listing_headers: Mapping[str, str] = LISTING_HEADERS
        super().__init__(
            spec,
            S3Client(spec, place, limits=limits, credentials=self._credentials, meter=meter, purpose=purpose),
            bucket=place.bucket,
            prefix=place.prefix,
            limits=limits,
            meter=meter,
            purpose=purpose,
        )

    def client_below(self, prefix: str) -> S3Client:
        """Return a client whose keys are below another prefix."""
        return S3Client(
            self.spec,
            replace(self._place, prefix=prefix),
            limits=self._limits,
            credentials=self._credentials,
            meter=self.meter,
            purpose=self._purpose,
        )

    async def ask_page(self, asked: Asked, purpose: Purpose) -> Answer:
        """Ask for a page; see the base class."""
        answer = await self._ask_page(asked, purpose, self._listing_headers)
        if self._listing_headers and _knows_not(answer):
            self._listing_headers = {}
            return await self._ask_page(asked, purpose, {})
        return answer

    async def _ask_page(self, asked: Asked, purpose: Purpose, headers: Mapping[str, str]) -> Answer:
        return await self._client.call(
            "GET",
            None,
            kind="LIST",
            purpose=purpose,
            query=dict(listing_query(asked)),
            headers=headers,
            most_bytes=MAX_PAGE_BYTES,
        )

    def parse_page(self, body: bytes, asked: Asked) -> Page:
        """Read a page; see the base class."""
        return parse_page(body, asked)

    def refused(self, problem: GaveUp | Answer, about: str) -> PenstockError:
        """Return the error of a page that was not given."""
        return error_of(problem, self.spec, about, is_object=False)

    def place_in(self, uri: str) -> tuple[str, str]:
        """Return the URI of a URI's bucket, and its prefix."""
        asked = {"region": self._place.region, "endpoint_url": self._place.endpoint}
        place = _place(SourceSpec.of(uri, addressing=self._place.addressing, **asked))
        return f"s3://{place.bucket}", place.prefix


def _place(spec: SourceSpec) -> S3Address:
    place = source_place(spec)
    assert place is not None
    return place


def _knows_not(answer: Answer) -> bool:
    """Tell whether a store does not know a header of listings."""
    said = answer.body[:4096] if answer.head.status == 400 else b""
    return answer.head.status == 501 or any(code in said for code in (b"NotImplemented", b"InvalidArgument"))
