"""One HTTP/1.1 connection that receives a body straight into the memory it is for.

States: IDLE -> HEAD (a request was sent) -> BODY (into its place) or TEXT (gathered: an error's body, the answer to a
call, a range in chunks) -> IDLE or CLOSED; from anywhere -> CLOSED. Bytes go into the caller's memory in state BODY
alone, and a connection that was aborted has let go of that memory.

Each request must make progress: its head in a stated time, whatever trickles in, and a body so many bytes in that
time (``ClientLimits``). What is held of an answer is bounded: a head by MAX_HEAD_BYTES, a range by what was asked for,
a call's body by what its caller takes, an error's by MAX_ERROR_BYTES.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import fcntl
import socket
import termios
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple, cast

from penstock.sources.http.body import Body
from penstock.sources.http.checksums import find_mismatch
from penstock.sources.http.response import (
    MAX_HEAD_BYTES,
    Head,
    Verdict,
    Wanted,
    is_plain_fill,
    judge,
    parse_head,
    retry_after_seconds,
)
from penstock.sources.meter import Line

__all__ = ["CHECKS", "Answer", "Answered", "Connection", "Cut", "Damaged", "Query", "Stale"]

MAX_ERROR_BYTES = 64 * 1024
CHECKS = 4
"""Looks at a request's progress in the time that it has for some."""
UPLOAD_BYTES = 256 * 1024
"""Of a body that is handed to the transport at a time."""
GO_AHEAD_SECONDS = 1.0

_END_OF_HEAD = b"\r\n\r\n"
_NOWHERE = memoryview(b"")


class Stale(Exception):
    """A connection that was used before was closed before it answered: nothing is wrong."""


class Cut(Exception):
    """The connection ended, fell silent or was too slow before the answer was whole, or what came is no HTTP."""


class Damaged(Cut):
    """All bytes came, and do not match the checksum that the store keeps of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A whole answer; ``body`` is cut off where it is an error's and long."""

    head: Head
    body: bytes


class Answered(Exception):
    """An answer that is not what a range request asks for.

    Attributes:
        verdict: RETRY, REFUSED, CHANGED or UNUSUAL.
        status: of HTTP.
        body: what it said, as far as it was read.
        answer: all of it.
        retry_after_seconds: when the server wants to be asked again, if it says so.
    """

    def __init__(self, verdict: Verdict, answer: Answer) -> None:
        super().__init__(f"status code: {answer.head.status}")
        self.verdict = verdict
        self.answer = answer
        self.status = answer.head.status
        self.body = answer.body.decode(errors="replace")
        self.retry_after_seconds = retry_after_seconds(answer.head.header("retry-after"))


class Query(NamedTuple):
    """A request and what its answer is for.

    Attributes:
        data: its head, and the first of its body.
        line: where it is counted.
        wanted: the range that goes to a place; None where the answer is gathered.
        most_bytes: of an answer's body that is gathered.
        body: what is sent after ``data``.
        waits_for_go_ahead: the body is sent when the server says so (100 Continue), or after a second.
        has_empty_answer: no body comes, whatever the answer's head says.
        cuts_off: an answer of more than ``most_bytes`` ends there, and its connection with it.
        checksum_header: that names of headers with a whole object's checksums begin with, empty for none.
    """

    data: bytes
    line: Line
    wanted: Wanted | None = None
    most_bytes: int = 0
    body: memoryview = _NOWHERE
    waits_for_go_ahead: bool = False
    has_empty_answer: bool = False
    checksum_header: str = ""
    cuts_off: bool = False


class _State(Enum):
    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    TEXT = auto()
    CLOSED = auto()


class Connection(asyncio.BufferedProtocol):
    """One connection, for one request at a time.

    Args:
        loop: that it belongs to.
        on_closed: called once when it is closed, by whichever side.
        progress_bytes: that a body must bring within CHECKS checks.

    Attributes:
        received_bytes: of the range of the request that was made last.
        asked: the request that was made last.
        began: when it was made, by the event loop's clock.
        is_hedged: whether it was made once more elsewhere.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_closed: Callable[[Connection], None], *, progress_bytes: int = 1
    ) -> None:
        self.received_bytes = 0
        self.asked: Query | None = None
        self.began = 0.0
        self.is_hedged = False
        self._loop = loop
        self._on_closed = on_closed
        self._progress_bytes = progress_bytes
        self._state = _State.IDLE
        self._transport: asyncio.Transport | None = None
        self._socket: socket.socket | None = None
        self._buffer = memoryview(bytearray(MAX_HEAD_BYTES))
        self._head_bytes = 0
        self._place = _NOWHERE
        self._to_send = _NOWHERE
        self._head: Head | None = None
        self._text: Body | None = None
        self._keeps_alive = True
        self._checksums: tuple[tuple[str, str], ...] = ()
        self._done: asyncio.Future[Answer | None] | None = None
        self._go_ahead: asyncio.TimerHandle | None = None
        self._num_requests = 0
        self._num_checks = 0
        self._moved_bytes = 0
        self._marks: deque[int] = deque(maxlen=CHECKS)

    @property
    def is_idle(self) -> bool:
        """Whether another request can be made."""
        return self._state is _State.IDLE

    def request(self, query: Query, place: memoryview = _NOWHERE) -> asyncio.Future[Answer | None]:
        """Send a request; the future is done when ``place`` is filled, or has the answer to what has none.

        Its exceptions are Stale, Cut and, of a range, Answered. Whoever stops waiting for it must ``abort``.
        """
        assert self._state is _State.IDLE
        assert self._transport is not None
        self._state, self.asked, self._place = _State.HEAD, query, place
        self._head_bytes = self.received_bytes = self._num_checks = self._moved_bytes = 0
        self._marks.clear()
        self._num_requests += 1
        self.began, self.is_hedged = self._loop.time(), False
        done = self._done = self._loop.create_future()
        query.line.sent(len(query.body))
        self._transport.write(query.data)
        self._to_send = query.body
        if query.waits_for_go_ahead:
            self._go_ahead = self._loop.call_later(GO_AHEAD_SECONDS, self._send_more)
        elif len(query.body):
            self._send_more()
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
        """Give up on a request under way that makes no progress; called CHECKS times in the time it has for some."""
        if self._state is _State.IDLE:
            return
        moved_bytes = self._moved_bytes
        if self._state is _State.HEAD:
            unsent_bytes = self._unsent_bytes()
            if not unsent_bytes and not len(self._to_send):
                self._num_checks += 1
                if self._num_checks > CHECKS:
                    self._end(Cut("operation timed out: the server did not answer"))
                return
            moved_bytes -= unsent_bytes
        if len(self._marks) == CHECKS and moved_bytes - self._marks[0] < self._progress_bytes:
            way = "request goes out" if self._state is _State.HEAD else "answer comes"
            self._end(Cut(f"operation timed out: the {way} too slowly"))
            return
        self._marks.append(moved_bytes)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._socket = transport.get_extra_info("socket")

    def pause_writing(self) -> None:
        """Nothing is to be done: more is sent when the transport asks for it."""

    def resume_writing(self) -> None:
        """Send more of a body."""
        if self._state is _State.HEAD and self._go_ahead is None:
            self._send_more()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the memory for what comes next."""
        if self._state is _State.BODY:
            return self._place[self.received_bytes :]
        return self._buffer[self._head_bytes :] if self._state is _State.HEAD else self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Go on with bytes that came."""
        if self._state is _State.BODY:
            assert self.asked is not None
            self._moved_bytes += nbytes
            self.received_bytes += nbytes
            self.asked.line.received(nbytes)
            if self.received_bytes == len(self._place):
                self._complete()
        elif self._state is _State.HEAD:
            self._read_head(nbytes)
        elif self._state is _State.TEXT:
            self._read_text(self._buffer[:nbytes])
        else:
            self._end(None)  # nothing was asked for

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        if self._state is _State.TEXT and self._text is not None:
            self._end_text(is_whole=self._text.is_whole)
        if self._state is _State.HEAD and not self._head_bytes and self._num_requests > 1:
            self._end(Stale())
            return
        why = f" ({exc})" if exc else ""
        if self._state is _State.BODY:
            self._end(Cut(f"error decoding response body: {self.received_bytes} of {len(self._place)} bytes{why}"))
        else:
            self._end(Cut(f"error sending request: the connection was closed before an answer{why}"))

    def _send_more(self) -> None:
        """Hand a body over, as much of it as the transport takes without holding more than a little."""
        assert self._transport is not None
        self._go_ahead = None
        if self._state is not _State.HEAD:
            return
        while len(self._to_send) and self._transport.get_write_buffer_size() < UPLOAD_BYTES:
            piece, self._to_send = self._to_send[:UPLOAD_BYTES], self._to_send[UPLOAD_BYTES:]
            self._moved_bytes += len(piece)
            self._transport.write(bytes(piece))

    def _unsent_bytes(self) -> int:
        """Return what was handed over of a body and has not reached the server yet (tcp(7), SIOCOUTQ)."""
        if self.asked is None or not len(self.asked.body) or self._transport is None:
            return 0
        count = array.array("i", [0])
        if self._socket is not None:
            with contextlib.suppress(OSError):
                fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, count)
        return self._transport.get_write_buffer_size() + count[0]

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
                self._end(Cut(f"a head of more than {MAX_HEAD_BYTES} bytes"))
            return
        assert self.asked is not None
        wanted, line = self.asked.wanted, self.asked.line
        rest = self._buffer[end + 4 : self._head_bytes]
        if wanted is not None and is_plain_fill(data[: end + 2], wanted, self.asked.checksum_header):
            line.answered(200)
            self._keeps_alive, self._checksums = True, ()
            self._begin_body(rest)
            return
        try:
            head = parse_head(data[:end])
        except ValueError as error:
            self._end(Cut(f"no HTTP answer: {error}"))
            return
        if head.status < 200:  # 100 Continue and its like: the answer is still to come
            if self._go_ahead is not None:
                self._go_ahead.cancel()
                self._send_more()
            self._buffer[: len(rest)] = bytes(rest)
            self._head_bytes = 0
            if len(rest):
                self._read_head(len(rest))
            return
        line.answered(head.status)
        self._head, self._keeps_alive = head, head.keeps_alive
        self._begin_answer(head, wanted, rest)

    def _begin_answer(self, head: Head, wanted: Wanted | None, rest: memoryview) -> None:
        assert self.asked is not None
        verdict = None if wanted is None else judge(head, wanted)
        is_sized = head.length_bytes is not None and not head.is_chunked
        if verdict is Verdict.FILL and is_sized:
            assert wanted is not None
            self._checksums = self._told_of(head, wanted)
            self._begin_body(rest)
            return
        if verdict is Verdict.CHANGED or (verdict is Verdict.RETRY and head.status < 300):
            assert verdict is not None
            self._end(Answered(verdict, Answer(head=head, body=b"")))
            return
        self._state = _State.TEXT
        if verdict is Verdict.FILL:
            assert wanted is not None
            self._checksums = self._told_of(head, wanted)
            self._text = Body(head, most_bytes=len(self._place))
        else:
            is_error = head.status >= 300 or wanted is not None
            most_bytes = MAX_ERROR_BYTES if is_error else self.asked.most_bytes
            is_empty = self.asked.has_empty_answer
            cuts = is_error or self.asked.cuts_off
            self._text = Body(head, most_bytes=most_bytes, cuts=cuts, is_empty=is_empty)
        self._read_text(rest)

    def _told_of(self, head: Head, wanted: Wanted) -> tuple[tuple[str, str], ...]:
        """Return the checksums that a body is to match: those of a whole object."""
        assert self.asked is not None
        if not wanted.is_whole:
            return ()
        prefix = self.asked.checksum_header
        return wanted.checksums + (head.checksums(prefix) if prefix else ())

    def _begin_body(self, rest: memoryview) -> None:
        assert self.asked is not None
        self._state = _State.BODY
        self.asked.line.received(len(rest))
        if len(rest) > len(self._place):
            self._end(Cut("more bytes than were told"))
            return
        self._place[: len(rest)] = rest
        self.received_bytes = self._moved_bytes = len(rest)
        if self.received_bytes == len(self._place):
            self._complete()

    def _read_text(self, data: memoryview) -> None:
        """Take bytes of a body that is gathered; none of them yet may be all of it."""
        assert self._text is not None
        assert self.asked is not None
        self._moved_bytes += len(data)
        self.asked.line.received(len(data))
        try:
            has_ended = self._text.feed(data)
        except ValueError as error:
            self._end(Cut(f"error decoding response body: {error}"))
            return
        if has_ended:
            self._end_text(is_whole=True)

    def _end_text(self, *, is_whole: bool) -> None:
        """End a body that was gathered."""
        text, head, asked, place = self._text, self._head, self.asked, self._place
        assert text is not None
        assert head is not None
        assert asked is not None
        answer = Answer(head=head, body=bytes(text.data))
        verdict = None if asked.wanted is None else judge(head, asked.wanted)
        if verdict is Verdict.FILL and is_whole and len(answer.body) == len(place):
            place[:] = answer.body
            self.received_bytes = len(place)
            self._complete()
        elif verdict is Verdict.FILL:
            place[: len(answer.body)] = answer.body
            self.received_bytes = len(answer.body)
            self._end(Cut(f"error decoding response body: {len(answer.body)} of {len(place)} bytes"))
        elif verdict is not None:
            self._end(Answered(verdict, answer))
        elif is_whole or head.status >= 300:
            self._keeps_alive &= is_whole and not text.ends_with_connection and not text.is_cut
            self._finish(answer)
        else:
            self._end(Cut(f"error decoding response body: {len(answer.body)} bytes came, and not all"))

    def _complete(self) -> None:
        if self._checksums and (name := find_mismatch(self._place, self._checksums)):
            self.received_bytes = 0
            self._end(Damaged(f"the body does not match the store's {name} checksum"))
            return
        self._finish(None)

    def _finish(self, answer: Answer | None) -> None:
        """Return the answer; the connection is ready for another request, if it may be."""
        done, self._done, self._place, self._text = self._done, None, _NOWHERE, None
        self._state = _State.IDLE
        if not self._keeps_alive or len(self._to_send):
            self._end(None)
        if done is not None and not done.done():
            done.set_result(answer)

    def _end(self, error: Exception | None) -> None:
        if self._state is _State.CLOSED:
            return
        done, self._done, self._place, self._text = self._done, None, _NOWHERE, None
        self._to_send = _NOWHERE
        if self._go_ahead is not None:
            self._go_ahead.cancel()
        self._state = _State.CLOSED
        if self._transport is not None:
            self._transport.abort()
        self._on_closed(self)
        if done is not None and not done.done() and error is not None:
            done.set_exception(error)
