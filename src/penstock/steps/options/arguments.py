"""The parser of a step's config: what argparse is told follows from the declarations alone."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
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
        more |= {"type": one.read, "metavar": one.metavar, "choices": _choices(one)}
    if one.is_switch:
        more |= {"nargs": "?", "const": True}
    if one.is_positional and one.is_repeated:
        place.add_argument(one.name, nargs="*", default=list(one.default), **more)
        return
    if one.is_repeated:
        more["action"] = "append"
    if one.is_positional:
        more |= {} if one.is_required else {"nargs": "?", "default": one.default}
        place.add_argument(one.name, **more)
        return
    if one.is_required:
        more["required"] = True
    else:
        more["default"] = list(one.default) if one.is_repeated else one.default
    place.add_argument(*([one.letter] if one.letter else []), one.flag, **more)


def _choices(one: Option) -> Sequence[Any] | None:
    """Return all values that there are; of an option that may be left out, the empty text too, as pipelines pass it."""
    known = one.all_choices
    return _OrEmpty(known) if known is not None and one.default == "" else known


class _OrEmpty(Sequence[Any]):
    """Choices that the empty text is taken beside, and not named among."""

    def __init__(self, choices: Sequence[Any]) -> None:
        self._choices = choices

    def __contains__(self, value: object) -> bool:
        return value == "" or value in self._choices

    def __getitem__(self, place: Any) -> Any:
        return self._choices[place]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._choices)

    def __len__(self) -> int:
        return len(self._choices)


def parsed(options: type[O], found: argparse.Namespace) -> O:
    """Make a config of what a parser found."""
    make: Callable[..., O] = options
    values = {name: getattr(found, name) for name in options.declared()}
    return make(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
