"""A window's gauges, also where a window is no window."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.window import WindowReader, read_gauges
from penstock.window.folder import SESSION
from support.raw import make_raw_dataset
from support.windows import make_spec, serving, take_all

WINDOW_BYTES = 1 << 20


def test_no_window_has_no_gauges(tmp_path: Path) -> None:
    assert read_gauges(tmp_path) is None
    assert read_gauges(tmp_path / "nowhere") is None


@pytest.mark.parametrize("damage", [b"", b"PENSTOCK", b"\xff" * 8192])
def test_damaged_window_has_no_gauges(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "control").write_bytes(damage)
    assert read_gauges(tmp_path) is None


def test_gauges_of_two_ranks_name_each_cursor(tmp_path: Path) -> None:
    data = make_raw_dataset(tmp_path / "raw", sizes=[5_000] * 100)
    folder = tmp_path / "window"
    with serving(folder, WINDOW_BYTES):
        reader = WindowReader(folder, make_spec(data, num_ranks=2)).begin()
        take_all(reader, data, 0, 10)
        found = read_gauges(folder)
        reader.close()
    assert found is not None
    assert found.cursors == {0: 10}
    assert (found.state, found.end_index) == ("running", 100)
    assert found.used_bytes <= found.meters.window_bytes == WINDOW_BYTES


def test_session_that_cannot_be_read_leaves_the_rest(tmp_path: Path) -> None:
    folder = tmp_path / "window"
    with serving(folder, WINDOW_BYTES):
        (folder / SESSION).write_bytes(b"no record")
        found = read_gauges(folder)
    assert found is not None
    assert (found.end_index, found.cursors) == (None, {})
    assert found.meters.window_bytes == WINDOW_BYTES
