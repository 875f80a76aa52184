"""Range requests to S3 as the bytes that are sent: address, path and AWS signature version 4.

The signature covers host, date and the ``x-amz-*`` headers, which is all that S3 wants covered; it is made anew for
each request (10 us, where botocore takes 200).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from penstock.errors import PenstockError
from penstock.sources.http_connection import Unusual
from penstock.sources.http_pool import Address
from penstock.sources.http_response import Wanted
from penstock.sources.s3 import S3Address

if TYPE_CHECKING:
    from obstore.store import S3Credential

__all__ = ["S3Requests", "Signer", "Target", "find_target"]

UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
REFRESH_BEFORE_SECONDS = 300
REFRESH_PAUSE_SECONDS = 10
"""Between two looks at credentials that stay near their end."""

_ALGORITHM = "AWS4-HMAC-SHA256"
_ODD_KEY = re.compile(r"(?:^|/)\.{0,2}(?:/|$)|[\x00-\x1f\x7f]")
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


def find_target(place: S3Address) -> Target | None:
    """Give where requests for a bucket go; None where the way there is not a plain one (a proxy, a login)."""
    parts = urlsplit(place.url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None or parts.query:
        return None
    if _is_proxied(parts.scheme, parts.netloc):
        return None
    is_tls = parts.scheme == "https"
    base_path = parts.path.rstrip("/") if place.virtual_hosted else f"{parts.path.rstrip('/')}/{place.bucket}"
    default = 443 if is_tls else 80
    port = parts.port or default
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Target(
        address=Address(host=parts.hostname, port=port, is_tls=is_tls),
        host=host if port == default else f"{host}:{port}",
        base_path=base_path,
    )


def _is_proxied(scheme: str, netloc: str) -> bool:
    if sys.platform == "linux" and not any(name.lower().endswith("_proxy") for name in os.environ):
        return False
    from urllib.request import getproxies, proxy_bypass  # here: 25 ms to import

    proxies = getproxies()
    return bool(proxies.get(scheme) or proxies.get("all")) and not proxy_bypass(netloc)


class Signer:
    """Signs GET requests without a query.

    Args:
        region: of the bucket.
        provider: gives credentials; may take long, and is asked in a thread when they are near their end.
        clock: gives seconds since 1970.
    """

    def __init__(
        self, region: str, provider: Callable[[], S3Credential], *, clock: Callable[[], float] = time.time
    ) -> None:
        self._region = region
        self._clock = clock
        self._provider = provider
        self._found: S3Credential | None = None
        self._refresh_at_seconds = 0.0
        self._refreshing = asyncio.Lock()
        self._key: tuple[str, str, bytes] = ("", "", b"")

    async def headers(self, path: str, host: str, extra: dict[str, str]) -> dict[str, str]:
        """Give the headers to add to a request, ``extra`` (``x-amz-*``, in lower case) among them.

        Raises:
            AccessDenied: there are no credentials.
            Unusual: they could not be had.
        """
        now = self._clock()
        if now >= self._refresh_at_seconds:
            await self._refresh()
        assert self._found is not None
        return self.sign(path, host, extra, self._found, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now)))

    def sign(self, path: str, host: str, extra: dict[str, str], found: S3Credential, stamp: str) -> dict[str, str]:
        """Give those headers for credentials and a time written like 20260131T235959Z."""
        day = stamp[:8]
        token = found.get("token")
        told = {"x-amz-content-sha256": UNSIGNED_PAYLOAD, "x-amz-date": stamp, **extra}
        if token:
            told["x-amz-security-token"] = token
        covered = sorted({"host": host, **told}.items())
        names = ";".join(name for name, _ in covered)
        lines = "".join(f"{name}:{value}\n" for name, value in covered)
        request = f"GET\n{path}\n\n{lines}\n{names}\n{UNSIGNED_PAYLOAD}"
        scope = f"{day}/{self._region}/s3/aws4_request"
        text = f"{_ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = _hmac(self._signing_key(found["secret_access_key"], day), text).hex()
        told["Authorization"] = (
            f"{_ALGORITHM} Credential={found['access_key_id']}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        return told

    def _signing_key(self, secret: str, day: str) -> bytes:
        if self._key[:2] != (secret, day):
            key = f"AWS4{secret}".encode()
            for part in (day, self._region, "s3", "aws4_request"):
                key = _hmac(key, part)
            self._key = (secret, day, key)
        return self._key[2]

    async def _refresh(self) -> None:
        async with self._refreshing:
            if self._clock() < self._refresh_at_seconds:
                return
            try:
                found = await asyncio.to_thread(self._provider)
            except PenstockError:
                raise
            except Exception as error:  # botocore's, or any of a credential process
                raise Unusual(f"no credentials ({type(error).__name__})") from error
            expires_at = found["expires_at"]
            ends = float("inf") if expires_at is None else expires_at.timestamp() - REFRESH_BEFORE_SECONDS
            self._found = found
            self._refresh_at_seconds = max(ends, self._clock() + REFRESH_PAUSE_SECONDS)


class S3Requests:
    """Makes the requests for ranges of a source's objects.

    Args:
        place: of the source.
        target: that requests go to.
        signer: None for unsigned requests.
    """

    def __init__(self, place: S3Address, target: Target, signer: Signer | None) -> None:
        self._base_path = f"{target.base_path}/"
        if place.prefix:
            self._base_path += f"{quote(place.prefix, safe='/')}/"
        self._host = target.host
        self._signer = signer
        self._same = f"\r\nHost: {target.host}\r\nUser-Agent: penstock"
        self._extra = {"x-amz-request-payer": "requester"} if place.requester_pays else {}
        self._extra_whole = {"x-amz-checksum-mode": "ENABLED", **self._extra}

    def takes(self, key: str, etag: str) -> bool:
        """Tell whether a request can hold these names just as they are."""
        return not _ODD_KEY.search(key) and _PLAIN.fullmatch(etag) is not None

    async def get(self, key: str, etag: str, wanted: Wanted) -> bytes:
        """Give the request for a range of the version with this ETag (empty: of any).

        Raises:
            AccessDenied: there are no credentials.
            Unusual: they could not be had.
        """
        path = self._base_path + (key if _SAFE_KEY.fullmatch(key) else quote(key, safe="/"))
        extra = self._extra_whole if wanted.is_whole else self._extra
        told = await self._signer.headers(path, self._host, extra) if self._signer else extra
        span = "" if wanted.is_whole else f"\r\nRange: bytes={wanted.first}-{wanted.end - 1}"
        match = f"\r\nIf-Match: {etag}" if etag else ""
        added = "".join([f"\r\n{name}: {value}" for name, value in told.items()])
        return f"GET {path} HTTP/1.1{self._same}{span}{match}{added}\r\n\r\n".encode("ascii")


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
