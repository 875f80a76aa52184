"""What a page of a listing is, whatever the store, and what makes one that cannot be trusted.

A page that is incomplete, or that contradicts itself or what was asked for, is an error: an object that is left out of
a listing is missed by nobody later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penstock.sources.protocols import ObjectInfo

__all__ = ["MAX_OBJECT_BYTES", "MAX_PAGE_BYTES", "Asked", "BadListing", "Page", "PageOrder", "begins_with", "under"]

MAX_PAGE_BYTES = 16 << 20
"""A page of 1000 of the longest names, percent-encoded, has 4 MB."""
MAX_OBJECT_BYTES = 1 << 50
"""20 times what S3 stores as one object."""
MAX_EMPTY_PAGES = 100


class BadListing(Exception):
    """A page that cannot be trusted.

    Args:
        what: is wrong with it.
        may_pass: it may be well when it is asked for again.
    """

    def __init__(self, what: str, *, may_pass: bool = False) -> None:
        super().__init__(what)
        self.may_pass = may_pass


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What a page is asked for.

    Attributes:
        base: that the keys given are relative to: empty, or ends with a slash.
        prefix: of the keys that are asked for, begins with ``base``.
        by_folder: what lies in deeper folders comes as the folders' names.
        token: that the page before gave, empty for the first page.
    """

    bucket: str
    base: str
    prefix: str
    by_folder: bool = False
    token: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A page of a listing.

    Attributes:
        objects: in the store's order.
        prefixes: folders, as ``base`` is left out of their names, ending with a slash; where they were asked for.
        next_token: what to ask for the next page with, empty where this is the last.
    """

    objects: Sequence[ObjectInfo]
    prefixes: Sequence[str]
    next_token: str


class PageOrder:
    """Sees to it that the pages of a listing come to an end and repeat nothing, in constant memory.

    A store that goes round in a circle is found out by Brent's method: a page is compared with one before it, which is
    a later one whenever the number of pages has doubled.
    """

    def __init__(self) -> None:
        self._num_pages = 0
        self._num_empty = 0
        self._next_mark = 1
        self._token = ""
        self._page: object = None
        self._last_key: str | None = None

    def take(self, page: Page) -> None:
        """Take the next page in.

        Raises:
            BadListing: it repeats what came before.
        """
        self._num_pages += 1
        self._num_empty = 0 if page.objects or page.prefixes else self._num_empty + 1
        if self._num_empty > MAX_EMPTY_PAGES:
            raise BadListing(f"{self._num_empty} pages without an object followed each other")
        for info in page.objects:
            if info.key == self._last_key:
                raise BadListing(f"it names {info.key!r} twice")
            self._last_key = info.key
        shown = (page.objects[0].key, page.objects[-1].key, len(page.objects)) if page.objects else None
        if page.next_token and page.next_token == self._token:
            raise BadListing("its continuation token repeats an earlier one, so that it would never end")
        if shown is not None and shown == self._page:
            raise BadListing(f"a page repeats an earlier one, from {page.objects[0].key!r}")
        if self._num_pages == self._next_mark:
            self._token, self._page, self._next_mark = page.next_token, shown, self._next_mark * 2


def begins_with(body: bytes) -> str:
    """Say for a person what an unexpected body is."""
    start = body.lstrip()[:512].lower()
    if b"<html" in start or start.startswith(b"<!doctype html"):
        return "a web page (as a login page or a proxy gives)"
    return f"something that begins with {body.lstrip()[:40].decode(errors='replace')!r}" if start else "empty"


def under(key: str, asked: Asked) -> str:
    """Return a key without the base."""
    if not key.startswith(asked.prefix):
        raise BadListing(f"it names {key!r}, which does not begin with {asked.prefix!r}")
    return key[len(asked.base) :]
