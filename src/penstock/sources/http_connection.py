"""One HTTP/1.1 connection that receives a body straight into the memory it is for.

States: IDLE -> HEAD (a request was sent) -> BODY -> IDLE, or HEAD -> ERROR (its body is read for what it says) ->
CLOSED; from anywhere -> CLOSED. Bytes go into the caller's memory in state BODY alone, and a connection that was
aborted has let go of that memory.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from enum import Enum, auto
from typing import cast

from penstock.sources.http_response import MAX_HEAD_BYTES, Head, Verdict, Wanted, is_plain_fill, judge, parse_head
from penstock.sources.object_checksums import find_mismatch

__all__ = ["Answered", "Connection", "Cut", "Damaged", "Stale", "Unusual"]

MAX_ERROR_BYTES = 64 * 1024
QUIET_CHECKS = 4
"""Checks in a row that may find that nothing came since the one before."""

_END_OF_HEAD = b"\r\n\r\n"
_END_OF_CHUNKS = b"0\r\n\r\n"
_NOWHERE = memoryview(b"")


class Stale(Exception):
    """A connection that was used before was closed before it answered: nothing is wrong."""


class Cut(Exception):
    """The connection ended, or fell silent, before the answer did."""


class Damaged(Cut):
    """All bytes came, and do not match the checksum that the store keeps of them."""


class Unusual(Exception):
    """An answer that this client does not deal with."""


class Answered(Exception):
    """An error that the server answered with.

    Attributes:
        verdict: RETRY, REFUSED or CHANGED.
        status: of HTTP.
        body: what it said, as far as it was read.
    """

    def __init__(self, verdict: Verdict, status: int, body: str) -> None:
        super().__init__(f"status code: {status}")
        self.verdict = verdict
        self.status = status
        self.body = body


class _State(Enum):
    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    ERROR = auto()
    CLOSED = auto()


class Connection(asyncio.BufferedProtocol):
    """One connection, for one request at a time.

    Args:
        loop: that it belongs to.
        on_closed: called once when it is closed, by whichever side.

    Attributes:
        received_bytes: of the body of the request that was made last.
        asked: the request that was made last, and what it wants.
        began: when it was made, by the event loop's clock.
        is_hedged: whether it was made once more elsewhere.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_closed: Callable[[Connection], None]) -> None:
        self.received_bytes = 0
        self.asked: tuple[bytes, Wanted] | None = None
        self.began = 0.0
        self.is_hedged = False
        self._loop = loop
        self._on_closed = on_closed
        self._state = _State.IDLE
        self._transport: asyncio.Transport | None = None
        self._socket: socket.socket | None = None
        self._buffer = memoryview(bytearray(MAX_HEAD_BYTES))
        self._head_bytes = 0
        self._place = _NOWHERE
        self._error = bytearray()
        self._head: Head | None = None
        self._keeps_alive = True
        self._checksums: tuple[tuple[str, str], ...] = ()
        self._done: asyncio.Future[None] | None = None
        self._num_requests = 0
        self._num_quiet = 0

    @property
    def is_idle(self) -> bool:
        """Whether another request can be made."""
        return self._state is _State.IDLE

    def request(self, data: bytes, wanted: Wanted, place: memoryview) -> asyncio.Future[None]:
        """Send a request; the future is done when ``place`` is filled.

        Its exceptions are Stale, Cut, Unusual and Answered. Whoever stops waiting for it must ``abort``.
        """
        assert self._state is _State.IDLE
        assert self._transport is not None
        self._state, self.asked, self._place = _State.HEAD, (data, wanted), place
        self._head_bytes = self.received_bytes = self._num_quiet = 0
        self._num_requests += 1
        self.began, self.is_hedged = self._loop.time(), False
        done = self._done = self._loop.create_future()
        self._transport.write(data)
        self._acknowledge_at_once()
        return done

    def take_over(self, body: bytes | bytearray) -> bool:
        """End the request under way with a body that came another way, and close; False where it has ended."""
        if self._state not in (_State.HEAD, _State.BODY) or len(body) != len(self._place):
            return False
        self._place[:] = body
        done, self._done, self.received_bytes = self._done, None, len(body)
        if done is not None and not done.done():
            done.set_result(None)
        self._end(None)
        return True

    def abort(self) -> None:
        """Close at once; the memory of a request under way is written to no more."""
        self._end(Cut("the connection was given up"))

    def check(self) -> None:
        """Give up on a request under way for which nothing came for QUIET_CHECKS checks; called now and then."""
        if self._state is not _State.IDLE:
            self._num_quiet += 1
            if self._num_quiet > QUIET_CHECKS:
                self._end(Cut("operation timed out: the server fell silent"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._socket = transport.get_extra_info("socket")

    def get_buffer(self, sizehint: int) -> memoryview:
        """Give the memory for what comes next."""
        if self._state is _State.BODY:
            return self._place[self.received_bytes :]
        return self._buffer[self._head_bytes :] if self._state is _State.HEAD else self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Go on with bytes that came."""
        self._num_quiet = 0
        if self._state is _State.BODY:
            self.received_bytes += nbytes
            if self.received_bytes == len(self._place):
                self._complete()
        elif self._state is _State.HEAD:
            self._read_head(nbytes)
        elif self._state is _State.ERROR:
            self._read_error(self._buffer[:nbytes])
        else:
            self._end(None)  # nothing was asked for

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        if self._state is _State.ERROR:
            self._answer_error()
        if self._state is _State.HEAD and not self._head_bytes and self._num_requests > 1:
            self._end(Stale())
            return
        why = f" ({exc})" if exc else ""
        if self._state is _State.BODY:
            self._end(Cut(f"error decoding response body: {self.received_bytes} of {len(self._place)} bytes{why}"))
        else:
            self._end(Cut(f"error sending request: the connection was closed before an answer{why}"))

    def _acknowledge_at_once(self) -> None:
        """Not after 40 ms: a server that does not turn off Nagle's algorithm holds a body's end back until then.

        Linux forgets it by and by, so it is asked for with each request (tcp(7), TCP_QUICKACK).
        """
        if self._socket is not None and hasattr(socket, "TCP_QUICKACK"):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _read_head(self, num_bytes: int) -> None:
        searched = max(self._head_bytes - 3, 0)
        self._head_bytes += num_bytes
        data = bytes(self._buffer[: self._head_bytes])
        end = data.find(_END_OF_HEAD, searched)
        if end < 0:
            if self._head_bytes == MAX_HEAD_BYTES:
                self._end(Unusual(f"a head of more than {MAX_HEAD_BYTES} bytes"))
            return
        assert self.asked is not None
        wanted = self.asked[1]
        rest = self._buffer[end + 4 : self._head_bytes]
        if is_plain_fill(data[: end + 2], wanted):
            self._keeps_alive, self._checksums = True, ()
            self._begin_body(rest)
            return
        try:
            head = parse_head(data[:end])
        except ValueError as error:
            self._end(Unusual(str(error)))
            return
        verdict = judge(head, wanted)
        if verdict is Verdict.FILL:
            self._keeps_alive, self._checksums = head.keeps_alive, head.checksums if wanted.is_whole else ()
            self._begin_body(rest)
        elif verdict is Verdict.UNUSUAL:
            self._end(Unusual(f"status {head.status} where a plain range was asked for"))
        elif verdict is Verdict.CHANGED or head.status < 300:
            self._end(Answered(verdict, head.status, ""))
        else:
            self._state, self._head, self._error = _State.ERROR, head, bytearray()
            self._read_error(rest)

    def _begin_body(self, rest: memoryview) -> None:
        self._state = _State.BODY
        if len(rest) > len(self._place):
            self._end(Cut("more bytes than were told"))
            return
        self._place[: len(rest)] = rest
        self.received_bytes = len(rest)
        if self.received_bytes == len(self._place):
            self._complete()

    def _read_error(self, data: memoryview) -> None:
        assert self._head is not None
        self._error += data
        length_bytes = self._head.length_bytes
        told = length_bytes is not None and len(self._error) >= length_bytes
        chunked = self._head.is_chunked and self._error.endswith(_END_OF_CHUNKS)
        if told or chunked or len(self._error) >= MAX_ERROR_BYTES:
            self._answer_error()

    def _answer_error(self) -> None:
        assert self._head is not None
        assert self.asked is not None
        self._end(Answered(judge(self._head, self.asked[1]), self._head.status, self._error.decode(errors="replace")))

    def _complete(self) -> None:
        if self._checksums and (name := find_mismatch(self._place, self._checksums)):
            self.received_bytes = 0
            self._end(Damaged(f"the body does not match the store's {name} checksum"))
            return
        done, self._done, self._place = self._done, None, _NOWHERE
        self._state = _State.IDLE
        if not self._keeps_alive:
            self._end(None)
        if done is not None and not done.done():
            done.set_result(None)

    def _end(self, error: Exception | None) -> None:
        if self._state is _State.CLOSED:
            return
        done, self._done, self._place = self._done, None, _NOWHERE
        self._state = _State.CLOSED
        if self._transport is not None:
            self._transport.abort()
        self._on_closed(self)
        if done is not None and not done.done() and error is not None:
            done.set_exception(error)
