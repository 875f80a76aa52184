"""Extents as they lie in a slot that is read from, and what lies there of those that could not be had."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from penstock.errors import DataError, PenstockError, error_from_fields
from penstock.window.control import ErrorText
from penstock.window.layout import ExtentMeta

__all__ = ["NO_SLOT", "ExtentSkipped", "OpenSlot", "WindowExtent", "read_error", "rebuild", "untold"]

_read_meta = msgspec.msgpack.Decoder(ExtentMeta).decode
_read_text = msgspec.msgpack.Decoder(ErrorText).decode


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowExtent:
    """One extent as it lies in the window.

    Attributes:
        codec: what its object's decoder must know.
        data: its bytes, as they were when they were read.
        incarnation: of the window that it was read from.
    """

    index: int
    meta: ExtentMeta
    codec: str
    data: memoryview
    incarnation: int


class ExtentSkipped(Exception):
    """An extent is left out of a stream that skips bad ones; the stream goes on behind it.

    Not a ``PenstockError``: whoever asked for skipping has to count and name it.
    """

    def __init__(self, meta: ExtentMeta, error: PenstockError) -> None:
        super().__init__(f"{meta.key}: {error}")
        self.meta = meta
        self.key = meta.key
        self.error = error


@dataclass(frozen=True, slots=True)
class OpenSlot:
    """A slot that is read from; ``rows`` are the fields of its table, ``table`` is that with all of the heads.

    Attributes:
        codecs: those that were read, by where they lie in the table.
    """

    offset: int
    size_bytes: int
    table: memoryview
    first_index: int
    end_index: int
    rows: list[tuple[int, int, int, int, int, int, int, int]]
    codecs: dict[int, str] = field(default_factory=dict)

    def head(self, meta_at: int, meta_bytes: int, codec_at: int, codec_bytes: int) -> tuple[ExtentMeta, str]:
        """Return an extent's description, and its codec, which is made a text once a slot."""
        codec = self.codecs.get(codec_at) if codec_bytes else ""
        if codec is None:
            codec = self.codecs[codec_at] = str(self.table[codec_at : codec_at + codec_bytes], "utf-8")
        return _read_meta(self.table[meta_at : meta_at + meta_bytes]), codec


NO_SLOT = OpenSlot(0, 0, memoryview(b""), 0, 0, [])


def read_error(data: memoryview) -> PenstockError:
    """Return the error that lies in the place of an extent's bytes."""
    return rebuild(_read_text(data))


def rebuild(text: ErrorText) -> PenstockError:
    """Return the error that a prefetcher told of."""
    return error_from_fields(text.name, text.what, text.fix, text.about)


def untold(key: str) -> PenstockError:
    """Return the error of an extent whose own found no room."""
    return DataError(f"{key} could not be had", fix="see the prefetcher's log", about=key)
