"""Requests to services that lend credentials: small ones, in a thread that may wait."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from urllib.parse import urlsplit

__all__ = ["Lent", "NoLender", "ask_lender"]

MOST_BYTES = 1 << 20


class NoLender(Exception):
    """A service that did not answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lent:
    """What a service answered; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    data: bytes = field(repr=False)


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Follow nowhere: what is sent is for this service alone."""


def ask_lender(
    url: str,
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_seconds: float = 20,
    most_bytes: int = MOST_BYTES,
) -> Lent:
    """Ask a service. What is unencrypted (a metadata service) is asked directly, whatever proxy the environment names.

    Args:
        most_bytes: of its answer, that are read.

    Raises:
        NoLender: it did not answer.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise NoLender(f"what should be a service's URL is none ({error})") from error
    if parts.scheme not in ("http", "https"):
        raise NoLender(f"{parts.scheme}:// is no service's URL")
    proxies: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})] if parts.scheme == "http" else []
    opener = urllib.request.build_opener(_Stay, *proxies)
    asked = urllib.request.Request(url, data=body, headers=dict(headers or {}), method=method)  # noqa: S310 - checked above
    try:
        try:
            with opener.open(asked, timeout=timeout_seconds) as answer:
                return Lent(status=answer.status, headers=_lower(answer.headers), data=answer.read(most_bytes))
        except urllib.error.HTTPError as error:
            with error:
                return Lent(status=error.code, headers=_lower(error.headers), data=error.read(most_bytes))
    except ValueError as error:  # which may show a header's value, and so a secret
        raise NoLender(f"{parts.hostname} cannot be asked: its URL, or what is to be sent, cannot be sent") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise NoLender(f"{parts.hostname} did not answer ({type(error).__name__}: {reason})") from error


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
