"""Checksums of whole objects, as stores and lists tell them, and whether bytes match them.

Of an object that was uploaded in parts, S3 may keep a checksum of the parts' checksums, written
``<checksum>-<parts>``, which says nothing of the bytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Sequence

__all__ = ["find_mismatch"]


def _crc32c(data: memoryview) -> bytes:
    import google_crc32c  # here: most stores never tell one

    found: int = google_crc32c.value(bytes(data))
    return found.to_bytes(4, "big")


_ALGORITHMS: dict[str, Callable[[memoryview], bytes]] = {
    "md5": lambda data: hashlib.md5(data, usedforsecurity=False).digest(),
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "crc32c": _crc32c,
    "sha1": lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
    "sha512": lambda data: hashlib.sha512(data).digest(),
}


def find_mismatch(data: memoryview, checksums: Sequence[tuple[str, str]]) -> str | None:
    """Return the algorithm whose checksum, in base64, is not that of ``data``; None where there is none."""
    for name, told in checksums:
        if name in _ALGORITHMS and "-" not in told:
            try:
                expected = base64.b64decode(told, validate=True)
            except (binascii.Error, ValueError):
                return name
            if _ALGORITHMS[name](data) != expected:
                return name
    return None
