"""The process that reads ranges: ``python -m penstock.ranges.serving``. It ends when nobody can ask it any more."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from typing import BinaryIO

import msgspec

from penstock.allocating import share_memory
from penstock.children.telling import wake_with_parent
from penstock.errors import PenstockError, SourceError
from penstock.manifest import SourceSpec, Span
from penstock.ranges.messages import HEAD, MOST_ASKED_BYTES, AnswerKind, Ask, ErrorAnswer
from penstock.sources import ObjectInfo, ObjectSource, open_source

__all__ = ["serve"]


async def serve(asking: socket.socket, answering: BinaryIO) -> None:
    """Answer what is asked, as much at a time as is asked at a time, until the other side has closed."""
    asking.setblocking(False)
    loop, opened, turn = asyncio.get_running_loop(), _Opened(), asyncio.Lock()
    running: set[asyncio.Task[None]] = set()
    while data := await loop.sock_recv(asking, MOST_ASKED_BYTES):
        task = asyncio.ensure_future(_answer(msgspec.msgpack.decode(data, type=Ask), opened, answering, turn))
        running.add(task)
        task.add_done_callback(running.discard)


class _Opened:
    """Sources that are open."""

    def __init__(self) -> None:
        self._sources: dict[str, ObjectSource] = {}

    def get(self, spec: SourceSpec) -> ObjectSource:
        name = repr(spec)
        if name not in self._sources:
            self._sources[name] = open_source(spec)
        return self._sources[name]


async def _answer(ask: Ask, opened: _Opened, answering: BinaryIO, turn: asyncio.Lock) -> None:
    kind: AnswerKind = AnswerKind.DATA
    parts: list[memoryview] = []
    try:
        source = opened.get(ask.source)
        reads = (source.get_range(_info(span), span.offset, span.length_bytes) for span in ask.spans)
        parts = await asyncio.gather(*reads)
    except Exception as error:
        kind, parts = AnswerKind.ERROR, [memoryview(_told(error, ask))]
    head = HEAD.pack(ask.number, kind, sum(len(part) for part in parts))
    async with turn:
        await asyncio.to_thread(_write, answering, [memoryview(head), *parts])


def _told(error: Exception, ask: Ask) -> bytes:
    """Return an error that whoever asked will raise; what is no user's own is told as what it is."""
    told = (
        error
        if isinstance(error, PenstockError)
        else SourceError(
            f"{ask.spans[0].object} could not be read: {type(error).__name__}: {error}",
            fix="this is a fault of Penstock: please tell us",
            about=ask.spans[0].object,
        )
    )
    answer = ErrorAnswer(error=type(told).__name__, what=told.what, fix=told.fix, about=told.about)
    return msgspec.msgpack.encode(answer)


def _write(answering: BinaryIO, parts: list[memoryview]) -> None:
    for part in parts:
        answering.write(part)
    answering.flush()


def _info(span: Span) -> ObjectInfo:
    return ObjectInfo(key=span.object, size_bytes=span.object_bytes, version=span.version, validator=span.validator)


def main() -> None:
    """Serve by standard input and output; what else is printed goes to standard error."""
    share_memory()
    wake_with_parent()
    answering = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with socket.socket(fileno=os.dup(0)) as asking:
        asyncio.run(_until_closed(asking, answering))


async def _until_closed(asking: socket.socket, answering: BinaryIO) -> None:
    await serve(asking, answering)
    # Whoever asked is gone, and reads nothing any more: a write that waits for it would wait for ever.
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
