"""Requests to Azure Blob Storage (learn.microsoft.com/rest/api/storageservices): paths, queries, signatures."""

from __future__ import annotations

import base64
import hmac
import re
import time
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlsplit

from penstock.errors import ConfigError, PenstockError
from penstock.manifest import SourceSpec
from penstock.sources.azure.answers import error_of_answer, is_key_refused, may_pass
from penstock.sources.azure.keys import Key
from penstock.sources.azure.place import AzurePlace
from penstock.sources.http.client import Outgoing, Sending
from penstock.sources.http.connection import Answer
from penstock.sources.protocols import ObjectInfo
from penstock.sources.stores.client import Server, no_answer
from penstock.sources.stores.renewing import Renewed

__all__ = ["AzureDialect", "string_to_sign"]

VERSION = "2021-12-02"
"""Of the API: names that XML cannot hold come encoded, uploads may have 5000 MiB."""

_LOOPBACK = re.compile(r"localhost|127\.[0-9.]+|::1|.+\.localhost")
_NO_NAME = re.compile(r"not known|nodename|No address associated", re.I)
_SIGNED = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)
"""Headers that a signature covers, in its order."""


class AzureDialect:
    """How one container is spoken to.

    Args:
        place: of the container.
        keys: None for requests without any.
        clock: gives seconds since 1970.

    Raises:
        ConfigError: the environment names a proxy that cannot be used.
    """

    checksum_header = "content-md5"
    told_by = ""

    def __init__(self, place: AzurePlace, keys: Renewed[Key] | None, *, clock: Callable[[], float] = time.time) -> None:
        parts = urlsplit(place.endpoint)
        self.credentials = keys
        self._place, self._clock = place, clock
        self._is_open = parts.scheme == "http" and not _LOOPBACK.fullmatch(parts.hostname or "")
        self._server = Server(f"{parts.scheme}://{parts.netloc}")
        self._container = f"{parts.path}/{quote(place.container, safe='$')}"
        self._prefix = f"{place.prefix}/" if place.prefix else ""

    def write(self, key: str | None, sending: Sending, keys: Key | None) -> Outgoing:
        """Return a request; see the protocol."""
        path = self._container if key is None else f"{self._container}/{quote(self._prefix + key, safe='/~')}"
        headers = {**sending.headers, "x-ms-version": VERSION}
        if sending.body is not None:
            headers["Content-Length"] = str(len(sending.body))
        asked = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sending.query.items())
        if keys is not None and keys.kind != "key" and self._is_open:
            raise ConfigError(
                f"a token or signature would go to {self._place.endpoint} without encryption",
                fix="give an https:// URL, or pass --anonymous for a server that wants none",
            )
        if keys is not None and keys.kind == "token":
            headers["Authorization"] = f"Bearer {keys.value}"
        elif keys is not None and keys.kind == "signature":
            asked = f"{asked}{'&' if asked else ''}{keys.value}"
        elif keys is not None:
            headers["x-ms-date"] = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(self._clock()))
            text = string_to_sign(sending.method, self._place.account, path, sending.query, headers)
            signature = hmac.digest(base64.b64decode(keys.value), text.encode(), "sha256")
            headers["Authorization"] = f"SharedKey {self._place.account}:{base64.b64encode(signature).decode()}"
        return self._server.outgoing(sending.method, f"{path}?{asked}" if asked else path, headers)

    def pinned(self, info: ObjectInfo) -> Sending:
        """Return the request for the version with an ETag; see the protocol."""
        match = {"If-Match": info.validated_by} if info.validated_by else {}
        return Sending(method="GET", query={}, headers=match, body=None)

    def wants_other_keys(self, answer: Answer) -> bool:
        """Tell whether newer credentials may help; see the protocol."""
        return is_key_refused(answer)

    def may_pass(self, answer: Answer) -> bool:
        """Tell whether the same request may succeed later; see the protocol."""
        return may_pass(answer)

    def error_of(
        self, answer: Answer | None, spec: SourceSpec, key: str, *, is_object: bool, reason: str
    ) -> PenstockError:
        """Return the error of a request; see the protocol."""
        if answer is None:
            error = no_answer(reason, spec, key)
            is_unknown = _NO_NAME.search(reason) is not None
            fix = f"check the account's name ({self._place.account}), and the network: no host is called so"
            return type(error)(error.what, fix=fix, about=error.about) if is_unknown else error
        return error_of_answer(answer, spec, key, is_object=is_object, is_anonymous=self.credentials is None)


def string_to_sign(method: str, account: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    """Return what a request's signature covers (…/storageservices/authorize-with-shared-key).

    Args:
        path: as it is sent.
        query: not encoded.
    """
    told = {name.lower(): value for name, value in headers.items()}
    if told.get("content-length") == "0":
        told["content-length"] = ""
    lines = [method, *(told.get(name, "") for name in _SIGNED)]
    lines += [f"{name}:{' '.join(value.split())}" for name, value in sorted(told.items()) if name.startswith("x-ms-")]
    lines += [f"/{account}{path}", *(f"{name.lower()}:{value}" for name, value in sorted(query.items()))]
    return "\n".join(lines)
