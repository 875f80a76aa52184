"""Kaggle as its client knows it: credentials for it alone, and its rate limit."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from urllib.parse import parse_qsl, unquote, urlsplit

from penstock.errors import ConfigError, PenstockError
from penstock.manifest import SourceSpec
from penstock.sources.http.connection import Answer
from penstock.sources.http.response import retry_after_seconds
from penstock.sources.kaggle.answers import error_of
from penstock.sources.kaggle.credentials import Credentials
from penstock.sources.kaggle.places import KagglePlace

__all__ = ["KaggleSite", "PackedFile", "reads_packed"]

MAX_WAIT_SECONDS = 300.0

reads_packed: ContextVar[bool] = ContextVar("reads_packed", default=False)
"""Whether this task reads a file as it is packed."""

_log = logging.getLogger(__name__)


class PackedFile(Exception):
    """A link leads to a file as it is packed."""


class KaggleSite:
    """Kaggle for one source.

    Attributes:
        packed: URLs of files that are kept packed, as far as that was seen.

    Args:
        spec: of the source.
        place: in Kaggle.
        credentials: sent to Kaggle alone; None for none.
        find: gives them anew when Kaggle refuses them.
        clock: gives seconds.
    """

    given_by = ""
    redirects = True

    def __init__(
        self,
        spec: SourceSpec,
        place: KagglePlace,
        credentials: Credentials | None,
        find: Callable[[], Credentials | None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.uri = spec.uri
        self.credentials = credentials
        self._spec, self._place, self._find, self._clock = spec, place, find, clock
        self.packed: set[str] = set()
        self._not_before = 0.0

    def url_of(self, key: str) -> str:
        """Return the URL of an object.

        Raises:
            PackedFile: it leads to a file that is packed, as was seen, and this task reads it otherwise.
        """
        url = self._place.url_of(key)
        if url in self.packed and not reads_packed.get():
            raise PackedFile
        return url

    def headers_of(self, url: str) -> Mapping[str, str]:
        """Return the credentials, for Kaggle's own URLs."""
        own = self.credentials if self._is_own(url) else None
        return {"Authorization": own.authorization} if own is not None else {}

    def renew(self, url: str, sent: Mapping[str, str]) -> bool:
        """Look for other credentials than those that Kaggle refused, as a file may hold that was written since."""
        if self.headers_of(url) == sent:
            with contextlib.suppress(ConfigError):  # of what can be none: those before them are told of
                self.credentials = self._find() or self.credentials
        return self.headers_of(url) != sent

    async def may_ask(self, url: str) -> None:
        """Wait until Kaggle wants to be asked again; the servers of its links do not mind."""
        while self._is_own(url) and (left := self._not_before - self._clock()) > 0:
            await asyncio.sleep(left)

    def heed(self, url: str, answer: Answer) -> None:
        """Take Kaggle's limit in, for all requests.

        Raises:
            PackedFile: a link leads to a file that is packed, and this task reads it otherwise.
        """
        if answer.head.status in (301, 302, 303, 307, 308) and self._is_own(url):
            self._see_link(url, answer.head.header("location") or "")
        if answer.head.status != 429 or not self._is_own(url):
            return
        wait = min(retry_after_seconds(answer.head.header("retry-after")) or 0.0, MAX_WAIT_SECONDS)
        _log.info("kaggle.limited source=%s seconds=%.0f", self.uri, wait)
        self._not_before = max(self._not_before, self._clock() + wait)

    def failed(self, problem: Exception, key: str, tried: str) -> PenstockError:
        """Return the error of an object that could not be read."""
        return error_of(problem, self._spec, self._place, key, self.credentials, is_object=True, tried=tried)

    def _see_link(self, url: str, location: str) -> None:
        asked = urlsplit(url)
        path = dict(parse_qsl(asked.query)).get("file_name") or unquote(asked.path)
        led = unquote(urlsplit(location).path).rpartition("/")[2]
        is_packed = led == f"{path.rpartition('/')[2]}.zip" and not self._place.is_archive
        if is_packed and not reads_packed.get():
            self.packed.add(url)
            raise PackedFile

    def _is_own(self, url: str) -> bool:
        one, other = urlsplit(url), urlsplit(self._place.endpoint)
        return (one.scheme, one.netloc.lower()) == (other.scheme, other.netloc.lower())
