"""Requests to a store of objects that is spoken to by a dialect of its own: written, and once more with newer
credentials where the present ones are refused.

Redirects are never followed: they are answers, so that credentials go to the server that was given alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from penstock.errors import ChecksumMismatch, PenstockError, SourceUnavailable
from penstock.manifest import SourceSpec
from penstock.records import Purpose
from penstock.secrets import redact
from penstock.sources.base import changed
from penstock.sources.http.addresses import find_address, host_header
from penstock.sources.http.client import GaveUp, HttpClient, Outgoing, Sending
from penstock.sources.http.connection import Answer, Answered, Damaged
from penstock.sources.http.response import Verdict, Wanted, is_web_page
from penstock.sources.meter import RequestMeter
from penstock.sources.patience import ClientLimits
from penstock.sources.protocols import ObjectInfo
from penstock.sources.stores.renewing import Renewed

__all__ = [
    "Dialect",
    "Server",
    "StoreClient",
    "error_of",
    "no_answer",
    "no_such_range",
    "with_tries",
    "wrong_bytes",
]

MESSAGE_CHARACTERS = 200


class Server:
    """Where requests go, and their heads.

    Args:
        url: of the server, without a path.
        ca_file: certificates that are trusted; None are the system's.

    Raises:
        ConfigError: the environment names a proxy that cannot be used.
    """

    def __init__(self, url: str, *, ca_file: str | None = None) -> None:
        self.address = find_address(url, ca_file=ca_file)
        self.host = host_header(self.address)
        proxied = self.address.proxy is not None and not self.address.is_tls
        self._before_path = f"http://{self.host}" if proxied else ""
        login = self.address.proxy.authorization if proxied and self.address.proxy else ""
        self._same = f" HTTP/1.1\r\nHost: {self.host}\r\nUser-Agent: penstock"
        self._same += f"\r\nProxy-Authorization: {login}" if login else ""

    def outgoing(self, method: str, target: str, headers: Mapping[str, str]) -> Outgoing:
        """Return a request for a path with its query, both encoded."""
        lines = "".join([f"\r\n{name}: {value}" for name, value in headers.items()])
        head = f"{method} {self._before_path}{target}{self._same}{lines}\r\n\r\n"
        return Outgoing(self.address, head.encode("ascii"))


class Dialect(Protocol):
    """How a store is spoken to.

    Attributes:
        checksum_header: that names of headers with a whole object's checksums begin with.
        told_by: the header that it tells an object's version by, empty for its ETag.
        credentials: None for requests without any.
    """

    checksum_header: str
    told_by: str
    credentials: Renewed[Any] | None

    def write(self, key: str | None, sending: Sending, keys: Any) -> Outgoing:
        """Return a request for a key (None: for the bucket itself), with the credentials ``keys``."""
        ...

    def pinned(self, info: ObjectInfo) -> Sending:
        """Return the request for the version that ``info`` names, which is refused where there is another."""
        ...

    def wants_other_keys(self, answer: Answer) -> bool:
        """Tell whether a request may succeed with credentials that are newer."""
        ...

    def may_pass(self, answer: Answer) -> bool:
        """Tell whether the same request may succeed later."""
        ...

    def error_of(
        self, answer: Answer | None, spec: SourceSpec, key: str, *, is_object: bool, reason: str
    ) -> PenstockError:
        """Return the error of the tree for an answer that is none of success, or for none.

        Args:
            key: the object or prefix that was asked for, empty for the whole source.
            is_object: it was a single object that was asked for.
            reason: why there was no answer.
        """
        ...


class StoreClient(HttpClient):
    """Asks one bucket.

    Args:
        spec: of the source, for messages.
        dialect: that it is asked in.
        limits: of requests.
        meter: counts what is sent and received.
        purpose: of ranges that are read.
    """

    def __init__(
        self, spec: SourceSpec, dialect: Dialect, *, limits: ClientLimits, meter: RequestMeter, purpose: Purpose
    ) -> None:
        super().__init__(_Bucket(spec, dialect), limits=limits, meter=meter, purpose=purpose)


class _Bucket:
    def __init__(self, spec: SourceSpec, dialect: Dialect) -> None:
        self.spec, self.dialect = spec, dialect
        self.checksum_header = dialect.checksum_header

    def trip(self, key: str | None, info: ObjectInfo | None) -> _Trip:
        return _Trip(self, key, info)


class _Trip:
    """One request; what an answer asks for is done once."""

    __slots__ = ("_bucket", "_has_renewed", "_info", "_key", "_keys", "_pinned", "_version")

    def __init__(self, bucket: _Bucket, key: str | None, info: ObjectInfo | None) -> None:
        self._bucket, self._key, self._info = bucket, key, info
        self._version = b"" if info is None else info.validated_by.encode("latin-1", "replace")
        self._pinned = None if info is None else bucket.dialect.pinned(info)
        self._keys: Any = None
        self._has_renewed = False

    def wanted(self, first: int, end: int) -> Wanted:
        assert self._info is not None
        told_by = self._bucket.dialect.told_by
        return Wanted(first, end, self._info.size_bytes, self._version, told_by=told_by)

    async def get(self, wanted: Wanted) -> Outgoing:
        assert self._pinned is not None
        sending = self._pinned
        if not wanted.is_whole:
            told = {"Range": f"bytes={wanted.first}-{wanted.end - 1}", **sending.headers}
            sending = Sending(method=sending.method, query=sending.query, headers=told, body=None)
        return await self.make(sending)

    async def make(self, sending: Sending) -> Outgoing:
        credentials = self._bucket.dialect.credentials
        self._keys = await credentials.current() if credentials is not None else None
        return self._bucket.dialect.write(self._key, sending, self._keys)

    async def act_on(self, answer: Answer) -> bool:
        credentials = self._bucket.dialect.credentials
        if credentials is None or self._keys is None or self._has_renewed or answer.head.status < 400:
            return False
        if not self._bucket.dialect.wants_other_keys(answer):
            return False
        self._has_renewed = True
        return await credentials.renew(self._keys)

    def may_pass(self, answer: Answer) -> bool:
        return self._bucket.dialect.may_pass(answer)

    def failed(self, problem: Exception, tried: str) -> PenstockError:
        spec, key, dialect = self._bucket.spec, self._key or "", self._bucket.dialect
        answer = problem.answer if isinstance(problem, Answered) else None
        if (error := wrong_bytes(problem, spec, key, tried)) is not None:
            return error
        if answer is not None and answer.head.status < 300 and not is_web_page(answer.head):
            return no_such_range(answer.head.status, spec, key, tried)
        return with_tries(dialect.error_of(answer, spec, key, is_object=True, reason=str(problem)), tried)


def error_of(
    dialect: Dialect, problem: GaveUp | Answer, spec: SourceSpec, key: str, *, is_object: bool
) -> PenstockError:
    """Return the error of the tree for an answer that is an error, or for none.

    Args:
        spec: of the source.
        key: the object or prefix that was asked for, empty for the whole source.
        is_object: it was a single object that was asked for.
    """
    answer = problem.answer if isinstance(problem, GaveUp) else problem
    error = dialect.error_of(answer, spec, key, is_object=is_object, reason=str(problem) if answer is None else "")
    return with_tries(error, problem.tried) if isinstance(problem, GaveUp) else error


def with_tries(error: PenstockError, tried: str) -> PenstockError:
    """Return an error of what may pass with how often it was tried."""
    if not tried or not isinstance(error, SourceUnavailable):
        return error
    return type(error)(f"{error.what}; {tried}", fix=error.fix, about=error.about)


def wrong_bytes(problem: Exception, spec: SourceSpec, key: str, tried: str) -> PenstockError | None:
    """Return the error of a read that gave other bytes than were listed, or damaged ones; None where it gave none."""
    if isinstance(problem, Answered) and problem.verdict is Verdict.CHANGED:
        return changed(spec, key)
    if isinstance(problem, Damaged):
        return ChecksumMismatch(
            f"{key} in {spec.uri} came damaged each time: {problem}; {tried}",
            fix="upload the object again, or look for what damages bytes on the way",
            about=key,
        )
    return None


def no_such_range(status: int, spec: SourceSpec, key: str, tried: str) -> SourceUnavailable:
    """Return the error of a read that was answered by what is not the range that was asked for."""
    return SourceUnavailable(
        f"{spec.uri} gave no such range of {key} as was asked for (HTTP {status}); {tried}",
        fix="a proxy may answer in the store's place, or the server knows no ranges: check the network and "
        "--endpoint-url",
        about=key,
    )


def no_answer(reason: str, spec: SourceSpec, key: str) -> SourceUnavailable:
    """Return the error of a request that nothing came to."""
    return SourceUnavailable(
        f"{spec.uri} did not answer ({' '.join(redact(reason).split())[:MESSAGE_CHARACTERS]})",
        fix="check the network and --endpoint-url, then run it again",
        about=key or spec.uri,
    )
