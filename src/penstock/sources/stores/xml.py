"""XML of servers: of bounded size, and with nothing defined of its own (no entities, no other encoding)."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree

from penstock.sources.stores.pages import MAX_PAGE_BYTES, BadListing, begins_with

__all__ = ["Texts", "parse_xml"]

MAX_TAGS = 200_000
"""A page of 1000 objects has 30,000."""
_FOREIGN = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*?\bencoding\s*=\s*[\"'](?!utf-8[\"'])|(?![<\s]))", re.I)
"""The beginning of what is not XML in UTF-8."""


class Texts:
    """Texts of an element's children; one that is there twice is an error."""

    def __init__(self, element: ElementTree.Element, space: str = "") -> None:
        self._element, self._space = element, space

    def text(self, name: str) -> str:
        """Return a child's text, empty where there is none."""
        found = self._element.findall(f"{self._space}{name}")
        if len(found) > 1:
            raise BadListing(f"it says {name} twice")
        return (found[0].text or "") if found else ""


def parse_xml(body: bytes, *, root: str, may_pass: Callable[[ElementTree.Element], bool]) -> ElementTree.Element:
    """Parse a page of a listing.

    Args:
        root: name of its outermost element.
        may_pass: tells whether another element in its place is an error that may pass.

    Raises:
        BadListing: it is none.
    """
    if len(body) > MAX_PAGE_BYTES:
        raise BadListing(f"a page has more than {MAX_PAGE_BYTES} bytes")
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body or _FOREIGN.match(body) or body.count(b"<") > MAX_TAGS:
        raise BadListing(f"the answer is no listing but {begins_with(body)}")
    try:
        found = ElementTree.fromstring(body)  # noqa: S314 - bounded above, and without a document type
    except ElementTree.ParseError as error:
        if f"<{root}".encode() in body[:1024]:
            raise BadListing(f"a page is cut off or damaged ({error})", may_pass=True) from error
        raise BadListing(f"the answer is no listing but {begins_with(body)}", may_pass=not body.strip()) from error
    if found.tag.rpartition("}")[2] != root:
        raise BadListing(f"the answer is no listing but {begins_with(body)}", may_pass=may_pass(found))
    return found
