"""The options of a task, as `penstock list` takes them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from penstock.errors import ConfigError
from penstock.steps.options.kinds import json_object
from penstock.tasks.protocols import OptionValue, Task, TaskOption
from penstock.texts import did_you_mean

__all__ = ["as_flags", "read_options"]

_KINDS: Final[dict[type, str]] = {int: "an integer", float: "a number", bool: "true or false", str: "text"}
_SHOWN = 200
"""Characters of what was given that an error shows."""


def read_options(task: Task, pairs: Sequence[str], as_json: str) -> dict[str, OptionValue]:
    """Return a task's options, defaults included, by name in snake case.

    Raises:
        ConfigError: an option is unknown, or its value is not of its kind.
    """
    written = json_object(as_json or "{}", f"--task-options {as_json[:_SHOWN]!r}", like=_json_example(task))
    options: dict[str, OptionValue] = {option.name: option.default for option in task.options}
    seen: dict[str, str] = {}
    for name, raw in written.items():
        option = _known(task, name)
        if option.name in seen:
            raise ConfigError(f"--task-options has {seen[option.name]!r} and {name!r}", fix="write it once")
        seen[option.name] = name
        if raw is not None:  # as if it were not given
            options[option.name] = _read_value(option, raw)
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"--option {pair!r} has no value", fix=f"write it like --option {_example(task, pair)}")
        option = _known(task, name)
        options[option.name] = _read_value(option, value)
    return options


def _known(task: Task, name: str) -> TaskOption:
    for option in task.options:
        if option.name == name.replace("-", "_"):
            return option
    flags = [_flag(option) for option in task.options]
    meant = did_you_mean(name, flags)
    raise ConfigError(
        f"{task.name} has no option {name!r}", fix=f"{meant}its options are: {', '.join(flags) or 'none'}"
    )


def _read_value(option: TaskOption, raw: object) -> OptionValue:
    try:
        return _of_kind(option.kind, raw)
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        shown = repr(raw)[:_SHOWN]
        raise ConfigError(f"{shown} is not {_KINDS[option.kind]} for {_flag(option)}", fix=option.help) from error


def _of_kind(kind: type[str] | type[int] | type[float] | type[bool], raw: object) -> OptionValue:
    """Make a value of what stands in JSON or on a command line; a backend may write whole numbers as others.

    Raises:
        TypeError, ValueError, KeyError, OverflowError: it is none.
    """
    if kind is bool:
        return raw if isinstance(raw, bool) else {"true": True, "false": False}[str(raw).lower()]
    if isinstance(raw, bool | list | dict):
        raise TypeError(raw)
    if kind is not float and isinstance(raw, float):
        if not raw.is_integer() and kind is int:
            raise ValueError(raw)
        raw = int(raw) if raw.is_integer() else raw
    if kind is str:
        return str(raw)
    number = int(str(raw)) if kind is int else float(str(raw))
    if not math.isfinite(number):
        raise ValueError(raw)
    return number


def _example(task: Task, name: str) -> str:
    """Write an option of the task with a value: the one that is named, else its first."""
    named = next((option for option in task.options if _flag(option) == name.strip().replace("_", "-")), None)
    option = named or next(iter(task.options), None)
    if option is None:
        return "NAME=VALUE"
    return f"{_flag(option)}={option.metavar or 'VALUE' if option.default is None else _written(option.default)}"


def _json_example(task: Task) -> str:
    option = next(iter(task.options), None)
    if option is None:
        return "{}"
    value = option.default if option.default is not None else option.metavar or "VALUE"
    return msgspec.json.encode({_flag(option): value}).decode()


def _written(value: OptionValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value) or "VALUE"


def _flag(option: TaskOption) -> str:
    return option.name.replace("_", "-")


def as_flags(options: Mapping[str, OptionValue]) -> dict[str, OptionValue]:
    """Return options by the names of their flags, as a manifest holds them."""
    return {name.replace("_", "-"): value for name, value in options.items()}
