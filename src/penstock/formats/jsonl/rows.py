"""What a block of JSON values tells when it is first read: how many there are, their groups, their columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from penstock.errors import ConfigError, DataError
from penstock.formats.group_text import group_texts
from penstock.formats.jsonl.values import (
    check_json,
    column_hint,
    json_value,
    no_json,
    no_object,
)
from penstock.sources import ObjectInfo

__all__ = ["Told", "check_lines"]

_ARRAY_FIX: Final = 'a list of values over several lines is of the format "json"; else write one JSON value a line'


class Told:
    """What values of an object tell, one block after the other.

    Args:
        columns: that some row must have.
        group_by: name of the column whose value is a row's group, or names with dots between them; None is none.
    """

    def __init__(self, info: ObjectInfo, columns: Sequence[str] | None, group_by: str | None) -> None:
        self._info = info
        self._group_by = group_by
        self._lacking = set(columns or ()) | ({group_by} if group_by is not None else set())
        self._there: dict[str, None] = {}
        self._groups: list[Any] = []

    @property
    def wants_values(self) -> bool:
        """Whether values are to be made, and not checked alone."""
        return self._group_by is not None or bool(self._lacking)

    def take(self, value: Any, line: int) -> None:
        """Take note of the next value.

        Raises:
            DataError: it has no columns.
        """
        if not isinstance(value, dict):
            raise no_object(value, where=f"{self._info.key}, line {line}", about=self._info.key)
        if self._lacking:
            self._there.update(dict.fromkeys(list(value)[:20] if len(self._there) < 1000 else ()))
            self._lacking -= value.keys()
        if self._group_by is not None:
            found = _inside(value, self._group_by)
            if found is not _NOTHING:
                self._lacking.discard(self._group_by)
            self._groups.append(None if found is _NOTHING else found)

    def groups(self) -> tuple[str, ...]:
        """Return the group of each value since this was last asked, none where there are no groups.

        Raises:
            ConfigError: a value is no name of a group.
        """
        found, self._groups = self._groups, []
        try:
            return tuple(group_texts(found))
        except TypeError as error:
            raise ConfigError(
                f"{self._info.key} has in the column {self._group_by!r} {error}, which is no name of a group",
                fix="split by a column of text, numbers or truth values",
            ) from error

    @property
    def has_all_columns(self) -> bool:
        """Whether every column that was asked for was in some value."""
        return not self._lacking

    def check_columns(self) -> None:
        """Check that every column that was asked for was in some value.

        Raises:
            ConfigError: one was not.
        """
        if self._lacking:
            wrong = min(self._lacking)
            raise ConfigError(f"{self._info.key} has no column {wrong!r}", fix=column_hint(wrong, list(self._there)))


_NOTHING: Final = object()


def _inside(value: dict[str, Any], path: str) -> Any:
    """Return what lies in an object under a name, or under names with dots between them."""
    if path in value:
        return value[path]
    found: Any = value
    for name in path.split("."):
        if not isinstance(found, dict) or name not in found:
            return _NOTHING
        found = found[name]
    return found


def check_lines(data: bytes, line: int, info: ObjectInfo, told: Told) -> tuple[int, int]:
    """Check lines that are each a JSON value or blank.

    Args:
        line: of the first.

    Returns:
        How many hold a value, and the line of the first that does.

    Raises:
        DataError: one holds something else; names its line and column.
    """
    texts = data.split(b"\n")
    _check_utf8(data, line, info)
    count = first = 0
    for place, text in enumerate(texts, line):
        if not text or text.isspace():
            continue
        try:
            if told.wants_values:
                told.take(json_value(text), place)
            else:
                check_json(text)
        except (ValueError, RecursionError) as error:
            fix = _ARRAY_FIX if not count and text.lstrip().startswith(b"[") else ""
            raise no_json(error, text, where=f"{info.key}, line {place}", about=info.key, fix=fix) from error
        first = first or place
        count += 1
    return count, first


def _check_utf8(data: bytes, line: int, info: ObjectInfo) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        begin = data.rfind(b"\n", 0, error.start) + 1
        raise DataError(
            f"{info.key}, line {line + data.count(bytes([10]), 0, error.start)}, byte {error.start - begin + 1}: "
            f"not UTF-8 text (a byte is 0x{data[error.start]:02x})",
            fix="save it again as UTF-8",
            about=info.key,
        ) from error
