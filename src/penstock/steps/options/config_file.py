"""The options of a step in a YAML file: ``--config FILE``.

A file holds a step's long options by name, without the hyphens before them; what the command line gives as well wins
over the file. Scalars are read by YAML 1.2's JSON schema (section 10.2 of the specification), by which ``no`` and
``1:30`` are texts.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.errors import ConfigError
from penstock.options import Option, Options
from penstock.secrets import redact
from penstock.steps.options.challenge import NAME as CHALLENGE
from penstock.steps.options.challenge import challenge_property, has_challenge, task_of
from penstock.steps.options.kinds import kind_of, taken_out, words_of
from penstock.texts import nearest
from penstock.yaml_files import read_mapping, scalar_of

if TYPE_CHECKING:
    import yaml

__all__ = ["FLAG", "add_config_flags", "config_schema", "file_of", "read_entries", "with_config"]

FLAG = "--config"
_SCHEMA_FLAG = "--config-schema"
_A_FILE = f"give {FLAG} a YAML file of options"


def add_config_flags(parser: argparse.ArgumentParser, options: Callable[[], type[Options]]) -> None:
    """Add what a step is told its file by; neither is an option that it knows of.

    Args:
        options: gives the step's config.
    """
    hidden: dict[str, Any] = {"dest": argparse.SUPPRESS, "default": argparse.SUPPRESS}
    told_of = "options of this step in a YAML file; those that are given here win"
    parser.add_argument(FLAG, metavar="FILE", help=told_of, **hidden)
    shown = "print the JSON Schema of such a file, and end"
    parser.add_argument(_SCHEMA_FLAG, action=_PrintSchema, nargs=0, const=options, help=shown, **hidden)


def with_config(words: Sequence[str], options: type[Options]) -> list[str]:
    """Return a step's words with those that its ``--config`` stands for before them, in place of it.

    Args:
        words: as given, the step's name first.
        options: config of the step.

    Raises:
        ConfigError: the file cannot be read, is no mapping, or names an option that is none or a value that is of
            another kind; the message names file and line.
    """
    others, path = file_of(words)
    if path is None:
        return others
    given = {word.partition("=")[0] for word in others if word.startswith("-")}
    return [*others[:1], *_flags(path, others, options, given), *others[1:]]


def file_of(words: Sequence[str]) -> tuple[list[str], Path | None]:
    """Return words without the one that names a file, and the file; None where none is given.

    Raises:
        ConfigError: several are.
    """
    others, given = taken_out(FLAG, words)
    if not given:
        return others, None
    if len(given) > 1 or not given[0]:
        raise ConfigError(f"{FLAG} is given {len(given)} times or without a value", fix="give one file")
    return others, Path(given[0]).expanduser()


def _flags(path: Path, words: Sequence[str], options: type[Options], given: set[str]) -> Iterator[str]:
    step, known = words[0], _options(options)
    seen: dict[str, int] = {}
    entries = read_entries(path)
    for key, node in entries:
        name, line = str(key.value), key.start_mark.line + 1
        where = f"{path}:{line}"
        is_challenge = name == CHALLENGE and has_challenge(step)
        option = known.get("task" if is_challenge else name)
        if option is None:
            names = [*known, *([CHALLENGE] if has_challenge(step) else [])]
            meant = _meant(name, names, [*words, *_task_of(entries)]) or f"penstock {step} --help names them all"
            raise ConfigError(f"{where}: there is no option {redact(name)!r}", fix=meant)
        if name in seen:
            raise ConfigError(f"{where}: {name} is in line {seen[name]} already", fix="write it once")
        seen[name] = line
        if {"task", CHALLENGE} <= seen.keys():
            other = seen["task" if is_challenge else CHALLENGE]
            both = f"{where}: {name} is beside line {other}, which says the task too"
            raise ConfigError(both, fix="write one of them")
        if given.isdisjoint({option.flag, option.letter or option.flag}):
            yield from _words(name, option, node, where, is_challenge=is_challenge)


def _meant(name: str, known: Sequence[str], words: Sequence[str]) -> str:
    """Say what was probably meant by a name: an option, or one of the task that is named."""
    from penstock.steps.options.task_help import task_flags  # here: few files are wrong

    word = name.strip().lower().removeprefix("--").replace("_", "-")
    of_task = [flag.removeprefix("--") for flag in task_flags(words)] if "option" in known else []
    near = word if word in of_task else nearest(word, [*known, *of_task])
    if near in of_task:
        return f"did you mean an option of the task? Write it below option, like option: {{{near}: ...}}"
    return f"did you mean {near}?" if near else ""


def _task_of(entries: Sequence[tuple[yaml.ScalarNode, yaml.Node]]) -> list[str]:
    """Return the words that a file names a task by, where it does."""
    named = [node.value for key, node in entries if key.value == "task" and isinstance(node.value, str)]
    return ["--task", *named[-1:]] if named else []


def _words(name: str, option: Option, node: yaml.Node, where: str, *, is_challenge: bool) -> list[str]:
    value = _value(node, where, as_text=kind_of(option) == "text")
    if value is None:
        return []
    try:
        return words_of(name, option, task_of(value) if is_challenge else value)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error.what}", fix=error.fix) from error


def read_entries(path: Path) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    """Return the keys and values of the file's mapping.

    Raises:
        ConfigError: it cannot be read, or is none.
    """
    found = read_mapping(path, wanted=_A_FILE, like="write an option a line, like `epochs: 10`")
    return [] if found is None else list(found.value)


def _value(node: yaml.Node, where: str, *, as_text: bool) -> Any:
    """Return what a node stands for; None for nothing, which leaves an option as it is without it."""
    import yaml

    if isinstance(node, yaml.SequenceNode):
        return [scalar_of(one, where, as_text=as_text) for one in node.value]
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): _value_of_pair(one, where) for key, one in node.value}
    return scalar_of(node, where, as_text=as_text)


def _value_of_pair(node: yaml.Node, where: str) -> Any:
    import yaml

    if isinstance(node, yaml.SequenceNode):
        return [scalar_of(one, where, as_text=True) for one in node.value]
    return scalar_of(node, where, as_text=False)


def _options(options: type[Options]) -> dict[str, Option]:
    """Return the options that a file may hold, by name."""
    return {
        one.flag.removeprefix("--"): one
        for one in options.declared().values()
        if not (one.is_positional or one.of_parent)
    }


def config_schema(step: str, options: type[Options]) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a step's file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Options of penstock {step}",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            **{name: _property(option) for name, option in _options(options).items()},
            **({CHALLENGE: challenge_property()} if has_challenge(step) else {}),
        },
    }


_TYPES: Mapping[str, Any] = {
    "true or false": "boolean",
    "whole number": "integer",
    "number": "number",
    "text or number": ["string", "number"],
    "JSON object": "object",
    "text": "string",
}


def _property(option: Option) -> dict[str, Any]:
    one: dict[str, Any] = {"type": _TYPES[kind_of(option)]}
    if option.all_choices is not None:
        one["enum"] = list(option.all_choices)
    if option.is_repeated:
        one = {"type": ["array", *(["object"] if option.takes_pairs else []), "string"], "items": one}
    if option.is_joined:
        one = {"type": ["string", "array"], "items": {"type": ["string", "number"]}}
    is_plain = isinstance(option.default, str | int | float) and option.default != ""
    return {"description": option.told, **one, **({"default": option.default} if is_plain else {})}


class _PrintSchema(argparse.Action):
    """Print the JSON Schema of a step's file, and end."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Do so."""
        make: Callable[[], type[Options]] = self.const
        step = parser.prog.rpartition(" ")[2]
        sys.stdout.write(f"{json.dumps(config_schema(step, make()), indent=2)}\n")
        parser.exit()
