"""Requests to a place in a bucket: signed, and sent to the region that it lies in.

Redirects are never followed: they are answers, which say where the bucket is.
"""

from __future__ import annotations

import logging
import time

from penstock.errors import PenstockError
from penstock.manifest import SourceSpec
from penstock.records import Purpose
from penstock.sources.http.client import GaveUp, HttpClient, Outgoing, Sending
from penstock.sources.http.connection import Answer, Answered
from penstock.sources.http.response import Wanted
from penstock.sources.meter import RequestMeter
from penstock.sources.patience import ClientLimits
from penstock.sources.protocols import ObjectInfo
from penstock.sources.s3.answers import StoreAnswer, error_of_answer, read_answer
from penstock.sources.s3.credentials import Credentials, Keys
from penstock.sources.s3.place import S3Address
from penstock.sources.s3.requests import S3Requests, find_target
from penstock.sources.stores.client import no_answer, no_such_range, with_tries, wrong_bytes

__all__ = ["S3Client", "error_of"]

_TELLING = frozenset({301, 302, 307, 308, 400, 401, 403})
"""Statuses of answers that may say where the bucket is, or that other credentials are wanted."""

_log = logging.getLogger(__name__)


class S3Client(HttpClient):
    """Asks one place in a bucket.

    Args:
        spec: of the source, for messages.
        place: in the bucket.
        limits: of requests.
        credentials: None for unsigned requests.
        meter: counts what is sent and received.
        purpose: of ranges that are read.

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
        self._bucket = _Bucket(spec, place, credentials)
        super().__init__(self._bucket, limits=limits, meter=meter, purpose=purpose)

    @property
    def place(self) -> S3Address:
        """Where it asks; an answer may say that it lies in another region."""
        return self._bucket.place


class _Bucket:
    """Where requests go, for all that are under way."""

    checksum_header = "x-amz-checksum-"

    def __init__(self, spec: SourceSpec, place: S3Address, credentials: Credentials | None) -> None:
        self.spec = spec
        self.credentials = credentials
        self._aim(place)

    def _aim(self, place: S3Address) -> None:
        self.place = place
        target = find_target(place)
        self.address, self.requests = target.address, S3Requests(place, target, self.credentials)

    def move(self, region: str) -> None:
        """Ask in another region from now on."""
        if region != self.place.region:
            _log.warning("source.moved source=%s region=%s was=%s", self.spec.uri, region, self.place.region)
            self._aim(self.place.in_region(region))

    def move_into_host(self) -> bool:
        """Name the bucket in the host from now on, if that was left open and can be; tell whether it is so."""
        if self.place.addressing == "auto" and not self.place.virtual_hosted:
            self._aim(self.place.in_host())
            _log.info("source.in_host source=%s host=%s", self.spec.uri, self.address.host)
        return self.place.virtual_hosted

    def trip(self, key: str | None, info: ObjectInfo | None) -> _Trip:
        return _Trip(self, key, info)


class _Trip:
    """One request; what an answer asks for is done once."""

    __slots__ = ("_bucket", "_did", "_etag", "_info", "_key", "_keys")

    def __init__(self, bucket: _Bucket, key: str | None, info: ObjectInfo | None) -> None:
        self._bucket, self._key, self._info = bucket, key, info
        self._etag = b"" if info is None else info.validated_by.encode("latin-1", "replace")
        self._keys: Keys | None = None
        self._did: set[str] = set()

    def wanted(self, first: int, end: int) -> Wanted:
        assert self._info is not None
        return Wanted(first, end, self._info.size_bytes, self._etag)

    async def get(self, wanted: Wanted) -> Outgoing:
        assert self._info is not None
        address, requests = self._bucket.address, self._bucket.requests
        data, self._keys = await requests.get(self._info.key, self._info.validated_by, wanted)
        return Outgoing(address, data)

    async def make(self, sending: Sending) -> Outgoing:
        address, requests = self._bucket.address, self._bucket.requests
        data, self._keys = await requests.make(
            sending.method, self._key, query=sending.query, headers=sending.headers, body=sending.body
        )
        return Outgoing(address, data)

    async def act_on(self, answer: Answer) -> bool:
        if answer.head.status not in _TELLING:
            return False
        told = _read(answer)
        if told.wants_other_region and self._is_first("region"):
            self._bucket.move(told.region)
            return True
        if told.wants_bucket_in_host and self._is_first("host"):
            return self._bucket.move_into_host()
        credentials = self._bucket.credentials
        if told.wants_other_keys and self._keys is not None and credentials is not None and self._is_first("keys"):
            return await credentials.renew(self._keys)
        return False

    def _is_first(self, act: str) -> bool:
        """Tell whether this is done for the first time, and note that it is."""
        is_first = act not in self._did
        self._did.add(act)
        return is_first

    def may_pass(self, answer: Answer) -> bool:
        return _read(answer).may_pass

    def failed(self, problem: Exception, tried: str) -> PenstockError:
        spec, key = self._bucket.spec, self._key or ""
        told = _read(problem.answer) if isinstance(problem, Answered) else None
        if told is not None and told.is_web_page:
            return error_of_answer(told, spec, key, is_object=True)
        if (error := wrong_bytes(problem, spec, key, tried)) is not None:
            return error
        if isinstance(problem, Answered) and problem.status < 300:
            return no_such_range(problem.status, spec, key, tried)
        answer = problem.answer if isinstance(problem, Answered) else None
        return error_of(GaveUp(problem, answer, tried), spec, key, is_object=True)


def error_of(problem: GaveUp | Answer, spec: SourceSpec, key: str, *, is_object: bool) -> PenstockError:
    """Return the error of the tree for an answer that is an error, or for none.

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
    return with_tries(error, problem.tried) if isinstance(problem, GaveUp) else error


def _read(answer: Answer) -> StoreAnswer:
    return read_answer(answer.head.status, dict(answer.head.headers), answer.body)
