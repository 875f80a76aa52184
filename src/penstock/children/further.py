"""What a child is asked for besides what it was started for: lines of a file that its parent goes on writing.

A child that takes the place of one that was lost begins with the first line again.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from penstock.children.messages import Failed
from penstock.errors import PenstockError
from penstock.files import atomic_write

__all__ = ["Asking", "Further", "answer", "answered"]


class Asking:
    """The parent's side.

    Args:
        path: of the file, which is made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._next = 0
        path.touch()

    def ask(self, asked: Any) -> int:
        """Ask for something; return its number, from 0."""
        line = msgspec.json.encode(asked) + b"\n"
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            os.write(file, line)
        finally:
            os.close(file)
        self._next += 1
        return self._next - 1


class Further:
    """The child's side: what is asked for, in order."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._passed = 0

    def new(self) -> list[Any]:
        """Return what was asked for since."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._passed)
                found = file.read()
        except FileNotFoundError:  # the parent is about to end
            return []
        whole = found[: found.rfind(b"\n") + 1]
        self._passed += len(whole)
        return [msgspec.json.decode(line) for line in whole.splitlines()]


def answer(path: Path, number: int, error: PenstockError | None) -> None:
    """Tell that what was asked for was done, or why it was not."""
    told = Failed.of(error) if error is not None else None
    atomic_write(_answer(path, number), msgspec.json.encode(told))


def answered(path: Path, number: int) -> bool:
    """Tell whether what was asked for was done.

    Raises:
        PenstockError: it failed.
    """
    try:
        data = _answer(path, number).read_bytes()
    except FileNotFoundError:
        return False
    told = msgspec.json.decode(data, type=Failed | None)
    if told is not None:
        raise told.to_error()
    return True


def _answer(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")
