"""Items of one list of JSON, found one after the other in bounded memory."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from penstock.errors import DataError, HeaderMismatch
from penstock.formats.jsonl.rows import Told
from penstock.formats.jsonl.values import no_json
from penstock.formats.streams import ByteStream
from penstock.formats.streams.lines import MOST_LINE_BYTES
from penstock.sources import ObjectInfo
from penstock.units import format_bytes

__all__ = ["Item", "items_in", "read_items"]

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_FIX: Final = "write the file again as one list of JSON, or leave it out"
_RAWS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_LONGEST_WORD: Final = 16
"""Characters, such as of ``-Infinity``, by which what is cut off seems to be wrong before its end."""

_ENDS: Final = (",", "]", " ", "\n", "\r", "\t")
_EXPONENT: Final = 3
"""Characters that may be a number's own behind its digits, like ``e-1``, before it is known to go on."""


@dataclass(frozen=True, slots=True)
class Item:
    """An item: offsets in the stream of its first byte and behind it."""

    begin: int
    end: int


def items_in(data: bytes) -> list[bytes]:
    """Return items with commas between them, each as a text of JSON.

    Raises:
        ValueError, RecursionError: they are none.
    """
    whole = b"".join((b"[", data, b"]"))
    try:
        return [bytes(item) for item in _RAWS.decode(whole)]
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return [json.dumps(item).encode() for item in json.loads(whole.decode())]


async def read_items(stream: ByteStream, info: ObjectInfo, told: Told) -> AsyncIterator[Item]:
    """Return the items of a list.

    Args:
        told: takes note of their values.

    Raises:
        HeaderMismatch: it is no list.
        DataError: an item is no JSON; names its line and column.
        SourceError: it could not be read.
    """
    scanner = _Scanner(info, told)
    async for chunk in stream.chunks():
        scanner.feed(chunk, is_end=False)
        del chunk  # what waits for more of many objects holds it once
        for item in scanner.items():
            yield item
    scanner.feed(b"", is_end=True)
    for item in scanner.items():
        yield item


class _Scanner:
    """A list, as far as it was read."""

    def __init__(self, info: ObjectInfo, told: Told) -> None:
        self._info, self._told = info, told
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._parse = json.JSONDecoder().raw_decode
        self._text, self._at, self._is_end = "", 0, False
        self._line, self._column, self._byte = 1, 0, 0
        self._awaits = "start"
        self._retry_at = 0
        """Characters of the rest from which on it is worth it to parse an item again that did not end."""

    def feed(self, data: bytes, *, is_end: bool) -> None:
        """Take more bytes."""
        try:
            more = self._decoder.decode(data, is_end)
        except UnicodeDecodeError as error:
            line = self._line_at(len(self._text)) + data.count(b"\n", 0, error.start)
            raise self._bad(
                f"not UTF-8 text (a byte is 0x{error.object[error.start]:02x})", line, fix="save it again as UTF-8"
            ) from error
        line_begin = self._text.rfind("\n", 0, self._at) + 1
        self._column = self._at - line_begin if line_begin else self._column + self._at
        self._text, self._at, self._is_end = self._text[self._at :] + more, 0, is_end

    def items(self) -> Iterator[Item]:
        """Return the items that end in what was read.

        Raises:
            HeaderMismatch, DataError: it is no list, or an item is no JSON.
        """
        while mark := self._skip():
            if self._awaits == "start":
                self._begin(mark)
            elif mark == "]" and self._awaits in ("first", "comma"):
                self._pass(1)
                self._awaits = "nothing"
            elif self._awaits == "comma":
                if mark != ",":
                    raise self._no_json(json.JSONDecodeError("Expecting ',' or ']'", self._text, self._at))
                self._pass(1)
                self._awaits = "item"
            elif self._awaits == "nothing":
                raise self._bad(f"behind the list of JSON comes {self._text[self._at :][:40]!r}", self._line)
            else:
                begin = self._byte
                if not self._take_item():
                    return
                self._awaits = "comma"
                yield Item(begin, self._byte)
        if self._is_end and self._awaits != "nothing":
            raise self._bad("the list of JSON does not end", self._line, fix="the file was cut off: write it again")

    def _begin(self, mark: str) -> None:
        if mark == "\ufeff" and not self._byte:
            self._pass(1)
            return
        if mark != "[":
            raise HeaderMismatch(
                f"{self._info.key}, line {self._line}: no list of JSON: it begins with {self._text[self._at :][:40]!r}",
                fix='lines of JSON are of the format "jsonl"; of other JSON take whole objects, or choose with match',
                about=self._info.key,
            )
        self._pass(1)
        self._awaits = "first"

    def _skip(self) -> str:
        """Pass over white space, and return the character that comes next; none where that was not read yet."""
        found = _SPACE.match(self._text, self._at)
        if found:
            self._pass(found.end() - self._at)
        return self._text[self._at : self._at + 1]

    def _pass(self, count: int) -> None:
        passed = self._text[self._at : self._at + count]
        self._line += passed.count("\n")
        self._byte += len(passed) if passed.isascii() else len(passed.encode())
        self._at += count

    def _take_item(self) -> bool:
        """Pass over an item, unless it may go on in what was not read yet."""
        rest = len(self._text) - self._at
        if rest < self._retry_at and not self._is_end:
            return False
        try:
            value, end = self._parse(self._text, self._at)
        except (ValueError, RecursionError) as error:
            if self._is_end or not self._may_go_on(error):
                raise self._no_json(error) from error
            if rest > MOST_LINE_BYTES:
                raise self._bad(
                    f"an item of more than {format_bytes(MOST_LINE_BYTES)}, or one that does not end", self._line
                ) from error
            self._retry_at = 2 * rest
            return False
        behind = self._text[end : end + _EXPONENT]
        if len(behind) < _EXPONENT and not behind.startswith(_ENDS) and not self._is_end:
            return False
        self._retry_at = 0
        if self._told.wants_values:
            self._told.take(value, self._line)
        self._pass(end - self._at)
        return True

    def _may_go_on(self, error: Exception) -> bool:
        """Say whether text may be wrong only since it was cut off."""
        if not isinstance(error, json.JSONDecodeError):
            return False
        return error.msg.startswith("Unterminated") or error.pos >= len(self._text) - _LONGEST_WORD

    def _line_at(self, place: int) -> int:
        return self._line + self._text.count("\n", self._at, place)

    def _bad(self, what: str, line: int, *, fix: str = _FIX, column: int = 0) -> DataError:
        at = f", column {column}" if column else ""
        return DataError(f"{self._info.key}, line {line}{at}: {what}", fix=fix, about=self._info.key)

    def _no_json(self, error: Exception) -> DataError:
        line = self._line
        if isinstance(error, json.JSONDecodeError):
            line = self._line_at(error.pos)
            begin = self._text.rfind("\n", 0, error.pos) + 1
            column = error.pos - begin if begin else self._column + error.pos
            shown = self._text[error.pos : error.pos + 100].partition("\n")[0]
            return self._bad(f"no JSON: {error.msg}, at {shown[:60]!r}", line, column=column + 1)
        return no_json(error, b"", where=f"{self._info.key}, line {line}", about=self._info.key, fix=_FIX)
