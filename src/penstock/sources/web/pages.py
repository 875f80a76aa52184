"""Index pages of web servers: HTML with links (nginx, Apache, and their like), and nginx's JSON."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

import msgspec

from penstock.sources.http.json import read_json
from penstock.sources.web.places import key_below

__all__ = ["BadPage", "Entry", "IndexPage", "read_page"]

_DATE = re.compile(r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT")


class BadPage(Exception):
    """An answer that is no index page."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A file or folder of a page.

    Attributes:
        url: of a folder with a slash at its end.
        key: below the source's root.
        size_bytes: None where the page does not say it to the byte.
        modified: Last-Modified, empty where the page does not say it.
    """

    url: str
    key: str
    size_bytes: int | None = None
    modified: str = ""

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.url.endswith("/")


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexPage:
    """What a page names below the root; ``num_elsewhere`` counts links to other places."""

    entries: tuple[Entry, ...]
    num_elsewhere: int


class _Named(msgspec.Struct):
    name: str
    type: str
    size: int | None = None
    mtime: str = ""


def read_page(body: bytes, content_type: str, *, url: str, root: str) -> IndexPage:
    """Read the page of a folder.

    Args:
        url: of the folder, with a slash at its end.
        root: of the source: what does not lie below it is left out.

    Raises:
        BadPage: it is none.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        return _read_json(body, url=url, root=root)
    if kind not in ("text/html", "application/xhtml+xml"):
        raise BadPage(f"it is of the type {kind or 'that nobody tells'}, and an index page is text/html")
    return _read_html(body, url=url, root=root)


def _read_json(body: bytes, *, url: str, root: str) -> IndexPage:
    try:
        named = read_json(body, list[_Named])
    except msgspec.MsgspecError as error:
        raise BadPage(f"it is JSON, and not as nginx writes it ({error})") from error
    entries, num_elsewhere = [], 0
    for each in named:
        if each.type not in ("file", "directory"):
            num_elsewhere += 1
            continue
        is_folder = each.type == "directory"
        where = f"{url}{quote(each.name, safe='~!$&()*+,;=:@')}{'/' if is_folder else ''}"
        key = key_below(root, where)
        size = each.size if each.size is not None and each.size >= 0 else None
        if key is None or (not is_folder and size is None):
            num_elsewhere += 1
            continue
        modified = each.mtime if _DATE.fullmatch(each.mtime) else ""
        entries.append(
            Entry(url=where, key=key, size_bytes=None if is_folder or not modified else size, modified=modified)
        )
    return IndexPage(entries=tuple(entries), num_elsewhere=num_elsewhere)


class _Links(HTMLParser):
    """Gathers the targets of links."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a link."""
        if tag == "a":
            self.found += [value.strip() for name, value in attrs if name == "href" and value]


def _read_html(body: bytes, *, url: str, root: str) -> IndexPage:
    parser = _Links()
    parser.feed(body.decode(errors="replace"))
    parser.close()
    entries: dict[str, Entry] = {}
    num_elsewhere = 0
    for link in parser.found:
        target = _resolve(url, link)
        if target is None or (target != url and url.startswith(target)):  # orders of the page itself, and the way up
            continue
        if target == url:
            continue
        try:
            key = key_below(root, target)
        except UnicodeDecodeError:
            key = None
        if not key or not target.startswith(url):
            num_elsewhere += 1
        else:
            entries[target] = Entry(url=target, key=key)
    return IndexPage(entries=tuple(entries.values()), num_elsewhere=num_elsewhere)


def _resolve(url: str, link: str) -> str | None:
    """Return where a link leads, None for one that is the same page in another order or no place."""
    try:
        parts = urlsplit(urljoin(url, link))
    except ValueError:
        return None
    target = urlunsplit((parts.scheme, parts.netloc, quote(parts.path, safe="/%~!$&'()*+,;=:@"), "", ""))
    if parts.query and target == url:
        return None
    return f"{target}?{parts.query}" if parts.query else target
