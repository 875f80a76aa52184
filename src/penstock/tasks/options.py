"""Values of a task's options, checked: what each of them may be is said by whoever reads it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from penstock.errors import ConfigError
from penstock.tasks.protocols import OptionValue, TaskOption
from penstock.texts import did_you_mean

__all__ = ["Options"]

Word = TypeVar("Word", bound=str)

_MOST_SECONDS: Final = 1e9


class Options:
    """Values of a task's options, its defaults filled in.

    Raises:
        ConfigError: an option that the task does not have.
    """

    def __init__(self, declared: Sequence[TaskOption], given: Mapping[str, OptionValue], *, task: str) -> None:
        self._defaults: dict[str, OptionValue] = {option.name: option.default for option in declared}
        self._values = dict(self._defaults)
        unknown = sorted(set(given) - set(self._values))
        if unknown:
            raise ConfigError(
                f"the task {task} has no option {', '.join(unknown)}",
                fix=f"its options are {', '.join(self._values)}",
            )
        self._values.update({name: value for name, value in given.items() if value is not None})

    def is_set(self, name: str) -> bool:
        """Tell whether an option has another value than its default."""
        return self._values[name] != self._defaults[name] and self._values[name] != ""

    def seconds(self, name: str, *, above: float | None = None) -> float:
        """Return a number of seconds, which must be greater than ``above`` where that is given."""
        value = self._values[name]
        number = value if isinstance(value, int | float) else math.nan
        if not abs(number) <= _MOST_SECONDS or (above is not None and number <= above):
            bound = "" if above is None else f" above {above:g}"
            raise ConfigError(f"{_flag(name)} is {value!r}", fix=f"give a number of seconds{bound}")
        return float(number)

    def whole(self, name: str, *, low: int, high: int) -> int:
        """Return a whole number from ``low`` to ``high``."""
        value = self._values[name]
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ConfigError(f"{_flag(name)} is {value!r}", fix=f"give a whole number from {low} to {high}")
        return value

    def share(self, name: str) -> float:
        """Return a number from 0 to 1."""
        value = self._values[name]
        number = float(value) if isinstance(value, int | float) else math.nan
        if not 0 <= number <= 1:
            raise ConfigError(f"{_flag(name)} is {value!r}", fix="give a number from 0 to 1")
        return number

    def rate(self, name: str, *, most: float) -> float | None:
        """Return a number above 0, up to ``most``; None where it is not set."""
        value = self._values[name]
        if value is None:
            return None
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
        if not 0 < number <= most:
            raise ConfigError(f"{_flag(name)} is {value!r}", fix=f"give a number above 0, up to {most:g}")
        return number

    def switch(self, name: str) -> bool:
        """Tell whether a switch is on."""
        return self._values[name] is True

    def names(self, name: str) -> tuple[str, ...]:
        """Return a comma list, empty where it is not set."""
        value = self._values[name]
        return tuple(part.strip() for part in str(value).split(",") if part.strip()) if value is not None else ()

    def text(self, name: str) -> str | None:
        """Return a word, None where it is not set."""
        value = self._values[name]
        return str(value) if value not in (None, "") else None

    def choice(self, name: str, allowed: Sequence[Word]) -> Word:
        """Return one of some words."""
        return self._one_of(name, str(self._values[name]), allowed)

    def choices(self, name: str, allowed: Sequence[Word]) -> tuple[Word, ...]:
        """Return some of some words, joined by commas and each once; none where it is ``none``."""
        asked = self.names(name)
        if asked == ("none",):
            return ()
        return tuple(dict.fromkeys(self._one_of(name, each, allowed) for each in asked))

    def _one_of(self, name: str, value: str, allowed: Sequence[Word]) -> Word:
        for each in allowed:
            if each == value:
                return each
        meant = did_you_mean(value, allowed, quoted=False)
        raise ConfigError(f"{_flag(name)} is {value!r}", fix=f"{meant}use one of {', '.join(allowed)}")


def _flag(name: str) -> str:
    return f"the option {name.replace('_', '-')}"
