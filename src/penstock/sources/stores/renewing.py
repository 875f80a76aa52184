"""Credentials that end, shared by all requests of a source and asked for again before they do.

Others are asked for while the present ones are still good, in a thread of its own, by one request for all; those that
a store refuses are renewed once.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, Protocol, TypeVar

from penstock.errors import PenstockError, SourceUnavailable

__all__ = ["Ending", "Renewed"]

REFRESH_BEFORE_SECONDS = 300
REFRESH_AT_SHARE = 2 / 3
"""Of a life that is too short for that, after which others are asked for."""
FIRST_PAUSE_SECONDS = 1.0
MAX_PAUSE_SECONDS = 30.0
FIND_SECONDS = 60.0

_log = logging.getLogger(__name__)


class Ending(Protocol):
    """Credentials that may end."""

    @property
    def expires_at_seconds(self) -> float | None:
        """Since 1970; None where it is not known to end."""
        ...

    def signs_otherwise_than(self, other: Any) -> bool:
        """Tell whether a store sees other credentials, whenever they are said to end."""
        ...


K = TypeVar("K", bound=Ending)
Told = Callable[[Exception, str, bool], PenstockError]
"""Makes the error of the tree of what kept credentials away, what they are for, and whether there were any before."""


class Renewed(Generic[K]):
    """The present credentials, for any number of requests, event loops and threads.

    Args:
        find: asks for credentials; may take long, and runs in a thread.
        about: what they are for, as messages name it.
        told_as: makes an error of what kept them away.
        clock: gives seconds since 1970.
        find_seconds: that a request waits for credentials at most.
    """

    def __init__(
        self,
        find: Callable[[], K],
        *,
        about: str,
        told_as: Told,
        clock: Callable[[], float] = time.time,
        find_seconds: float = FIND_SECONDS,
    ) -> None:
        self._find = find
        self._about = about
        self._told_as = told_as
        self._clock = clock
        self._find_seconds = find_seconds
        self._lock = threading.Lock()
        self._keys: K | None = None
        self._good_until_seconds = 0.0
        self._refresh_at_seconds = 0.0
        self._finding: Future[K] | None = None
        self._failed: tuple[PenstockError, float] | None = None
        self._pause_seconds = FIRST_PAUSE_SECONDS

    async def current(self) -> K:
        """Return credentials that are good now.

        Raises:
            AccessDenied: there are none, or they were refused.
            SourceUnavailable: they could not be had now.
        """
        now = self._clock()
        keys = self._keys
        if keys is not None and now < self._refresh_at_seconds:
            return keys
        finding = self._begin(now)
        if keys is not None and now < self._good_until_seconds:
            return keys
        return await self._wait(finding)

    async def renew(self, refused: K) -> bool:
        """Look for other credentials than those that a store refused; tell whether there are any.

        Raises:
            AccessDenied: there are none any more.
            SourceUnavailable: they could not be had now.
        """
        keys = self._keys
        if keys is None or keys == refused:
            keys = await self._wait(self._begin(self._clock()))
        return keys.signs_otherwise_than(refused)

    def _begin(self, now: float) -> Future[K]:
        """Ask for credentials, unless that is under way or failed a moment ago."""
        with self._lock:
            if self._finding is not None:
                return self._finding
            finding: Future[K] = Future()
            finding.set_running_or_notify_cancel()
            if self._failed is not None and now < self._failed[1]:
                finding.set_exception(self._failed[0])
                return finding
            self._finding = finding
        threading.Thread(target=self._run, args=(finding,), name="penstock-credentials-0", daemon=True).start()
        return finding

    def _run(self, finding: Future[K]) -> None:
        try:
            keys = self._find()
        except Exception as error:
            self._fail(finding, error)
        else:
            self._take(finding, keys)

    def _take(self, finding: Future[K], keys: K) -> None:
        now = self._clock()
        with self._lock:
            ends = keys.expires_at_seconds
            life_seconds = float("inf") if ends is None else ends - now
            # Those that have ended already are for the store to judge: this machine's clock may be wrong.
            wait_seconds = max(life_seconds - REFRESH_BEFORE_SECONDS, life_seconds * REFRESH_AT_SHARE, 1.0)
            self._refresh_at_seconds = now + wait_seconds
            self._good_until_seconds = now + max(life_seconds, wait_seconds)
            self._keys, self._finding, self._failed = keys, None, None
            self._pause_seconds = FIRST_PAUSE_SECONDS
        finding.set_result(keys)

    def _fail(self, finding: Future[K], error: Exception) -> None:
        told = self._told_as(error, self._about, self._keys is not None)
        now = self._clock()
        with self._lock:
            self._failed = told, now + self._pause_seconds
            self._refresh_at_seconds = now + self._pause_seconds
            self._pause_seconds = min(self._pause_seconds * 2, MAX_PAUSE_SECONDS)
            self._finding = None
        if self._keys is not None and now < self._good_until_seconds:
            _log.warning("credentials.not_renewed about=%s reason=%s", self._about, told.what)
        finding.set_exception(told)

    async def _wait(self, finding: Future[K]) -> K:
        try:
            async with asyncio.timeout(self._find_seconds):
                return await asyncio.wrap_future(finding)
        except TimeoutError as error:
            raise SourceUnavailable(
                f"no credentials for {self._about} came within {self._find_seconds:g} s",
                fix="look at the process, role or single sign-on that gives them, then run it again",
                about=self._about,
            ) from error
