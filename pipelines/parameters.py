"""What pipelines know of a step's options: parameters of its component, and sentences for people.

Nothing is said of an option here: name, kind, default, choices and sentence follow from its declaration.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
from collections.abc import Sequence
from dataclasses import MISSING, dataclass
from typing import Any

from penstock.options import Option
from penstock.options.words import as_text
from penstock.steps.options.kinds import kind_of
from penstock.steps.options.steps import options_of

__all__ = ["Parameter", "choices_told", "default_told", "help_of", "parameters_of", "sentence_of"]

_KINDS = {"true or false": bool, "whole number": int, "number": float, "JSON object": dict}
_DEFAULT = re.compile(r"\s*\(default: ([^()]*(?:\([^()]*\)[^()]*)*)\)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    """A parameter of a component, or a field of a pipeline's run form.

    Attributes:
        flag: of the step that takes it, ``--`` for what has none; empty where it is of the pipeline alone.
        kind: its type, as KFP has it: ``bool``, ``int``, ``float``, ``dict``, ``list`` or ``str``.
        default: ``MISSING`` where it must be given.
        told: what it is, in sentences.
        choices: all values that there are; empty where they are not counted.
        field: of the run form, that gives it; empty where pipelines do themselves.
    """

    name: str
    flag: str = ""
    kind: type
    default: Any
    told: str
    choices: Sequence[str] = ()
    field: str = ""

    @property
    def is_required(self) -> bool:
        """Whether it must be given."""
        return self.default is MISSING


def parameters_of(step: str) -> dict[str, Parameter]:
    """Return the parameters that a step's component has for its options, by name, those first that must be given.

    Raises:
        ValueError: an option is declared to be one that a pipeline could not give.
    """
    made = [_parameter(step, one) for one in options_of(step).declared().values() if one.is_parameter]
    return {one.name: one for one in sorted(made, key=lambda one: not one.is_required)}


def _parameter(step: str, one: Option) -> Parameter:
    where = f"penstock {step} {one.flag}"
    if (one.is_repeated and (one.default or one.read is not str)) or one.is_bare:
        raise ValueError(f"{where} is no parameter of a component: a pipeline gives each flag once, with a value")
    if one.is_repeated:  # the empty text is none
        one = dataclasses.replace(one, default=None, is_repeated=False)
    kind = str if one.default is None else _KINDS.get(kind_of(one), str)
    default = one.default if one.is_required else _default(where, one, kind)
    choices = () if callable(one.choices) or one.choices is None else tuple(map(str, one.choices))
    return Parameter(
        name=one.name,
        flag="--" if one.is_positional else one.flag,
        kind=kind,
        default=default,
        told=sentence_of(one),
        choices=choices,
        field=one.field,
    )


def _default(where: str, one: Option, kind: type) -> Any:
    """Return a default as KFP has it: the empty text for None, since a pipeline gives every parameter."""
    if kind is dict:
        return json.loads(one.default)
    if kind is not str:
        return kind(one.default)
    told = default_told(one)
    texts = [""] if one.default is None else [as_text(one.default), *([told] if told else [])]
    for text in reversed(texts):
        if _reads(one, text):
            return text
    raise ValueError(f"{where} takes no text for its default {one.default!r}: a pipeline gives every parameter")


def _reads(one: Option, text: str) -> bool:
    if one.read is None:
        return one.default == text
    try:
        value = one.read(text)
    except (argparse.ArgumentTypeError, ValueError):
        return False
    return bool(value == one.default or (text == "" and not value))


def help_of(one: Option) -> str:
    """Return an option's help without its default."""
    return " ".join(_DEFAULT.sub("", one.told).replace("%%", "%").split())


def default_told(one: Option) -> str:
    """Return what the help says of the default; empty where it says nothing."""
    found = _DEFAULT.search(one.told)
    return found[1] if found and "%" not in found[1] else ""


def choices_told(one: Option) -> list[str]:
    """Name the values of an option where they are few, in a sentence or none: no matter what is installed."""
    if one.known:
        return [f"Like {', '.join(one.known)}, or your own"]
    if one.choices is None or callable(one.choices):
        return []
    return [f"One of {', '.join(map(str, one.choices))}"]


def sentence_of(one: Option) -> str:
    """Return sentences on an option for the form of a run, where an unset value is the empty text."""
    told = help_of(one)
    parts = [f"{told[:1].upper()}{told[1:]}", *choices_told(one)]
    if one.default is None and default_told(one):
        parts.append(f"Empty is {default_told(one)}")
    return ". ".join(parts) + "."
