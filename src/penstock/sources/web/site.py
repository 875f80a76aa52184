"""A web source as its client knows it: no credentials for anybody."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.errors import PenstockError
from penstock.manifest import SourceSpec
from penstock.sources.http.connection import Answer
from penstock.sources.web.answers import error_of
from penstock.sources.web.places import WebPlace

__all__ = ["WebSite"]


class WebSite:
    """The servers of one web source."""

    redirects = False

    def __init__(self, spec: SourceSpec, place: WebPlace) -> None:
        self._spec, self._place = spec, place
        self.uri = spec.uri
        self.given_by = place.url if place.kind == "list" else ""

    def url_of(self, key: str) -> str:
        """Return the URL of an object."""
        return self._place.url_of(key)

    def headers_of(self, url: str) -> Mapping[str, str]:
        """Return nothing: nobody is told anything."""
        return {}

    def renew(self, url: str, sent: Mapping[str, str]) -> bool:
        """Look for nothing: nothing was sent."""
        return False

    async def may_ask(self, url: str) -> None:
        """Ask at once: what a server wants (Retry-After) is the client's own rule."""

    def heed(self, url: str, answer: Answer) -> None:
        """Nothing is told of further requests."""

    def failed(self, problem: Exception, key: str, tried: str) -> PenstockError:
        """Return the error of an object that could not be read."""
        return error_of(problem, self._spec, key, is_object=True, tried=tried)
