"""A stop at any point of the training loop: told with what was saved, and put down."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from penstock import stopping
from penstock.errors import Interrupted
from penstock.train import loop, signals
from unit.train import runs

CONFIG = replace(runs.CONFIG, num_epochs=1, batch_size=52, checkpoint_every_steps=None)
EVERY = 4
"""Of the points: each takes 40 ms."""
BY_OPCODE = {signals.__file__, contextlib.__file__}
BY_LINE = {loop.__file__, str(Path(loop.__file__).with_name("attempt.py"))}


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Signals as a step's process handles them."""
    before = {number: signal.getsignal(number) for number in (*stopping.SIGNALS, signal.SIGALRM)}
    hook = sys.unraisablehook
    monkeypatch.setattr(stopping, "_state", stopping._State())
    stopping.install()
    try:
        yield
    finally:
        sys.settrace(None)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = hook


class Points:
    """Calls a function at one of the points that the training loop goes through, once a step has been learnt."""

    def __init__(self, at: int, call: Callable[[], None]) -> None:
        self.at, self.call, self.is_on = at, call, False
        self.seen: dict[tuple[str, int], None] = {}

    def trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        name = frame.f_code.co_filename
        if name not in BY_OPCODE and name not in BY_LINE:
            return None
        if name == contextlib.__file__ and not self._is_of_waiting(frame):
            return None
        by_opcode = frame.f_trace_opcodes = name in BY_OPCODE
        if self.is_on and event == ("opcode" if by_opcode else "line"):
            place = (frame.f_code.co_qualname, frame.f_lasti if by_opcode else frame.f_lineno)
            if place not in self.seen:
                self.seen[place] = None
                if len(self.seen) == self.at:
                    self.call()
        return self.trace

    def _is_of_waiting(self, frame: FrameType) -> bool:
        held = frame.f_locals.get("self")
        return getattr(getattr(held, "gen", None), "__qualname__", "") == "StopRequest.waiting"


def run_to(folder: Path, at: int) -> tuple[Points, Interrupted | None]:
    points = Points(at, lambda: os.kill(os.getpid(), signal.SIGINT))

    def begin(update: object) -> None:
        points.is_on = True

    sys.settrace(points.trace)
    try:
        runs.run(folder, config=CONFIG, heard=runs.Heard(on_each_step=begin))
    except Interrupted as stopped:
        return points, stopped
    finally:
        sys.settrace(None)
    return points, None


def test_a_stop_anywhere_after_a_step_is_told_with_what_was_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points, stopped = run_to(tmp_path / "whole", 0)
    assert stopped is None
    names = {name for name, _ in points.seen}
    assert {"StopRequest.waiting", "_GeneratorContextManager.__exit__", "Attempt._end_epoch", "train"} <= names
    for at in range(1, len(points.seen) + 1, EVERY):
        monkeypatch.setattr(stopping, "_state", stopping._State())
        stopping.install()
        _, stopped = run_to(tmp_path / str(at), at)
        place = list(points.seen)[at - 1]
        assert stopped is not None, place
        found = re.search(r"SIGINT stopped the run after step (\d+), saved as (\S+):", str(stopped))
        assert found, (place, str(stopped))
        assert Path(found[2]).exists()
        assert int(found[1]) in (1, 2)
        assert not stopping.is_stopping(), place
