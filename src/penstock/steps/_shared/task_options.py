"""The options of a task, as `penstock list` takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from penstock.errors import ConfigError
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
    try:
        given = msgspec.json.decode(as_json or "{}", type=dict[str, str | int | float | bool | None])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ConfigError(
            f"--task-options {as_json[:_SHOWN]!r} is not a JSON object of plain values ({error})",
            fix=f"write it like {_json_example(task)}",
        ) from error
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"--option {pair!r} has no value", fix=f"write it like --option {_example(task, pair)}")
        given[name] = value
    known = {option.name: option for option in task.options}
    options: dict[str, OptionValue] = {option.name: option.default for option in task.options}
    for name, raw in given.items():
        option = known.get(name.replace("-", "_"))
        if option is None:
            flags = [flag.replace("_", "-") for flag in known]
            meant = did_you_mean(name, flags)
            names = ", ".join(flags) or "none"
            raise ConfigError(f"{task.name} has no option {name!r}", fix=f"{meant}its options are: {names}")
        options[option.name] = _read_value(option, raw)
    return options


def _read_value(option: TaskOption, raw: OptionValue) -> OptionValue:
    if raw is None or isinstance(raw, option.kind):
        return raw
    try:
        if option.kind is bool:
            return {"true": True, "false": False}[str(raw).lower()]
        return option.kind(raw)
    except (ValueError, KeyError, OverflowError) as error:
        raise ConfigError(f"{raw!r} is not {_KINDS[option.kind]} for {_flag(option)}", fix=option.help) from error


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
