"""Options of the EEG tasks: their declarations and their checked values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from penstock.errors import ConfigError
from penstock.tasks.eeg.epochs import NORMALIZATIONS, Normalize
from penstock.tasks.protocols import OptionValue, TaskOption

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


class Options:
    """Values of a task's options, its defaults filled in.

    Raises:
        ConfigError: an option that the task does not have.
    """

    def __init__(self, declared: Sequence[TaskOption], given: Mapping[str, OptionValue], *, task: str) -> None:
        self._values: dict[str, OptionValue] = {option.name: option.default for option in declared}
        unknown = sorted(set(given) - set(self._values))
        if unknown:
            raise ConfigError(
                f"the task {task} has no option {', '.join(unknown)}",
                fix=f"its options are {', '.join(self._values)}",
            )
        self._values.update({name: value for name, value in given.items() if value is not None})

    def seconds(self, name: str, *, above: float | None = None) -> float:
        """Give a number of seconds, which must be greater than ``above`` where that is given."""
        value = self._values[name]
        number = float(value) if isinstance(value, int | float) else None
        if number is None or not abs(number) < float("inf") or (above is not None and number <= above):
            bound = "" if above is None else f" above {above:g}"
            raise ConfigError(f"{_flag(name)} is {value!r}", fix=f"give a number of seconds{bound}")
        return number

    def names(self, name: str) -> tuple[str, ...]:
        """Give a comma list, empty where it is not set."""
        value = self._values[name]
        return tuple(part.strip() for part in str(value).split(",") if part.strip()) if value is not None else ()

    def text(self, name: str) -> str | None:
        """Give a word, None where it is not set."""
        value = self._values[name]
        return str(value) if value not in (None, "") else None

    def choice(self, name: str, allowed: Sequence[str]) -> str:
        """Give one of some words."""
        value = self._values[name]
        if value not in allowed:
            raise ConfigError(f"{_flag(name)} is {value!r}", fix=f"use one of {', '.join(allowed)}")
        return str(value)

    def normalize(self) -> Normalize:
        """Give how samples are scaled."""
        wanted = self.choice("normalize", NORMALIZATIONS)
        return next(known for known in NORMALIZATIONS if known == wanted)


def _flag(name: str) -> str:
    return f"the option {name.replace('_', '-')}"
