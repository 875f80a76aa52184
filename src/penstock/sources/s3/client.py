"""Requests to a place in a bucket: sent, tried again and counted by one rule, whatever they are for.

A range is received straight into memory of the caller's, and taken up again from the byte that was reached where its
body was cut off. The answer to any other request is gathered, as much of it as its caller takes. Redirects are never
followed: they are answers, which say where the bucket is.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass

from penstock.clock import running_seconds
from penstock.errors import ChecksumMismatch, PenstockError, SourceUnavailable
from penstock.records import Purpose, RequestKind, SourceSpec
from penstock.sources.base import changed
from penstock.sources.http.connection import Answer, Answered, Cut, Damaged, Query, Stale
from penstock.sources.http.pool import Pool
from penstock.sources.http.response import Verdict, Wanted, retry_after_seconds
from penstock.sources.meter import Line, RequestMeter
from penstock.sources.patience import ClientLimits, Patience
from penstock.sources.protocols import ObjectInfo
from penstock.sources.s3.answers import StoreAnswer, error_of_answer, no_answer, read_answer
from penstock.sources.s3.credentials import Credentials, Keys
from penstock.sources.s3.place import S3Address
from penstock.sources.s3.requests import S3Requests, Target, find_target

__all__ = ["GaveUp", "S3Client", "error_of"]

MOST_ANSWER_BYTES = 16 << 20
"""Of an answer that is no object: a page of a listing is below 1 MB."""
GO_AHEAD_BYTES = 1 << 20
"""Size from which a body waits for the server's word before it is sent."""
_TELLING = frozenset({301, 302, 307, 308, 400, 401, 403})
"""Statuses of answers that may say where the bucket is, or that other credentials are wanted."""

LOOK_SECONDS = 1.0

_log = logging.getLogger(__name__)


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


@dataclass(slots=True)
class _Acted:
    """What was done for one request because an answer asked for it; each is done once."""

    has_moved: bool = False
    has_renewed: bool = False


class S3Client:
    """Asks one place in a bucket.

    Args:
        spec: of the source, for messages.
        place: in the bucket.
        limits: of requests.
        credentials: None for unsigned requests.
        meter: counts what is sent and received.
        purpose: of ranges that are read.

    Attributes:
        place: where it asks; an answer may say that it lies in another region.

    Raises:
        ConfigError: the environment names a proxy that cannot be used.
    """

    def __init__(
        self,
        spec: SourceSpec,
        place: S3Address,
        *,
        limits: ClientLimits,
        credentials: Credentials | None,
        meter: RequestMeter,
        purpose: Purpose,
    ) -> None:
        self.meter = meter
        self._spec = spec
        self.place = place
        self._target: Target = find_target(place)
        self._limits = limits
        self._credentials = credentials
        self._ranges: Line = meter.line("GET", purpose)
        self._opened: tuple[Pool, S3Requests] | None = None
        self._is_answered = False
        self._looking: asyncio.TimerHandle | None = None

    async def read_into(self, info: ObjectInfo, offset: int, place: memoryview) -> None:
        """Fill ``place``, which is not empty, with the bytes from ``offset`` of the version that ``info`` names.

        Raises:
            SourceChanged: its ETag or size is another by now.
            ObjectNotFound, AccessDenied, SourceUnavailable: it could not be read.
            ChecksumMismatch: it does not match the checksum that the store keeps of it.
        """
        loop = asyncio.get_running_loop()
        etag, reached = info.etag.encode("latin-1", "replace"), 0
        patience: Patience | None = None
        acted = _Acted()
        keys: Keys | None = None
        while True:
            pool, requests = self._open(loop)
            wanted = Wanted(offset + reached, offset + len(place), info.size_bytes, etag)
            began = running_seconds()
            retry_after: float | None = None
            came = 0
            try:
                data, keys = await requests.get(info.key, info.etag, wanted)
                query = Query(data, self._ranges, wanted)
                came = await pool.fetch(query, place[reached:] if reached else place)
            except (Answered, Cut, Stale) as error:
                problem: Exception = error
            except PenstockError:  # of the credentials
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
                if await self._act_on(problem.answer, keys, acted):
                    continue
            pause = patience.pause(retry_after) if _may_pass(problem) else None
            if pause is None:
                raise self._failed(problem, info.key, patience.told) from problem
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
    ) -> Answer:
        """Give the answer to a request, one that stays: of 2xx, 3xx or 4xx.

        Args:
            method: of HTTP.
            key: below the place's prefix; None asks the bucket itself.
            kind: that it is counted as.
            most_bytes: of the answer; a longer one is none.

        Raises:
            GaveUp: none came in time.
            AccessDenied, SourceUnavailable: there are no credentials.
        """
        loop = asyncio.get_running_loop()
        line = self.meter.line(kind, purpose)
        patience = Patience(self._limits, clock=running_seconds, is_answered=self._is_answered)
        acted = _Acted()
        told = dict(headers or {})
        waits = body is not None and len(body) >= GO_AHEAD_BYTES
        if waits:
            told["Expect"] = "100-continue"
        while True:
            pool, requests = self._open(loop)
            head, keys = await requests.make(method, key, query=query, headers=told, body=body)
            asked = Query(
                head,
                line,
                most_bytes=most_bytes,
                body=memoryview(b"") if body is None else body,
                waits_for_go_ahead=waits,
                has_empty_answer=method == "HEAD",
            )
            problem, answer, retry_after = None, None, None
            try:
                answer = await pool.call(asked)
            except (Cut, Stale) as error:
                problem = error
            else:
                self._is_answered = patience.is_answered = True
                if await self._act_on(answer, keys, acted):
                    continue
                if answer.head.status < 300 or not _read(answer).may_pass:
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
        opened, self._opened = self._opened, None
        if opened is not None:
            opened[0].close()

    def _open(self, loop: asyncio.AbstractEventLoop) -> tuple[Pool, S3Requests]:
        """Give the connections of the running loop."""
        if self._opened is None or not self._opened[0].serves(loop):
            self.close()
            pool = Pool(self._target.address, limits=self._limits, meter=self.meter)
            self._opened = pool, S3Requests(self.place, self._target, self._credentials)
            self._look(loop)
        return self._opened

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look at the clock of deadlines each second, or it takes a long pause for one in which the process stood."""
        running_seconds()
        self._looking = loop.call_later(LOOK_SECONDS, self._look, loop)

    async def _act_on(self, answer: Answer, keys: Keys | None, acted: _Acted) -> bool:
        """Do what an answer asks for, once a request; tell whether to ask again.

        Raises:
            AccessDenied, SourceUnavailable: other credentials are wanted, and could not be had.
        """
        if answer.head.status not in _TELLING:
            return False
        told = _read(answer)
        if told.wants_other_region and not acted.has_moved:
            acted.has_moved = True
            self._move(told.region)
            return True
        if told.wants_other_keys and keys is not None and self._credentials is not None and not acted.has_renewed:
            acted.has_renewed = True
            try:
                return await self._credentials.renew(keys)
            except PenstockError:
                self.meter.add("failed_requests")
                raise
        return False

    def _move(self, region: str) -> None:
        """Ask in another region from now on."""
        if region == self.place.region:
            return
        _log.warning("source.moved source=%s region=%s was=%s", self._spec.uri, region, self.place.region)
        self.close()
        self.place = self.place.in_region(region)
        self._target = find_target(self.place)

    def _failed(self, problem: Exception, key: str, tried: str) -> PenstockError:
        self.meter.add("failed_requests")
        told = _read(problem.answer) if isinstance(problem, Answered) else None
        if told is not None and told.is_web_page:
            return error_of_answer(told, self._spec, key, is_object=True)
        if isinstance(problem, Answered) and problem.verdict is Verdict.CHANGED:
            return changed(self._spec, key)
        if isinstance(problem, Damaged):
            return ChecksumMismatch(
                f"{key} in {self._spec.uri} came damaged each time: {problem}; {tried}",
                fix="upload the object again, or look for what damages bytes on the way",
                about=key,
            )
        if isinstance(problem, Answered) and problem.status < 300:
            return SourceUnavailable(
                f"{self._spec.uri} gave no such range of {key} as was asked for (HTTP {problem.status}); {tried}",
                fix="a proxy may answer in the store's place, or the server knows no ranges: check the network and "
                "--endpoint-url",
                about=key,
            )
        answer = problem.answer if isinstance(problem, Answered) else None
        return error_of(GaveUp(problem, answer, tried), self._spec, key, is_object=True)


def error_of(problem: GaveUp | Answer, spec: SourceSpec, key: str, *, is_object: bool) -> PenstockError:
    """Give the error of the tree for an answer that is an error, or for none.

    Args:
        spec: of the source.
        key: the object or prefix that was asked for, empty for the whole source.
        is_object: it was a single object that was asked for.
    """
    answer = problem.answer if isinstance(problem, GaveUp) else problem
    error: PenstockError
    if answer is None:
        error = no_answer(str(problem), spec, key)
    else:
        error = error_of_answer(_read(answer), spec, key, is_object=is_object, now_seconds=time.time())
    if isinstance(problem, GaveUp) and isinstance(error, SourceUnavailable):
        return type(error)(f"{error.what}; {problem.tried}", fix=error.fix, about=error.about)
    return error


def _read(answer: Answer) -> StoreAnswer:
    return read_answer(answer.head.status, dict(answer.head.headers), answer.body)


def _may_pass(problem: Exception) -> bool:
    return not isinstance(problem, Answered) or problem.verdict is Verdict.RETRY
