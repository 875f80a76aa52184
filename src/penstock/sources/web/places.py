"""What a web URI names, and the keys of what lies there.

``https://host/folder/`` is an index page, ``https://host/file`` a file, ``urls+https://host/list.txt`` and
``urls+file:///list.txt`` a list of URLs. Keys of a page's files are relative to it and decoded; the key of a listed URL
is the URL, without ``https://`` where it begins so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

from penstock.errors import ConfigError
from penstock.urls import check_endpoint, refuse_secrets

__all__ = ["LIST", "WebPlace", "find_place", "key_below", "plain_url"]

LIST = "urls+"

_SAFE = "/~!$&'()*+,;=:@"
_IN_PATH = "%" + _SAFE
_PLAIN = re.compile(r"https?://[\x21-\x7e]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class WebPlace:
    """What a URI names.

    Attributes:
        url: of the page, file or list; a list on this machine has none.
        path: of a list on this machine.
    """

    kind: Literal["file", "folder", "list"]
    url: str
    path: Path | None = None

    @property
    def base(self) -> str:
        """The URL, with a slash at its end, that keys are relative to; empty for a list."""
        return "" if self.kind == "list" else f"{self.url.partition('?')[0].rpartition('/')[0]}/"

    @property
    def file_key(self) -> str:
        """The key of the one file that a URI names."""
        return unquote(self.url.partition("?")[0].rpartition("/")[2])

    def url_of(self, key: str) -> str:
        """Return the URL of a key.

        Raises:
            ConfigError: a list's key is no URL.
        """
        if self.kind == "file":
            return self.url
        if self.kind == "list":
            url = key if "://" in key else f"https://{key}"
            if not _PLAIN.fullmatch(url):
                raise ConfigError(f"{key!r} is no URL", fix="run `penstock list` again: the manifest is damaged")
            return url
        return self.base + quote(key, safe=_SAFE)


def find_place(uri: str) -> WebPlace:
    """Return what a URI names; asks for nothing.

    Raises:
        ConfigError: it is no URL that can be used, or holds a secret.
    """
    scheme = uri.partition("://")[0].lower()
    if not scheme.startswith(LIST):
        url = plain_url(uri, "the source")
        return WebPlace(kind="folder" if url.endswith("/") else "file", url=url)
    rest = uri[len(LIST) :]
    if scheme != f"{LIST}file":
        return WebPlace(kind="list", url=plain_url(rest, "the list of URLs"))
    path = rest.partition("://")[2]
    if "\0" in unquote(path):
        raise ConfigError(f"cannot use {uri!r}, which holds a NUL", fix="leave it out")
    if not path.startswith("/"):
        raise ConfigError(f"cannot use {uri!r}, which names a host", fix=f"did you mean urls+file:///{path}?")
    return WebPlace(kind="list", url="", path=Path(unquote(path)))


def plain_url(url: str, name: str) -> str:
    """Return a URL in plain form: host in lower case, the path encoded, never empty.

    Args:
        name: what it is, as messages call it.

    Raises:
        ConfigError: it is none of http or https that can be used, or holds a secret.
    """
    refuse_secrets(url, name)
    if any(letter.isspace() or not letter.isprintable() for letter in url):
        raise ConfigError(f"{name} {url!r} holds a blank or control character", fix="write it as %20 and the like")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigError(f"{name} {url!r} is no URL ({error})", fix="write it like https://host/path") from error
    if "#" in url:
        raise ConfigError(
            f"{name} {url!r} holds a #, which begins no part of a file", fix="write %23 for one in a name"
        )
    server = check_endpoint(f"{parts.scheme}://{parts.netloc}", name)
    path = quote(parts.path or "/", safe=_IN_PATH)
    return f"{server}{path}{'?' if parts.query else ''}{quote(parts.query, safe=_IN_PATH + '?')}"


def key_below(base: str, url: str) -> str | None:
    """Return the key of a URL below ``base``; None where it lies elsewhere, or its name could not be told from another.

    Args:
        base: ends with a slash.
        url: without a query.
    """
    if not url.startswith(base):
        return None
    parts = [unquote(part, errors="strict") for part in url[len(base) :].split("/")]
    if any("/" in part or part in (".", "..") for part in parts) or "" in parts[:-1]:
        return None
    return "/".join(parts)
