"""What names an object's version, and what a request sends to be refused another (its validator).

Written as: a strong ETag as it is; ``modified:`` and a Last-Modified, where there is no such ETag: both are validators
as well; ``sha256:`` (or another of ``DIGESTS``) and hex, of a list, which are versions alone; nothing where the server
tells nothing.
"""

from __future__ import annotations

import base64

from penstock.sources.http.response import Head, Wanted
from penstock.sources.protocols import ObjectInfo

__all__ = ["DIGESTS", "validator_header", "version_of", "wanted_of"]

DIGESTS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
"""Checksums that a list may give, the best last, and their hex digits."""
MODIFIED = "modified:"


def version_of(head: Head) -> str:
    """Return the version that an answer tells, empty where it tells none."""
    etag = head.etag.decode("latin-1")
    if len(etag) > 2 and etag.startswith('"') and etag.endswith('"') and etag.isascii() and etag.isprintable():
        return etag
    modified = (head.header("last-modified") or "").strip()
    return f"{MODIFIED}{modified}" if modified.isascii() and modified else ""


def wanted_of(info: ObjectInfo, first: int, end: int) -> Wanted:
    """Return what a read of bytes ``first`` to ``end - 1`` of a version expects."""
    validator, (name, _, digits) = info.validated_by, info.version.partition(":")
    known = ((name, base64.b64encode(bytes.fromhex(digits)).decode()),) if name in DIGESTS else ()
    if validator.startswith('"'):
        return Wanted(first, end, info.size_bytes, validator.encode("ascii"), b"", known)
    modified = validator.removeprefix(MODIFIED) if validator.startswith(MODIFIED) else ""
    return Wanted(first, end, info.size_bytes, b"", modified.encode("ascii"), known)


def validator_header(wanted: Wanted) -> tuple[str, str] | None:
    """Return the header by which a server refuses another version (RFC 9110, 13.1), None where none is known."""
    if wanted.etag:
        return "If-Match", wanted.etag.decode("ascii")
    return ("If-Unmodified-Since", wanted.modified.decode("ascii")) if wanted.modified else None
