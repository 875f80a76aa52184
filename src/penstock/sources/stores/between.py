"""What stands between this machine and a store, and answers in its place."""

from __future__ import annotations

from penstock.errors import PenstockError, SourceError
from penstock.manifest import SourceSpec
from penstock.sources.http.connection import Answer
from penstock.sources.http.response import is_web_page

__all__ = ["Told", "in_between"]

Told = tuple[type[PenstockError], str, str]
"""The class of an error, what was wrong, and what to do."""


def in_between(answer: Answer, spec: SourceSpec) -> Told | None:
    """Say that something answered in the store's place; None where nothing did."""
    status = answer.head.status
    if status == 407:
        fix = "give the proxy's user and password in HTTPS_PROXY, or the store's host in NO_PROXY"
        return SourceError, f"a proxy before {spec.uri} asks for a login (HTTP {status})", fix
    if status == 511 or (status < 300 and is_web_page(answer.head)):
        fix = "sign in to the network (a captive portal or proxy answers), or check --endpoint-url"
        return SourceError, f"a web page came in the place of {spec.uri} (HTTP {status})", fix
    return None
