"""Unpacking Zstandard that is held in memory, to no more bytes than are allowed."""

from __future__ import annotations

import pyarrow as pa

__all__ = ["unzstd"]

_STEP_BYTES = 1 << 20


def unzstd(data: bytes | memoryview, most_bytes: int) -> bytes:
    """Return what frames of Zstandard unpack to.

    Raises:
        ValueError: they are none, are cut off, or unpack to more than ``most_bytes``.
    """
    parts, size = [], 0
    try:
        with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
            while (part := stream.read_buffer(_STEP_BYTES)).size:  # read() would leak where it fails
                parts.append(part)
                size += part.size
                if size > most_bytes:
                    raise ValueError(f"what unpacks to more than {most_bytes} bytes")
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"no whole Zstandard ({error})") from error
    return b"".join(parts)
