"""The one rule of trying again, for every request of every client.

A try that failed in a way that may pass is followed by another after a pause: doubled with each try, spread by
chance, and never shorter than the server asks for (Retry-After, up to a bound). Tries go on until ``retry_seconds``
have passed without good progress, however many they are. Good progress is as many bytes as a request must bring in
its time (``ClientLimits``): a server that cuts each answer off after a few bytes is given up as well.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from penstock.units import KIB

__all__ = ["ClientLimits", "Patience", "limits_within", "pause_seconds"]

FIRST_PAUSE_SECONDS = 0.1
MAX_PAUSE_SECONDS = 15.0
MAX_RETRY_AFTER_SECONDS = 60.0
"""The longest that a server is believed when it says when to come again."""
LAST_TRY_SECONDS = 60.0
"""What a last try takes that nobody answers, with some to spare: a connection, and a request that is found out late."""
RETRY_AFTER_SPREAD = 0.25
"""Part of that time that is added by chance: those who were told the same do not come at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientLimits:
    """How long a request may take and how long it is tried.

    Attributes:
        connect_timeout_seconds: to make a connection: the name, TCP, a proxy and TLS together.
        request_timeout_seconds: from a request to the end of its answer's head; and the time over which a body, of an
            answer or of an upload, must bring ``least_bytes_per_second``. Found out up to a quarter of that late.
        least_bytes_per_second: slower bodies are given up and tried again, from the byte that was reached.
        retry_seconds: after which no new try is made, counted from the request's begin or its last good progress.
        first_answer_seconds: the same for a place that has never answered: its name or port is likely a wrong one.
        max_retries: tries after the first; None is as many as there is time for.
    """

    connect_timeout_seconds: float = 10
    request_timeout_seconds: float = 30
    least_bytes_per_second: int = 1 * KIB
    retry_seconds: float = 120
    first_answer_seconds: float = 20
    max_retries: int | None = None

    @property
    def progress_bytes(self) -> int:
        """What a body must bring in ``request_timeout_seconds``."""
        return max(1, int(self.least_bytes_per_second * self.request_timeout_seconds))


def limits_within(seconds: float) -> ClientLimits:
    """Return limits with which a source that does not answer is given up within that time, its last try included."""
    usual = ClientLimits()
    retry_seconds = max(seconds / 4, seconds - LAST_TRY_SECONDS)
    return ClientLimits(
        connect_timeout_seconds=min(usual.connect_timeout_seconds, seconds / 10),
        request_timeout_seconds=min(usual.request_timeout_seconds, seconds / 2),
        retry_seconds=min(usual.retry_seconds, retry_seconds),
        first_answer_seconds=min(usual.first_answer_seconds, retry_seconds),
    )


class Patience:
    """How long one request goes on being tried.

    Args:
        limits: of requests.
        clock: gives seconds.
        chance: gives numbers from 0 to 1.
        began: when the request was first made; None is now.

    Attributes:
        is_answered: whether the place has ever answered.
    """

    def __init__(
        self,
        limits: ClientLimits,
        *,
        clock: Callable[[], float],
        chance: Callable[[], float] = random.random,
        began: float | None = None,
        is_answered: bool = True,
    ) -> None:
        self._limits = limits
        self.is_answered = is_answered
        self._clock, self._chance = clock, chance
        self._began = self._since = clock() if began is None else began
        self._num_retries = self._num_fast = 0
        self._new_bytes = 0

    def progress(self, new_bytes: int) -> None:
        """Note bytes that a try brought before it failed."""
        self._new_bytes += new_bytes
        if self._new_bytes >= self._limits.progress_bytes:
            self._new_bytes, self._num_fast = 0, 0
            self._since = self._clock()

    def pause(self, retry_after_seconds: float | None = None) -> float | None:
        """Return the pause before the next try, None where it is time to give up.

        Args:
            retry_after_seconds: what the server asked for.
        """
        limits = self._limits
        longest = limits.retry_seconds if self.is_answered else min(limits.retry_seconds, limits.first_answer_seconds)
        left = longest - (self._clock() - self._since)
        if left <= 0 or (limits.max_retries is not None and self._num_retries >= limits.max_retries):
            return None
        pause = pause_seconds(self._num_fast, self._chance())
        if retry_after_seconds is not None:
            asked = min(retry_after_seconds, MAX_RETRY_AFTER_SECONDS)
            pause = max(pause, asked * (1 + RETRY_AFTER_SPREAD * self._chance()))
        self._num_retries += 1
        self._num_fast += 1
        # The last try comes when the time is over, not before.
        return min(pause, left)

    @property
    def told(self) -> str:
        """What was done, for an error's message."""
        tries = "1 try" if not self._num_retries else f"{self._num_retries + 1} tries"
        return f"{tries} in {self._clock() - self._began:.0f} s"


def pause_seconds(num_retries: int, share: float) -> float:
    """Return the pause before the next try: doubled with each, from half of it to all of it by ``share`` (0 to 1)."""
    full = min(FIRST_PAUSE_SECONDS * 2.0 ** min(num_retries, 16), MAX_PAUSE_SECONDS)
    return full * (0.5 + share / 2)
