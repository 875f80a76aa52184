"""What a run did with its time: intervals of training, waiting, validation and saving, with what they moved and took.

However long a run is, it has at most ``MAX_INTERVALS``: when it is full, neighbours of one attempt are joined in pairs.
What an interval's parts leave of it is what came before the first batch and behind the last, or an idle time where it
spans attempts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from penstock.records.codec import Part

__all__ = ["MAX_INTERVALS", "Timeline", "TimelineInterval", "joined_in_pairs"]

MAX_INTERVALS = 400
T = TypeVar("T", int, float)


class TimelineInterval(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a run's time. What is None is not known.

    Attributes:
        attempt: 0-based, of those that saved anything.
        start_seconds: from the beginning of the timeline, by the clock on the wall.
        end_seconds: the same.
        busy_seconds: of training passes that were not waiting.
        stall_seconds: the trainer waited for data in training passes.
        valid_seconds: of validation, waiting included.
        save_seconds: of writing checkpoints.
        samples: trained on.
        sample_bytes: handed over.
        downloaded_bytes: of all processes that fill the window.
        window_bytes: the most that the window's folder was seen to take.
        kept_bytes: the most that it kept from epoch to epoch.
        cpu_seconds: of the trainer's processes, whatever they ran on.
        memory_bytes: the most that the trainer was seen to take: of its container where it has one.
        gpu_share: mean part of the time that the GPU worked, 0 to 1.
        gpu_memory_bytes: the most of its memory that was seen to be taken.
    """

    attempt: int
    start_seconds: float
    end_seconds: float
    busy_seconds: float = 0.0
    stall_seconds: float = 0.0
    valid_seconds: float = 0.0
    save_seconds: float = 0.0
    samples: int = 0
    sample_bytes: int = 0
    downloaded_bytes: int = 0
    window_bytes: int | None = None
    kept_bytes: int | None = None
    cpu_seconds: float | None = None
    memory_bytes: int | None = None
    gpu_share: float | None = None
    gpu_memory_bytes: int | None = None

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end_seconds - self.start_seconds

    @property
    def other_seconds(self) -> float:
        """What is none of its named parts."""
        named = self.busy_seconds + self.stall_seconds + self.valid_seconds + self.save_seconds
        return max(0.0, self.seconds - named)

    def joined(self, later: TimelineInterval) -> TimelineInterval:
        """Return both as one."""
        sums = ("busy_seconds", "stall_seconds", "valid_seconds", "save_seconds", "samples", "sample_bytes",
                "downloaded_bytes")  # fmt: skip
        most = ("window_bytes", "kept_bytes", "memory_bytes", "gpu_memory_bytes")
        fields: dict[str, Any] = {name: getattr(self, name) + getattr(later, name) for name in sums}
        fields |= {name: _known(max, getattr(self, name), getattr(later, name)) for name in most}
        return TimelineInterval(
            attempt=self.attempt,
            start_seconds=self.start_seconds,
            end_seconds=later.end_seconds,
            cpu_seconds=_known(sum, self.cpu_seconds, later.cpu_seconds),
            gpu_share=self._mean_share(later),
            **fields,
        )

    def _mean_share(self, later: TimelineInterval) -> float | None:
        known = [(each.gpu_share, each.seconds) for each in (self, later) if each.gpu_share is not None]
        seconds = sum(length for _, length in known)
        return sum(share * length for share, length in known) / seconds if seconds else None


class Timeline(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run's time, all attempts together.

    Attributes:
        started_at: when the first attempt began.
        stride_seconds: how long an interval is at least, but for the last of an attempt.
        intervals: in order; what lies between them was no attempt's.
        window_limit_bytes: the bound that was asked for; 0 where it is not known.
        memory_limit_bytes: of the trainer's container; None where it has none.
        gpu_memory_limit_bytes: what the GPU has; None where there is none.
        is_container: whether memory is that of a container, files that can be dropped left out; else of processes.
    """

    started_at: str
    stride_seconds: float
    intervals: tuple[TimelineInterval, ...] = ()
    window_limit_bytes: int = 0
    memory_limit_bytes: int | None = None
    gpu_memory_limit_bytes: int | None = None
    is_container: bool = False


def joined_in_pairs(intervals: Sequence[TimelineInterval]) -> tuple[TimelineInterval, ...]:
    """Join neighbours in pairs, of one attempt as long as that makes few enough of them."""
    found = tuple(_pairs(intervals, fit=lambda one, two: one.attempt == two.attempt))
    while len(found) >= MAX_INTERVALS:
        found = tuple(_pairs(found, fit=lambda one, two: True))
    return found


def _pairs(
    intervals: Sequence[TimelineInterval], *, fit: Callable[[TimelineInterval, TimelineInterval], bool]
) -> Iterator[TimelineInterval]:
    place = 0
    while place < len(intervals):
        one = intervals[place]
        two = intervals[place + 1] if place + 1 < len(intervals) else None
        is_pair = two is not None and fit(one, two)
        yield one.joined(two) if is_pair and two is not None else one
        place += 2 if is_pair else 1


def _known(how: Callable[[list[T]], T], *values: T | None) -> T | None:
    known = [value for value in values if value is not None]
    return how(known) if known else None
