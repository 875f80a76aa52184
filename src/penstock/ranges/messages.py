"""What goes between the process that reads ranges and the one that asked for them."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final

import msgspec

from penstock.manifest import SourceSpec, Span

__all__ = ["HEAD", "MOST_ASKED_BYTES", "MOST_SPANS", "AnswerKind", "Ask", "ErrorAnswer"]

MOST_ASKED_BYTES: Final = 1 << 17
"""Of a datagram; a socket's buffer holds more than that."""
MOST_SPANS: Final = 16
"""Of a datagram: each names an object, by 4 KiB at most, and its version."""
HEAD: Final = struct.Struct("<QBQ")
"""Of an answer: number of what was asked, kind, bytes that follow."""


class AnswerKind(IntEnum):
    """What an answer is."""

    DATA = 0
    ERROR = 1


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for: bytes of some spans, joined.

    Attributes:
        source: that they lie in.
    """

    number: int
    source: SourceSpec
    spans: tuple[Span, ...]


class ErrorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Why they cannot be had."""

    error: str
    what: str
    fix: str
    about: str | None
