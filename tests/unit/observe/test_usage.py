from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import pytest

from penstock.observe.usage import read_usage

NOWHERE = Path("/nonexistent")


def _burn(seconds: float, held_bytes: int, stop: object) -> None:
    held = bytearray(b"x") * held_bytes
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    stop.wait()  # type: ignore[attr-defined]
    del held


def test_children_are_counted_while_they_live_and_behind_their_end() -> None:
    context = multiprocessing.get_context("fork")
    stop, before = context.Event(), read_usage(group=NOWHERE)
    child = context.Process(target=_burn, args=(0.2, 50 << 20, stop))
    child.start()
    try:
        end = time.monotonic() + 20
        while (during := read_usage(group=NOWHERE)).cpu_seconds < before.cpu_seconds + 0.2:
            assert time.monotonic() < end, "the child's time is not seen"
        assert during.memory_bytes is not None
        assert before.memory_bytes is not None
        assert during.memory_bytes > before.memory_bytes + (40 << 20)
        assert not during.is_container
    finally:
        stop.set()
        child.join()
    assert read_usage(group=NOWHERE).cpu_seconds >= during.cpu_seconds


@pytest.mark.parametrize(("limit", "told"), [("max", None), ("4294967296", 4 << 30)])
def test_a_container_counts_what_cannot_be_dropped(tmp_path: Path, limit: str, told: int | None) -> None:
    (tmp_path / "memory.current").write_text("3000\n")
    (tmp_path / "memory.stat").write_text("anon 1000\ninactive_file 1200\nactive_file 800\n")
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    found = read_usage(group=tmp_path)
    assert (found.memory_bytes, found.limit_bytes, found.is_container) == (1800, told, True)


def test_without_proc_there_is_time_and_no_memory() -> None:
    found = read_usage(proc=NOWHERE, group=NOWHERE)
    assert found.cpu_seconds > 0
    assert found.memory_bytes is None
