"""What an attempt at a run spends, in time, requests and saves, added to what earlier ones spent."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import torch

from penstock.loader.protocols import BatchLoader
from penstock.observe.attempts import AttemptLog
from penstock.records import Ended, Meters, Saves
from penstock.sources import take_later
from penstock.train.activity import Activity
from penstock.train.gpu_usage import gpu_reader
from penstock.train.journal import Journal
from penstock.train.recorder import Recorder
from penstock.window.look import WindowLook

__all__ = ["STEP", "Spent"]

STEP = "train"


class Spent:
    """Measures an attempt.

    Args:
        started_seconds: ``time.monotonic()`` at its start, which is before data and model are opened.
        loaders: that it reads from.
        own_traffic: gives what was requested otherwise than by them, by the ids that it is counted under.
        look: looks at the windows.
        device: that computes.
        attempts: this one and those before it.

    Attributes:
        activity: what the trainer is at.
        recorder: of the run's timeline.
    """

    def __init__(
        self,
        *,
        started_seconds: float,
        loaders: Sequence[BatchLoader],
        own_traffic: Callable[[], dict[str, Meters]],
        look: Callable[[], WindowLook | None],
        device: torch.device,
        attempts: AttemptLog,
    ) -> None:
        self._started_seconds = started_seconds
        self.started_at = datetime.now(UTC) - timedelta(seconds=time.monotonic() - started_seconds)
        self._loaders, self._own_traffic, self._attempts = loaders, own_traffic, attempts
        self._earlier = Journal()
        self.first_batch_seconds: float | None = None
        self.activity = Activity()
        self.recorder = Recorder(
            self.activity,
            started_seconds=started_seconds,
            started_at=self.started_at,
            look=look,
            gpu=gpu_reader(device),
        )

    def goes_on_from(self, earlier: Journal) -> None:
        """Add up to the journal of earlier attempts, which must not change any more."""
        self._earlier = earlier
        if earlier.timeline is not None:
            self.recorder.goes_on_from(earlier.timeline)
        self._attempts.take(earlier.attempts)

    def note_batch(self) -> None:
        """Take note that a batch is there."""
        if self.first_batch_seconds is None:
            self.first_batch_seconds = time.monotonic() - self._started_seconds

    @property
    def wall_seconds(self) -> float:
        """Time of all attempts so far; those that were killed lasted longer than what they saved says."""
        earlier = max(self._earlier.wall_seconds, self._attempts.earlier_seconds(STEP))
        own = max(self._attempts.own_seconds(STEP), time.monotonic() - self._started_seconds)
        return earlier + own

    def added_to(self, journal: Journal, saves: Saves, *, ended: Ended = "killed") -> Journal:
        """Return a journal with this attempt's time, meters and saves added to those of earlier ones.

        Args:
            ended: how this attempt did, or will have, where nothing is told any more.
        """
        earlier = self._earlier
        meters = earlier.meters
        for loader in self._loaders:
            meters = meters.plus(loader.meters().without_traffic())
        seen = (loader.traffic() for loader in self._loaders)
        return msgspec.structs.replace(
            journal,
            meters=meters,
            traffic=take_later(earlier.traffic, *seen, self._own_traffic()),
            wall_seconds=self.wall_seconds,
            # A whole job goes on behind its training: that it ended is not for the training to say.
            attempts=list(self._attempts.read(ended if self._attempts.step == STEP else "killed")),
            saves=earlier.saves.plus(saves),
            timeline=self.recorder.timeline(),
        )
