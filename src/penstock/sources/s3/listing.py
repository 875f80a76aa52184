"""Pages of a bucket's listing (ListObjectsV2), read strictly.

A page that is incomplete, or that contradicts itself or what was asked for, is an error: an object that is left out of
a listing is missed by nobody later. What a page may cost is bounded before it is parsed. Names of control characters
arrive percent-encoded, since XML cannot hold them (docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes
from xml.etree import ElementTree

from penstock.sources.protocols import ObjectInfo
from penstock.sources.s3.answers import PASSING_CODES

__all__ = [
    "LISTING_HEADERS",
    "MAX_PAGE_BYTES",
    "Asked",
    "BadListing",
    "Page",
    "PageOrder",
    "listing_query",
    "parse_page",
]

MAX_PAGE_BYTES = 16 << 20
"""A page of 1000 of the longest names, percent-encoded, has 4 MB."""
LISTING_HEADERS = {"x-amz-optional-object-attributes": "RestoreStatus"}
"""What a request for a page is sent with: archived objects are told with whether they are restored."""
MAX_TAGS = 200_000
"""A page of 1000 objects has 30,000."""
MAX_OBJECT_BYTES = 1 << 50
"""20 times what S3 stores as one object."""
MAX_EMPTY_PAGES = 100

_ARCHIVED = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_SIZE = re.compile(r"[0-9]{1,19}")
_ETAG = re.compile(r"[\x21-\x7e]+")
_READ = ("Key", "Size", "ETag", "StorageClass")
_FOREIGN_XML = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*?\bencoding\s*=\s*[\"'](?!utf-8[\"'])|(?![<\s]))", re.I
)
"""The beginning of what is not XML in UTF-8."""


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


def listing_query(asked: Asked) -> list[tuple[str, str]]:
    """Return the parameters of the request for a page, sorted by name, not encoded."""
    query = {"encoding-type": "url", "list-type": "2", "prefix": asked.prefix}
    query |= {"delimiter": "/"} if asked.by_folder else {}
    query |= {"continuation-token": asked.token} if asked.token else {}
    return sorted(query.items())


def parse_page(body: bytes, asked: Asked) -> Page:
    """Read a page.

    Raises:
        BadListing: it is none, or is incomplete, or contradicts itself or what was asked for.
    """
    root = _parse(body)
    space = root.tag[: -len("ListBucketResult")]
    told = _Told(root, space)
    url_encoded = told.text("EncodingType").strip().lower() == "url"
    _check_scope(told, asked, url_encoded=url_encoded)
    contents = root.findall(f"{space}Contents")
    objects = [_object(item, space, asked, url_encoded=url_encoded) for item in contents]
    folders = [_Told(item, space).text("Prefix") for item in root.findall(f"{space}CommonPrefixes")]
    prefixes = [_under(_key(name, url_encoded=url_encoded), asked) for name in folders]
    if prefixes and not asked.by_folder:
        raise BadListing(f"it names a folder ({prefixes[0]!r}) where objects were asked for")
    count = told.text("KeyCount").strip()
    if count and not (_SIZE.fullmatch(count) and len(objects) <= int(count) <= len(objects) + len(prefixes)):
        raise BadListing(f"it says that it names {count!r} keys, and names {len(objects) + len(prefixes)}")
    return Page(
        objects=[info for info in objects if info is not None], prefixes=prefixes, next_token=_next_token(told, asked)
    )


class _Told:
    """Texts of an element's children; one that is there twice is an error."""

    def __init__(self, element: ElementTree.Element, space: str) -> None:
        self._element, self._space = element, space

    def text(self, name: str) -> str:
        """Return a child's text, empty where there is none."""
        found = self._element.findall(f"{self._space}{name}")
        if len(found) > 1:
            raise BadListing(f"it says {name} twice")
        return (found[0].text or "") if found else ""


def _parse(body: bytes) -> ElementTree.Element:
    """Parse XML of bounded size that defines nothing of its own (no entities, no other encoding)."""
    if len(body) > MAX_PAGE_BYTES:
        raise BadListing(f"a page has more than {MAX_PAGE_BYTES} bytes")
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body or _FOREIGN_XML.match(body) or body.count(b"<") > MAX_TAGS:
        raise BadListing(f"the answer is no listing but {begins_with(body)}")
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - bounded above, and without a document type
    except ElementTree.ParseError as error:
        if b"<ListBucketResult" in body[:1024]:
            raise BadListing(f"a page is cut off or damaged ({error})", may_pass=True) from error
        raise BadListing(f"the answer is no listing but {begins_with(body)}", may_pass=not body.strip()) from error
    if root.tag.rpartition("}")[2] != "ListBucketResult":
        # Some servers send what passes, such as SlowDown, with a status of 200.
        may_pass = root.tag == "Error" and root.findtext("Code") in PASSING_CODES
        raise BadListing(f"the answer is no listing but {begins_with(body)}", may_pass=may_pass)
    return root


def begins_with(body: bytes) -> str:
    """Say for a person what an unexpected body is."""
    start = body.lstrip()[:512].lower()
    if b"<html" in start or start.startswith(b"<!doctype html"):
        return "a web page (as a login page or a proxy gives)"
    return f"something that begins with {body.lstrip()[:40].decode(errors='replace')!r}" if start else "empty"


def _check_scope(told: _Told, asked: Asked, *, url_encoded: bool) -> None:
    """See that a page is of the bucket and prefix that were asked for, where it says so."""
    bucket, prefix = told.text("Name").strip(), told.text("Prefix")
    if bucket and bucket != asked.bucket:
        raise BadListing(f"it is of the bucket {bucket!r}")
    same = {asked.prefix, quote(asked.prefix, safe="/")}
    if prefix and prefix not in same and (not url_encoded or _unquote(prefix) not in same):
        raise BadListing(f"it is of the prefix {prefix!r} where {asked.prefix!r} was asked for")


def _next_token(told: _Told, asked: Asked) -> str:
    truncated, token = told.text("IsTruncated").strip().lower(), told.text("NextContinuationToken").strip()
    if truncated not in ("true", "false"):
        raise BadListing(f"a page does not say whether more follow (IsTruncated is {truncated!r})")
    if truncated == "true" and not token:
        raise BadListing("a page says that more follow, and gives no token to ask for them with")
    if truncated == "false" and token:
        raise BadListing("a page says that it is the last, and gives a token to ask for more with")
    if token and token == asked.token:
        raise BadListing("a page gives the token that it was asked for with, so that it would never end")
    return token


def _object(item: ElementTree.Element, space: str, asked: Asked, *, url_encoded: bool) -> ObjectInfo | None:
    """Return an object of a page, None for the marker of the folder that was asked for itself."""
    told: dict[str, str] = {}
    start = len(space)
    for child in item:
        name = child.tag[start:]
        if name in _READ:
            if name in told:
                raise BadListing(f"it says {name} of an object twice")
            told[name] = child.text or ""
    whole = _key(told.get("Key", ""), url_encoded=url_encoded)
    key = _under(whole, asked)
    size, etag = told.get("Size", "").strip(), told.get("ETag", "").strip()
    if not _SIZE.fullmatch(size) or int(size) > MAX_OBJECT_BYTES:
        raise BadListing(f"it gives {key!r} a size of {size!r}")
    if not _ETAG.fullmatch(etag):
        raise BadListing(f"it gives {key!r} no ETag to know its version by ({etag!r})")
    if not int(size) and whole.endswith("/"):
        if whole == asked.prefix:
            return None
        key = key[:-1]
    trouble = ""
    if told.get("StorageClass") in _ARCHIVED and not _is_restored(item, space):
        trouble = f"is archived ({told['StorageClass']})"
    return ObjectInfo(key=key, size_bytes=int(size), version=etag, trouble=trouble)


def _is_restored(item: ElementTree.Element, space: str) -> bool:
    """Tell whether a copy of an archived object can be read for the time being."""
    return bool(item.findtext(f"{space}RestoreStatus/{space}RestoreExpiryDate"))


def _under(key: str, asked: Asked) -> str:
    """Return a key without the base."""
    if not key.startswith(asked.prefix):
        raise BadListing(f"it names {key!r}, which does not begin with {asked.prefix!r}")
    return key[len(asked.base) :]


def _key(text: str, *, url_encoded: bool) -> str:
    if not text:
        raise BadListing("it names an object without a key")
    return _unquote(text) if url_encoded else text


def _unquote(text: str) -> str:
    try:
        return unquote_to_bytes(text.replace("+", " ")).decode() if "%" in text or "+" in text else text
    except UnicodeDecodeError as error:
        raise BadListing(f"it names {text!r}, which is no text") from error
