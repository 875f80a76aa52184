"""Blobs in Azure Blob Storage. Large ones go up block by block, and are there when the last has come."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from itertools import count

from penstock.errors import PenstockError
from penstock.manifest import SourceSpec
from penstock.records import Purpose
from penstock.sources.azure.keys import keys_for
from penstock.sources.azure.place import AzurePlace
from penstock.sources.azure.requests import AzureDialect
from penstock.sources.http.client import GaveUp
from penstock.sources.http.connection import Answer
from penstock.sources.meter import RequestMeter
from penstock.sources.patience import ClientLimits
from penstock.sources.stores.blobs import Refused, StoreBlobs
from penstock.sources.stores.client import StoreClient, error_of
from penstock.units import MIB

__all__ = ["AzureBlobs"]

BLOCK_BYTES = 256 * MIB
"""Put by one request; a blob has 50,000 blocks at most."""


class AzureBlobs(StoreBlobs[StoreClient]):
    """A prefix of a container; nothing is requested before it is used."""

    def __init__(
        self, uri: str, place: AzurePlace, *, limits: ClientLimits, meter: RequestMeter, purpose: Purpose
    ) -> None:
        super().__init__(
            uri,
            purpose=purpose,
            may_read="give the role Storage Blob Data Reader on it",
            may_write="check the container, and give the role Storage Blob Data Contributor on it",
        )
        self._spec = SourceSpec(uri=self._uri)
        self._limits, self._meter = limits, meter
        self._dialect = AzureDialect(place, None if place.anonymous else keys_for(place, self._uri))

    def new_client(self) -> StoreClient:
        """Return a client; see the base class."""
        return StoreClient(self._spec, self._dialect, limits=self._limits, meter=self._meter, purpose=self._purpose)

    def error_of(self, problem: GaveUp | Answer, name: str) -> PenstockError:
        """Return the error of a blob's request; see the base class."""
        return error_of(self._dialect, problem, self._spec, name, is_object=True)

    async def ask_to_write(self, client: StoreClient, name: str, data: memoryview) -> None:
        """Put a blob in its place; see the base class. The store compares what came with its MD5."""
        if len(data) <= BLOCK_BYTES:
            await self._put(client, name, data, headers={"x-ms-blob-type": "BlockBlob"})
            return
        blocks = []
        for number, first in zip(count(), range(0, len(data), BLOCK_BYTES), strict=False):
            blocks.append(base64.b64encode(f"{number:08}".encode()).decode())
            await self._put(
                client, name, data[first : first + BLOCK_BYTES], query={"comp": "block", "blockid": blocks[-1]}
            )
        listed = "".join(f"<Latest>{block}</Latest>" for block in blocks)
        body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{listed}</BlockList>'.encode()
        await self._put(client, name, memoryview(body), query={"comp": "blocklist"})

    async def ask_for(self, client: StoreClient, name: str, span: tuple[int, int] | None, most_bytes: int) -> Answer:
        """Ask for bytes of a blob; see the base class."""
        headers = {"Range": f"bytes={span[0]}-{span[1] - 1}"} if span else {}
        return await client.call("GET", name, kind="GET", purpose=self._purpose, headers=headers, most_bytes=most_bytes)

    async def _put(
        self,
        client: StoreClient,
        name: str,
        data: memoryview,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        digest = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
        answer = await client.call(
            "PUT",
            name,
            kind="PUT",
            purpose=self._purpose,
            query=query,
            headers={"Content-MD5": digest, **(headers or {})},
            body=data,
        )
        if answer.head.status != 201:
            raise Refused(answer)
