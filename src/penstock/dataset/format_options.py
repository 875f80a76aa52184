"""Options of formats, as Python gives them, in what JSON has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy as np

from penstock.errors import ConfigError
from penstock.stream.checks import shown

__all__ = ["options_json", "plain_options"]


def plain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as JSON has them where they are like it: numpy's as Python's, what gives text as a list of it."""
    return {name: _plain(value) for name, value in options.items()}


def options_json(name: str, options: Mapping[str, Any]) -> str:
    """Return options of a format, by its name, as JSON.

    Raises:
        ConfigError: one is of what JSON does not have.
    """
    try:
        return msgspec.json.encode(options).decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"options {shown(options)} of the format {name!r} are not of what JSON has ({error})",
            fix="give text, numbers, True or False, lists and dictionaries",
        ) from None


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping):
        return [_plain(each) for each in value]
    return value
