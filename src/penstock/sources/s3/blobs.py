"""Blobs in S3, asked for one at a time, each in a thread of its own with its own event loop.

So it works in a process that runs an event loop, as notebooks do, and nothing of it is left when a trainer forks its
workers. What is read comes in parts of a bounded size: one that is cut off goes on from the byte that was reached.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from penstock.errors import (
    AccessDenied,
    BucketNotFound,
    ObjectNotFound,
    ObjectUnreadable,
    OutputError,
    OutputUnwritable,
    PenstockError,
    SourceError,
    SourceUnavailable,
)
from penstock.manifest import SourceSpec
from penstock.records import Purpose, RequestKind
from penstock.sources.blobs import MOST_BYTES
from penstock.sources.http.client import GaveUp
from penstock.sources.http.connection import Answer
from penstock.sources.meter import RequestMeter
from penstock.sources.patience import ClientLimits
from penstock.sources.protocols import ObjectInfo
from penstock.sources.s3.client import S3Client, error_of
from penstock.sources.s3.credentials import credentials_for
from penstock.sources.s3.place import S3Address
from penstock.units import MIB, format_bytes

__all__ = ["S3Blobs"]

PART_BYTES = 64 * MIB
"""Read by one request."""

_DENIED_READ = "check s3:GetObject on it"
_DENIED_WRITE = "check the bucket and s3:PutObject on it"
T = TypeVar("T")


class S3Blobs:
    """A prefix of a bucket; nothing is requested before it is used."""

    def __init__(
        self,
        place: S3Address,
        *,
        limits: ClientLimits,
        meter: RequestMeter,
        purpose: Purpose,
    ) -> None:
        self._place = place
        self._uri = f"s3://{place.bucket}/{place.prefix}".rstrip("/")
        self._spec = SourceSpec(uri=self._uri)
        self._limits, self._meter, self._purpose = limits, meter, purpose
        self._credentials = credentials_for(self._uri, place.region)

    def read(self, name: str, *, most_bytes: int = MOST_BYTES) -> bytes:
        """Return a blob's bytes."""
        return self._do(lambda client: self._read(client, name, most_bytes), name, writing=False)

    def write(self, name: str, data: bytes) -> None:
        """Put a blob in its place."""
        self._do(lambda client: self._ask(client, "PUT", name, "PUT", body=memoryview(data)), name, writing=True)

    def delete(self, name: str) -> None:
        """Remove a blob, if there is one."""
        self._do(lambda client: self._ask(client, "DELETE", name, "DELETE"), name, writing=True)

    def locate(self, name: str) -> str:
        """Return the URI of a blob."""
        return f"{self._uri}/{name}"

    async def _read(self, client: S3Client, name: str, most_bytes: int) -> bytes:
        first = {"Range": f"bytes=0-{min(PART_BYTES, most_bytes) - 1}"}
        answer = await client.call(
            "GET", name, kind="GET", purpose=self._purpose, headers=first, most_bytes=min(PART_BYTES, most_bytes)
        )
        if answer.head.status == 416:  # it is empty
            answer = await client.call("GET", name, kind="GET", purpose=self._purpose, most_bytes=0)
        if answer.head.status == 200:
            return answer.body
        if answer.head.status != 206:
            raise _Refused(answer)
        span = answer.head.content_range
        if span is None or span[0] != 0 or span[1] + 1 != len(answer.body):
            raise SourceUnavailable(
                f"{self.locate(name)} came with another range than was asked for",
                fix="a proxy or the server gives wrong ranges: check the endpoint",
                about=self.locate(name),
            )
        total_bytes = span[2]
        if total_bytes > most_bytes:
            raise SourceUnavailable(
                f"{self.locate(name)} has {format_bytes(total_bytes)}, at most {format_bytes(most_bytes)} are read",
                fix="look what lies there: it is not what was written",
                about=self.locate(name),
            )
        found = bytearray(answer.body)
        info = ObjectInfo(key=name, size_bytes=total_bytes, version=answer.head.etag.decode("latin-1"))
        while len(found) < total_bytes:
            part = bytearray(min(PART_BYTES, total_bytes - len(found)))
            await client.read_into(info, len(found), memoryview(part))
            found += part
        return bytes(found)

    async def _ask(
        self, client: S3Client, method: str, name: str, kind: RequestKind, *, body: memoryview | None = None
    ) -> None:
        answer = await client.call(method, name, kind=kind, purpose=self._purpose, body=body)
        if answer.head.status >= 300 and not (method == "DELETE" and answer.head.status == 404):
            raise _Refused(answer)

    def _do(self, ask: Callable[[S3Client], Coroutine[Any, Any, T]], name: str, *, writing: bool) -> T:
        async def run() -> T:
            client = S3Client(
                self._spec,
                self._place,
                limits=self._limits,
                credentials=self._credentials,
                meter=self._meter,
                purpose=self._purpose,
            )
            try:
                return await ask(client)
            finally:
                self._place = client.place
                client.close()

        try:
            return _in_thread(run)
        except _Refused as refused:
            error = error_of(refused.answer, self._spec, name, is_object=True)
            raise self._map(error, name, writing) from refused
        except GaveUp as gave_up:
            raise self._map(error_of(gave_up, self._spec, name, is_object=True), name, writing) from gave_up
        except SourceError as error:  # of credentials, or of the way there
            if writing:
                raise self._map(error, name, writing) from error
            raise

    def _map(self, error: PenstockError, name: str, writing: bool) -> PenstockError:
        """Return the error of a blob, which is written or read, for that of the source."""
        where = self.locate(name)
        if isinstance(error, BucketNotFound):
            fix = "check its name and the endpoint"
            return (OutputUnwritable if writing else BucketNotFound)(f"the bucket of {where} does not exist", fix=fix)
        if isinstance(error, ObjectNotFound) and not writing:
            return ObjectNotFound(f"there is no {where}", fix="check the path", about=where)
        if writing:
            kind = OutputError if isinstance(error, SourceUnavailable) else OutputUnwritable
            fix = _DENIED_WRITE if isinstance(error, ObjectUnreadable) else error.fix
            return kind(f"cannot write {where}: {error.what}", fix=fix, about=where)
        if isinstance(error, ObjectUnreadable):
            return AccessDenied(f"cannot read {where}: {error.what}", fix=_DENIED_READ, about=where)
        return type(error)(f"cannot read {where}: {error.what}", fix=error.fix, about=where)


class _Refused(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__(f"status code: {answer.head.status}")
        self.answer = answer


def _in_thread(run: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end in an event loop of its own; whoever breaks the wait off ends it."""
    outcome: list[T] = []
    problem: list[BaseException] = []
    begun: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[T]]] = []

    async def main() -> None:
        task = asyncio.ensure_future(run())
        begun.append((asyncio.get_running_loop(), task))
        outcome.append(await task)

    def work() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            problem.append(error)

    thread = threading.Thread(target=work, name="penstock-blobs-0", daemon=True)
    thread.start()
    try:
        thread.join()
    except BaseException:
        if begun:
            loop, task = begun[0]
            loop.call_soon_threadsafe(task.cancel)
        raise
    if problem:
        raise problem[0]
    return outcome[0]
