"""Live bars on a terminal, by rich."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress import Progress, ProgressColumn, Task, TaskID
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.table import Column

from penstock.observe.line import Part, choose_parts, width_of
from penstock.observe.progress import Clock, StageProgress, count_text, split_figures

__all__ = ["BarProgress", "open_bars"]

REDRAW_EVERY_SECONDS = 0.1

_BAR_WIDTH = 12
_LEAST_BAR_WIDTH = 6
_NAME_WIDTH = 8
_WORTH = {"epoch": 7, "loss": 6, "valid": 5, "stall_percent": 4}
"""Of figures; others are worth as much as their unit (1). The stage and its count are worth more than all of them."""


def open_bars(stream: TextIO | None = None) -> BarProgress:
    """Return bars on ``stream`` (None: stderr)."""
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
        task = bars.add_task(name, total=total, completed=done, unit=unit, figures={})
        try:
            yield _BarStage(bars, task, self._clock)
        finally:
            bars.stop_task(task)
            bars.refresh()
            self._leave()

    def _enter(self) -> Progress:
        with self._lock:
            self._open += 1
            if self._bars is None:
                self._bars = Progress(
                    _LineColumn(), console=self._console, expand=True, auto_refresh=False, redirect_stdout=False
                )
                self._bars.start()
            return self._bars

    def _leave(self) -> None:
        with self._lock:
            self._open -= 1
            if self._open == 0 and self._bars is not None:
                self._bars.stop()
                self._bars = None


class _BarStage:
    def __init__(self, bars: Progress, task: TaskID, clock: Clock) -> None:
        self._bars, self._task, self._clock = bars, task, clock
        self._figures: dict[str, float] = {}
        self._drawn_at = clock()
        self._lock = threading.Lock()

    def advance(self, count: int = 1, /, **figures: float) -> None:
        with self._lock:
            self._figures = self._figures | figures
            due = self._clock() - self._drawn_at >= REDRAW_EVERY_SECONDS
            if due:
                self._drawn_at = self._clock()
        self._bars.update(self._task, advance=count, figures=self._figures, refresh=due)


class _LineColumn(ProgressColumn):
    """A stage's whole line."""

    def __init__(self) -> None:
        super().__init__(table_column=Column(ratio=1, no_wrap=True))

    def render(self, task: Task) -> _Line:
        return _Line(task)


class _Line:
    """What there is room for of a stage: its name, a bar, its count, the time that it took, its figures."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        name, *others = choose_parts(_parts(self._task), width)
        left = width - width_of([name, *others]) - 1
        padding = max(0, _NAME_WIDTH - len(name.text)) if left >= _NAME_WIDTH + _BAR_WIDTH else 0
        yield Segment(name.text[:width] + " " * padding, console.get_style(name.style))
        if left >= _LEAST_BAR_WIDTH:
            yield Segment(" ")
            yield from console.render(self._bar(min(_BAR_WIDTH, left)), options)
        for part in others:
            yield Segment(" " * part.gap + part.text, console.get_style(part.style, default=""))

    def _bar(self, width: int) -> ProgressBar:
        task = self._task
        total = None if task.total is None else max(task.total, task.completed, 1e-9)
        done = total if total is not None and not task.total else task.completed
        return ProgressBar(
            total=total, completed=done, width=width, pulse=total is None, animation_time=task.get_time()
        )


def _parts(task: Task) -> list[Part]:
    total = None if task.total is None else int(task.total)
    count, unit = count_text(int(task.completed), total, task.fields["unit"])
    seconds = int(task.elapsed or 0)
    return [
        Part(text=task.description, worth=9, style="bold"),
        Part(text=count, worth=8),
        *([Part(text=unit, worth=1)] if unit else []),
        Part(text=f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}", worth=2, style="yellow"),
        *(
            Part(text=text, worth=_WORTH.get(name, _WORTH.get(name.partition("_")[0], 1)), gap=2, style="cyan")
            for name, text in split_figures(task.fields["figures"])
        ),
    ]
