"""Requests in flight against stores that refuse some: by chance, beyond a rate, beyond a number, or all for a while.

A store is simulated event by event: a request reaches it after half the latency, is refused at once or served, and its
bytes pass a link one after the other. What was refused is tried again after the pauses that every client makes.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.sources.patience import FIRST_PAUSE_SECONDS, pause_seconds
from penstock.window.concurrency import Throttle

RANGE_BYTES = 16_384
Refuses = Callable[[float, int], bool]
"""Tells, from the time and the requests being served, whether one more is refused."""
QUICK = settings(max_examples=8, deadline=None)


@dataclass(kw_only=True)
class Store:
    """What is simulated, and what was seen.

    Attributes:
        ended: when each request had been answered well.
        tried: when each try reached the store.
    """

    refuses: Refuses
    latency_seconds: float = 0.03
    link_bytes_per_second: float = math.inf
    highest: int = 512
    seed: int = 0
    ended: list[float] = field(default_factory=list)
    tried: list[float] = field(default_factory=list)
    limits: list[tuple[float, int]] = field(default_factory=list)

    def run(self, seconds: float) -> Store:
        """Have as many requests under way as the throttle lets."""
        rng, clock, refused = random.Random(self.seed), [0.0], [0]
        throttle = Throttle(self.highest, lambda: (len(self.ended) * RANGE_BYTES, refused[0]), clock=lambda: clock[0])
        number, serving, num_working, link_free = itertools.count(), 0, 0, 0.0
        events: list[tuple[float, int, str, int]] = []

        def later(after: float, kind: str, tries: int = 0) -> None:
            heapq.heappush(events, (clock[0] + after, next(number), kind, tries))

        while clock[0] < seconds:
            while num_working < throttle.limit:
                num_working += 1
                later(self.latency_seconds / 2 * (1 + 0.1 * rng.random()), "reach")
            clock[0], _, kind, tries = heapq.heappop(events)
            if kind == "reach":
                self.tried.append(clock[0])
                is_refused = self.refuses(clock[0], serving)
                serving += not is_refused
                later(self.latency_seconds / 2, "refused" if is_refused else "served", tries)
            elif kind == "refused":
                refused[0] += 1
                later(pause_seconds(tries, rng.random()) + self.latency_seconds / 2, "reach", tries + 1)
            elif kind == "served":
                serving -= 1
                link_free = max(link_free, clock[0]) + RANGE_BYTES / self.link_bytes_per_second
                later(link_free - clock[0], "ended")
            else:
                self.ended.append(clock[0])
                num_working -= 1
                if throttle.measure(was_binding=True):
                    self.limits.append((clock[0], throttle.limit))
        return self

    def rate(self, first: float, end: float) -> float:
        """Return requests a second that were answered well."""
        return sum(first <= at < end for at in self.ended) / (end - first)

    def tries(self, first: float, end: float) -> float:
        """Return tries for each request that was answered well."""
        return sum(first <= at < end for at in self.tried) / max(1, sum(first <= at < end for at in self.ended))


def by_chance(share: float, seed: int) -> Refuses:
    rng = random.Random(seed)
    return lambda now, serving: rng.random() < share


def beyond_rate(per_second: Callable[[float], float], *, burst_seconds: float = 0.05) -> Refuses:
    """Refuse what comes faster, but for what is saved up in a moment."""
    free = [0.0]

    def refuses(now: float, serving: int) -> bool:
        free[0] = max(free[0], now - burst_seconds)
        if free[0] > now:
            return True
        free[0] += 1 / per_second(now)
        return False

    return refuses


@QUICK
@given(st.sampled_from([0.01, 0.02, 0.05, 0.1]), st.floats(0.02, 0.1), st.integers(0, 1 << 30))
def test_refusals_by_chance_leave_a_link_full(share: float, latency_seconds: float, seed: int) -> None:
    store = Store(
        refuses=by_chance(share, seed), latency_seconds=latency_seconds, link_bytes_per_second=8e6, seed=seed
    ).run(8)
    assert store.rate(3, 8) >= 0.95 * 8e6 / RANGE_BYTES
    # Each try is refused with that chance, whichever it is; 6 standard deviations of as many, and what is under way.
    assert store.tries(3, 8) <= 1 / (1 - share) + 6 * math.sqrt(share / len(store.ended)) + 0.03


@QUICK
@given(st.sampled_from([0.01, 0.05, 0.1]), st.floats(0.02, 0.1), st.integers(0, 1 << 30))
def test_refusals_by_chance_cost_no_more_than_their_pauses(share: float, latency_seconds: float, seed: int) -> None:
    """Where no more may be in flight, a request takes its tries and the pauses between them: at a share p of refusals
    latency / (1 - p), and pauses of 3/4 of their bound that double, p F 3/4 / (1 - 2 p) together.
    """
    store = Store(refuses=by_chance(share, seed), latency_seconds=latency_seconds, highest=64, seed=seed).run(8)
    pauses = share * 0.75 * FIRST_PAUSE_SECONDS / (1 - 2 * share)
    seconds = 1.05 * latency_seconds / (1 - share) + pauses
    assert store.rate(3, 8) >= 0.9 * 64 / seconds


@QUICK
@given(st.floats(150, 2000), st.integers(0, 1 << 30))
def test_a_store_that_takes_so_many_a_second_is_asked_for_about_as_many(per_second: float, seed: int) -> None:
    store = Store(refuses=beyond_rate(lambda now: per_second), seed=seed).run(16)
    assert store.rate(3, 16) >= 0.9 * per_second
    assert store.tries(1, 16) <= 1.25
    # About as many in flight as it takes in a round trip; some of them pause before they try again.
    needed = per_second * 1.05 * store.latency_seconds
    assert statistics.median(limit for at, limit in store.limits if at > 10) <= 8 + 1.5 * needed


@QUICK
@given(st.integers(4, 128), st.integers(0, 1 << 30))
def test_a_store_that_serves_so_many_at_once_is_kept_busy(at_once: int, seed: int) -> None:
    store = Store(refuses=lambda now, serving: serving >= at_once, seed=seed).run(12)
    # It serves one for half the latency; a place that a refused try finds taken stays free until another comes.
    assert store.rate(3, 12) >= 0.55 * at_once / (store.latency_seconds / 2)
    assert store.tries(3, 12) <= 1.3


def test_a_store_that_takes_fewer_for_a_while_is_found_again() -> None:
    store = Store(refuses=beyond_rate(lambda now: 100 if 6 <= now < 14 else 1000)).run(22)
    assert store.rate(3, 6) >= 900
    assert store.rate(8, 14) >= 85
    assert store.tries(8, 14) <= 1.3
    assert store.rate(18, 22) >= 900


@pytest.mark.parametrize("seconds", [1.0, 8.0])
def test_a_store_that_refuses_everything_for_a_while_recovers(seconds: float) -> None:
    store = Store(refuses=lambda now, serving: 4 <= now < 4 + seconds, link_bytes_per_second=8e6).run(20)
    # Nobody is hammered: of those under way each doubles its pause.
    assert sum(4 <= at < 4 + seconds for at in store.tried) <= 64 * 2 * (2 + math.log2(1 + seconds / 0.05))
    assert store.rate(4 + seconds + 3, 20) >= 0.95 * 8e6 / RANGE_BYTES
