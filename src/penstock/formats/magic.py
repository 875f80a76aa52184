"""What an object is by its first bytes, where it is packed or no text."""

from __future__ import annotations

from typing import Final

__all__ = ["MAGIC_BYTES", "kind_of"]

MAGIC_BYTES: Final = 8
"""First bytes that it takes to tell."""
_KINDS: Final = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "ZIP",
    b"PK\x05\x06": "ZIP",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"\xfd7zXZ": "xz",
    b"BZh": "bzip2",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"Rar!\x1a\x07": "RAR",
    b"\x04\x22\x4d\x18": "LZ4",
    b"PAR1": "Parquet",
    b"ARROW1": "Arrow",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


def kind_of(head: bytes) -> str:
    """Return what some first bytes are of; empty where that is not known."""
    skippable = len(head) >= 4 and 0x50 <= head[0] <= 0x5F and head[1:4] == b"\x2a\x4d\x18"
    return "Zstandard" if skippable else next((kind for magic, kind in _KINDS.items() if head.startswith(magic)), "")
