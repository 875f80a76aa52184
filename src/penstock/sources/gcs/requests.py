"""Requests to Google Cloud Storage (cloud.google.com/storage/docs/json_api): paths, queries and tokens.

Bytes are asked for as they are stored (``Accept-Encoding: gzip``): otherwise what was uploaded packed is unpacked on
the way, and ranges of it are not given (cloud.google.com/storage/docs/transcoding).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from penstock.errors import AccessDenied, ConfigError, PenstockError
from penstock.manifest import SourceSpec
from penstock.sources.gcs.answers import error_of_answer, is_token_refused, may_pass
from penstock.sources.gcs.place import GcsPlace
from penstock.sources.gcs.tokens import Token
from penstock.sources.http.client import Outgoing, Sending
from penstock.sources.http.connection import Answer
from penstock.sources.protocols import ObjectInfo
from penstock.sources.stores.client import Server, no_answer
from penstock.sources.stores.renewing import Renewed

__all__ = ["GcsDialect"]

GENERATION = "x-goog-generation"

_LOOPBACK = re.compile(r"localhost|127\.[0-9.]+|::1|.+\.localhost")
_AS_STORED: Mapping[str, str] = {"Accept-Encoding": "gzip"}


class GcsDialect:
    """How one bucket is spoken to.

    Args:
        place: of the bucket.
        tokens: None for requests without any.

    Raises:
        ConfigError: the environment names a proxy that cannot be used, or a token would go unencrypted.
    """

    checksum_header = "x-goog-hash"
    told_by = GENERATION

    def __init__(self, place: GcsPlace, tokens: Renewed[Token] | None) -> None:
        parts = urlsplit(place.endpoint)
        if tokens is not None and parts.scheme == "http" and not _LOOPBACK.fullmatch(parts.hostname or ""):
            raise ConfigError(
                f"a token would go to {place.endpoint} without encryption",
                fix="give an https:// URL, or pass --anonymous for a server that wants no token",
            )
        self.credentials = tokens
        self._place = place
        self._server = Server(f"{parts.scheme}://{parts.netloc}")
        bucket = quote(place.bucket, safe="")
        self._objects = f"{parts.path}/storage/v1/b/{bucket}/o"
        self._uploads = f"{parts.path}/upload/storage/v1/b/{bucket}/o"
        self._prefix = f"{place.prefix}/" if place.prefix else ""

    def write(self, key: str | None, sending: Sending, keys: Token | None) -> Outgoing:
        """Return a request; see the protocol. A POST is an upload."""
        query: dict[str, str] = dict(sending.query)
        path = self._objects
        if sending.method == "POST":
            path = self._uploads
            query |= {"uploadType": "media", "name": f"{self._prefix}{key}"}
        elif key is not None:
            path = f"{self._objects}/{quote(self._prefix + key, safe='')}"
        if self._place.requester_pays:
            query["userProject"] = self._payer(keys)
        headers = dict(sending.headers)
        if keys is not None:
            headers["Authorization"] = f"Bearer {keys.value}"
        if sending.body is not None:
            headers["Content-Length"] = str(len(sending.body))
        asked = urlencode(query, quote_via=quote, safe="")
        return self._server.outgoing(sending.method, f"{path}?{asked}" if asked else path, headers)

    def pinned(self, info: ObjectInfo) -> Sending:
        """Return the request for a generation; see the protocol."""
        query = {"alt": "media"}
        if info.validated_by:
            query["ifGenerationMatch"] = info.validated_by
        return Sending(method="GET", query=query, headers=_AS_STORED, body=None)

    def whole(self, span: tuple[int, int] | None) -> Sending:
        """Return the request for bytes of whatever generation there is."""
        told = {"Range": f"bytes={span[0]}-{span[1] - 1}"} if span else {}
        return Sending(method="GET", query={"alt": "media"}, headers={**_AS_STORED, **told}, body=None)

    def wants_other_keys(self, answer: Answer) -> bool:
        """Tell whether a newer token may help; see the protocol."""
        return is_token_refused(answer)

    def may_pass(self, answer: Answer) -> bool:
        """Tell whether the same request may succeed later; see the protocol."""
        return may_pass(answer)

    def error_of(
        self, answer: Answer | None, spec: SourceSpec, key: str, *, is_object: bool, reason: str
    ) -> PenstockError:
        """Return the error of a request; see the protocol."""
        if answer is None:
            return no_answer(reason, spec, key)
        return error_of_answer(answer, spec, key, is_object=is_object, is_anonymous=self.credentials is None)

    def _payer(self, keys: Any) -> str:
        project = self._place.project or (keys.project if isinstance(keys, Token) else None)
        if not project:
            raise AccessDenied(
                f"--requester-pays needs a project that is billed for reading {self._place.uri}",
                fix="set GOOGLE_CLOUD_PROJECT to its id",
                about=self._place.uri,
            )
        return project
