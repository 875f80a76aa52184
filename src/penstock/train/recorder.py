"""Records what a run does with its time, once a second, in a thread beside the training.

A look reads a few files of /proc, of the control group and of the window, and takes no more than a thousandth of a
processor. What is told adds up: an interval's parts are of the trainer's own clock.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

import msgspec

from penstock.observe.usage import Usage, read_usage
from penstock.records import Timeline, TimelineInterval, joined_in_pairs
from penstock.records.timeline import MAX_INTERVALS
from penstock.train.activity import Activity, Doing
from penstock.train.gpu_usage import GpuUsage
from penstock.window.look import WindowLook

__all__ = ["LOOK_SECONDS", "MOST_SHARE", "Recorder"]

LOOK_SECONDS = 1.0
MOST_SHARE = 0.001
"""Of a processor's time, that looking takes: where looks are slow there are fewer."""
_DIGITS = 4
"""Of seconds, behind the point."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reading:
    """Everything at one moment; counts only go up."""

    at: float
    spent: Mapping[Doing, float]
    samples: int
    usage: Usage | None
    look: WindowLook | None
    gpu: GpuUsage | None


class Recorder:
    """Makes a run's timeline.

    Args:
        activity: what the trainer is at.
        started_seconds: of this attempt, by ``time.monotonic``.
        started_at: the same moment by the clock on the wall.
        look: looks at the windows.
        gpu: reads the GPU.
    """

    def __init__(
        self,
        activity: Activity,
        *,
        started_seconds: float,
        started_at: datetime,
        look: Callable[[], WindowLook | None],
        gpu: Callable[[], GpuUsage | None],
    ) -> None:
        self._activity, self._look, self._gpu = activity, look, gpu
        self._started_seconds, self._started_at = started_seconds, started_at
        self._offset_seconds, self._attempt = 0.0, 0
        self._told = Timeline(started_at=started_at.isoformat(timespec="milliseconds"), stride_seconds=LOOK_SECONDS)
        self._intervals: tuple[TimelineInterval, ...] = ()
        self._pending: TimelineInterval | None = None
        self._samples = 0
        self._last = _Reading(at=started_seconds, spent={}, samples=0, usage=None, look=look(), gpu=None)
        self._lock = threading.Lock()
        self._done = threading.Event()

    def goes_on_from(self, earlier: Timeline) -> None:
        """Add up to the timeline of earlier attempts."""
        with self._lock:
            self._told, self._intervals = earlier, earlier.intervals
            last = earlier.intervals[-1] if earlier.intervals else None
            self._attempt = last.attempt + 1 if last else 0
            since = (self._started_at - datetime.fromisoformat(earlier.started_at)).total_seconds()
            self._offset_seconds = max(since, last.end_seconds if last else 0.0)

    def count(self, num_samples: int) -> None:
        """Take note of samples that were trained on."""
        self._samples += num_samples

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Look each second within the block."""
        thread = threading.Thread(target=self._run, name="penstock-timeline-0", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._done.set()
            thread.join()

    def timeline(self) -> Timeline:
        """Return the timeline up to now."""
        with self._lock:
            self._take()
            pending = () if self._pending is None else (self._pending,)
            return _with(self._told, (*self._intervals, *pending), self._last)

    def _run(self) -> None:
        rest_seconds = LOOK_SECONDS
        while not self._done.wait(rest_seconds):
            begun = time.thread_time()
            with self._lock:
                self._take()
            rest_seconds = max(LOOK_SECONDS, (time.thread_time() - begun) / MOST_SHARE)

    def _take(self) -> None:
        now = _Reading(
            at=time.monotonic(),
            spent=self._activity.spent(),
            samples=self._samples,
            usage=read_usage(),
            look=self._look(),
            gpu=self._gpu(),
        )
        interval = self._between(self._last, now)
        self._last = now
        self._pending = interval if self._pending is None else self._pending.joined(interval)
        if self._pending.seconds < self._told.stride_seconds:
            return
        self._intervals, self._pending = (*self._intervals, self._pending), None
        if len(self._intervals) >= MAX_INTERVALS:
            self._intervals = joined_in_pairs(self._intervals)
            self._told = msgspec.structs.replace(self._told, stride_seconds=2 * self._told.stride_seconds)

    def _between(self, one: _Reading, two: _Reading) -> TimelineInterval:
        shift = self._offset_seconds - self._started_seconds
        look, before = two.look, one.look
        return TimelineInterval(
            attempt=self._attempt,
            start_seconds=round(one.at + shift, _DIGITS),
            end_seconds=round(two.at + shift, _DIGITS),
            samples=two.samples - one.samples,
            sample_bytes=max(0, look.sample_bytes - before.sample_bytes) if look and before else 0,
            downloaded_bytes=max(0, look.downloaded_bytes - before.downloaded_bytes) if look and before else 0,
            window_bytes=look.used_bytes if look else None,
            kept_bytes=look.kept_bytes if look else None,
            cpu_seconds=_cpu_seconds(one, two),
            memory_bytes=two.usage.memory_bytes if two.usage else None,
            gpu_share=two.gpu.share if two.gpu else None,
            gpu_memory_bytes=two.gpu.memory_bytes if two.gpu else None,
            **{f"{doing}_seconds": _more(one, two, doing) for doing in get_args(Doing) if doing != "other"},
        )


def _more(one: _Reading, two: _Reading, doing: Doing) -> float:
    return round(two.spent.get(doing, 0.0) - one.spent.get(doing, 0.0), _DIGITS)


def _cpu_seconds(one: _Reading, two: _Reading) -> float | None:
    if one.usage is None or two.usage is None:  # from its start to the first look, what was taken before counts too
        return None
    return round(max(0.0, two.usage.cpu_seconds - one.usage.cpu_seconds), _DIGITS)


def _with(told: Timeline, intervals: tuple[TimelineInterval, ...], last: _Reading) -> Timeline:
    """Return a timeline with its intervals, and with the bounds as they are now."""
    look, gpu = last.look, last.gpu
    return msgspec.structs.replace(
        told,
        intervals=intervals,
        window_limit_bytes=(look.limit_bytes if look else 0) or told.window_limit_bytes,
        memory_limit_bytes=last.usage.limit_bytes if last.usage else told.memory_limit_bytes,
        gpu_memory_limit_bytes=gpu.limit_bytes if gpu else told.gpu_memory_limit_bytes,
        is_container=last.usage.is_container if last.usage else told.is_container,
    )
