"""Things by name: the package's own, and those of installed packages, which name theirs as entry points.

Entry points are described in the Python Packaging User Guide, "Entry points specification".
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from penstock import lazy
from penstock.errors import ConfigError
from penstock.texts import did_you_mean

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["Names", "Registry", "load_attribute"]

REASON_CHARACTERS = 300
_NAMES_SHOWN = 8
_FRAMES = 3
"""Last lines of another package's traceback that an error tells."""


@dataclass(frozen=True, kw_only=True)
class Registry:
    """Things of one kind by name.

    Attributes:
        kind: what they are, for messages: ``task``.
        group: the entry points' group of other packages' ones: ``penstock.tasks``.
        own: ``module:attribute`` by name.
    """

    kind: str
    group: str
    own: Mapping[str, str]

    def names(self, *, without: Sequence[str] = ()) -> Names:
        """Return all names, the package's own first; nothing is imported, and nothing looked for but others' names."""
        return Names(self, without)

    def found(self) -> tuple[str, ...]:
        """Look for the names of other packages."""
        return tuple(sorted(set(_found(self.group)) - set(self.own)))

    def load(self, name: str) -> object:
        """Import what a name stands for. A name of the package's own is never another's.

        Raises:
            ConfigError: there is none of that name, two packages have one, or it cannot be imported.
        """
        if name in self.own:
            return load_attribute(self.own[name], what=f"the {self.kind} {name!r}")
        found = _found(self.group).get(name, ())
        if not found:
            names = tuple(self.names())
            meant = did_you_mean(name, names)
            raise ConfigError(f"there is no {self.kind} {name!r}", fix=f"{meant}choose one of: {', '.join(names)}")
        if len(found) > 1:
            packages = ", ".join(_package(point) for point in found)
            raise ConfigError(
                f"several installed packages have a {self.kind} {name!r}: {packages}", fix="uninstall all but one"
            )
        return load_attribute(found[0].value, what=f"the {self.kind} {name!r} of {_package(found[0])}")


class Names(Sequence[str]):
    """The names of a registry. Installed packages are asked for theirs, 30 ms of CPU, where one is not its own."""

    def __init__(self, registry: Registry, without: Sequence[str]) -> None:
        self._registry, self._without = registry, without

    def __contains__(self, name: object) -> bool:
        own = self._registry.own
        return name not in self._without and (name in own or name in self._registry.found())

    def __iter__(self) -> Iterator[str]:
        names = (*self._registry.own, *self._registry.found())
        return (name for name in names if name not in self._without)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, place: Any) -> Any:
        return tuple(self)[place]


def load_attribute(path: str, *, what: str) -> object:
    """Import ``package.module:attribute``.

    Args:
        path: of it.
        what: it is, for messages.

    Raises:
        ConfigError: it is written otherwise, or cannot be imported; its own traceback is told in short.
    """
    module, colon, attribute = path.partition(":")
    names = [*module.split("."), *attribute.split(".")]
    if not colon or not all(name.isidentifier() for name in names):
        raise ConfigError(f"{what} is {path!r}", fix="write it like package.module:name")
    try:
        found: object = lazy.imported(module)
        for name in attribute.split("."):
            found = getattr(found, name)
    except (Exception, SystemExit) as error:
        holder = sys.modules.get(module)
        if isinstance(error, AttributeError) and holder is not None and not hasattr(holder, attribute.split(".")[0]):
            raise ConfigError(
                f"{what}: {module} has no {attribute!r}", fix=_what_there_is(holder, attribute)
            ) from error
        import traceback  # here: what can be imported does without it

        lines = traceback.extract_tb(error.__traceback__)[1:]
        own = [f"{Path(line.filename).name}:{line.lineno} in {line.name}" for line in lines if _is_of(line.filename)]
        where = f" ({'; '.join(own[-_FRAMES:])})" if own else ""
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:REASON_CHARACTERS]
        raise ConfigError(
            f"{what} cannot be imported from {path}: {reason}{where}",
            fix="install what it lacks, or put its folder on PYTHONPATH"
            if isinstance(error, ImportError | AttributeError)
            else "correct what fails as it is imported, or uninstall it",
        ) from error
    return found


def _what_there_is(module: ModuleType, attribute: str) -> str:
    there = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
    own = [name for name in there if getattr(getattr(module, name), "__module__", "") == module.__name__]
    meant = did_you_mean(attribute, own)
    return f"{meant}it has {', '.join(own[:_NAMES_SHOWN])}" if own else f"define it in {module.__file__}"


def _is_of(file: str) -> bool:
    return "importlib" not in file and file not in (__file__, lazy.__file__)


@functools.cache
def _found(group: str) -> dict[str, tuple[EntryPoint, ...]]:
    from importlib.metadata import entry_points  # here: 30 modules, which names of our own do without

    found: dict[str, dict[str, EntryPoint]] = {}
    for point in entry_points(group=group):
        # A package that lies on the path twice is one.
        found.setdefault(point.name.lower(), {})[f"{_package(point)} {point.value}"] = point
    return {name: tuple(points.values()) for name, points in found.items()}


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "a package"
