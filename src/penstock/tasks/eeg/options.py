"""Options of the EEG tasks: their declarations and their checked values."""

from __future__ import annotations

from typing import Final

from penstock.tasks.eeg.epochs import NORMALIZATIONS, Normalize
from penstock.tasks.options import Options as TaskOptions
from penstock.tasks.protocols import TaskOption

__all__ = ["EVENT_COLUMN", "NORMALIZE", "Options", "bids_task", "positive"]

NORMALIZE: Final = TaskOption(
    name="normalize",
    kind=str,
    default="zscore",
    help="scale of a sample: zscore (per channel and sample), microvolts or none (volts)",
    metavar="{zscore,microvolts,none}",
)


def bids_task(default: str | None) -> TaskOption:
    """Declare which BIDS tasks to take recordings of."""
    return TaskOption(
        name="bids_task",
        kind=str,
        default=default,
        help="BIDS task whose recordings to take, or several joined by commas"
        + ("" if default else " (default: every one)"),
        metavar="TASK",
    )


EVENT_COLUMN: Final = TaskOption(
    name="event_column",
    kind=str,
    default=None,
    help="column of the events tables that tells events apart (default: value, or trial_type where there is none)",
    metavar="COLUMN",
)


def positive(name: str, default: float, text: str) -> TaskOption:
    """Declare a number of seconds."""
    return TaskOption(name=name, kind=float, default=default, help=text, metavar="SECONDS")


class Options(TaskOptions):
    """Values of an EEG task's options."""

    def normalize(self) -> Normalize:
        """Return how samples are scaled."""
        return self.choice("normalize", NORMALIZATIONS)
