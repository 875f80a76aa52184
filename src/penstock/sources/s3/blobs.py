"""Blobs in S3."""

from __future__ import annotations

from penstock.errors import PenstockError
from penstock.manifest import SourceSpec
from penstock.records import Purpose
from penstock.sources.http.client import GaveUp
from penstock.sources.http.connection import Answer
from penstock.sources.meter import RequestMeter
from penstock.sources.patience import ClientLimits
from penstock.sources.s3.client import S3Client, error_of
from penstock.sources.s3.credentials import credentials_for
from penstock.sources.s3.place import S3Address
from penstock.sources.stores.blobs import Refused, StoreBlobs

__all__ = ["S3Blobs"]


class S3Blobs(StoreBlobs[S3Client]):
    """A prefix of a bucket; nothing is requested before it is used."""

    def __init__(self, place: S3Address, *, limits: ClientLimits, meter: RequestMeter, purpose: Purpose) -> None:
        super().__init__(
            f"s3://{place.bucket}/{place.prefix}",
            purpose=purpose,
            may_read="check s3:GetObject on it",
            may_write="check the bucket and s3:PutObject on it",
        )
        self._place = place
        self._spec = SourceSpec(uri=self._uri)
        self._limits, self._meter = limits, meter
        self._credentials = credentials_for(self._uri, place.region)

    def new_client(self) -> S3Client:
        """Return a client; see the base class."""
        return S3Client(
            self._spec,
            self._place,
            limits=self._limits,
            credentials=self._credentials,
            meter=self._meter,
            purpose=self._purpose,
        )

    def done_with(self, client: S3Client) -> None:
        """Keep to the region that the bucket was found in."""
        self._place = client.place

    def error_of(self, problem: GaveUp | Answer, name: str) -> PenstockError:
        """Return the error of a blob's request; see the base class."""
        return error_of(problem, self._spec, name, is_object=True)

    async def ask_to_write(self, client: S3Client, name: str, data: memoryview) -> None:
        """Put a blob in its place; see the base class."""
        answer = await client.call("PUT", name, kind="PUT", purpose=self._purpose, body=data)
        if answer.head.status >= 300:
            raise Refused(answer)

    async def ask_for(self, client: S3Client, name: str, span: tuple[int, int] | None, most_bytes: int) -> Answer:
        """Ask for bytes of a blob; see the base class."""
        headers = {"Range": f"bytes={span[0]}-{span[1] - 1}"} if span else {}
        return await client.call("GET", name, kind="GET", purpose=self._purpose, headers=headers, most_bytes=most_bytes)
