"""What a Python caller gives for an argument, checked: a plain value of the kind that is wanted, or a ``ConfigError``.

Numbers and truth values of numpy, and whatever else is a number by Python's own protocols, are taken as Python's.
"""

from __future__ import annotations

import inspect
import numbers
import operator
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penstock.errors import ConfigError
from penstock.texts import nearest

__all__ = ["called_with", "choice", "close_to", "count", "flag", "hours", "path", "seconds", "shown", "text"]

MOST = 2**31 - 1
MOST_WORKERS = 1024
"""Of what is counted, as `penstock list` and `penstock train` take it."""
MOST_SECONDS = 1e9
MOST_HOURS = 1e6
_SHOWN_CHARACTERS = 80


def shown(value: object) -> str:
    """Return what a value looks like, on one line and cut short."""
    try:
        told = " ".join(repr(value).split())
    except Exception:
        told = f"of type {type(value).__name__}"
    return told if len(told) <= _SHOWN_CHARACTERS else f"{told[:_SHOWN_CHARACTERS]}..."


def flag(name: str, value: Any) -> bool:
    """Refuse what is neither True nor False."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise ConfigError(f"{name} {shown(value)}", fix="give True or False")


def count(name: str, value: Any, least: int, most: int = MOST) -> int:
    """Refuse what is no whole number of ``least`` to ``most``."""
    number = None
    if not isinstance(value, bool | np.bool_):
        try:
            number = operator.index(value)
        except TypeError:
            number = None
    if number is None or number < least:
        raise ConfigError(f"{name} {shown(value)}", fix=f"give a whole number of at least {least}")
    if number > most:
        raise ConfigError(f"{name} is above {most}", fix=f"give a whole number of {least} to {most}")
    return number


def seconds(name: str, value: Any) -> float:
    """Refuse what is no number of seconds above 0."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)
    if not is_number or not 0 < value <= MOST_SECONDS:
        raise ConfigError(f"{name} {shown(value)}", fix=f"give a number of seconds above 0, up to {MOST_SECONDS:.0f}")
    return float(value)


def hours(name: str, value: Any) -> float:
    """Refuse what is no number of hours."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)
    if not is_number or not 0 <= value <= MOST_HOURS:
        raise ConfigError(f"{name} {shown(value)}", fix=f"give a number of hours from 0 to {MOST_HOURS:.0f}")
    return float(value)


def choice(name: str, value: Any, choices: Sequence[str]) -> Any:
    """Refuse what is none of the choices."""
    if isinstance(value, str) and value in choices:
        return str(value)
    meant = close_to(value, choices) if isinstance(value, str) else ""
    raise ConfigError(f"{name} {shown(value)}{meant}", fix=f"give {' or '.join(repr(each) for each in choices)}")


def text(name: str, value: Any, *, like: str) -> str | None:
    """Refuse what is neither None nor text that can be handed to another process."""
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{name} {shown(value)}", fix=f'give text like "{like}", or None')
    return _whole(name, str(value))


def path(name: str, value: Any, *, like: str) -> str:
    """Refuse what is no path, nor text that may be one."""
    found = os.fspath(value) if isinstance(value, str | os.PathLike) and not isinstance(value, type) else None
    if not found:
        raise ConfigError(f"{name} {shown(value)}", fix=f"give {like}")
    return _whole(name, os.fsdecode(found))


def called_with(name: str, function: Any, *arguments: str) -> None:
    """Refuse what is no function, or one that cannot be called with as many arguments."""
    if not callable(function):
        raise ConfigError(f"{name} {shown(function)}", fix=f"give a function of ({', '.join(arguments)})")
    if inspect.iscoroutinefunction(function):
        raise ConfigError(f"{name} {shown(function)} is async", fix="give a plain function: it runs in the workers")
    if not _takes(function, arguments):
        raise ConfigError(
            f"{name} {shown(function)} cannot be called with {len(arguments)} argument(s)",
            fix=f"give a function of ({', '.join(arguments)})",
        )


def close_to(value: str, choices: Sequence[str]) -> str:
    """Ask for the choice that was meant, where one is near."""
    close = nearest(value, choices)
    return f"; did you mean {close!r}?" if close else ""


def _takes(function: Callable[..., Any], arguments: Sequence[str]) -> bool:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # many of C's tell none
        return True
    try:
        signature.bind(*arguments)
    except TypeError:
        return False
    return True


def _whole(name: str, found: str) -> str:
    """Refuse characters that no command line may hold."""
    try:
        is_whole = "\0" not in found and bool(os.fsencode(found))
    except UnicodeEncodeError:
        is_whole = False
    if not is_whole:
        raise ConfigError(f"{name} {shown(found)} holds a character that it may not", fix="leave it out")
    return found
