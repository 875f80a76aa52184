"""Pages of a bucket's listing (Objects: list), read strictly."""

from __future__ import annotations

import re
from sys import intern

import msgspec

from penstock.sources.http.json import read_json
from penstock.sources.protocols import ObjectInfo
from penstock.sources.stores.pages import (
    MAX_OBJECT_BYTES,
    MAX_PAGE_BYTES,
    Asked,
    BadListing,
    Page,
    begins_with,
    under,
)

__all__ = ["listing_query", "parse_page"]

PAGE_OBJECTS = 1000
FIELDS = "kind,items(bucket,name,size,generation,storageClass),prefixes,nextPageToken"

_NUMBER = re.compile(r"[0-9]{1,19}")


class _Item(msgspec.Struct, rename="camel"):
    name: str
    size: str
    generation: str
    bucket: str = ""
    storage_class: str = ""


class _Page(msgspec.Struct, rename="camel"):
    kind: str = ""
    items: list[_Item] = []
    prefixes: list[str] = []
    next_page_token: str = ""


def listing_query(asked: Asked) -> dict[str, str]:
    """Return the parameters of the request for a page."""
    query = {"prefix": asked.prefix, "maxResults": str(PAGE_OBJECTS), "fields": FIELDS}
    query |= {"delimiter": "/"} if asked.by_folder else {}
    return query | ({"pageToken": asked.token} if asked.token else {})


def parse_page(body: bytes, asked: Asked) -> Page:
    """Read a page.

    Raises:
        BadListing: it is none, or is incomplete, or contradicts itself or what was asked for.
    """
    if len(body) > MAX_PAGE_BYTES:
        raise BadListing(f"a page has more than {MAX_PAGE_BYTES} bytes")
    try:
        told = read_json(body, _Page)
    except msgspec.ValidationError as error:
        raise BadListing(f"a page is none ({error})") from error
    except msgspec.MsgspecError as error:
        is_page = body.lstrip().startswith(b"{")
        if is_page:
            raise BadListing(f"a page is cut off or damaged ({error})", may_pass=True) from error
        raise BadListing(f"the answer is no listing but {begins_with(body)}", may_pass=not body.strip()) from error
    if told.kind != "storage#objects":
        raise BadListing(f"the answer is no listing but {begins_with(body)}")
    if told.next_page_token and told.next_page_token == asked.token:
        raise BadListing("a page gives the token that it was asked for with, so that it would never end")
    if told.prefixes and not asked.by_folder:
        raise BadListing(f"it names a folder ({told.prefixes[0]!r}) where objects were asked for")
    objects = [_object(item, asked) for item in told.items]
    return Page(
        objects=[info for info in objects if info is not None],
        prefixes=[under(name, asked) for name in told.prefixes],
        next_token=told.next_page_token,
    )


def _object(item: _Item, asked: Asked) -> ObjectInfo | None:
    """Return an object of a page, None for the marker of the folder that was asked for itself."""
    if not item.name:
        raise BadListing("it names an object without a name")
    key = under(item.name, asked)
    if item.bucket and item.bucket != asked.bucket:
        raise BadListing(f"it is of the bucket {item.bucket!r}")
    if not _NUMBER.fullmatch(item.size) or int(item.size) > MAX_OBJECT_BYTES:
        raise BadListing(f"it gives {key!r} a size of {item.size!r}")
    if not _NUMBER.fullmatch(item.generation):
        raise BadListing(f"it gives {key!r} no generation to know its version by ({item.generation!r})")
    if not int(item.size) and item.name.endswith("/"):
        if item.name == asked.prefix:
            return None
        key = key[:-1]
    lies_in = intern(item.storage_class)
    return ObjectInfo(key=key, size_bytes=int(item.size), version=item.generation, storage_class=lies_in)
