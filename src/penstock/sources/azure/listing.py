"""Pages of a container's listing (List Blobs), read strictly."""

from __future__ import annotations

import re
from sys import intern
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree

from penstock.sources.protocols import ObjectInfo, archived
from penstock.sources.stores.pages import MAX_OBJECT_BYTES, Asked, BadListing, Page, under
from penstock.sources.stores.xml import Texts, parse_xml

__all__ = ["listing_query", "parse_page"]

PAGE_OBJECTS = 1000

_SIZE = re.compile(r"[0-9]{1,19}")
_ETAG = re.compile(r"[\x21\x23-\x7e]+")
_PASSING = frozenset({"ServerBusy", "OperationTimedOut", "InternalError"})


def listing_query(asked: Asked) -> dict[str, str]:
    """Return the parameters of the request for a page."""
    query = {"restype": "container", "comp": "list", "prefix": asked.prefix, "maxresults": str(PAGE_OBJECTS)}
    query |= {"delimiter": "/"} if asked.by_folder else {}
    return query | ({"marker": asked.token} if asked.token else {})


def parse_page(body: bytes, asked: Asked) -> Page:
    """Read a page.

    Raises:
        BadListing: it is none, or is incomplete, or contradicts itself or what was asked for.
    """
    root = parse_xml(body, root="EnumerationResults", may_pass=_may_pass)
    told = Texts(root)
    container, prefix = root.get("ContainerName", ""), told.text("Prefix")
    if container and container.rstrip("/").rpartition("/")[2] != asked.bucket:
        raise BadListing(f"it is of the container {container!r}")
    if prefix and prefix != asked.prefix:
        raise BadListing(f"it is of the prefix {prefix!r} where {asked.prefix!r} was asked for")
    blobs = root.find("Blobs")
    if blobs is None or root.find("NextMarker") is None:
        raise BadListing("a page does not say what it names, or whether more follow")
    marker = told.text("NextMarker").strip()
    if marker and marker == asked.token:
        raise BadListing("a page gives the marker that it was asked for with, so that it would never end")
    prefixes = [under(_name(item), asked) for item in blobs.findall("BlobPrefix")]
    if prefixes and not asked.by_folder:
        raise BadListing(f"it names a folder ({prefixes[0]!r}) where objects were asked for")
    objects = [_object(item, asked) for item in blobs.findall("Blob")]
    return Page(objects=[info for info in objects if info is not None], prefixes=prefixes, next_token=marker)


def _may_pass(root: ElementTree.Element) -> bool:
    return root.tag == "Error" and root.findtext("Code") in _PASSING


def _object(item: ElementTree.Element, asked: Asked) -> ObjectInfo | None:
    """Return a blob of a page, None for a folder of an account that has any."""
    name = _name(item)
    key = under(name, asked)
    properties = item.find("Properties")
    told = Texts(properties if properties is not None else item)
    if told.text("ResourceType").strip() == "directory":
        return None
    size, etag = told.text("Content-Length").strip(), told.text("Etag").strip().strip('"')
    if not _SIZE.fullmatch(size) or int(size) > MAX_OBJECT_BYTES:
        raise BadListing(f"it gives {key!r} a size of {size!r}")
    if not _ETAG.fullmatch(etag):
        raise BadListing(f"it gives {key!r} no ETag to know its version by ({etag!r})")
    if not int(size) and name.endswith("/"):
        if name == asked.prefix:
            return None
        key = key[:-1]
    tier = intern(told.text("AccessTier").strip())
    trouble = archived(tier) if tier == "Archive" else ""
    return ObjectInfo(key=key, size_bytes=int(size), version=f'"{etag}"', trouble=trouble, storage_class=tier)


def _name(item: ElementTree.Element) -> str:
    found = item.findall("Name")
    if len(found) != 1 or not found[0].text:
        raise BadListing("it names an object without a name, or with two")
    name: str = found[0].text
    if found[0].get("Encoded", "").lower() != "true":
        return name
    try:
        return unquote_to_bytes(name).decode()
    except UnicodeDecodeError as error:
        raise BadListing(f"it names {name!r}, which is no text") from error
