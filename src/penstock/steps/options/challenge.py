"""``--challenge c1``: the tasks of the NeurIPS 2025 EEG challenge by the names that they have there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from penstock.errors import ConfigError

__all__ = ["with_challenge"]

FLAG: Final = "--challenge"
TASKS: Final = {"c1": "eeg-c1", "c2": "eeg-c2"}
_STEPS: Final = ("list", "run", "pack")


def with_challenge(words: Sequence[str]) -> Sequence[str]:
    """Replace ``--challenge c1`` by ``--task eeg-c1``, of steps that have a task.

    Raises:
        ConfigError: there is no such challenge, or a task is named beside it.
    """
    flags = [word.partition("=")[0] for word in words]
    if FLAG not in flags or not set(_STEPS) & set(words[:1]):
        return words
    place = flags.index(FLAG)
    _, is_joined, joined = words[place].partition("=")
    given = [joined] if is_joined else list(words[place + 1 : place + 2])
    task = TASKS.get(given[0]) if given else None
    if task is None:
        raise ConfigError(f"there is no challenge {''.join(given)!r}", fix=f"give one of {', '.join(TASKS)}")
    if "--task" in flags:
        raise ConfigError(f"{FLAG} {given[0]} beside --task", fix=f"give one of them: it is --task {task}")
    return [*words[:place], "--task", task, *words[place + (1 if is_joined else 2) :]]
