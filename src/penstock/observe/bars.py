"""Live bars on a terminal, by rich."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column

from penstock.observe.progress import Clock, StageProgress, count_text, format_figures

__all__ = ["BarProgress", "open_bars"]

REDRAW_EVERY_SECONDS = 0.1

_BAR_WIDTH = 12


def open_bars(stream: TextIO | None = None) -> BarProgress:
    """Give bars on ``stream`` (None: stderr)."""
    return BarProgress(Console(file=stream, stderr=stream is None))


class BarProgress:
    """Shows a live bar for each stage; stages may overlap."""

    def __init__(self, console: Console, *, clock: Clock = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._bars: Progress | None = None
        self._open = 0
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def stage(
        self, name: str, total: int | None = None, unit: str = "samples", *, done: int = 0
    ) -> Iterator[StageProgress]:
        """Show a bar, and leave it standing as it was when the block ends."""
        bars = self._enter()
        task = bars.add_task(name, total=total, completed=done, count=count_text(done, total, unit), figures="")
        try:
            yield _BarStage(bars, task, self._clock, total, unit, done)
        finally:
            bars.stop_task(task)
            bars.refresh()
            self._leave()

    def _enter(self) -> Progress:
        with self._lock:
            self._open += 1
            if self._bars is None:
                self._bars = Progress(
                    TextColumn("{task.description}", markup=False, style="bold", table_column=_column(9)),
                    BarColumn(bar_width=_BAR_WIDTH, table_column=_column(_BAR_WIDTH)),
                    TextColumn("{task.fields[count]}", markup=False, table_column=_column(14)),
                    TimeElapsedColumn(table_column=_column(7)),
                    TextColumn(
                        "{task.fields[figures]}", markup=False, style="cyan", table_column=Column(ratio=1, no_wrap=True)
                    ),
                    console=self._console,
                    expand=True,
                    auto_refresh=False,
                    redirect_stdout=False,
                )
                self._bars.start()
            return self._bars

    def _leave(self) -> None:
        with self._lock:
            self._open -= 1
            if self._open == 0 and self._bars is not None:
                self._bars.stop()
                self._bars = None


def _column(width: int) -> Column:
    """A column that stays whole where the terminal is narrow; the figures give way instead."""
    return Column(min_width=width, no_wrap=True)


class _BarStage:
    def __init__(self, bars: Progress, task: TaskID, clock: Clock, total: int | None, unit: str, done: int) -> None:
        self._bars, self._task, self._clock, self._total, self._unit = bars, task, clock, total, unit
        self._done = done
        self._figures: dict[str, float] = {}
        self._drawn_at = clock()
        self._lock = threading.Lock()

    def advance(self, count: int = 1, /, **figures: float) -> None:
        with self._lock:
            self._done += count
            self._figures |= figures
            counted, figures_text = count_text(self._done, self._total, self._unit), format_figures(self._figures)
            due = self._clock() - self._drawn_at >= REDRAW_EVERY_SECONDS
            if due:
                self._drawn_at = self._clock()
        self._bars.update(self._task, advance=count, count=counted, figures=figures_text, refresh=due)
