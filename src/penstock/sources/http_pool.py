"""Connections to one server, kept for the next request.

The one used last is used next, so that few are open where few are enough; a new one is made when all are in use. A
pool belongs to the event loop that uses it, needs no thread, and closes connections that nobody used for a while. A
request that is late is made once more on another connection, into memory of its own.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import deque
from dataclasses import dataclass

from penstock.sources.http_connection import QUIET_CHECKS, Answered, Connection, Cut, Stale, Unusual
from penstock.sources.http_hedging import Hedging
from penstock.sources.http_response import Wanted
from penstock.sources.protocols import RequestMeter

__all__ = ["Address", "Pool"]

MAX_CONNECTIONS = 512
HEDGE_SECONDS = 0.025
"""Between two looks for requests that are late."""
IDLE_SECONDS = 10
"""S3 closes a connection after about 20 s without a request."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int
    is_tls: bool


class Pool:
    """Connections to one address.

    Args:
        address: of the server.
        connect_timeout_seconds: to make a connection, TLS included.
        quiet_timeout_seconds: after which a request for which no byte came is given up; found out up to a quarter
            of that late.
        max_connections: further requests wait.
        idle_seconds: after which a connection that nobody used is closed.
        meter: counts requests that are made once more, and what they bring in vain.
    """

    def __init__(
        self,
        address: Address,
        *,
        connect_timeout_seconds: float,
        quiet_timeout_seconds: float,
        max_connections: int = MAX_CONNECTIONS,
        idle_seconds: float = IDLE_SECONDS,
        meter: RequestMeter | None = None,
    ) -> None:
        self._address = address
        self._connect_timeout_seconds = connect_timeout_seconds
        self._idle_seconds = idle_seconds
        self._check_seconds = quiet_timeout_seconds / QUIET_CHECKS
        self._loop = asyncio.get_running_loop()
        self._tls = ssl.create_default_context() if address.is_tls else None
        self._free_places = max_connections
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._meter = RequestMeter() if meter is None else meter
        self._hedging = Hedging()
        self._hedges: set[asyncio.Task[None]] = set()
        self._open: set[Connection] = set()
        self._idle: deque[tuple[float, Connection]] = deque()
        self._timers: dict[str, asyncio.TimerHandle] = {}

    @property
    def num_open(self) -> int:
        """Connections that are open."""
        return len(self._open)

    def serves(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Tell whether this pool belongs to a loop."""
        return self._loop is loop

    async def fetch(self, data: bytes, wanted: Wanted, place: memoryview) -> int:
        """Send a request and receive the body it asks for into ``place``; give how many bytes came, if not all.

        A body that is cut off is no error once a byte of it came: its first bytes are in their place. Where this is
        cancelled, nothing is written to ``place`` any more.

        Raises:
            Cut, Unusual, Answered: nothing is in place.
        """
        if not self._free_places:
            await self._wait_for_place()
        self._free_places -= 1
        try:
            connection = self._take_idle()
            try:
                return await self._exchange(connection or await self._connect(), data, wanted, place)
            except Stale:
                return await self._exchange(await self._connect(), data, wanted, place)
        finally:
            self._free_places += 1
            if self._waiting:
                self._wake_next()

    def close(self) -> None:
        """Close all connections; requests under way end with Cut."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if not self._loop.is_closed():
            for hedge in list(self._hedges):
                hedge.cancel()
            for connection in list(self._open):
                connection.abort()

    async def _wait_for_place(self) -> None:
        while not self._free_places:
            turn: asyncio.Future[None] = self._loop.create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._wake_next()
                raise

    def _wake_next(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    async def _exchange(self, connection: Connection, data: bytes, wanted: Wanted, place: memoryview) -> int:
        try:
            await connection.request(data, wanted, place)
        except Cut as error:
            if not connection.received_bytes:
                raise
            _log.debug("range.cut bytes=%d reason=%s", connection.received_bytes, error)
        except asyncio.CancelledError:
            connection.abort()
            raise
        else:
            self._hedging.note(len(place), self._loop.time() - connection.began)
        if connection.is_idle:
            self._idle.append((self._loop.time(), connection))
        return connection.received_bytes

    def _take_idle(self) -> Connection | None:
        while self._idle:
            _, connection = self._idle.pop()
            if connection.is_idle:
                return connection
        return None

    async def _connect(self) -> Connection:
        host, port = self._address.host, self._address.port
        try:
            async with asyncio.timeout(self._connect_timeout_seconds):
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self._loop, self._open.discard), host, port, ssl=self._tls
                )
        except ssl.SSLError as error:
            raise Unusual(f"TLS: {error.reason or error}") from error
        except TimeoutError as error:
            raise Cut(f"error sending request: no connection to {host}:{port} in time") from error
        except OSError as error:
            raise Cut(f"error sending request: no connection to {host}:{port} ({error.strerror or error})") from error
        self._open.add(connection)
        if not self._timers:
            self._timers["check"] = self._loop.call_later(self._check_seconds, self._check)
            self._timers["hedge"] = self._loop.call_later(HEDGE_SECONDS, self._hedge_late)
        return connection

    def _check(self) -> None:
        """Give up on silent requests and close what is idle, for as long as connections are open."""
        for connection in list(self._open):
            connection.check()
        since = self._loop.time() - self._idle_seconds
        while self._idle and self._idle[0][0] < since:
            _, connection = self._idle.popleft()
            if connection.is_idle:
                connection.abort()
        if self._open:
            self._timers["check"] = self._loop.call_later(self._check_seconds, self._check)
        else:
            self._timers.pop("hedge").cancel()
            del self._timers["check"]

    def _hedge_late(self) -> None:
        """Make requests once more that are late."""
        now = self._loop.time()
        late_after: dict[int, float | None] = {}
        for connection in list(self._open):
            if connection.is_idle or connection.is_hedged or connection.asked is None:
                continue
            data, wanted = connection.asked
            size = wanted.end - wanted.first
            kind = size.bit_length()
            if kind not in late_after:
                late_after[kind] = self._hedging.late_after_seconds(size)
            limit = late_after[kind]
            if limit is not None and now - connection.began > limit and self._free_places and self._hedging.take_one():
                connection.is_hedged = True
                hedge = self._loop.create_task(self._hedge(connection, data, wanted))
                self._hedges.add(hedge)
                hedge.add_done_callback(self._hedges.discard)
        self._timers["hedge"] = self._loop.call_later(HEDGE_SECONDS, self._hedge_late)

    async def _hedge(self, late: Connection, data: bytes, wanted: Wanted) -> None:
        """Ask once more, and give a late request what came, if it is still waited for."""
        body = bytearray(wanted.end - wanted.first)
        began, in_vain = late.began, 0
        try:
            came = await self.fetch(data, wanted, memoryview(body))
            was_late = late.received_bytes
            is_first = came == len(body) and late.began == began and late.take_over(body)
            in_vain = was_late if is_first else came
        except (Answered, Cut, Stale, Unusual) as error:
            _log.debug("range.hedge_failed reason=%s", error)
        finally:
            self._meter.hedged_requests += 1
            self._meter.bytes_downloaded += in_vain
            self._meter.wasted_bytes += in_vain
