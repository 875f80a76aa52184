"""Blobs in a bucket, asked for one at a time, each in a thread of its own with its own event loop.

So it works in a process that runs an event loop, as notebooks do, and nothing of it is left when a trainer forks its
workers. What is read comes in parts of a bounded size: one that is cut off goes on from the byte that was reached.
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

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
from penstock.records import Purpose
from penstock.sources.blobs import MOST_BYTES
from penstock.sources.http.client import GaveUp, HttpClient
from penstock.sources.http.connection import Answer
from penstock.sources.protocols import ObjectInfo
from penstock.units import MIB, format_bytes

__all__ = ["Refused", "StoreBlobs"]

PART_BYTES = 64 * MIB
"""Read by one request."""

C = TypeVar("C", bound=HttpClient)
T = TypeVar("T")


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"status code: {answer.head.status}")
        self.answer = answer


class StoreBlobs(ABC, Generic[C]):
    """A prefix of a bucket; nothing is requested before it is used.

    Args:
        uri: of the place.
        purpose: that requests are counted for.
        may_read: what is to be checked where a blob may not be read.
        may_write: the same where it may not be written.
    """

    def __init__(self, uri: str, *, purpose: Purpose, may_read: str, may_write: str) -> None:
        self._uri = uri.rstrip("/")
        self._purpose = purpose
        self._may_read, self._may_write = may_read, may_write

    @abstractmethod
    def new_client(self) -> C:
        """Return a client for the requests of one event loop."""

    def done_with(self, client: C) -> None:
        """Take over what a client has found out."""

    @abstractmethod
    def error_of(self, problem: GaveUp | Answer, name: str) -> PenstockError:
        """Return the error of the source for a request about a blob that failed."""

    @abstractmethod
    async def ask_to_write(self, client: C, name: str, data: memoryview) -> None:
        """Put a blob in its place.

        Raises:
            Refused: it was not taken.
        """

    @abstractmethod
    async def ask_for(self, client: C, name: str, span: tuple[int, int] | None, most_bytes: int) -> Answer:
        """Ask for the bytes of a blob from the first to the one before the last, or for all."""

    def version_of(self, answer: Answer) -> str:
        """Return the version that an answer's bytes are of."""
        return answer.head.etag.decode("latin-1")

    def read(self, name: str, *, most_bytes: int = MOST_BYTES) -> bytes:
        """Return a blob's bytes."""
        return self._do(lambda client: self._read(client, name, most_bytes), name, writing=False)

    def write(self, name: str, data: bytes) -> None:
        """Put a blob in its place."""
        self._do(lambda client: self.ask_to_write(client, name, memoryview(data)), name, writing=True)

    def delete(self, name: str) -> None:
        """Remove a blob, if there is one."""
        self._do(lambda client: self._delete(client, name), name, writing=True)

    def locate(self, name: str) -> str:
        """Return the URI of a blob."""
        return f"{self._uri}/{name}"

    async def _read(self, client: C, name: str, most_bytes: int) -> bytes:
        answer = await self.ask_for(client, name, (0, min(PART_BYTES, most_bytes)), min(PART_BYTES, most_bytes))
        if answer.head.status == 416:  # it is empty
            answer = await self.ask_for(client, name, None, 0)
        if answer.head.status == 200:
            return answer.body
        if answer.head.status != 206:
            raise Refused(answer)
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
        info = ObjectInfo(key=name, size_bytes=total_bytes, version=self.version_of(answer))
        while len(found) < total_bytes:
            part = bytearray(min(PART_BYTES, total_bytes - len(found)))
            await client.read_into(info, len(found), memoryview(part))
            found += part
        return bytes(found)

    async def _delete(self, client: C, name: str) -> None:
        answer = await client.call("DELETE", name, kind="DELETE", purpose=self._purpose)
        if answer.head.status >= 300 and answer.head.status != 404:
            raise Refused(answer)

    def _do(self, ask: Callable[[C], Coroutine[Any, Any, T]], name: str, *, writing: bool) -> T:
        async def run() -> T:
            client = self.new_client()
            try:
                return await ask(client)
            finally:
                self.done_with(client)
                client.close()

        try:
            return _in_thread(run)
        except Refused as refused:
            raise self._map(self.error_of(refused.answer, name), name, writing) from refused
        except GaveUp as gave_up:
            raise self._map(self.error_of(gave_up, name), name, writing) from gave_up
        except SourceError as error:  # of credentials, or of the way there
            if writing:
                raise self._map(error, name, writing) from error
            raise

    def _map(self, error: PenstockError, name: str, writing: bool) -> PenstockError:
        """Return the error of a blob, which is written or read, for that of the source."""
        where = self.locate(name)
        if isinstance(error, BucketNotFound):
            return (OutputUnwritable if writing else BucketNotFound)(
                error.what.replace(self._uri, where), fix=error.fix
            )
        if isinstance(error, ObjectNotFound) and not writing:
            return ObjectNotFound(f"there is no {where}", fix="check the path", about=where)
        if writing:
            kind = OutputError if isinstance(error, SourceUnavailable) else OutputUnwritable
            fix = self._may_write if isinstance(error, ObjectUnreadable) else error.fix
            return kind(f"cannot write {where}: {error.what}", fix=fix, about=where)
        if isinstance(error, ObjectUnreadable):
            return AccessDenied(f"cannot read {where}: {error.what}", fix=self._may_read, about=where)
        return type(error)(f"cannot read {where}: {error.what}", fix=error.fix, about=where)


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
