"""A rank's cursor, which one thread moves and another may end."""

from __future__ import annotations

import threading
from pathlib import Path

from penstock.window.cursor import Cursor


def test_a_move_after_the_end_writes_nothing_anywhere(tmp_path: Path) -> None:
    """The descriptor's number is another file's by then."""
    cursor = Cursor.begin(tmp_path, 0, "session", 3)
    cursor.end()
    before = (tmp_path / "cursor-0").read_bytes()
    with (tmp_path / "mine").open("w+b") as other:  # takes the number that is free
        cursor.move(7)
        assert other.read() == b""
    assert (tmp_path / "cursor-0").read_bytes() == before
    assert Cursor.open(tmp_path, 0).is_over  # type: ignore[union-attr]


def test_threads_that_move_and_end_it_at_once_do_not_meet(tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def move(cursor: Cursor) -> None:
        try:
            for index in range(200):
                cursor.move(index)
        except BaseException as error:
            errors.append(error)

    for _ in range(30):
        cursor = Cursor.begin(tmp_path, 0, "session", 0)
        thread = threading.Thread(target=move, args=(cursor,))
        thread.start()
        cursor.end()
        thread.join()
        found = Cursor.open(tmp_path, 0)
        assert found is not None
        assert found.is_over
    assert not errors
