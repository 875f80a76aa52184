"""A dataset described by a YAML file: what ``penstock.open`` reads."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from penstock.dataset.described import Dataset
from penstock.dataset.making import jsonl, objects, of_format, parquet, tar, text, zip  # noqa: A004
from penstock.dataset.mixing import Mixed, mix
from penstock.dataset.of_tasks import eeg, images
from penstock.dataset.splitting import PARTS
from penstock.errors import ConfigError
from penstock.secrets import redact
from penstock.stream import checks
from penstock.stream.checks import shown
from penstock.stream.options import names_checked
from penstock.texts import nearest
from penstock.yaml_files import PLAIN, read_mapping, scalar_of

if TYPE_CHECKING:
    import yaml

__all__ = ["FUNCTIONS", "MEMBER_LIMITS", "MIX_OPTIONS", "NOT_OF_FILES", "STEPS", "open"]

FUNCTIONS: Final[Mapping[str, Callable[..., Dataset]]] = {
    "objects": objects,
    "parquet": parquet,
    "jsonl": jsonl,
    "text": text,
    "tar": tar,
    "zip": zip,
    "images": images,
    "eeg": eeg,
}
"""What makes a dataset, by the format that a file names; ``of_format`` does of others."""
NOT_OF_FILES: Final = ("storage_options",)
"""Arguments that may hold secrets, which have no place in a file."""
STEPS: Final = ("where", "select", "drop", "rename", "split", "part")
"""What is made of it then."""
MIX_OPTIONS: Final = ("seed", "stop", "samples", "temperature")
"""Of a mix."""
MEMBER_LIMITS: Final = ("most_samples", "most_epochs")
"""Of a member of a mix, beside its weight."""
MOST_NODES: Final = 10_000
_A_FILE = "give the path of a YAML file that describes a dataset"


@names_checked
def open(path: str | os.PathLike[str], *, part: str | None = None) -> Dataset | Mixed:  # noqa: A001
    """Return the dataset that a file describes.

    The file has ``format`` and ``source``, the arguments of the function of that name (``penstock.parquet`` ...), and
    ``where``, ``select``, ``drop``, ``rename``, ``split`` (with ``valid``, ``test``, ``by`` and ``seed``) and ``part``,
    done in this order; or ``mix``, a list of such mappings each with a ``weight``, ``most_samples`` and
    ``most_epochs``, where it is to have some, and the other arguments of ``penstock.mix``; a member may have a ``mix``
    of its own. Paths are as on a command line: of the folder that the process is in.

    Args:
        path: of the file.
        part: which part to give, instead of the one that the file names.

    Raises:
        ConfigError: it describes none; the message names file and line.
    """
    file = Path(checks.path("path", path, like="a file's path"))
    if part is not None:
        checks.choice("part", part, PARTS)
    found = read_mapping(file, wanted=_A_FILE, like="write a thing a line, like `format: parquet`")
    if found is None:
        raise ConfigError(f"{file} is empty", fix="write format: and source:, or mix:")
    entries = _Entries(file=file, line=1, values=_plain(found, file))
    return _mixed(entries, part) if "mix" in entries.values else _dataset(entries, part)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Value:
    """What stands in a file: a plain value, or entries."""

    line: int
    value: Any


@dataclass(frozen=True, kw_only=True, slots=True)
class _Entries:
    """A mapping of a file."""

    file: Path
    line: int
    values: Mapping[str, _Value]

    def error(self, what: str, fix: str, *, line: int | None = None) -> ConfigError:
        """Name the place of what is wrong."""
        return ConfigError(f"{self.file}:{line or self.line}: {what}", fix=fix)

    def check(self, known: list[str]) -> None:
        """Refuse names that there are none of."""
        for name, value in self.values.items():
            if name in known and name in STEPS and value.value in (None, "", []):
                raise self.error(f"{name} is empty", "write its value behind it, or leave it out", line=value.line)
            if name not in known:
                meant = nearest(name.strip().lower().replace("-", "_"), known)
                fix = f"did you mean {meant}?" if meant else f"there are: {', '.join(known)}"
                raise self.error(f"there is no {redact(name)!r} here", fix, line=value.line)

    def require(self, name: str) -> None:
        """Refuse a mapping that lacks a name."""
        if name not in self.values or self.values[name].value in (None, ""):
            near = nearest(name, list(self.values)) if name not in self.values else ""
            meant = f"in the place of {near!r}, " if near else ""
            raise self.error(f"{name} is missing", f"write it, {meant}like `{name}: {_LIKE.get(name, '...')}`")

    def within(self, name: str) -> _Entries:
        """Return the mapping that a name has.

        Raises:
            ConfigError: it has something else.
        """
        found = self.values[name]
        if not isinstance(found.value, dict):
            raise self.error(f"{name} is no mapping", "write names with values below it", line=found.line)
        return _Entries(file=self.file, line=found.line, values=found.value)

    def texts(self, name: str) -> None:
        """Refuse what is neither text nor a list of texts.

        Raises:
            ConfigError: it is something else.
        """
        found = _bare(self.values[name])
        if not all(isinstance(each, str) and each for each in (found if isinstance(found, list) else [found])):
            like = {"where": "a pattern of keys, or a list of some"}.get(name, "a name, or a list of some")
            raise self.error(f"{name} {shown(found)}", f"write {like}", line=self.values[name].line)

    def call(self, function: Callable[..., Any], names: list[str], **renamed: Any) -> Any:
        """Call a function with the values of some names; what it refuses is told with the line that it stands in.

        Raises:
            ConfigError: it refuses one.
        """
        given = {name: _bare(self.values[name]) for name in names if name in self.values}
        for name, value in given.items():
            if isinstance(value, dict) and name != "options":
                raise self.error(f"{name} {shown(value)}", "write a value or a list", line=self.values[name].line)
        try:
            return function(**{name: value for name, value in given.items() if value is not None}, **renamed)
        except ConfigError as error:
            at = next((self.values[name].line for name in given if error.what.startswith(f"{name} ")), self.line)
            raise self.error(error.what, error.fix, line=at) from error


def _mixed(entries: _Entries, part: str | None) -> Mixed:
    entries.check(["mix", *MIX_OPTIONS])
    members = entries.values["mix"]
    if not isinstance(members.value, list):
        raise entries.error("mix is no list", "write its members below it, each behind a hyphen", line=members.line)
    found: list[tuple[Dataset | Mixed, Any]] = []
    lacking: list[int] = []
    limits: dict[str, list[Any]] = {name: [] for name in MEMBER_LIMITS}
    for member in members.value:
        if not isinstance(member.value, dict):
            raise entries.error("a member of mix is no mapping", "write its format, source, weight", line=member.line)
        values = dict(member.value)
        weight = _weight(entries, values.pop("weight", None))
        if weight is None:
            lacking.append(member.line)
        for name, given in limits.items():
            given.append(_bare(values.pop(name)) if name in values else None)
        own = _Entries(file=entries.file, line=member.line, values=values)
        found.append((_mixed(own, part) if "mix" in values else _dataset(own, part), weight))
    if lacking and len(lacking) < len(found):
        fix = "write one, like `weight: 0.3`, or none for all, which weigh what they have samples"
        raise entries.error("a member of mix has no weight", fix, line=lacking[0])
    given_members = [each for each, _ in found] if lacking else found
    made: Mixed = entries.call(mix, list(MIX_OPTIONS), members=given_members, **limits)
    return made


def _weight(entries: _Entries, value: _Value | None) -> Any:
    """Return a weight, by the numbers of epochs where it changes."""
    given = None if value is None else _bare(value)
    if value is None or not isinstance(given, dict):
        return given
    if not all(epoch.isdecimal() for epoch in given):
        raise entries.error(
            f"weight {shown(given)}", "write weights by epoch, like `{0: 0.9, 3: 0.5}`", line=value.line
        )
    return {int(epoch): weight for epoch, weight in given.items()}


def _dataset(entries: _Entries, part: str | None) -> Dataset:
    for name in ("format", "source"):
        entries.require(name)
    kind = _bare(entries.values["format"])
    if not isinstance(kind, str):
        line = entries.values["format"].line
        raise entries.error(f"format {shown(kind)}", "write one name, like `format: parquet`", line=line)
    function = FUNCTIONS.get(kind, of_format)
    parameters = inspect.signature(function).parameters
    arguments = [name for name in parameters if name not in ("name", *NOT_OF_FILES)]
    entries.check(["format", *arguments, *(name for name in STEPS if name not in arguments)])
    for name in arguments:
        if parameters[name].default is inspect.Parameter.empty:
            entries.require(name)
    steps = [name for name in STEPS if name in entries.values]
    if "split" in arguments and isinstance(getattr(entries.values.get("split"), "value", None), str | list):
        steps = [name for name in steps if name != "split"]  # of files, or the column of a table of images
    named = {"name": kind} if function is of_format else {}
    taken = [name for name in arguments if name not in steps]
    dataset: Dataset = entries.call(function, taken, **named)
    for name, make in (("where", Dataset.where), ("select", Dataset.select), ("drop", Dataset.drop)):
        if name in steps:
            entries.texts(name)
            given = _bare(entries.values[name])
            dataset = _told_at(entries, entries.values[name], partial(make, dataset, given))
    if "rename" in steps:
        given = {name: _bare(value) for name, value in entries.within("rename").values.items()}
        dataset = _told_at(entries, entries.values["rename"], partial(dataset.rename, given))
    return _part(entries, dataset, part, is_split="split" in steps)


def _part(entries: _Entries, dataset: Dataset, part: str | None, *, is_split: bool) -> Dataset:
    """Return the part that is asked for, where there are some."""
    own = entries.values.get("part")
    name = part if part is not None else None if own is None else _bare(own)
    if not is_split:
        if name is None:
            return dataset
        taken: Dataset = _told_at(entries, own, lambda: dataset.part(checks.choice("part", name, PARTS)))
        return taken
    split = entries.within("split")
    split.check(["valid", "test", "by", "seed"])
    if "valid" not in split.values or split.values["valid"].value is None:
        raise split.error("valid is missing", "write a fraction, like `valid: 0.2`")
    parts: tuple[Dataset, ...] = split.call(dataset.split, ["valid", "test", "by", "seed"])
    by_name = {each.data.split: each for each in parts}
    if name is None:
        raise split.error(
            f"it is split into {', '.join(by_name)}, and none is named", "write `part: train`, or give part= to open"
        )
    _told_at(entries, own, lambda: checks.choice("part", name, tuple(by_name)))
    return by_name[checks.choice("part", name, tuple(by_name))]


def _told_at(entries: _Entries, value: _Value | None, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except ConfigError as error:
        what = error.what.replace("match ", "where ", 1) if error.what.startswith("match ") else error.what
        raise entries.error(what, error.fix, line=None if value is None else value.line) from error


_LIKE: Final = {"format": "parquet", "source": "s3://bucket/tables", "challenge": "c1"}


def _bare(value: _Value) -> Any:
    """Return a value without lines."""
    if isinstance(value.value, dict):
        return {name: _bare(each) for name, each in value.value.items()}
    return [_bare(each) for each in value.value] if isinstance(value.value, list) else value.value


def _plain(node: yaml.Node, file: Path) -> dict[str, _Value]:
    """Return what a mapping holds, with lines.

    Raises:
        ConfigError: a name comes twice or is none, or it has more than ``MOST_NODES`` values.
    """
    left = iter(range(MOST_NODES))
    found = _read(node, file, left, depth=0).value
    assert isinstance(found, dict)
    return found


def _read(node: yaml.Node, file: Path, left: Iterator[int], *, depth: int) -> _Value:
    import yaml

    line = node.start_mark.line + 1
    where = f"{file}:{line}"
    if next(left, None) is None or depth > 8:
        raise ConfigError(f"{where}: there is too much, or it is nested too deeply", fix=PLAIN)
    if isinstance(node, yaml.SequenceNode):
        return _Value(line=line, value=[_read(each, file, left, depth=depth + 1) for each in node.value])
    if not isinstance(node, yaml.MappingNode):
        return _Value(line=line, value=scalar_of(node, where, as_text=False))
    found: dict[str, _Value] = {}
    for key, value in node.value:
        name = scalar_of(key, where, as_text=True)
        at = key.start_mark.line + 1
        if not isinstance(name, str):
            raise ConfigError(f"{file}:{at}: {name!r} is no name", fix="write a name before the colon")
        if name in found:
            raise ConfigError(f"{file}:{at}: {redact(name)} is in line {found[name].line} already", fix="write it once")
        read = _read(value, file, left, depth=depth + 1)
        found[name] = _Value(line=at, value=read.value)
    return _Value(line=line, value=found)
