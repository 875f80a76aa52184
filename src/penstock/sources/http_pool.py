"""Connections to one server, kept for the next request.

The one used last is used next, so that few are open where few are enough; a new one is made when all are in use. A
pool belongs to the event loop that uses it, needs no thread, and closes connections that nobody used for a while.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import deque
from dataclasses import dataclass

from penstock.sources.http_connection import QUIET_CHECKS, Connection, Cut, Stale, Unusual
from penstock.sources.http_response import Wanted

__all__ = ["Address", "Pool"]

MAX_CONNECTIONS = 512
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
    """

    def __init__(
        self,
        address: Address,
        *,
        connect_timeout_seconds: float,
        quiet_timeout_seconds: float,
        max_connections: int = MAX_CONNECTIONS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._address = address
        self._connect_timeout_seconds = connect_timeout_seconds
        self._idle_seconds = idle_seconds
        self._check_seconds = quiet_timeout_seconds / QUIET_CHECKS
        self._loop = asyncio.get_running_loop()
        self._tls = ssl.create_default_context() if address.is_tls else None
        self._free_places = asyncio.Semaphore(max_connections)
        self._open: set[Connection] = set()
        self._idle: deque[tuple[float, Connection]] = deque()
        self._checking: asyncio.TimerHandle | None = None

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
        async with self._free_places:
            try:
                return await self._exchange(self._take_idle() or await self._connect(), data, wanted, place)
            except Stale:
                return await self._exchange(await self._connect(), data, wanted, place)

    def close(self) -> None:
        """Close all connections; requests under way end with Cut."""
        if self._checking is not None:
            self._checking.cancel()
            self._checking = None
        if not self._loop.is_closed():
            for connection in list(self._open):
                connection.abort()

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
                    lambda: Connection(self._open.discard), host, port, ssl=self._tls
                )
        except ssl.SSLError as error:
            raise Unusual(f"TLS: {error.reason or error}") from error
        except TimeoutError as error:
            raise Cut(f"error sending request: no connection to {host}:{port} in time") from error
        except OSError as error:
            raise Cut(f"error sending request: no connection to {host}:{port} ({error.strerror or error})") from error
        self._open.add(connection)
        if self._checking is None:
            self._checking = self._loop.call_later(self._check_seconds, self._check)
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
        self._checking = self._loop.call_later(self._check_seconds, self._check) if self._open else None
