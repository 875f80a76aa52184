"""Blobs in Google Cloud Storage."""

from __future__ import annotations

import base64

import google_crc32c
import msgspec

from penstock.errors import OutputError, PenstockError
from penstock.manifest import SourceSpec
from penstock.records import Purpose
from penstock.sources.gcs.place import GcsPlace
from penstock.sources.gcs.requests import GENERATION, GcsDialect
from penstock.sources.gcs.tokens import tokens_for
from penstock.sources.http.client import GaveUp
from penstock.sources.http.connection import Answer
from penstock.sources.http.json import read_json
from penstock.sources.http.response import is_web_page
from penstock.sources.meter import RequestMeter
from penstock.sources.patience import ClientLimits
from penstock.sources.stores.blobs import Refused, StoreBlobs
from penstock.sources.stores.client import StoreClient, error_of

__all__ = ["GcsBlobs"]


class _Written(msgspec.Struct):
    size: str = ""
    crc32c: str = ""


class GcsBlobs(StoreBlobs[StoreClient]):
    """A prefix of a bucket; nothing is requested before it is used."""

    def __init__(self, place: GcsPlace, *, limits: ClientLimits, meter: RequestMeter, purpose: Purpose) -> None:
        super().__init__(
            place.uri,
            purpose=purpose,
            may_read="give storage.objects.get on it (roles/storage.objectViewer)",
            may_write="check the bucket, and give storage.objects.create and .delete on it (roles/storage.objectUser)",
        )
        self._spec = SourceSpec(uri=self._uri)
        self._limits, self._meter = limits, meter
        self._dialect = GcsDialect(place, None if place.anonymous else tokens_for(self._uri))

    def new_client(self) -> StoreClient:
        """Return a client; see the base class."""
        return StoreClient(self._spec, self._dialect, limits=self._limits, meter=self._meter, purpose=self._purpose)

    def error_of(self, problem: GaveUp | Answer, name: str) -> PenstockError:
        """Return the error of a blob's request; see the base class."""
        return error_of(self._dialect, problem, self._spec, name, is_object=True)

    def version_of(self, answer: Answer) -> str:
        """Return the generation that an answer's bytes are of."""
        return answer.head.header(GENERATION) or ""

    async def ask_to_write(self, client: StoreClient, name: str, data: memoryview) -> None:
        """Put a blob in its place; see the base class. What came there is compared by its checksum."""
        headers = {"Content-Type": "application/octet-stream"}
        answer = await client.call("POST", name, kind="PUT", purpose=self._purpose, headers=headers, body=data)
        if answer.head.status >= 300 or is_web_page(answer.head):
            raise Refused(answer)
        try:
            told = read_json(answer.body, _Written)
        except msgspec.MsgspecError as error:
            raise self._untrusted(name, "the store's answer is none of its own") from error
        ours = base64.b64encode(google_crc32c.value(bytes(data)).to_bytes(4, "big")).decode()
        if told.size != str(len(data)) or (told.crc32c and told.crc32c != ours):
            raise self._untrusted(name, f"{told.size or 'no'} bytes came there, or others than were sent")

    async def ask_for(self, client: StoreClient, name: str, span: tuple[int, int] | None, most_bytes: int) -> Answer:
        """Ask for bytes of a blob; see the base class."""
        asked = self._dialect.whole(span)
        return await client.call(
            "GET",
            name,
            kind="GET",
            purpose=self._purpose,
            query=asked.query,
            headers=asked.headers,
            most_bytes=most_bytes,
        )

    def _untrusted(self, name: str, what: str) -> OutputError:
        where = self.locate(name)
        fix = "check --run-endpoint-url, and what lies between (a proxy)"
        return OutputError(f"{where} was not written as it is: {what}", fix=fix, about=where)
