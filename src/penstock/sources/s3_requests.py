"""Requests to S3 as the bytes that are sent: address, path, query and AWS signature version 4.

The signature covers host, date and the ``x-amz-*`` headers, which is all that S3 wants covered; it is made anew for
each request (10 us, where botocore takes 200). Keys are sent just as they are: no part of a path is left out or
resolved.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, quote, unquote, urlsplit

from penstock.errors import ConfigError, PenstockError, SourceUnavailable
from penstock.observe import redact
from penstock.sources.http_connecting import Address, Proxy
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
    """Give where requests for a bucket go.

    Raises:
        ConfigError: the endpoint is no URL of a server.
    """
    parts, port = _split_endpoint(place.url)
    host = parts.hostname or ""
    is_tls = parts.scheme == "https"
    base_path = parts.path.rstrip("/") if place.virtual_hosted else f"{parts.path.rstrip('/')}/{place.bucket}"
    default = 443 if is_tls else 80
    named = f"[{host}]" if ":" in host else host
    address = Address(
        host=host,
        port=port or default,
        is_tls=is_tls,
        proxy=_proxy(parts.scheme, parts.netloc),
        ca_file=os.environ.get("AWS_CA_BUNDLE") or None,
    )
    return Target(
        address=address,
        host=named if address.port == default else f"{named}:{address.port}",
        base_path=quote(base_path, safe="/~%"),
    )


def _split_endpoint(url: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None or parts.query:
        raise ConfigError(f"cannot use the endpoint {redact(url)!r}", fix="write the URL like https://host:port")
    return parts, port


def _proxy(scheme: str, netloc: str) -> Proxy | None:
    if sys.platform == "linux" and not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib.request import getproxies, proxy_bypass  # here: 25 ms to import

    proxies = getproxies()
    found = proxies.get(scheme) or proxies.get("all")
    if not found or proxy_bypass(netloc):
        return None
    parts = urlsplit(found if "://" in found else f"http://{found}")
    host, port = parts.hostname or "", parts.port or 80
    if parts.username is None:
        return Proxy(host=host, port=port)
    return Proxy.with_login(host, port, user=unquote(parts.username), password=unquote(parts.password or ""))


class Signer:
    """Signs requests.

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

    async def headers(
        self,
        path: str,
        host: str,
        extra: Mapping[str, str],
        *,
        method: str = "GET",
        query: str = "",
        payload: str = UNSIGNED_PAYLOAD,
    ) -> dict[str, str]:
        """Give the headers to add to a request, ``extra`` (``x-amz-*``, in lower case) among them.

        Args:
            path: as it is sent.
            host: as it is sent.
            query: as it is sent: sorted by name, and encoded as a signature wants it.
            payload: the body's SHA-256 in hex.

        Raises:
            AccessDenied: there are no credentials.
            SourceUnavailable: they could not be had.
        """
        now = self._clock()
        if now >= self._refresh_at_seconds:
            await self._refresh()
        assert self._found is not None
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        return self._sign(f"{method}\n{path}\n{query}", host, {"x-amz-content-sha256": payload, **extra}, stamp)

    async def renew(self) -> bool:
        """Look for credentials anew; tell whether they are others than those that were used last."""
        before = self._found
        self._refresh_at_seconds = 0.0
        await self._refresh()
        return self._found != before

    def _sign(self, asked: str, host: str, extra: Mapping[str, str], stamp: str) -> dict[str, str]:
        found, day = self._found, stamp[:8]
        assert found is not None
        told = {"x-amz-date": stamp, **extra}
        if token := found.get("token"):
            told["x-amz-security-token"] = token
        covered = sorted({"host": host, **told}.items())
        names = ";".join(name for name, _ in covered)
        lines = "".join(f"{name}:{value}\n" for name, value in covered)
        request = f"{asked}\n{lines}\n{names}\n{told['x-amz-content-sha256']}"
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
                raise SourceUnavailable(
                    f"no AWS credentials could be had ({type(error).__name__})",
                    fix="check the role, profile or credential process that they come from, and run it again",
                ) from error
            expires_at = found["expires_at"]
            ends = float("inf") if expires_at is None else expires_at.timestamp() - REFRESH_BEFORE_SECONDS
            self._found = found
            self._refresh_at_seconds = max(ends, self._clock() + REFRESH_PAUSE_SECONDS)


class S3Requests:
    """Makes the requests to a place in a bucket.

    Args:
        place: of the source.
        target: that requests go to.
        signer: None for unsigned requests.
    """

    def __init__(self, place: S3Address, target: Target, signer: Signer | None) -> None:
        self._bucket_path = target.base_path
        self._base_path = f"{target.base_path}/"
        if place.prefix:
            self._base_path += f"{quote(place.prefix, safe='/')}/"
        self._host = target.host
        self._signer = signer
        proxied = target.address.proxy is not None and not target.address.is_tls
        self._before_path = f"http://{target.host}" if proxied else ""
        login = target.address.proxy.authorization if proxied and target.address.proxy else ""
        self._same = f" HTTP/1.1\r\nHost: {target.host}\r\nUser-Agent: penstock"
        self._same += f"\r\nProxy-Authorization: {login}" if login else ""
        self._extra = {"x-amz-request-payer": "requester"} if place.requester_pays else {}
        self._extra_whole = {"x-amz-checksum-mode": "ENABLED", **self._extra}

    async def get(self, key: str, etag: str, wanted: Wanted) -> bytes:
        """Give the request for a range of the version with this ETag (empty: of any).

        Raises:
            AccessDenied, SourceUnavailable: there are no credentials.
        """
        path = self._base_path + (key if _SAFE_KEY.fullmatch(key) else quote(key, safe="/~"))
        extra = self._extra_whole if wanted.is_whole else self._extra
        told = await self._signer.headers(path, self._host, extra) if self._signer else extra
        span = "" if wanted.is_whole else f"\r\nRange: bytes={wanted.first}-{wanted.end - 1}"
        match = f"\r\nIf-Match: {etag}" if etag and _PLAIN.fullmatch(etag) else ""
        added = "".join([f"\r\n{name}: {value}" for name, value in told.items()])
        return f"GET {self._before_path}{path}{self._same}{span}{match}{added}\r\n\r\n".encode("ascii")

    async def make(
        self,
        method: str,
        key: str | None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: memoryview | None = None,
    ) -> bytes:
        """Give the head of any request.

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
        if self._signer is not None:
            extra = await self._signer.headers(path, self._host, extra, method=method, query=asked, payload=payload)
        if body is not None:
            given["Content-Length"] = str(len(body))
        lines = "".join(f"\r\n{name}: {value}" for name, value in {**given, **extra}.items())
        where = f"{self._before_path}{path}{'?' if asked else ''}{asked}"
        return f"{method} {where}{self._same}{lines}\r\n\r\n".encode("ascii")

    async def renew(self) -> bool:
        """Look for credentials anew; tell whether there are others."""
        return self._signer is not None and await self._signer.renew()


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
