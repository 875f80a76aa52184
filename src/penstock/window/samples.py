"""Samples as they lie in a slot that is read from, and what lies there of those that could not be had."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from penstock.errors import DataError, PenstockError, error_from_fields
from penstock.window.layout import ErrorText, SampleMeta

__all__ = ["NO_SLOT", "OpenSlot", "SampleSkipped", "WindowSample", "read_error", "read_meta", "rebuild", "untold"]

read_meta = msgspec.msgpack.Decoder(SampleMeta).decode
_read_text = msgspec.msgpack.Decoder(ErrorText).decode


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowSample:
    """One sample as it lies in the window.

    Attributes:
        data: its bytes, as they were when they were read.
        incarnation: of the window that it was read from.
    """

    index: int
    meta: SampleMeta
    data: memoryview
    incarnation: int


class SampleSkipped(Exception):
    """A sample is left out of a stream that skips bad ones; the stream goes on behind it.

    Not a ``PenstockError``: whoever asked for skipping has to count and name it.
    """

    def __init__(self, key: str, error: PenstockError) -> None:
        super().__init__(f"{key}: {error}")
        self.key = key
        self.error = error


@dataclass(frozen=True, slots=True)
class OpenSlot:
    """A slot that is read from; ``rows`` are the fields of its table, ``table`` is that with the descriptions."""

    offset: int
    size_bytes: int
    table: memoryview
    first_index: int
    end_index: int
    rows: list[tuple[int, int, int, int, int, int]]


NO_SLOT = OpenSlot(0, 0, memoryview(b""), 0, 0, [])


def read_error(data: memoryview) -> PenstockError:
    """Give the error that lies in the place of a sample's bytes."""
    return rebuild(_read_text(data))


def rebuild(text: ErrorText) -> PenstockError:
    """Give the error that a prefetcher told of."""
    return error_from_fields(text.name, text.what, text.fix, text.about)


def untold(key: str) -> PenstockError:
    """Give the error of a sample whose own found no room."""
    return DataError(f"{key} could not be had", fix="see the prefetcher's log", about=key)
