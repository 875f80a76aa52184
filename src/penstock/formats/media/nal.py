"""Units of H.264 in a packet: which key pictures decoding begins with afresh."""

from __future__ import annotations

import re
from typing import Any, Final

__all__ = ["is_open_group"]

_START: Final = re.compile(rb"\x00\x00\x01(.)", re.DOTALL)
_FRESH: Final = 5
"""The type of units of pictures (IDR) that nothing behind refers over."""
_MOST_UNITS: Final = 10_000


def is_open_group(packet: Any) -> bool:
    """Return whether a key packet of H.264 is one that pictures behind it may refer over."""
    if packet.stream.codec_context.name != "h264":
        return False
    data = bytes(packet)
    if data.startswith((b"\x00\x00\x00\x01", b"\x00\x00\x01")):
        return _FRESH not in {found[1][0] & 0x1F for found in _START.finditer(data)}
    at = 0
    for _ in range(_MOST_UNITS):
        if at + 5 > len(data):
            break
        if data[at + 4] & 0x1F == _FRESH:
            return False
        at += 4 + int.from_bytes(data[at : at + 4], "big")
    return True
