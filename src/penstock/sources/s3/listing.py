"""Pages of a bucket's listing (ListObjectsV2), read strictly.

A page that is incomplete, or that contradicts itself or what was asked for, is an error: an object that is left out of
a listing is missed by nobody later. What a page may cost is bounded before it is parsed. Names of control characters
arrive percent-encoded, since XML cannot hold them (docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html).
"""

from __future__ import annotations

import re
from sys import intern
from urllib.parse import quote, unquote_to_bytes
from xml.etree import ElementTree

from penstock.sources.protocols import ObjectInfo, archived
from penstock.sources.s3.answers import PASSING_CODES
from penstock.sources.stores.pages import MAX_OBJECT_BYTES, Asked, BadListing, Page, under
from penstock.sources.stores.xml import Texts, parse_xml

__all__ = ["LISTING_HEADERS", "listing_query", "parse_page"]

LISTING_HEADERS = {"x-amz-optional-object-attributes": "RestoreStatus"}
"""What a request for a page is sent with: archived objects are told with whether they are restored."""

_MARKER = "\0marker:"
"""What the token begins with of a store that knows ListObjects alone, and goes on behind a key; XML holds no such."""
_ARCHIVED = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_SIZE = re.compile(r"[0-9]{1,19}")
_ETAG = re.compile(r"[\x21-\x7e]+")
_READ = ("Key", "Size", "ETag", "StorageClass")


def listing_query(asked: Asked) -> list[tuple[str, str]]:
    """Return the parameters of the request for a page, sorted by name, not encoded."""
    query = {"encoding-type": "url", "prefix": asked.prefix}
    query |= {"delimiter": "/"} if asked.by_folder else {}
    if asked.token.startswith(_MARKER):
        return sorted({**query, "marker": asked.token.removeprefix(_MARKER)}.items())
    query |= {"list-type": "2"} | ({"continuation-token": asked.token} if asked.token else {})
    return sorted(query.items())


def parse_page(body: bytes, asked: Asked) -> Page:
    """Read a page.

    Raises:
        BadListing: it is none, or is incomplete, or contradicts itself or what was asked for.
    """
    root = parse_xml(body, root="ListBucketResult", may_pass=_may_pass)
    space = root.tag[: -len("ListBucketResult")]
    told = Texts(root, space)
    url_encoded = told.text("EncodingType").strip().lower() == "url"
    _check_scope(told, asked, url_encoded=url_encoded)
    contents = root.findall(f"{space}Contents")
    objects = [_object(item, space, asked, url_encoded=url_encoded) for item in contents]
    folders = [Texts(item, space).text("Prefix") for item in root.findall(f"{space}CommonPrefixes")]
    prefixes = [under(_key(name, url_encoded=url_encoded), asked) for name in folders]
    if prefixes and not asked.by_folder:
        raise BadListing(f"it names a folder ({prefixes[0]!r}) where objects were asked for")
    count = told.text("KeyCount").strip()
    if count and not (_SIZE.fullmatch(count) and len(objects) <= int(count) <= len(objects) + len(prefixes)):
        raise BadListing(f"it says that it names {count!r} keys, and names {len(objects) + len(prefixes)}")
    return Page(
        objects=[info for info in objects if info is not None],
        prefixes=prefixes,
        next_token=_next_token(told, asked, _last_key(root, space, told, url_encoded=url_encoded)),
    )


def _may_pass(root: ElementTree.Element) -> bool:
    """Tell whether another answer is one that passes: some servers send SlowDown with a status of 200."""
    return root.tag == "Error" and root.findtext("Code") in PASSING_CODES


def _check_scope(told: Texts, asked: Asked, *, url_encoded: bool) -> None:
    """See that a page is of the bucket and prefix that were asked for, where it says so."""
    bucket, prefix = told.text("Name").strip(), told.text("Prefix")
    if bucket and bucket != asked.bucket:
        raise BadListing(f"it is of the bucket {bucket!r}")
    same = {asked.prefix, quote(asked.prefix, safe="/")}
    if prefix and prefix not in same and (not url_encoded or _unquote(prefix) not in same):
        raise BadListing(f"it is of the prefix {prefix!r} where {asked.prefix!r} was asked for")


def _last_key(root: ElementTree.Element, space: str, told: Texts, *, url_encoded: bool) -> str:
    """Return the key that a page of ListObjects says to go on behind, empty for a page of ListObjectsV2."""
    if root.find(f"{space}Marker") is None:
        return ""
    named = told.text("NextMarker") or (root.findtext(f"{space}Contents[last()]/{space}Key") or "")
    return _key(named, url_encoded=url_encoded) if named else ""


def _next_token(told: Texts, asked: Asked, last_key: str) -> str:
    truncated, token = told.text("IsTruncated").strip().lower(), told.text("NextContinuationToken").strip()
    if truncated not in ("true", "false"):
        raise BadListing(f"a page does not say whether more follow (IsTruncated is {truncated!r})")
    if truncated == "true" and not token and last_key:
        token = f"{_MARKER}{last_key}"
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
    key = under(whole, asked)
    size, etag = told.get("Size", "").strip(), told.get("ETag", "").strip()
    if not _SIZE.fullmatch(size) or int(size) > MAX_OBJECT_BYTES:
        raise BadListing(f"it gives {key!r} a size of {size!r}")
    if not _ETAG.fullmatch(etag):
        raise BadListing(f"it gives {key!r} no ETag to know its version by ({etag!r})")
    if not int(size) and whole.endswith("/"):
        if whole == asked.prefix:
            return None
        key = key[:-1]
    lies_in = intern(told.get("StorageClass", "").strip())
    trouble = archived(lies_in) if lies_in in _ARCHIVED and not _is_restored(item, space) else ""
    if not etag.endswith('"'):  # some stores leave the quotes out, here or in answers
        etag = f'"{etag}"'
    return ObjectInfo(key=key, size_bytes=int(size), version=etag, trouble=trouble, storage_class=lies_in)


def _is_restored(item: ElementTree.Element, space: str) -> bool:
    """Tell whether a copy of an archived object can be read for the time being."""
    return bool(item.findtext(f"{space}RestoreStatus/{space}RestoreExpiryDate"))


def _key(text: str, *, url_encoded: bool) -> str:
    if not text:
        raise BadListing("it names an object without a key")
    return _unquote(text) if url_encoded else text


def _unquote(text: str) -> str:
    try:
        return unquote_to_bytes(text.replace("+", " ")).decode() if "%" in text or "+" in text else text
    except UnicodeDecodeError as error:
        raise BadListing(f"it names {text!r}, which is no text") from error
