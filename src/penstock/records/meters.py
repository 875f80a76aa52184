"""What was moved and waited for: requests by kind, purpose and class of their answer, bytes, and what was left out."""

from __future__ import annotations

from typing import Literal

from penstock.records.codec import Part
from penstock.units import format_bytes

__all__ = ["NAMED_SKIPS", "Meters", "Purpose", "RequestCount", "RequestKind", "SkippedSample"]

NAMED_SKIPS = 100
"""Skipped samples that are named; all of them are counted."""

RequestKind = Literal["GET", "HEAD", "LIST", "PUT", "DELETE", "POST"]
"""What a request is, as S3 bills it: a GET of a bucket is a LIST."""
Purpose = Literal["listing", "data", "checkpoint", "records", "probe"]


class SkippedSample(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sample that was left out because it could not be had or decoded, and why."""

    key: str
    reason: str


class RequestCount(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Requests of one kind and purpose, and the answers to them by the class of their status.

    Attributes:
        sent: requests whose head was handed to the network, each try by itself.
        answers_2xx: answers whose head came whole; bodies that were cut off included.
    """

    kind: RequestKind
    purpose: Purpose
    sent: int = 0
    answers_2xx: int = 0
    answers_3xx: int = 0
    answers_4xx: int = 0
    answers_5xx: int = 0

    @property
    def unanswered(self) -> int:
        """Requests that got no answer: cut off, silent, or still under way."""
        return max(0, self.sent - self.answers_2xx - self.answers_3xx - self.answers_4xx - self.answers_5xx)

    @property
    def billed(self) -> int:
        """Requests that S3 bills: those that it answered with 5xx are free, 4xx are not."""
        return self.sent - self.answers_5xx

    def plus(self, other: RequestCount) -> RequestCount:
        """Add counts."""
        return RequestCount(
            kind=self.kind,
            purpose=self.purpose,
            sent=self.sent + other.sent,
            answers_2xx=self.answers_2xx + other.answers_2xx,
            answers_3xx=self.answers_3xx + other.answers_3xx,
            answers_4xx=self.answers_4xx + other.answers_4xx,
            answers_5xx=self.answers_5xx + other.answers_5xx,
        )


class Meters(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was moved and waited for.

    Attributes:
        bytes_downloaded: of bodies that were received, those of errors, cut ones and ones that were thrown away
            included.
        bytes_uploaded: of bodies that were sent, each time.
        sample_bytes: bytes of samples that were handed over: those that all ranks of the window have passed.
        failed_requests: requests that were given up, after however many tries.
        refetched_bytes: downloaded more than once because a process was restarted.
        reused_bytes: of samples that were read from what the window, or a cache on disk, had kept, instead of
            downloaded.
        fetching_microseconds: in which a window's prefetcher had requests of samples under way.
        starved_microseconds: of these, in which the next batch was not there.
        wasted_bytes: downloaded and thrown away: what lay between samples that one request read, and the answers of
            requests that were made twice and came second.
        retried_requests: requests that were made again after an answer of 5xx, a cut body or silence.
        hedged_requests: requests that were made a second time because they were late.
        requests: all that went out, each try of each, by kind and purpose; those of no requests are left out.
        window_bytes: the bound that was asked for.
        window_high_water_bytes: the most that the window's folder held.
        kept_bytes: samples that the window keeps from one epoch to the next.
        cache_bytes: what the folder of a cache on disk took, whoever put it there; 0 where there is none.
        ahead_bytes: what reading ahead was found to need of the window, before the rest was kept; 0 where it was not
            divided.
        num_skipped: times that a bad sample was left out, each epoch and each attempt counted.
        skipped: the first of them, each named once.
    """

    bytes_downloaded: int = 0
    bytes_uploaded: int = 0
    sample_bytes: int = 0
    failed_requests: int = 0
    refetched_bytes: int = 0
    reused_bytes: int = 0
    window_bytes: int = 0
    window_high_water_bytes: int = 0
    kept_bytes: int = 0
    cache_bytes: int = 0
    ahead_bytes: int = 0
    fetching_microseconds: int = 0
    starved_microseconds: int = 0
    wasted_bytes: int = 0
    retried_requests: int = 0
    hedged_requests: int = 0
    num_skipped: int = 0
    requests: tuple[RequestCount, ...] = ()
    skipped: tuple[SkippedSample, ...] = ()

    def __str__(self) -> str:
        again = f", {format_bytes(self.reused_bytes)} of them from what it had kept" if self.reused_bytes else ""
        return (
            f"<Meters: downloaded {format_bytes(self.bytes_downloaded)} by {self.get_requests:,} GET and "
            f"{self.list_requests:,} LIST; gave samples of {format_bytes(self.sample_bytes)}{again}; window "
            f"{format_bytes(self.window_high_water_bytes)} of {format_bytes(self.window_bytes)}>"
        )

    def count(self, *kinds: RequestKind, purpose: Purpose | None = None) -> RequestCount:
        """Add the requests of some kinds (none: all) and a purpose (None: all) up."""
        wanted = [
            line
            for line in self.requests
            if (not kinds or line.kind in kinds) and (purpose is None or line.purpose == purpose)
        ]
        total = RequestCount(kind=kinds[0] if kinds else "GET", purpose=purpose or "data")
        for line in wanted:
            total = total.plus(line)
        return total

    @property
    def get_requests(self) -> int:
        """GET and HEAD requests that went out."""
        return self.count("GET", "HEAD").sent

    @property
    def list_requests(self) -> int:
        """LIST requests that went out."""
        return self.count("LIST").sent

    @property
    def hit_ratio(self) -> float:
        """Share of the samples' bytes that needed no download; 0 where there were none."""
        fetched = self.bytes_downloaded - self.wasted_bytes - self.refetched_bytes
        return max(0.0, 1 - fetched / self.sample_bytes) if self.sample_bytes else 0.0

    @property
    def stands_ready(self) -> bool:
        """Whether most of what the window took was slots, which are allocated whole, and not samples."""
        return 0 < 2 * (self.kept_bytes + self.ahead_bytes) < self.window_high_water_bytes

    def without_traffic(self) -> Meters:
        """Return what is not counted where requests are made: sizes of the window, and what was left out."""
        return Meters(
            window_bytes=self.window_bytes,
            window_high_water_bytes=self.window_high_water_bytes,
            kept_bytes=self.kept_bytes,
            cache_bytes=self.cache_bytes,
            ahead_bytes=self.ahead_bytes,
            num_skipped=self.num_skipped,
            skipped=self.skipped,
        )

    def plus(self, other: Meters) -> Meters:
        """Add counts; of the window's sizes take the larger; of what was skipped name each sample once."""
        larger = {"window_bytes", "window_high_water_bytes", "kept_bytes", "cache_bytes", "ahead_bytes"}
        counts = [name for name in self.__struct_fields__ if name not in ("skipped", "requests")]
        pairs = ((name, getattr(self, name), getattr(other, name)) for name in counts)
        skipped = {bad.key: bad for bad in (*other.skipped, *self.skipped)}
        named = dict.fromkeys(bad.key for bad in (*self.skipped, *other.skipped))
        return Meters(
            **{name: max(one, two) if name in larger else one + two for name, one, two in pairs},
            requests=_joined(self.requests, other.requests),
            skipped=tuple(skipped[key] for key in named)[:NAMED_SKIPS],
        )


def _joined(*lines: tuple[RequestCount, ...]) -> tuple[RequestCount, ...]:
    found: dict[tuple[str, str], RequestCount] = {}
    for line in (each for some in lines for each in some):
        place = (line.kind, line.purpose)
        found[place] = found[place].plus(line) if place in found else line
    return tuple(found[place] for place in sorted(found))
