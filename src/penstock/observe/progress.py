"""Progress for people: live bars on a terminal, a plain line now and then elsewhere.

Whoever does the work knows only the protocols: it opens a stage and tells what it did. No thread is
started: bars are redrawn when work is reported, so that a process with bars can fork.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Protocol, TextIO

from penstock.units import format_bytes, format_seconds, format_usd

__all__ = [
    "NoProgress",
    "PlainProgress",
    "ProgressReporter",
    "StageProgress",
    "format_figures",
]

PLAIN_EVERY_SECONDS = 5.0

Clock = Callable[[], float]


class StageProgress(Protocol):
    """A stage that is under way."""

    def advance(self, count: int = 1, /, **figures: float) -> None:
        """Tell that ``count`` more units are done, and the newest figures.

        Args:
            count: units done since the last call; 0 only tells figures.
            figures: shown beside the bar, each until it is told anew. Names with a meaning: ``epoch`` (from 1)
                with ``epochs``, ``step``, ``loss``, ``samples_per_second``, ``stall_percent``, ``valid_...`` (a score
                of the epoch that it is told in, and gone with it); the endings ``_bytes``, ``_seconds`` and
                ``_percent`` say the unit of others.
        """
        ...


class ProgressReporter(Protocol):
    """Where stages are shown."""

    def stage(
        self, name: str, total: int | None = None, unit: str = "samples", *, done: int = 0
    ) -> AbstractContextManager[StageProgress]:
        """Show a stage for as long as the block runs.

        Args:
            name: ``list``, ``prefetch``, ``train``, ``evaluate`` or the like.
            total: units that there are to do, None where that is not known.
            unit: what is counted; ``bytes`` are written as sizes.
            done: units that an earlier attempt did.
        """
        ...


def format_figures(figures: Mapping[str, float]) -> str:
    """Write figures for a person: ``epoch 3/40  loss 0.5320  812 samples/s  stall 2.1 %``."""
    return "  ".join(text for _, text in split_figures(figures))


def split_figures(figures: Mapping[str, float]) -> list[tuple[str, str]]:
    """Write each figure for a person; give it with its name."""
    told = dict(figures)
    epochs = told.pop("epochs", None)
    return [(name, _format_figure(name, value, epochs)) for name, value in told.items()]


def _format_figure(name: str, value: float, epochs: float | None) -> str:
    if name == "epoch":
        return f"epoch {value:.0f}/{epochs:.0f}" if epochs else f"epoch {value:.0f}"
    if name.endswith("_per_second"):
        unit = name.removesuffix("_per_second")
        return f"{format_bytes(value)}/s" if unit == "bytes" else f"{value:,.0f} {unit}/s"
    if name == "usd_per_hour":
        return f"{format_usd(value)}/h"
    for ending, write in (
        ("_usd", format_usd),
        ("_bytes", format_bytes),
        ("_seconds", format_seconds),
        ("_percent", _percent),
    ):
        if name.endswith(ending):
            return f"{name.removesuffix(ending).replace('_', ' ')} {write(value)}"
    whole = float(value).is_integer() and abs(value) < 1e15
    written = f"{value:,.0f}" if whole else f"{value:#.4g}".rstrip(".")  # as many digits each time: a line stays still
    return f"{name.replace('_', ' ')} {written}"


def _percent(value: float) -> str:
    return f"{value:.1f} %"


def count_text(done: int, total: int | None, unit: str) -> tuple[str, str]:
    """Return what was done, of how much, and its unit, which is empty where the text has it."""
    if unit == "bytes":
        return (format_bytes(done) if total is None else f"{format_bytes(done)} of {format_bytes(total)}"), ""
    one = (total if total is not None else done) == 1
    return (f"{done:,}" if total is None else f"{done:,}/{total:,}"), unit.removesuffix("s") if one else unit


def _counted(done: int, total: int | None, unit: str) -> str:
    return " ".join(filter(None, count_text(done, total, unit)))


class _SilentStage:
    def advance(self, count: int = 1, /, **figures: float) -> None:
        pass


class NoProgress:
    """Shows nothing."""

    @contextlib.contextmanager
    def stage(
        self, name: str, total: int | None = None, unit: str = "samples", *, done: int = 0
    ) -> Iterator[StageProgress]:
        """Show nothing."""
        yield _SilentStage()


class PlainProgress:
    """Writes a line every few seconds, at the end of each epoch, and at both ends of a stage."""

    def __init__(
        self, stream: TextIO, *, clock: Clock = time.monotonic, every_seconds: float = PLAIN_EVERY_SECONDS
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._every_seconds = every_seconds

    @contextlib.contextmanager
    def stage(
        self, name: str, total: int | None = None, unit: str = "samples", *, done: int = 0
    ) -> Iterator[StageProgress]:
        """Write what becomes of a stage."""
        stage = _PlainStage(self._write, self._clock, self._every_seconds, name, total, unit, done)
        started = self._clock()
        if done:
            self._write(f"{name}: goes on from {_counted(done, total, unit)}")
        else:
            self._write(f"{name}: started" + (f", {_counted(0, total, unit)}" if total is not None else ""))
        how = "stopped"
        try:
            yield stage
            how = "done"
        finally:
            self._write(f"{name}: {how} after {format_seconds(self._clock() - started)}, {stage.describe()}")

    def _write(self, line: str) -> None:
        self._stream.write(f"{line}\n")
        self._stream.flush()


class _PlainStage:
    def __init__(
        self,
        write: Callable[[str], None],
        clock: Clock,
        every_seconds: float,
        name: str,
        total: int | None,
        unit: str,
        done: int,
    ) -> None:
        self._write, self._clock, self._every_seconds = write, clock, every_seconds
        self._name, self._total, self._unit = name, total, unit
        self._done = done
        self._figures: dict[str, float] = {}
        self._written_at = clock()
        self._told = ""
        self._lock = threading.Lock()

    def advance(self, count: int = 1, /, **figures: float) -> None:
        with self._lock:
            before = self.describe()
            ended = "epoch" in self._figures and figures.get("epoch", self._figures["epoch"]) != self._figures["epoch"]
            self._done += count
            # A score is of the epoch that it ended, and not of the next one.
            kept = {name: value for name, value in self._figures.items() if not (ended and name.startswith("valid_"))}
            self._figures = kept | figures
            due = self._clock() - self._written_at >= self._every_seconds
            if due or ended:
                self._written_at = self._clock()
            line = before if ended else self.describe() if due else ""
            new = line not in ("", self._told)
            self._told = line or self._told
        if new:
            self._write(f"{self._name}: {line}")

    def describe(self) -> str:
        figures = format_figures(self._figures)
        return _counted(self._done, self._total, self._unit) + (f"  {figures}" if figures else "")
