"""Connections to one server, kept for the next request.

The one used last is used next, so that few are open where few are enough; a new one is made when all are in use. A
pool belongs to the event loop that uses it, needs no thread, and closes connections that nobody used for a while. A
request that is late is made once more on another connection, into memory of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from penstock.errors import BudgetSpent
from penstock.sources.http.connecting import Address, Dialer
from penstock.sources.http.connection import CHECKS, Answer, Answered, Connection, Cut, Query, Stale
from penstock.sources.http.hedging import Hedging
from penstock.sources.meter import RequestMeter
from penstock.sources.patience import ClientLimits

__all__ = ["MAX_CONNECTIONS", "Address", "Pool"]

MAX_CONNECTIONS = 512
HEDGE_SECONDS = 0.025
"""Between two looks for requests that are late."""
IDLE_SECONDS = 10
"""S3 closes a connection after about 20 s without a request."""

_NOWHERE = memoryview(b"")

_log = logging.getLogger(__name__)


class Pool:
    """Connections to one address.

    Args:
        address: of the server.
        limits: of requests.
        max_connections: further requests wait.
        idle_seconds: after which a connection that nobody used is closed.
        meter: counts requests that are made once more, and what they bring in vain.
    """

    def __init__(
        self,
        address: Address,
        *,
        limits: ClientLimits,
        max_connections: int = MAX_CONNECTIONS,
        idle_seconds: float = IDLE_SECONDS,
        meter: RequestMeter | None = None,
    ) -> None:
        self._limits = limits
        self._dialer = Dialer(address, timeout_seconds=limits.connect_timeout_seconds)
        self._idle_seconds = idle_seconds
        self._check_seconds = limits.request_timeout_seconds / CHECKS
        self._loop = asyncio.get_running_loop()
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

    async def fetch(self, query: Query, place: memoryview) -> int:
        """Receive the range that a query wants into ``place``; give how many bytes came, if not all.

        A body that is cut off is no error once a byte of it came: its first bytes are in their place. Where this is
        cancelled, nothing is written to ``place`` any more.

        Raises:
            Cut, Answered: nothing is in place.
        """
        return (await self._send(query, place))[1]

    async def call(self, query: Query) -> Answer:
        """Return the answer to a query that has no place for it.

        Raises:
            Cut: there is none.
        """
        answer, _ = await self._send(query, _NOWHERE)
        assert answer is not None
        return answer

    async def _send(self, query: Query, place: memoryview) -> tuple[Answer | None, int]:
        if not self._free_places:
            await self._wait_for_place()
        self._free_places -= 1
        try:
            self._meter.grant()
            connection = self._take_idle()
            try:
                return await self._exchange(connection or await self._connect(), query, place)
            except Stale:
                self._meter.grant()
                return await self._exchange(await self._connect(), query, place)
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

    async def _exchange(self, connection: Connection, query: Query, place: memoryview) -> tuple[Answer | None, int]:
        answer: Answer | None = None
        try:
            answer = await connection.request(query, place)
        except Cut as error:
            if not connection.received_bytes:
                raise
            _log.debug("range.cut bytes=%d reason=%s", connection.received_bytes, error)
        except asyncio.CancelledError:
            connection.abort()
            raise
        else:
            if query.wanted is not None:
                self._hedging.note(len(place), self._loop.time() - connection.began)
        if connection.is_idle:
            self._idle.append((self._loop.time(), connection))
        return answer, connection.received_bytes

    def _take_idle(self) -> Connection | None:
        while self._idle:
            _, connection = self._idle.pop()
            if connection.is_idle:
                return connection
        return None

    async def _connect(self) -> Connection:
        connection = await self._dialer.connect(
            lambda: Connection(self._loop, self._open.discard, progress_bytes=self._limits.progress_bytes)
        )
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
            query = connection.asked
            if connection.is_idle or connection.is_hedged or query is None or query.wanted is None:
                continue
            size = query.wanted.end - query.wanted.first
            kind = size.bit_length()
            if kind not in late_after:
                late_after[kind] = self._hedging.late_after_seconds(size)
            limit = late_after[kind]
            is_late = limit is not None and now - connection.began > limit and not self._meter.is_spent
            if is_late and self._free_places and self._hedging.take_one():
                connection.is_hedged = True
                hedge = self._loop.create_task(self._hedge(connection, query, size))
                self._hedges.add(hedge)
                hedge.add_done_callback(self._hedges.discard)
        self._timers["hedge"] = self._loop.call_later(HEDGE_SECONDS, self._hedge_late)

    async def _hedge(self, late: Connection, query: Query, size_bytes: int) -> None:
        """Ask once more, and give a late request what came, if it is still waited for."""
        body = bytearray(size_bytes)
        began, in_vain = late.began, 0
        self._meter.add("hedged_requests")
        try:
            came = await self.fetch(query, memoryview(body))
            was_late = late.received_bytes
            is_first = came == len(body) and late.began == began and late.take_over(body)
            in_vain = was_late if is_first else came
        except (Answered, BudgetSpent, Cut, Stale) as error:
            _log.debug("range.hedge_failed reason=%s", error)
        finally:
            self._meter.add("wasted_bytes", in_vain)
