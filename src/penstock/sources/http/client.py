"""Requests to any store: sent, tried again and counted by one rule, whatever they are for.

A range is received straight into memory of the caller's, and taken up again from the byte that was reached where its
body was cut off. The answer to any other request is gathered, as much of it as its caller takes. How a request is
written and signed, what an answer asks for (another region, a redirect) and what an error means is the store's own: it
makes a ``Trip`` for each request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from penstock.clock import LOOK_SECONDS, running_seconds
from penstock.errors import BudgetSpent, PenstockError
from penstock.records import Purpose, RequestKind
from penstock.sources.http.connecting import Address
from penstock.sources.http.connection import Answer, Answered, Cut, Query, Stale
from penstock.sources.http.pool import MAX_CONNECTIONS, Pool
from penstock.sources.http.response import Verdict, Wanted, retry_after_seconds
from penstock.sources.meter import Line, RequestMeter
from penstock.sources.patience import ClientLimits, Patience
from penstock.sources.protocols import ObjectInfo

__all__ = ["GaveUp", "HttpClient", "Outgoing", "Sending", "Store", "Trip"]

MOST_ANSWER_BYTES = 16 << 20
"""Of an answer that is no object: a page of a listing is below 1 MB."""
GO_AHEAD_BYTES = 1 << 20
"""Size from which a body waits for the server's word before it is sent."""
MAX_POOLS = 64
"""Servers with connections kept; beyond it, those without any are forgotten."""


class GaveUp(Exception):
    """A request that got no answer that stays, however often it was tried.

    Attributes:
        answer: the last one, None where none came.
        tried: how often, and for how long.
    """

    def __init__(self, problem: Exception | None, answer: Answer | None, tried: str) -> None:
        super().__init__(str(problem) if problem is not None else "")
        self.answer = answer
        self.tried = tried


class Outgoing(NamedTuple):
    """A request as it is sent, and to whom."""

    address: Address
    data: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Sending:
    """A request that is no read of a range.

    Attributes:
        method: of HTTP.
        headers: besides those that each request has.
        body: that is sent after it.
    """

    method: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: memoryview | None


class Trip(Protocol):
    """One request of a caller's, through all its tries and wherever answers send it."""

    def wanted(self, first: int, end: int) -> Wanted:
        """Return what a read of bytes ``first`` to ``end - 1`` expects."""
        ...

    async def get(self, wanted: Wanted) -> Outgoing:
        """Return the request for a range.

        Raises:
            PenstockError: there are no credentials.
        """
        ...

    async def make(self, sending: Sending) -> Outgoing:
        """Return the head of any request.

        Raises:
            PenstockError: there are no credentials.
        """
        ...

    async def act_on(self, answer: Answer) -> bool:
        """Do what an answer asks for, each thing once; tell whether to ask again at once.

        Raises:
            PenstockError: what it asks for cannot be had.
        """
        ...

    def may_pass(self, answer: Answer) -> bool:
        """Tell whether the request may succeed later."""
        ...

    def failed(self, problem: Exception, tried: str) -> PenstockError:
        """Return the error of a range that could not be read.

        Args:
            problem: Answered, Cut or Stale.
            tried: how often, and for how long.
        """
        ...


class Store(Protocol):
    """What a client asks.

    Attributes:
        checksum_header: that names of headers with a whole object's checksums begin with, empty for none.
    """

    checksum_header: str

    def trip(self, key: str | None, info: ObjectInfo | None) -> Trip:
        """Begin a request for a key, of the version that ``info`` names; without a key for the store itself."""
        ...


class HttpClient:
    """Asks one store.

    Args:
        store: writes requests and reads answers.
        limits: of requests.
        meter: counts what is sent and received.
        purpose: of ranges that are read.
        max_connections: to one server.
    """

    def __init__(
        self,
        store: Store,
        *,
        limits: ClientLimits,
        meter: RequestMeter,
        purpose: Purpose,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        self.meter = meter
        self._store = store
        self._limits = limits
        self._max_connections = max_connections
        self._ranges: Line = meter.line("GET", purpose)
        self._pools: dict[Address, Pool] = {}
        self._last: tuple[Address, Pool] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_answered = False
        self._looking: asyncio.TimerHandle | None = None

    async def read_into(self, info: ObjectInfo, offset: int, place: memoryview) -> None:
        """Fill ``place``, which is not empty, with the bytes from ``offset`` of the version that ``info`` names.

        Raises:
            SourceChanged: its version or size is another by now.
            ObjectNotFound, AccessDenied, SourceUnavailable: it could not be read.
            ChecksumMismatch: it does not match the checksum that is known of it.
        """
        loop = asyncio.get_running_loop()
        trip, header, reached = self._store.trip(info.key, info), self._store.checksum_header, 0
        patience: Patience | None = None
        while True:
            wanted = trip.wanted(offset + reached, offset + len(place))
            began = running_seconds()
            retry_after: float | None = None
            came = 0
            problem: Exception | None = None  # the one before it holds this frame, and so the place, by its traceback
            try:
                address, data = await trip.get(wanted)
                query = Query(data, self._ranges, wanted, checksum_header=header)
                came = await self._pool(address, loop).fetch(query, place[reached:] if reached else place)
            except (Answered, Cut, Stale) as error:
                problem = error
            except BudgetSpent:
                raise
            except PenstockError:  # of credentials, or of the way there
                self.meter.add("failed_requests")
                raise
            else:
                reached += came
                if reached == len(place):
                    return
                problem = Cut(f"error decoding response body: {reached} of {len(place)} bytes came")
            if patience is None:
                patience = Patience(self._limits, clock=running_seconds, began=began)
            patience.progress(came)
            if isinstance(problem, Answered):
                retry_after = problem.retry_after_seconds
                if await self._act_on(trip, problem.answer):
                    continue
            pause = patience.pause(retry_after) if _may_pass(problem, trip) else None
            if pause is None:
                self.meter.add("failed_requests")
                raise trip.failed(problem, patience.told) from problem
            self.meter.add("retried_requests")
            await asyncio.sleep(pause)

    async def call(
        self,
        method: str,
        key: str | None,
        *,
        kind: RequestKind,
        purpose: Purpose,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: memoryview | None = None,
        most_bytes: int = MOST_ANSWER_BYTES,
        cuts_off: bool = False,
        follows: bool = True,
    ) -> Answer:
        """Return the answer to a request, one that stays: of 2xx, 3xx or 4xx.

        Args:
            method: of HTTP.
            key: below the place's prefix; None asks the store itself.
            kind: that it is counted as.
            most_bytes: of the answer; a longer one is none, or ends there where ``cuts_off``.
            follows: whether it is asked where a redirect leads; else that it leads there is the answer.

        Raises:
            GaveUp: none came in time.
            AccessDenied, SourceUnavailable: there are no credentials.
        """
        loop = asyncio.get_running_loop()
        line = self.meter.line(kind, purpose)
        patience = Patience(self._limits, clock=running_seconds, is_answered=self._is_answered)
        trip = self._store.trip(key, None)
        told = dict(headers or {})
        waits = body is not None and len(body) >= GO_AHEAD_BYTES
        if waits:
            told["Expect"] = "100-continue"
        sending = Sending(method=method, query=query or {}, headers=told, body=body)
        while True:
            address, head = await trip.make(sending)
            asked = Query(
                head,
                line,
                most_bytes=most_bytes,
                body=memoryview(b"") if body is None else body,
                waits_for_go_ahead=waits,
                has_empty_answer=method == "HEAD",
                cuts_off=cuts_off,
            )
            problem, answer, retry_after = None, None, None
            try:
                answer = await self._pool(address, loop).call(asked)
            except (Cut, Stale) as error:
                problem = error
            else:
                self._is_answered = patience.is_answered = True
                if await self._act_on(trip, answer) and (follows or not 300 <= answer.head.status < 400):
                    continue
                if answer.head.status < 300 or not trip.may_pass(answer):
                    return answer
                retry_after = retry_after_seconds(answer.head.header("retry-after"))
            pause = patience.pause(retry_after)
            if pause is None:
                self.meter.add("failed_requests")
                raise GaveUp(problem, answer, patience.told) from problem
            self.meter.add("retried_requests")
            await asyncio.sleep(pause)

    def close(self) -> None:
        """Close all connections; the next request opens new ones."""
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        pools, self._pools, self._last = self._pools, {}, None
        for pool in pools.values():
            pool.close()

    async def _act_on(self, trip: Trip, answer: Answer) -> bool:
        try:
            return await trip.act_on(answer)
        except PenstockError:
            self.meter.add("failed_requests")
            raise

    def _pool(self, address: Address, loop: asyncio.AbstractEventLoop) -> Pool:
        """Return the connections to a server that belong to the running loop."""
        if loop is not self._loop:
            self.close()
            self._loop = loop
        last = self._last
        if last is not None and last[0] is address:
            return last[1]
        pool = self._pools.get(address)
        if pool is None:
            if len(self._pools) >= MAX_POOLS:
                self._pools = {where: kept for where, kept in self._pools.items() if kept.num_open}
            pool = self._pools[address] = Pool(
                address, limits=self._limits, max_connections=self._max_connections, meter=self.meter
            )
            if self._looking is None:
                self._look(loop)
        self._last = address, pool
        return pool

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look at the clock of deadlines each second, or it takes a long pause for one in which the process stood."""
        running_seconds()
        self._looking = loop.call_later(LOOK_SECONDS, self._look, loop)


def _may_pass(problem: Exception, trip: Trip) -> bool:
    if not isinstance(problem, Answered):
        return True
    # What an error means is told by its body, which the store can read.
    return trip.may_pass(problem.answer) if problem.status >= 400 else problem.verdict is Verdict.RETRY
