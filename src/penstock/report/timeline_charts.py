"""Charts of a run's time: what it did, how fast it went, what its window held, what it took of its machine.

What was in no attempt, and what was not measured, is left empty: it is never drawn as 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from penstock.records import RunRecord, Timeline, TimelineInterval
from penstock.report.charts import legend, panels
from penstock.report.over_time import (
    Scale,
    draw_bound,
    draw_over_time,
    edges_of,
    idle_between,
    mark_attempts,
    time_scale,
)
from penstock.report.svg import SERIES, THEME
from penstock.units import format_bytes, format_seconds

__all__ = ["activity_chart", "resources_chart", "throughput_chart", "timeline_charts", "window_chart"]

_MUTED = tuple(THEME)[2]
_BLUE, _ORANGE, _GREEN, _PURPLE, *_ = SERIES
_KINDS: tuple[tuple[str, str, Callable[[TimelineInterval], float]], ...] = (
    ("training", _BLUE, lambda each: each.busy_seconds),
    ("stall (waiting for data)", _ORANGE, lambda each: each.stall_seconds),
    ("validation", _GREEN, lambda each: each.valid_seconds),
    ("saving", _PURPLE, lambda each: each.save_seconds),
    ("start, end", _MUTED, lambda each: each.other_seconds),
)
_PANEL_INCHES = 1.65
_MB = 10**6

Draw = Callable[[Axes], None]


def timeline_charts(run: RunRecord) -> list[tuple[str, str]]:
    """Return headings and SVG text of what was recorded; nothing where a run kept no timeline."""
    timeline = run.timeline
    if timeline is None or not timeline.intervals:
        return []
    found = [("What the run did with its time", activity_chart(timeline))]
    if any(each.samples for each in timeline.intervals):
        found.append(("Throughput", throughput_chart(timeline)))
    if any(each.window_bytes is not None for each in timeline.intervals):
        found.append(("Window", window_chart(timeline)))
    if any(each.memory_bytes is not None or each.cpu_seconds is not None for each in timeline.intervals):
        found.append((_resources(timeline), resources_chart(timeline, num_cpus=run.host.num_cpus)))
    return found


def activity_chart(timeline: Timeline) -> str:
    """Draw how each part of the time was spent: its activities fill it, and what was idle between attempts is pale."""
    intervals = timeline.intervals
    scale = time_scale(timeline)
    edges, places = edges_of(intervals, scale)
    totals = {name: sum(map(take, intervals)) for name, _, take in _KINDS}
    idle = sum(idle_between(intervals))

    def draw(axes: Axes) -> None:
        base = np.zeros(len(edges) - 1)
        for name, colour, take in _KINDS:
            if not totals[name]:
                continue
            shares = np.zeros(len(edges) - 1)
            for place, each in zip(places, intervals, strict=True):
                shares[place] = take(each) / each.seconds if each.seconds else 0.0
            alpha = 0.45 if colour == _MUTED else 1.0
            axes.stairs(base + shares, edges, baseline=base, fill=True, color=colour, alpha=alpha, label=name)
            base = base + shares
        mark_attempts(axes, intervals, scale)
        axes.set_ylim(0, 1)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.grid(visible=False)
        axes.set_ylabel("of the time")
        axes.set_xlabel(f"{scale.unit} since the start")
        legend(axes)

    told = ", ".join(f"{name} {format_seconds(seconds)}" for name, seconds in totals.items() if seconds)
    attempts = len({each.attempt for each in intervals})
    between = f"; {attempts} attempts, {format_seconds(idle)} between them idle or unrecorded" if attempts > 1 else ""
    return panels("activity", "What the run did with its time", f"{told}{between}.", [draw])


def throughput_chart(timeline: Timeline) -> str:
    """Draw samples per second, and bytes per second that were downloaded and handed over."""
    scale = time_scale(timeline)
    intervals = timeline.intervals

    def samples(axes: Axes) -> None:
        draw_over_time(axes, intervals, scale, _samples, color=_BLUE, label="trained on")
        axes.set_ylabel("samples/s")
        axes.set_ylim(bottom=0)
        legend(axes)

    def moved(axes: Axes) -> None:
        draw_over_time(axes, intervals, scale, _downloaded, color=_ORANGE, label="downloaded")
        draw_over_time(axes, intervals, scale, _handed_over, color=_GREEN, label="handed over")
        axes.set_ylabel("MB/s")
        axes.set_ylim(bottom=0)
        axes.set_xlabel(f"{scale.unit} since the start")
        legend(axes)

    seconds = sum(each.seconds for each in intervals)
    mean = sum(each.samples for each in intervals) / seconds if seconds else 0.0
    down = sum(each.downloaded_bytes for each in intervals) / seconds / _MB if seconds else 0.0
    told = f"On average {mean:,.4g} samples and {down:,.4g} MB downloaded a second, waiting and validation included."
    return panels("throughput", "Throughput", told, [samples, moved], height_inches=2 * _PANEL_INCHES)


def window_chart(timeline: Timeline) -> str:
    """Draw what the window took on disk and kept, under its bound."""
    intervals, time = timeline.intervals, time_scale(timeline)
    limit = timeline.window_limit_bytes
    most = max((each.window_bytes or 0 for each in intervals), default=0)
    scale = Scale.of_bytes(max(limit, most))

    def draw(axes: Axes) -> None:
        if limit:
            draw_bound(axes, limit / scale.size, "bound")
        _draw_sizes(axes, intervals, time, scale, lambda each: each.window_bytes, color=_BLUE, label="on disk")
        kept = "kept for later epochs"
        _draw_sizes(axes, intervals, time, scale, lambda each: each.kept_bytes, color=_GREEN, label=kept)
        axes.set_ylim(bottom=0)
        axes.set_ylabel(scale.unit)
        axes.set_xlabel(f"{time.unit} since the start")
        legend(axes)

    told = f"At most {format_bytes(most)}" + (f" of {format_bytes(limit)}." if limit else ".")
    return panels("window", "Window", told, [draw])


def resources_chart(timeline: Timeline, *, num_cpus: int) -> str:
    """Draw processors, memory and GPU, as far as they were told."""
    intervals = timeline.intervals
    scale = time_scale(timeline)
    draws: list[Draw] = []
    told: list[str] = []
    if any(each.cpu_seconds is not None for each in intervals):
        draws.append(lambda axes: _draw_cpus(axes, intervals, scale, num_cpus))
        told.append(f"processors: {_mean_cpus(intervals):.2g} of {num_cpus} busy on average")
    if memory := max((each.memory_bytes or 0 for each in intervals), default=0):
        limit = timeline.memory_limit_bytes
        label = "of the container" if timeline.is_container else "of its processes"
        draws.append(lambda axes: _draw_bytes(axes, intervals, scale, "memory", lambda each: each.memory_bytes,
                                              limit=limit, label=label, color=_BLUE))  # fmt: skip
        told.append(f"memory {label}: at most {format_bytes(memory)}")
    if any(each.gpu_share is not None for each in intervals):
        draws.append(lambda axes: _draw_gpu(axes, intervals, scale))
        told.append("GPU: the part of the time that it worked")
    if gpu_memory := max((each.gpu_memory_bytes or 0 for each in intervals), default=0):
        limit_of_gpu = timeline.gpu_memory_limit_bytes
        draws.append(lambda axes: _draw_bytes(axes, intervals, scale, "GPU memory", lambda each: each.gpu_memory_bytes,
                                              limit=limit_of_gpu, label="taken", color=_PURPLE))  # fmt: skip
        told.append(f"GPU memory: at most {format_bytes(gpu_memory)}")
    draws[-1] = _with_time(draws[-1], scale)
    height = max(2, len(draws)) * _PANEL_INCHES
    words = "; ".join(told)
    return panels("resources", _resources(timeline), f"{words[:1].upper()}{words[1:]}.", draws,
                  height_inches=height)  # fmt: skip


def _resources(timeline: Timeline) -> str:
    has_gpu = any(each.gpu_memory_bytes is not None for each in timeline.intervals)
    return f"Processor{', memory and GPU' if has_gpu else ' and memory'}"


def _draw_cpus(axes: Axes, intervals: Sequence[TimelineInterval], time: Scale, num_cpus: int) -> None:
    if num_cpus:
        draw_bound(axes, num_cpus, f"all {num_cpus}")
    draw_over_time(axes, intervals, time, _cpus, color=_BLUE, label="busy")
    axes.set_ylabel("processors")
    axes.set_ylim(bottom=0)
    legend(axes)


def _draw_gpu(axes: Axes, intervals: Sequence[TimelineInterval], time: Scale) -> None:
    draw_over_time(axes, intervals, time, lambda each: each.gpu_share, color=_ORANGE, label="at work")
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylabel("GPU")
    legend(axes)


def _draw_bytes(
    axes: Axes,
    intervals: Sequence[TimelineInterval],
    time: Scale,
    name: str,
    take: Callable[[TimelineInterval], int | None],
    *,
    limit: int | None,
    label: str,
    color: str,
) -> None:
    most = max((take(each) or 0 for each in intervals), default=0)
    scale = Scale.of_bytes(max(most, limit or 0))
    if limit:
        draw_bound(axes, limit / scale.size, "limit")
    _draw_sizes(axes, intervals, time, scale, take, color=color, label=label)
    axes.set_ylabel(f"{name}\n{scale.unit}")
    axes.set_ylim(bottom=0)
    legend(axes)


def _draw_sizes(
    axes: Axes,
    intervals: Sequence[TimelineInterval],
    time: Scale,
    scale: Scale,
    take: Callable[[TimelineInterval], int | None],
    *,
    color: str,
    label: str,
) -> None:
    def scaled(each: TimelineInterval) -> float | None:
        amount = take(each)
        return None if amount is None else amount / scale.size

    draw_over_time(axes, intervals, time, scaled, color=color, label=label)


def _with_time(draw: Draw, scale: Scale) -> Draw:
    def drawn(axes: Axes) -> None:
        draw(axes)
        axes.set_xlabel(f"{scale.unit} since the start")

    return drawn


def _per_second(amount: float, each: TimelineInterval) -> float | None:
    return amount / each.seconds if each.seconds else None


def _cpus(each: TimelineInterval) -> float | None:
    return None if each.cpu_seconds is None else _per_second(each.cpu_seconds, each)


def _samples(each: TimelineInterval) -> float | None:
    return _per_second(each.samples, each)


def _downloaded(each: TimelineInterval) -> float | None:
    return _per_second(each.downloaded_bytes / _MB, each)


def _handed_over(each: TimelineInterval) -> float | None:
    return _per_second(each.sample_bytes / _MB, each)


def _mean_cpus(intervals: Sequence[TimelineInterval]) -> float:
    known = [(each.cpu_seconds, each.seconds) for each in intervals if each.cpu_seconds is not None]
    seconds = sum(length for _, length in known)
    return sum(spent for spent, _ in known) / seconds if seconds else 0.0
