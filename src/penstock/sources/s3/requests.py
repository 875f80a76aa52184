"""Requests to S3 as the bytes that are sent: address, path, query and AWS signature version 4.

The signature covers host, date and the ``x-amz-*`` headers, which is all that S3 wants covered; it is made anew for
each request (10 us, where botocore takes 200). Keys are sent just as they are: no part of a path is left out or
resolved.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from penstock.sources.http.addresses import find_address, host_header
from penstock.sources.http.connecting import Address
from penstock.sources.http.response import Wanted
from penstock.sources.s3.credentials import Credentials, Keys
from penstock.sources.s3.place import S3Address

__all__ = ["S3Requests", "Signed", "Signer", "Target", "find_target"]

UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"

_ALGORITHM = "AWS4-HMAC-SHA256"
_SAFE_KEY = re.compile(r"[A-Za-z0-9_.~/-]+")
_PLAIN = re.compile(r"[\x21-\x7e]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Where requests for a bucket go.

    Attributes:
        address: of the server.
        host: as the Host header names it.
        base_path: of the bucket, without a slash at its end.
    """

    address: Address
    host: str
    base_path: str


def find_target(place: S3Address) -> Target:
    """Return where requests for a bucket go.

    Raises:
        ConfigError: the environment names a proxy that cannot be used.
    """
    ca_file = str(place.ca_file) if place.ca_file is not None else None
    dotted = "give addressing=path: a certificate covers no bucket with a dot in the host's name"
    name_fix = dotted if place.virtual_hosted and "." in place.bucket else ""
    address = find_address(place.url, ca_file=ca_file, ca_setting="AWS_CA_BUNDLE", name_fix=name_fix)
    path = urlsplit(place.url).path
    return Target(
        address=address,
        host=host_header(address),
        base_path=quote(path if place.virtual_hosted else f"{path}/{place.bucket}", safe="/~%"),
    )


class Signed(NamedTuple):
    """A request as it is sent, and what it is signed with, None where it is not."""

    data: bytes
    keys: Keys | None


class Signer:
    """Signs requests.

    Args:
        region: of the bucket.
        clock: gives seconds since 1970.
    """

    def __init__(self, region: str, *, clock: Callable[[], float] = time.time) -> None:
        self._region = region
        self._clock = clock
        self._key: tuple[str, str, bytes] = ("", "", b"")

    def headers(
        self,
        keys: Keys,
        path: str,
        host: str,
        extra: Mapping[str, str],
        *,
        method: str = "GET",
        query: str = "",
        payload: str = UNSIGNED_PAYLOAD,
    ) -> dict[str, str]:
        """Return the headers to add to a request, ``extra`` (``x-amz-*``, in lower case) among them.

        Args:
            keys: to sign with.
            path: as it is sent.
            host: as it is sent.
            query: as it is sent: sorted by name, and encoded as a signature wants it.
            payload: the body's SHA-256 in hex.
        """
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._clock()))
        day = stamp[:8]
        told = {"x-amz-content-sha256": payload, "x-amz-date": stamp, **extra}
        if keys.token:
            told["x-amz-security-token"] = keys.token
        covered = sorted({"host": host, **told}.items())
        names = ";".join(name for name, _ in covered)
        lines = "".join(f"{name}:{value}\n" for name, value in covered)
        request = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{payload}"
        scope = f"{day}/{self._region}/s3/aws4_request"
        text = f"{_ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = _hmac(self._signing_key(keys.secret_access_key, day), text).hex()
        told["Authorization"] = (
            f"{_ALGORITHM} Credential={keys.access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        return told

    def _signing_key(self, secret: str, day: str) -> bytes:
        if self._key[:2] != (secret, day):
            key = f"AWS4{secret}".encode()
            for part in (day, self._region, "s3", "aws4_request"):
                key = _hmac(key, part)
            self._key = (secret, day, key)
        return self._key[2]


class S3Requests:
    """Makes the requests to a place in a bucket.

    Args:
        place: of the source.
        target: that requests go to.
        credentials: None for unsigned requests.
        clock: gives seconds since 1970.
    """

    def __init__(
        self,
        place: S3Address,
        target: Target,
        credentials: Credentials | None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._bucket_path = target.base_path
        self._base_path = f"{target.base_path}/"
        if place.prefix:
            self._base_path += f"{quote(place.prefix, safe='/')}/"
        self._host = target.host
        self._credentials = credentials
        self._signer = Signer(place.region, clock=clock)
        proxied = target.address.proxy is not None and not target.address.is_tls
        self._before_path = f"http://{target.host}" if proxied else ""
        login = target.address.proxy.authorization if proxied and target.address.proxy else ""
        self._same = f" HTTP/1.1\r\nHost: {target.host}\r\nUser-Agent: penstock"
        self._same += f"\r\nProxy-Authorization: {login}" if login else ""
        self._extra = {"x-amz-request-payer": "requester"} if place.requester_pays else {}
        self._extra_whole = {"x-amz-checksum-mode": "ENABLED", **self._extra}

    async def get(self, key: str, etag: str, wanted: Wanted) -> Signed:
        """Return the request for a range of the version with this ETag (empty: of any).

        Raises:
            AccessDenied, SourceUnavailable: there are no credentials.
        """
        path = self._base_path + (key if _SAFE_KEY.fullmatch(key) else quote(key, safe="/~"))
        extra = self._extra_whole if wanted.is_whole else self._extra
        keys = await self._credentials.current() if self._credentials is not None else None
        told = extra if keys is None else self._signer.headers(keys, path, self._host, extra)
        span = "" if wanted.is_whole else f"\r\nRange: bytes={wanted.first}-{wanted.end - 1}"
        match = f"\r\nIf-Match: {etag}" if etag and _PLAIN.fullmatch(etag) else ""
        added = "".join([f"\r\n{name}: {value}" for name, value in told.items()])
        return Signed(f"GET {self._before_path}{path}{self._same}{span}{match}{added}\r\n\r\n".encode("ascii"), keys)

    async def make(
        self,
        method: str,
        key: str | None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: memoryview | None = None,
    ) -> Signed:
        """Return the head of any request.

        Args:
            key: below the place's prefix; None asks the bucket itself.
            headers: besides those that each request has; ``x-amz-*`` in lower case are signed.
            body: that is sent after it.

        Raises:
            AccessDenied, SourceUnavailable: there are no credentials.
        """
        path = (self._bucket_path or "/") if key is None else self._base_path + quote(key, safe="/~")
        asked = "&".join(
            f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in sorted((query or {}).items())
        )
        given = dict(headers or {})
        extra = {**self._extra, **{name: given.pop(name) for name in list(given) if name.startswith("x-amz-")}}
        payload = UNSIGNED_PAYLOAD if body is None else hashlib.sha256(body).hexdigest()
        keys = await self._credentials.current() if self._credentials is not None else None
        if keys is not None:
            extra = self._signer.headers(keys, path, self._host, extra, method=method, query=asked, payload=payload)
        if body is not None:
            given["Content-Length"] = str(len(body))
        lines = "".join(f"\r\n{name}: {value}" for name, value in {**given, **extra}.items())
        where = f"{self._before_path}{path}{'?' if asked else ''}{asked}"
        return Signed(f"{method} {where}{self._same}{lines}\r\n\r\n".encode("ascii"), keys)


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
