"""The clock of deadlines stands still while the process does."""

from __future__ import annotations

import pytest

from penstock import clock as clock_module


def test_time_in_which_the_process_was_stopped_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(clock_module.time, "monotonic", lambda: now)
    clock = clock_module._Clock()
    began = clock()
    for _ in range(10):
        now += 0.25
        clock()
    assert clock() - began == 2.5
    now += 600
    assert clock() - began == 2.5
    now += 4
    assert clock() - began == 6.5
