"""BDF (24 bit) and EDF (16 bit) recordings, the '+' variants included: headers, byte spans and samples."""

from __future__ import annotations

from penstock.formats.bdf.header import BdfHeader, header_size, parse_header
from penstock.formats.bdf.records import (
    RecordLayout,
    RecordsSpan,
    decode_records,
    record_layout,
    records_span,
    signal_channels,
)
from penstock.formats.bdf.writer import encode_bdf, encode_header, encode_records, to_digital

__all__ = [
    "BdfHeader",
    "RecordLayout",
    "RecordsSpan",
    "decode_records",
    "encode_bdf",
    "encode_header",
    "encode_records",
    "header_size",
    "parse_header",
    "record_layout",
    "records_span",
    "signal_channels",
    "to_digital",
]
