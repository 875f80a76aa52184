"""What stands in a file that describes a dataset: names with values, each with the line that it stands in."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from penstock.errors import ConfigError
from penstock.secrets import redact
from penstock.stream.checks import shown
from penstock.texts import nearest
from penstock.yaml_files import PLAIN, scalar_of

if TYPE_CHECKING:
    import yaml

__all__ = ["NO_SECRETS", "Entries", "Value", "bare", "entries_of"]

MOST_NODES: Final = 10_000
NO_SECRETS: Final = "leave it out: a source's credentials come from the environment, or a secret that a pipeline names"
_LIKE: Final = {"format": "parquet", "source": "s3://bucket/tables", "challenge": "c1"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Value:
    """What stands in a file: a plain value, or entries."""

    line: int
    value: Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Entries:
    """A mapping of a file."""

    file: str
    line: int
    values: Mapping[str, Value]

    def error(self, what: str, fix: str, *, line: int | None = None) -> ConfigError:
        """Name the place of what is wrong."""
        return ConfigError(f"{self.file}:{line or self.line}: {what}", fix=fix)

    def check(
        self,
        known: list[str],
        *,
        filled: Collection[str] = (),
        beside: Collection[str] = (),
        elsewhere: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Refuse names that there are none of, and those that must have a value and have none.

        Args:
            filled: those that must have a value.
            beside: others that may stand here, which were taken out before.
            elsewhere: for names that have a place, which is not here, what is told of it.
        """
        for name, value in self.values.items():
            if name in known and name in filled and value.value in (None, "", []):
                raise self.error(f"{name} is empty", "write its value behind it, or leave it out", line=value.line)
            if name not in known:
                there = [*known, *(each for each in beside if each not in known)]
                meant = nearest(name.strip().lower().replace("-", "_"), there)
                fix = f"did you mean {meant}?" if meant else f"there are: {', '.join(there)}"
                fix = elsewhere.get(name, fix)
                raise self.error(f"there is no {redact(name)!r} here", fix, line=value.line)

    def require(self, name: str) -> None:
        """Refuse a mapping that lacks a name."""
        if name not in self.values or self.values[name].value in (None, ""):
            near = nearest(name, list(self.values)) if name not in self.values else ""
            meant = f"in the place of {near!r}, " if near else ""
            raise self.error(f"{name} is missing", f"write it, {meant}like `{name}: {_LIKE.get(name, '...')}`")

    def within(self, name: str) -> Entries:
        """Return the mapping that a name has.

        Raises:
            ConfigError: it has something else.
        """
        found = self.values[name]
        if not isinstance(found.value, dict):
            raise self.error(f"{name} is no mapping", "write names with values below it", line=found.line)
        return Entries(file=self.file, line=found.line, values=found.value)

    def texts(self, name: str) -> None:
        """Refuse what is neither text nor a list of texts.

        Raises:
            ConfigError: it is something else.
        """
        found = bare(self.values[name])
        if not all(isinstance(each, str) and each for each in (found if isinstance(found, list) else [found])):
            like = {"where": "a pattern of keys, or a list of some"}.get(name, "a name, or a list of some")
            raise self.error(f"{name} {shown(found)}", f"write {like}", line=self.values[name].line)

    def call(self, function: Callable[..., Any], names: list[str], **renamed: Any) -> Any:
        """Call a function with the values of some names; what it refuses is told with the line that it stands in.

        Raises:
            ConfigError: it refuses one.
        """
        given = {name: bare(self.values[name]) for name in names if name in self.values}
        for name, value in given.items():
            if isinstance(value, dict) and not _takes_mapping(function, name):
                raise self.error(f"{name} {shown(value)}", "write a value or a list", line=self.values[name].line)
        try:
            return function(**{name: value for name, value in given.items() if value is not None}, **renamed)
        except ConfigError as error:
            raise self.error(
                error.what, error.fix, line=_line_of(error.what, self.values, given) or self.line
            ) from error

    def told_at(self, value: Value | None, make: Callable[[], Any]) -> Any:
        """Return what a function makes; what it refuses is told with the line of a value.

        Raises:
            ConfigError: it refuses something.
        """
        try:
            return make()
        except ConfigError as error:
            what = error.what.replace("match ", "where ", 1) if error.what.startswith("match ") else error.what
            raise self.error(what, error.fix, line=None if value is None else value.line) from error


def _takes_mapping(function: Callable[..., Any], name: str) -> bool:
    parameter = inspect.signature(function).parameters.get(name)
    return parameter is not None and "Mapping" in str(parameter.annotation)


def _line_of(told: str, values: Mapping[str, Value], names: Collection[str]) -> int | None:
    """Return the line of what an error tells of: of the innermost name that it begins with, or that it quotes."""
    for name in names:
        within = values[name].value
        if isinstance(within, dict) and (line := _line_of(told, within, within)) is not None:
            return line
    for name in names:
        if told.startswith((f"{name} ", f"{name}:")) or f"{name!r}" in told or f"{name}=" in told:
            return _worded(told, values[name])
    return None


def _worded(told: str, value: Value) -> int:
    """Return the line of the innermost name below a value's own that an error has as a word, or the value's."""
    if isinstance(value.value, dict):
        for name, each in value.value.items():
            if re.search(rf"\b{re.escape(name)}\b", told):
                return _worded(told, each)
    return value.line


def bare(value: Value) -> Any:
    """Return a value without lines."""
    if isinstance(value.value, dict):
        return {name: bare(each) for name, each in value.value.items()}
    return [bare(each) for each in value.value] if isinstance(value.value, list) else value.value


def entries_of(node: yaml.Node, file: str) -> Entries:
    """Return what a mapping holds, with lines.

    Args:
        file: it is of, for messages.

    Raises:
        ConfigError: a name comes twice or is none, it has more than ``MOST_NODES`` values, or one of them looks like a
            credential, which would be shown wherever the file is.
    """
    left = iter(range(MOST_NODES))
    found = _read(node, file, left, depth=0).value
    assert isinstance(found, dict)
    return Entries(file=file, line=1, values=found)


def _read(node: yaml.Node, file: str, left: Iterator[int], *, depth: int) -> Value:
    import yaml

    line = node.start_mark.line + 1
    where = f"{file}:{line}"
    if next(left, None) is None or depth > 8:
        raise ConfigError(f"{where}: there is too much, or it is nested too deeply", fix=PLAIN)
    if isinstance(node, yaml.SequenceNode):
        return Value(line=line, value=[_read(each, file, left, depth=depth + 1) for each in node.value])
    if not isinstance(node, yaml.MappingNode):
        scalar = scalar_of(node, where, as_text=False)
        if isinstance(scalar, str) and redact(scalar) != scalar:
            raise ConfigError(f"{where}: what stands there looks like a credential", fix=NO_SECRETS)
        return Value(line=line, value=scalar)
    found: dict[str, Value] = {}
    for key, value in node.value:
        name = scalar_of(key, where, as_text=True)
        at = key.start_mark.line + 1
        if not isinstance(name, str):
            raise ConfigError(f"{file}:{at}: {name!r} is no name", fix="write a name before the colon")
        if name in found:
            raise ConfigError(f"{file}:{at}: {redact(name)} is in line {found[name].line} already", fix="write it once")
        read = _read(value, file, left, depth=depth + 1)
        found[name] = Value(line=at, value=read.value)
    return Value(line=line, value=found)
