"""What names an object's version, as the ETag of an ``ObjectInfo``, and what a request sends to be refused another.

Written as: a strong ETag as it is; ``modified:`` and a Last-Modified, where there is no such ETag; ``sha256:`` or
``md5:`` and hex, of a list; nothing where the server tells nothing.
"""

from __future__ import annotations

import base64

from penstock.sources.http.response import Head, Wanted
from penstock.sources.protocols import ObjectInfo

__all__ = ["DIGESTS", "validator_header", "version_of", "wanted_of"]

DIGESTS = {"md5": 32, "sha256": 64}
"""Checksums that a list may give, and their hex digits."""
MODIFIED = "modified:"


def version_of(head: Head) -> str:
    """Give the version that an answer tells, empty where it tells none."""
    etag = head.etag.decode("latin-1")
    if len(etag) > 2 and etag.startswith('"') and etag.endswith('"') and etag.isascii() and etag.isprintable():
        return etag
    modified = (head.header("last-modified") or "").strip()
    return f"{MODIFIED}{modified}" if modified.isascii() and modified else ""


def wanted_of(info: ObjectInfo, first: int, end: int) -> Wanted:
    """Give what a read of bytes ``first`` to ``end - 1`` of a version expects."""
    version, size = info.etag, info.size_bytes
    if version.startswith('"'):
        return Wanted(first, end, size, version.encode("ascii"))
    if version.startswith(MODIFIED):
        return Wanted(first, end, size, b"", version.removeprefix(MODIFIED).encode("ascii"))
    name, _, digits = version.partition(":")
    if name in DIGESTS:
        return Wanted(first, end, size, b"", b"", ((name, base64.b64encode(bytes.fromhex(digits)).decode()),))
    return Wanted(first, end, size, b"")


def validator_header(wanted: Wanted) -> tuple[str, str] | None:
    """Give the header by which a server refuses another version (RFC 9110, 13.1), None where none is known."""
    if wanted.etag:
        return "If-Match", wanted.etag.decode("ascii")
    return ("If-Unmodified-Since", wanted.modified.decode("ascii")) if wanted.modified else None
