"""The parser of a step's config: what argparse is told follows from the declarations alone."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, TypeVar

from penstock.options import Option, Options

__all__ = ["add_options", "parsed"]

O = TypeVar("O", bound=Options)  # noqa: E741


def add_options(parser: argparse.ArgumentParser, options: type[Options]) -> None:
    """Add the options of a config to a parser."""
    groups: dict[str, argparse._ActionsContainer] = {"": parser}
    for one in options.declared().values():
        if one.group not in groups:
            groups[one.group] = parser.add_argument_group(one.group)
        place = groups[one.group]
        if one.one_of:
            key = f"{one.group} {one.one_of}"
            if key not in groups:
                groups[key] = place.add_mutually_exclusive_group(required=True)
            place = groups[key]
        _add(place, one)
    if options.goes_on:
        from penstock.train.resuming import told_of  # here: few steps go on

        parser.epilog = told_of(options)


def _add(place: argparse._ActionsContainer, one: Option) -> None:
    more: dict[str, Any] = {"help": argparse.SUPPRESS if one.hidden else one.told}
    if one.is_bare:
        more["action"] = "store_true"
    else:
        more |= {"type": one.read, "metavar": one.metavar, "choices": one.all_choices}
    if one.is_switch:
        more |= {"nargs": "?", "const": True}
    if one.is_repeated:
        more["action"] = "append"
    if one.is_positional:
        place.add_argument(one.name, **more)
        return
    if one.is_required:
        more["required"] = True
    else:
        more["default"] = list(one.default) if one.is_repeated else one.default
    place.add_argument(*([one.letter] if one.letter else []), one.flag, **more)


def parsed(options: type[O], found: argparse.Namespace) -> O:
    """Make a config of what a parser found."""
    make: Callable[..., O] = options
    values = {name: getattr(found, name) for name in options.declared()}
    return make(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
