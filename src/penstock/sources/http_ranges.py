"""Ranges of S3 objects, received straight into memory of the caller's.

obstore takes 310 us of CPU for a range of 64 KiB, most of it not for the bytes; this takes a fraction. It deals with
the plain case alone, answers as S3 gives them, and says ``Unusual`` of all others: they are obstore's.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from penstock.errors import ChecksumMismatch, PenstockError
from penstock.records import SourceSpec
from penstock.sources.http_connection import Answered, Cut, Damaged, Unusual
from penstock.sources.http_pool import Pool
from penstock.sources.http_response import Verdict, Wanted
from penstock.sources.mapping import changed, map_source_error
from penstock.sources.protocols import ObjectInfo, RequestMeter
from penstock.sources.s3 import ClientLimits, S3Address
from penstock.sources.s3_requests import S3Requests, Signer, Target, find_target

if TYPE_CHECKING:
    from obstore.store import S3Credential

__all__ = ["HttpRanges", "open_ranges", "pause_seconds"]

FIRST_PAUSE_SECONDS = 0.1
MAX_PAUSE_SECONDS = 15.0


class HttpRanges:
    """Reads ranges of a bucket's objects.

    Args:
        spec: of the source.
        place: of the source, at ``target``.
        limits: of requests; of the time of one, only that without a byte counts.
        provider: of credentials, None for unsigned requests.

    Attributes:
        meter: of its use.
        most_bytes: largest range that is to be read by this.
    """

    def __init__(
        self,
        spec: SourceSpec,
        place: S3Address,
        target: Target,
        *,
        limits: ClientLimits,
        provider: Callable[[], S3Credential] | None,
    ) -> None:
        self.meter = RequestMeter()
        self.most_bytes = limits.direct_tls_bytes if target.address.is_tls else sys.maxsize
        self._spec = spec
        self._place = place
        self._target = target
        self._limits = limits
        self._provider = provider
        self._opened: tuple[Pool, S3Requests] | None = None

    async def read_into(self, info: ObjectInfo, offset: int, place: memoryview) -> None:
        """Fill ``place``, which is not empty, with the bytes from ``offset`` of the version that ``info`` names.

        Raises:
            SourceChanged: its ETag or size is another by now.
            ObjectNotFound, AccessDenied, SourceUnavailable: it could not be read.
            ChecksumMismatch: it does not match the checksum that the store keeps of it.
            Unusual: obstore may still be able to read it.
        """
        loop = asyncio.get_running_loop()
        pool, requests = self._open(loop)
        if not requests.takes(info.key, info.etag):
            raise Unusual("a name that is no plain path")
        meter, etag = self.meter, info.etag.encode("ascii")
        began, reached, num_retries = loop.time(), 0, 0
        while True:
            wanted = Wanted(offset + reached, offset + len(place), info.size_bytes, etag)
            try:
                request = await requests.get(info.key, info.etag, wanted)
                came = await pool.fetch(request, wanted, place[reached:] if reached else place)
            except (Answered, Cut) as error:
                problem: Exception = error
                meter.count_answer(_status_of(error))
            except PenstockError:  # of the credentials
                meter.failed_requests += 1
                raise
            else:
                reached += came
                meter.bytes_downloaded += came
                meter.answers_2xx += 1
                if reached == len(place):
                    meter.get_requests += 1
                    return
                problem = Cut(f"error decoding response body: {reached} of {len(place)} bytes came")
            pause = pause_seconds(num_retries, random.random())  # noqa: S311 (spreads the load, hides nothing)
            late = loop.time() - began + pause > self._limits.retry_seconds
            if late or num_retries == self._limits.max_retries or not _may_pass(problem):
                raise self._failed(problem, info.key, reached) from problem
            num_retries += 1
            meter.retried_requests += 1
            await asyncio.sleep(pause)

    def close(self) -> None:
        """Close all connections; the next read opens new ones."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened[0].close()

    def _open(self, loop: asyncio.AbstractEventLoop) -> tuple[Pool, S3Requests]:
        """Give the connections of the running loop."""
        if self._opened is None or not self._opened[0].serves(loop):
            self.close()
            pool = Pool(
                self._target.address,
                connect_timeout_seconds=self._limits.connect_timeout_seconds,
                quiet_timeout_seconds=self._limits.request_timeout_seconds,
                meter=self.meter,
            )
            signer = Signer(self._place.region, self._provider) if self._provider else None
            self._opened = pool, S3Requests(self._place, self._target, signer)
        return self._opened

    def _failed(self, problem: Exception, key: str, reached: int) -> PenstockError:
        if isinstance(problem, Answered) and problem.verdict is Verdict.CHANGED:
            self.meter.get_requests += not reached
            self.meter.failed_requests += bool(reached)
            return changed(self._spec, key)
        self.meter.failed_requests += 1
        if isinstance(problem, Damaged):
            return ChecksumMismatch(
                f"{key} in {self._spec.uri} came damaged each time: {problem}",
                fix="upload the object again, or look for what damages bytes on the way",
                about=key,
            )
        if isinstance(problem, Answered):
            text = f"status code: {problem.status}: {problem.body}"
            kind = FileNotFoundError if problem.status == 404 else OSError
            return map_source_error(kind(text), self._spec, key)
        return map_source_error(OSError(str(problem)), self._spec, key)


def open_ranges(
    spec: SourceSpec, place: S3Address, *, limits: ClientLimits, provider: Callable[[], S3Credential] | None
) -> HttpRanges | None:
    """Give a reader of a bucket's ranges, None where obstore is to read them; asks for nothing."""
    target = find_target(place)
    if target is None or (target.address.is_tls and not limits.direct_tls_bytes):
        return None
    return HttpRanges(spec, place, target, limits=limits, provider=provider)


def pause_seconds(num_retries: int, share: float) -> float:
    """Give the pause before the next try: doubled with each, from half of it to all of it by ``share`` (0 to 1)."""
    full = min(FIRST_PAUSE_SECONDS * 2.0 ** min(num_retries, 16), MAX_PAUSE_SECONDS)
    return full * (0.5 + share / 2)


def _status_of(problem: Exception) -> int:
    """Give the status of an answer, 0 where none came; damaged bytes came with 200."""
    return problem.status if isinstance(problem, Answered) else 200 * isinstance(problem, Damaged)


def _may_pass(problem: Exception) -> bool:
    return not isinstance(problem, Answered) or problem.verdict is Verdict.RETRY
