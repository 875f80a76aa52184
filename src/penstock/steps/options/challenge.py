"""The EEG tasks as people call them: ``--challenge c1`` for a task, ``--train-releases R1`` for an option of it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, Final

from penstock.errors import ConfigError
from penstock.options import Options
from penstock.secrets import redact
from penstock.steps.options.kinds import taken_out

__all__ = ["NAME", "add_challenge_flag", "challenge_property", "has_challenge", "task_of", "with_challenge"]

NAME: Final = "challenge"
FLAG: Final = f"--{NAME}"
TASKS: Final = {"c1": "eeg-c1", "c2": "eeg-c2"}
_STEPS: Final = ("list", "run", "compare-modes", "demo")
_TOLD: Final = "of the EEG challenge: c1 stands for --task eeg-c1, c2 for eeg-c2"
_SPLITS: Final = tuple(
    f"--{part}-{of}" for of in ("releases", "subjects") for part in ("train", "valid", "test", "target")
)
_SPLITS_TOLD: Final = "of the EEG tasks: each stands for --option of its name, like --option train-releases=R1,R2"


def has_challenge(step: str) -> bool:
    """Tell whether a step has a task, which may be named so."""
    return step in _STEPS


def with_challenge(words: Sequence[str]) -> Sequence[str]:
    """Replace ``--challenge c1`` by ``--task eeg-c1``, of steps that have a task; the last one counts, as of any flag.

    Likewise the flags of ``_SPLITS`` by ``--option``.

    Raises:
        ConfigError: there is no such challenge, a task is named beside it, or a flag has no value.
    """
    if not words or not has_challenge(words[0]):
        return words
    others, given = taken_out(FLAG, _with_options(words))
    if not given:
        return others
    task = task_of(given[-1])
    if "--task" in [word.partition("=")[0] for word in others]:
        raise ConfigError(f"{FLAG} {given[-1]} beside --task", fix=f"give one of them: it is --task {task}")
    return [*others[:1], f"--task={task}", *others[1:]]


def _with_options(words: Sequence[str]) -> list[str]:
    """Replace ``--train-releases R1`` by ``--option train-releases=R1``, and others of their kind.

    Raises:
        ConfigError: there are no names behind one.
    """
    found: list[str] = []
    rest = iter(words)
    for word in rest:
        flag, has_value, value = word.partition("=")
        if flag not in _SPLITS or words[0] == "demo":
            found.append(word)
            continue
        given = value if has_value else next(rest, "--")
        if given.startswith("--"):
            raise ConfigError(f"{flag} without names", fix="write them behind it, with commas between them")
        found += ["--option", f"{flag.removeprefix('--')}={given}"]
    return found


def task_of(challenge: object) -> str:
    """Return the task that a challenge is.

    Raises:
        ConfigError: there is no such challenge.
    """
    task = TASKS.get(challenge) if isinstance(challenge, str) else None
    if task is None:
        shown = redact(str(challenge or ""))
        raise ConfigError(f"there is no challenge {shown!r}", fix=f"give one of {', '.join(TASKS)}")
    return task


def add_challenge_flag(parser: argparse.ArgumentParser, step: str, options: type[Options]) -> None:
    """Let the help of a step tell of it; it is replaced before the words are read."""
    if has_challenge(step) and "task" in options.declared():
        hidden: dict[str, Any] = {"dest": argparse.SUPPRESS, "default": argparse.SUPPRESS}
        parser.add_argument(FLAG, metavar=f"{{{','.join(TASKS)}}}", help=_TOLD, **hidden)
        if step != "demo":
            parser.add_argument(*_SPLITS, metavar="NAMES", help=_SPLITS_TOLD, **hidden)


def challenge_property() -> dict[str, Any]:
    """Return what the JSON Schema of a step's file says of it."""
    return {"description": _TOLD, "type": "string", "enum": list(TASKS)}
