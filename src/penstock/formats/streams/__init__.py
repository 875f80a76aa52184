"""Bytes of objects in order, unpacked where they are packed, and how any part of them is read again alone."""

from __future__ import annotations

from penstock.formats.streams.lines import LineBlock, read_line_blocks
from penstock.formats.streams.packing import Packing, unpacked
from penstock.formats.streams.protocols import ByteStream, Part
from penstock.formats.streams.whole import open_stream

__all__ = ["ByteStream", "LineBlock", "Packing", "Part", "open_stream", "read_line_blocks", "unpacked"]
