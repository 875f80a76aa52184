"""The JSON form of records: ``{"record": kind, "version": n, ...fields}``.

Reading is strict: another kind, another version, an unknown field, a missing one or a wrong type is a
``RecordError`` that names it. Nothing is guessed and nothing is dropped. JSON has no NaN and no infinity, so
a record that holds one is refused when it is written: whoever measures says what an undefined figure is
(None, or no such entry).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import ClassVar, TypeVar

import msgspec

from penstock.errors import RecordError
from penstock.files import atomic_write
from penstock.records.telling import what_it_is

__all__ = ["Part", "Record", "decode_record", "encode_record", "read_record", "write_record"]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value inside a record."""


class Record(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value that crosses a process or a step; subclasses set ``kind`` and ``version``.

    ``remake`` says what makes another, where it is not known by its kind. All numbers with a point of one that
    ``is_exact`` are decimals, which are read as they are written.
    """

    kind: ClassVar[str]
    version: ClassVar[int]
    remake: ClassVar[str] = "make it again"
    is_exact: ClassVar[bool] = False


R = TypeVar("R", bound=Record)


def encode_record(record: Record) -> bytes:
    """Write a record as indented UTF-8 JSON that ends in a newline.

    Raises:
        RecordError: a field holds what JSON cannot: NaN, an infinity, or text that is not Unicode.
    """
    fields = msgspec.to_builtins(record, builtin_types=(Decimal,))
    if field := next(_not_finite(fields), None):
        raise RecordError(
            f"{record.kind} record: {field.removeprefix('.')} is not a finite number",
            fix="leave it out where it is not known",
        )
    body = {"record": record.kind, "version": record.version, **fields}
    try:
        return msgspec.json.format(_ENCODER.encode(body), indent=1) + b"\n"
    except UnicodeEncodeError as error:
        raise RecordError(
            f"{record.kind} record: {error.object!r} is not Unicode text", fix="rename what it names"
        ) from error


def decode_record(data: bytes | str, kind: type[R], *, origin: str = "record") -> R:
    """Read a record of one kind.

    Args:
        data: what ``encode_record`` wrote.
        kind: the class to read.
        origin: where the data is from, for the error message.

    Raises:
        RecordError: it is not such a record, or of a version that this Penstock does not know.
    """
    try:
        body = (_EXACTLY if kind.is_exact else _PLAINLY).decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raw = _bytes(data)
        what = "" if raw.lstrip()[:1] in (b"{", b"[") else what_it_is(raw)
        raise RecordError(
            f"{origin} is not JSON, but {what}" if what else f"{origin} is not JSON ({error})",
            fix=f"pass a {kind.kind} file" if what else "make it again with the step that wrote it",
            about=origin,
        ) from error
    if not isinstance(body, dict) or body.pop("record", None) != kind.kind:
        what = what_it_is(_bytes(data))
        raise RecordError(
            f"{origin} is not a Penstock {kind.kind} record{f', but {what}' if what else ''}",
            fix=f"pass a {kind.kind} file",
            about=origin,
        )
    version = body.pop("version", None)
    if type(version) is not int or version != kind.version:
        raise RecordError(
            f"{origin} is a {kind.kind} record of version {version!r}, this Penstock reads {kind.version}: it was made "
            "by another version of Penstock",
            fix=f"use the Penstock release that wrote it, or {kind.remake}",
            about=origin,
        )
    try:
        return msgspec.convert(body, kind)
    except (msgspec.ValidationError, OverflowError) as error:
        raise RecordError(
            f"{origin} does not fit the {kind.kind} record ({error})",
            fix="make it again with the step that wrote it",
            about=origin,
        ) from error


def write_record(path: Path, record: Record) -> None:
    """Write a record to a local file, all of it or nothing.

    Raises:
        DiskFull, OutputUnwritable: the file cannot be written.
    """
    atomic_write(path, encode_record(record))


def read_record(path: Path, kind: type[R]) -> R:
    """Read a record of one kind from a local file.

    Raises:
        RecordError: there is no such file, or it is not such a record.
    """
    try:
        is_other = path.exists() and not path.is_file() and not path.is_dir()  # a pipe would be waited for
        data = b"" if is_other else path.read_bytes()
    except OSError as error:
        raise _unread(path, kind, str(error.strerror)) from error
    if is_other:
        raise _unread(path, kind, "it is not a file")
    return decode_record(data, kind, origin=str(path))


_ENCODER = msgspec.json.Encoder(decimal_format="number")
_PLAINLY, _EXACTLY = msgspec.json.Decoder(), msgspec.json.Decoder(float_hook=Decimal)


def _bytes(data: bytes | str) -> bytes:
    return data.encode(errors="replace") if isinstance(data, str) else data


def _unread(path: Path, kind: type[Record], why: str) -> RecordError:
    article = "an" if kind.kind[0] in "aeiou" else "a"
    return RecordError(
        f"cannot read {path} ({why})", fix=f"pass the path of {article} {kind.kind} file", about=str(path)
    )


def _not_finite(value: object, name: str = "") -> Iterator[str]:
    """Name the fields, as paths, whose number is not finite."""
    if isinstance(value, float | Decimal):
        if not math.isfinite(value):
            yield name
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _not_finite(item, f"{name}.{key}")
    elif isinstance(value, list | tuple):
        for place, item in enumerate(value):
            yield from _not_finite(item, f"{name}[{place}]")
