"""What a chaos run is given, and what it saw."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Checked", "Outcome", "Setting"]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is run.

    Attributes:
        layout: of the files that a user's loop reads through ``penstock.parquet(…).loader(…)`` and its like; "window"
            is objects through a reader of the window itself, "train" a run of ``penstock run`` over Parquet.
        faults: chance that a request meets a fault.
        window_share: the window's part of the dataset.
    """

    layout: str

    kills: int
    num_samples: int
    sample_bytes: int
    epochs: int
    num_ranks: int
    faults: float
    window_share: float
    seed: int
    workers: int = 0

    @property
    def window_bytes(self) -> int:
        """The window's bound."""
        return int(self.num_samples * self.sample_bytes * self.window_share)


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What ranks were given, against the plan."""

    samples_due: int
    samples_counted: int
    lost: int
    repeated: int
    out_of_order: int
    wrong_bytes: int


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was seen.

    Attributes:
        prefetcher_restarts: how often it came back; a kill that meets one that is just dying adds none. None where it
            is the trainer's own.
        other_kills: of loading workers and listings.
        attempts: how often all ranks were started.
        read_again: samples, or batches of a user's loop, that were read past the place that the next attempt began at.
        errors: of trainers that ended by themselves, a line each; none is due, since every fault passes.
        allocated_bytes: what the window's files are together, by their sizes, at the most.
        peak_bytes: the most that the window's folder took, looked at every few milliseconds.
        volume: what held the window; on a tmpfs of just its bound, a byte more would have been a full disk.
    """

    checked: Checked
    trainer_kills: int
    prefetcher_kills: int
    attempts: int
    read_again: int
    errors: tuple[str, ...]
    is_stuck: bool
    window_bytes: int
    allocated_bytes: int
    peak_bytes: int
    volume: str
    seconds: float
    other_kills: int = 0
    prefetcher_restarts: int | None = None
    server: dict[str, int] = field(default_factory=dict)

    @property
    def kept(self) -> bool:
        """Whether every promise was kept."""
        seen = self.checked
        broken = seen.lost + seen.repeated + seen.out_of_order + seen.wrong_bytes + len(self.errors) + self.is_stuck
        bound = max(self.allocated_bytes, self.peak_bytes) <= self.window_bytes
        return not broken and seen.samples_counted == seen.samples_due and bound
