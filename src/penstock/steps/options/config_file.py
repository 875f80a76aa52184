"""The options of a step in a YAML file: ``--config FILE``.

A file holds a step's long options by name, without the hyphens before them; what the command line gives as well wins
over the file. Scalars are read by YAML 1.2's JSON schema (section 10.2 of the specification), by which ``no`` and
``1:30`` are texts.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.errors import ConfigError
from penstock.secrets import redact
from penstock.steps.options.kinds import kind_of, taken_out, words_of
from penstock.texts import nearest

if TYPE_CHECKING:
    import yaml

__all__ = ["FLAG", "add_config_flags", "config_schema", "with_config"]

FLAG = "--config"
_SCHEMA_FLAG = "--config-schema"
MOST_BYTES = 1 << 20
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_A_FILE = f"give {FLAG} a YAML file of options"
_PLAIN = "write a value, a list of values, or names with values"
_NO_OPTIONS = frozenset({"--help", FLAG, _SCHEMA_FLAG, "--until-stdin-closes", "--executor-input", "--options"})
"""That are of the command line itself, or of a parent process or pipeline."""


def add_config_flags(parser: argparse.ArgumentParser) -> None:
    """Add what a step is told its file by; neither is an option that it knows of."""
    hidden: dict[str, Any] = {"dest": argparse.SUPPRESS, "default": argparse.SUPPRESS}
    told_of = "options of this step in a YAML file; those that are given here win"
    parser.add_argument(FLAG, metavar="FILE", help=told_of, **hidden)
    shown = "print the JSON Schema of such a file, and end"
    parser.add_argument(_SCHEMA_FLAG, action=_PrintSchema, nargs=0, help=shown, **hidden)


def with_config(words: Sequence[str], parser: argparse.ArgumentParser) -> list[str]:
    """Give a step's words with those that its ``--config`` stands for before them, in place of it.

    Args:
        words: as given, the step's name first.
        parser: of the step.

    Raises:
        ConfigError: the file cannot be read, is no mapping, or names an option that is none or a value that is of
            another kind; the message names file and line.
    """
    others, path = _without(words)
    if path is None:
        return others
    given = {word.partition("=")[0] for word in others if word.startswith("--")}
    return [*others[:1], *_flags(path, parser, given), *others[1:]]


def _without(words: Sequence[str]) -> tuple[list[str], Path | None]:
    others, given = taken_out(FLAG, words)
    if not given:
        return others, None
    if len(given) > 1 or not given[0]:
        raise ConfigError(f"{FLAG} is given {len(given)} times or without a value", fix="give one file")
    return others, Path(given[0]).expanduser()


def _flags(path: Path, parser: argparse.ArgumentParser, given: set[str]) -> Iterator[str]:
    actions = _options(parser)
    seen: dict[str, int] = {}
    for key, node in _read(path):
        name, line = str(key.value), key.start_mark.line + 1
        where = f"{path}:{line}"
        action = actions.get(name)
        if action is None:
            near = nearest(name.strip().lower().removeprefix("--").replace("_", "-"), actions)
            meant = f"did you mean {near}?" if near else f"{parser.prog} --help names them all"
            raise ConfigError(f"{where}: there is no option {redact(name)!r}", fix=meant)
        if name in seen:
            raise ConfigError(f"{where}: {name} is in line {seen[name]} already", fix="write it once")
        seen[name] = line
        if given.isdisjoint(action.option_strings):
            yield from _words(name, action, node, where)


def _words(name: str, action: argparse.Action, node: yaml.Node, where: str) -> list[str]:
    value = _value(node, where, as_text=kind_of(action) == "text")
    if value is None:
        return []
    if isinstance(action, argparse._AppendAction) and isinstance(value, dict):
        value = [f"{key}={one if isinstance(one, str) else json.dumps(one)}" for key, one in value.items()]
    try:
        return words_of(name, action, value)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error.what}", fix=error.fix) from error


def _read(path: Path) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    """Give the keys and values of the file's mapping."""
    import yaml  # here: `--help` does without it

    try:
        found = yaml.compose(_text(path), Loader=yaml.SafeLoader)
    except OSError as error:
        raise ConfigError(f"cannot read {path} ({error.strerror})", fix=_A_FILE) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not text in UTF-8", fix=_A_FILE) from error
    except RecursionError as error:
        raise ConfigError(f"{path} is nested too deeply", fix=_PLAIN) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise ConfigError(f"{path}{line} is not YAML: {problem}", fix="correct it there") from error
    if found is None:
        return []
    if not isinstance(found, yaml.MappingNode):
        raise ConfigError(
            f"{path}:{found.start_mark.line + 1} is not a mapping", fix="write an option a line, like `epochs: 10`"
        )
    return list(found.value)


def _text(path: Path) -> str:
    if not path.is_file() and path.exists():
        raise ConfigError(f"{path} is no file", fix=_A_FILE)
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ConfigError(f"{path} has more than {MOST_BYTES} bytes", fix=_A_FILE)
    return data.decode()


def _value(node: yaml.Node, where: str, *, as_text: bool) -> Any:
    """Give what a node stands for; None for nothing, which leaves an option as it is without it."""
    import yaml

    if isinstance(node, yaml.SequenceNode):
        return [_scalar(one, where, as_text=as_text) for one in node.value]
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): _scalar(one, where, as_text=False) for key, one in node.value}
    return _scalar(node, where, as_text=as_text)


def _scalar(node: yaml.Node, where: str, *, as_text: bool) -> Any:
    import yaml

    if not isinstance(node, yaml.ScalarNode):
        raise ConfigError(f"{where}: its value is nested too deeply", fix=_PLAIN)
    text = str(node.value)
    if node.style in ("'", '"', "|", ">"):
        return text
    if text in ("", "~", "null"):
        return None
    if text in ("true", "false"):
        return text == "true"
    return json.loads(text) if not as_text and _NUMBER.fullmatch(text) else text


def _options(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """Give the options that a file may hold, by name."""
    longest = ((max(action.option_strings, key=len, default=""), action) for action in parser._actions)
    return {flag.removeprefix("--"): action for flag, action in longest if flag and flag not in _NO_OPTIONS}


def config_schema(parser: argparse.ArgumentParser) -> dict[str, Any]:
    """Give the JSON Schema (draft 2020-12) of a step's file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Options of {parser.prog}",
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _property(action) for name, action in _options(parser).items()},
    }


_TYPES: Mapping[str, Any] = {
    "true or false": "boolean",
    "whole number": "integer",
    "number": "number",
    "text or number": ["string", "number"],
    "JSON object": "object",
    "text": "string",
}


def _property(action: argparse.Action) -> dict[str, Any]:
    one: dict[str, Any] = {"type": _TYPES[kind_of(action)]}
    if action.choices is not None:
        one["enum"] = list(action.choices)
    if isinstance(action, argparse._AppendAction):
        one = {"type": ["array", "object", "string"], "items": one}
    is_plain = isinstance(action.default, str | int | float) and action.default != "" and action.help
    return {"description": action.help or "", **one, **({"default": action.default} if is_plain else {})}


class _PrintSchema(argparse.Action):
    """Print the JSON Schema of a step's file, and end."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Do so."""
        sys.stdout.write(f"{json.dumps(config_schema(parser), indent=2)}\n")
        parser.exit()
