"""The Hub as its client knows it: a token for it alone, and its rate limits.

The Hub tells with each answer how many requests are left and for how long (``RateLimit: "api";r=0;t=55``, after
draft-ietf-httpapi-ratelimit-headers): where none is, nothing is asked until then.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from urllib.parse import unquote, urlsplit

from penstock.errors import ConfigError, PenstockError
from penstock.manifest import SourceSpec
from penstock.sources.base import changed
from penstock.sources.http.connection import Answer
from penstock.sources.http.response import retry_after_seconds
from penstock.sources.hub.answers import error_of
from penstock.sources.hub.places import HubPlace, is_same_server

__all__ = ["HubSite", "expected_hash"]

MAX_WAIT_SECONDS = 300.0
"""The Hub counts requests over five minutes."""
_LIMIT = re.compile(r'"([^"]*)"\s*;\s*r=(\d+)\s*;\s*t=(\d+)')

expected_hash: ContextVar[str] = ContextVar("expected_hash", default="")
"""Xet's hash of the file that this task reads, empty where none is known: what its links are to tell."""

_log = logging.getLogger(__name__)


class HubSite:
    """The Hub for one source.

    Args:
        spec: of the source.
        place: in the Hub.
        find: gives the token that is sent to the Hub alone, None for none; asked anew when the Hub refuses one.
        clock: gives seconds.
    """

    given_by = ""
    redirects = True

    def __init__(
        self,
        spec: SourceSpec,
        place: HubPlace,
        find: Callable[[], str | None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.uri = spec.uri
        self._spec, self._place, self._clock = spec, place, clock
        self._find = find
        self._headers = _with(find())
        self._not_before: dict[str, float] = {}

    def move(self, spec: SourceSpec, place: HubPlace) -> None:
        """Be of another place of the same Hub from now on."""
        self.uri, self._spec, self._place = spec.uri, spec, place

    @property
    def token(self) -> str:
        """The token that is sent, empty for none."""
        return self._headers.get("Authorization", "").removeprefix("Bearer ")

    def url_of(self, key: str) -> str:
        """Return the URL of an object."""
        return self._place.url_of(key)

    def headers_of(self, url: str) -> Mapping[str, str]:
        """Return the token, for the Hub's own URLs."""
        return self._headers if is_same_server(url, self._place.endpoint) else {}

    def renew(self, url: str, sent: Mapping[str, str]) -> bool:
        """Look for another token than the one that the Hub refused, as a file may hold that was written since."""
        if self._headers == sent:
            with contextlib.suppress(ConfigError):  # of what can be no token: the one before it is told of
                self._headers = _with(self._find()) or self._headers
        return self._headers != sent

    async def may_ask(self, url: str) -> None:
        """Wait until the Hub wants to be asked again."""
        while (left := self._not_before.get(self._bucket(url), 0.0) - self._clock()) > 0:
            await asyncio.sleep(left)

    def heed(self, url: str, answer: Answer) -> None:
        """Take the Hub's limits in, and see that a link leads to the file that is read.

        Raises:
            SourceChanged: the file is another by now.
        """
        if not is_same_server(url, self._place.endpoint):
            return
        told, expected = answer.head.header("x-xet-hash"), expected_hash.get()
        if told and expected and told != expected and answer.head.status < 400:
            raise changed(self._spec, unquote(urlsplit(url).path.partition("/resolve/")[2]))
        limits = [
            (int(left), int(seconds)) for _, left, seconds in _LIMIT.findall(answer.head.header("ratelimit") or "")
        ]
        waits = [float(seconds) for left, seconds in limits if left == 0]
        if answer.head.status == 429 and (asked := retry_after_seconds(answer.head.header("retry-after"))) is not None:
            waits.append(asked)
        if waits:
            wait = min(max(waits), MAX_WAIT_SECONDS)
            _log.info("hub.limited source=%s seconds=%.0f", self.uri, wait)
            bucket = self._bucket(url)
            self._not_before[bucket] = max(self._not_before.get(bucket, 0.0), self._clock() + wait)

    def failed(self, problem: Exception, key: str, tried: str) -> PenstockError:
        """Return the error of an object that could not be read."""
        return error_of(problem, self._spec, self._place, key, sent=self.token, is_object=True, tried=tried)

    def _bucket(self, url: str) -> str:
        """Return what requests are counted as: of the API, of files, or none of the Hub's."""
        if not is_same_server(url, self._place.endpoint):
            return ""
        return "api" if url.startswith(f"{self._place.endpoint}/api/") else "files"


def _with(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}
