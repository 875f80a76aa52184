"""Where in a step's ``--config`` file an option stands that an error is about, however late it was found out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import yaml

from penstock.errors import ConfigError
from penstock.steps.options.config_file import file_of, read_entries

__all__ = ["place_of"]

_REPEATED: Final = "option"
"""The option that a task's own are given by."""


def place_of(words: Sequence[str], error: ConfigError) -> str:
    """Return the file and line of the option that an error names; empty where it names none that the file has.

    Args:
        words: as they were given, the step's name first.
    """
    try:
        others, path = file_of(words)
        entries = read_entries(path) if path is not None else []
    except ConfigError:  # that the file is none is the error, and says where
        return ""
    if error.what.startswith(f"{path}:"):
        return ""
    return _place(entries, others, path, error.what) or _place(entries, others, path, error.fix)


def _place(
    entries: Sequence[tuple[yaml.ScalarNode, yaml.Node]], others: Sequence[str], path: Path | None, told: str
) -> str:
    given = {word.partition("=")[0].lstrip("-") for word in others if word.startswith("-")}
    for key, node in entries:
        name = str(key.value)
        if name in given:
            continue
        line = key.start_mark.line + 1
        if re.search(rf"--{re.escape(name)}(?![\w-])(?!\s+\S+=)", told) and name != _REPEATED:
            return f"{path}:{line}"
        for own, own_line in _of_task(node) if name == _REPEATED else ():
            if re.search(rf"(?:\boptions? '?|--option |\bfor ){re.escape(own)}(?![\w-])", told):
                return f"{path}:{own_line}"
    return ""


def _of_task(node: yaml.Node) -> Iterator[tuple[str, int]]:
    """Return the names of a task's options, with the lines that they stand in."""
    if isinstance(node, yaml.MappingNode):
        for key, _ in node.value:
            yield str(key.value), key.start_mark.line + 1
        return
    for each in node.value if isinstance(node, yaml.SequenceNode) else [node]:
        if isinstance(each, yaml.ScalarNode):
            yield str(each.value).partition("=")[0], each.start_mark.line + 1
