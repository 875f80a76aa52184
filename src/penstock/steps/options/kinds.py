"""What an option takes, and how a value of JSON or YAML is written on a command line."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from penstock.errors import ConfigError
from penstock.options import Option

__all__ = ["article", "json_object", "kind_of", "kind_told", "taken_out", "told", "words_of"]


def taken_out(flag: str, words: Sequence[str]) -> tuple[list[str], list[str | None]]:
    """Return a command line's words without a flag, and the values that it was given; None where one is missing."""
    others: list[str] = []
    given: list[str | None] = []
    rest = iter(words)
    for word in rest:
        if word == flag:
            given.append(next(rest, None))
        elif word.startswith(f"{flag}="):
            given.append(word.partition("=")[2])
        else:
            others.append(word)
    return others, given


def json_object(text: str, what: str, *, like: str) -> dict[str, Any]:
    """Read a JSON object whose names are each there once, and whose numbers are finite.

    Args:
        what: it is, for messages.
        like: an example of it.

    Raises:
        ConfigError: it is none.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{twice[0]!r} is there twice")
        return dict(pairs)

    def no_constant(word: str) -> None:
        raise ValueError(f"{word} is no number of JSON")

    def finite(word: str) -> float:
        number = float(word)
        if not math.isfinite(number):
            raise ValueError(f"{word[:_TOLD_CHARACTERS]} is out of range")
        return number

    advice = f"write it like {like}"
    try:
        found = json.loads(text, object_pairs_hook=once, parse_constant=no_constant, parse_float=finite)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{what} is not a JSON object ({error})", fix=advice) from error
    if not isinstance(found, dict):
        raise ConfigError(f"{what} is not a JSON object ({told(found)})", fix=advice)
    return found


def words_of(name: str, option: Option, value: Any) -> list[str]:
    """Return a flag and its value, as a command line has them; for each of several where it may be repeated.

    Raises:
        ConfigError: the value is of another kind than the flag's.
    """
    if not option.is_repeated:
        is_list = option.is_joined and isinstance(value, list)
        return _words_of_one(name, option, _joined(name, option, value) if is_list else value)
    if option.takes_pairs and isinstance(value, dict):
        value = [
            f"{key}={_joined(key, option, one) if isinstance(one, list) else _plain(one)}" for key, one in value.items()
        ]
    return [
        word for one in (value if isinstance(value, list) else [value]) for word in _words_of_one(name, option, one)
    ]


def _joined(name: str, option: Option, values: list[Any]) -> str:
    for one in values:
        if isinstance(one, bool) or not isinstance(one, str | int | float) or "," in str(one):
            what = f"option {name!r} is {told(values)}, where each is a text or a number without commas"
            raise ConfigError(what, fix=_advice(option))
    return ",".join(map(_plain, values))


def _plain(value: Any) -> str:
    """Write a value of a pair; a backend may write whole numbers as others."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, str) else json.dumps(value)


def _words_of_one(name: str, option: Option, value: Any) -> list[str]:
    kind = kind_of(option)
    if kind == "whole number" and isinstance(value, float) and value.is_integer():
        value = int(value)  # as a backend may write it that knows only one kind of number
    if not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "true or false"):
        raise ConfigError(f"option {name!r} is {told(value)}, where {article(kind)} is wanted", fix=_advice(option))
    text = value if isinstance(value, str) else json.dumps(value)
    try:
        read = option.read(text) if option.read is not None else text
    except (argparse.ArgumentTypeError, ValueError, TypeError) as error:
        why = str(error) if isinstance(error, argparse.ArgumentTypeError) else f"{told(value)} is not {article(kind)}"
        raise ConfigError(f"option {name!r}: {why}", fix=_advice(option)) from error
    choices = option.all_choices
    if choices is not None and read not in choices:
        raise ConfigError(f"option {name!r} is {told(value)}", fix=f"it is one of {', '.join(map(str, choices))}")
    if option.is_bare:
        return [option.flag] if value else []
    return [f"{option.flag}={text}"]


_KINDS: Mapping[str, tuple[type, ...]] = {
    "true or false": (bool,),
    "whole number": (int,),
    "number": (int, float),
    "text or number": (str, int, float),
    "JSON object": (dict,),
    "text": (str,),
}


def kind_of(option: Option) -> str:
    """Tell what an option takes by what its reader makes of a few words."""
    if option.metavar == "JSON":
        return "JSON object"
    if option.is_bare or option.is_switch:
        return "true or false"
    number = _read(option, "7")
    if not isinstance(number, int | float):
        return "text"
    if _read(option, "7s") is not None or _read(option, "7Mi") is not None:
        return "text or number"
    return "number" if _read(option, "0.5") is not None or isinstance(number, float) else "whole number"


def kind_told(option: Option) -> str:
    """Tell what is written for an option in JSON or YAML."""
    if option.takes_pairs:
        return "JSON object"
    return f"{kind_of(option)}, or a list" if option.is_repeated or option.is_joined else kind_of(option)


def _read(option: Option, text: str) -> Any:
    if option.read is None:
        return None
    try:
        return option.read(text)
    except (argparse.ArgumentTypeError, ValueError, TypeError):
        return None


def told(value: Any) -> str:
    """Write a value for a message: as JSON, its beginning where it is long."""
    text = json.dumps(value)
    return text if len(text) <= _TOLD_CHARACTERS else f"{text[:_TOLD_CHARACTERS]}…"


_TOLD_CHARACTERS = 60


def article(kind: str) -> str:
    """Put a kind into a sentence."""
    return kind if kind == "true or false" else f"a {kind}"


def _advice(option: Option) -> str:
    return f"see {option.flag}: {_told_of(option)}"


def _told_of(option: Option) -> str:
    """Return an option's help as the parser shows it."""
    return option.told.replace("%(default)s", str(option.default)).replace("%%", "%")
