"""``storage_options`` as fsspec's file systems take them, mapped onto a scheme's options and its environment.

What is secret goes by environment variables to the processes that ask the source, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock.errors import ConfigError
from penstock.texts import nearest

__all__ = ["GivenOptions", "StorageOptions", "kind_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class StorageOptions:
    """What storage options mean.

    Attributes:
        options: of a ``SourceSpec``.
        environment: variables that the processes are given which ask the source; None takes one away.
    """

    options: Mapping[str, str | bool] = field(default_factory=dict)
    environment: Mapping[str, str | None] = field(default_factory=dict, repr=False)


class GivenOptions:
    """Storage options that a person gave, read one by one; None stands for one that is not given.

    Args:
        values: by name.
        where: they stand in others, for messages.
    """

    def __init__(self, values: Mapping[str, Any], where: str = "storage_options") -> None:
        self._values, self._where = dict(values), where
        self._asked: list[str] = []

    def any(self, name: str) -> Any:
        """Return whatever is given."""
        self._asked.append(name)
        return self._values.get(name)

    def text(self, name: str) -> str | None:
        """Return a text.

        Raises:
            ConfigError: it is none; it is not shown.
        """
        value = self.any(name)
        if value is None or (isinstance(value, str) and value):
            return value
        raise self.wrong(name, f"is no text but {kind_of(value)}", "give a text")

    def flag(self, name: str) -> bool:
        """Return whether something is on.

        Raises:
            ConfigError: it is neither.
        """
        value = self.any(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        raise self.wrong(name, f"is neither True nor False but {kind_of(value)}", "give True or False")

    def within(self, name: str) -> GivenOptions:
        """Return options that stand in others.

        Raises:
            ConfigError: it is no dictionary.
        """
        value = self.any(name)
        if value is None or (isinstance(value, Mapping) and all(isinstance(key, str) for key in value)):
            return GivenOptions(value or {}, f"{self._where}[{name!r}]")
        raise self.wrong(name, f"is no dictionary but {kind_of(value)}", "give a dictionary")

    def others(self) -> dict[str, Any]:
        """Return all that nobody has asked for; None is as if it were not given."""
        found = {name: value for name, value in self._values.items() if name not in self._asked and value is not None}
        self._asked += found
        return found

    def wrong(self, name: str, what: str, fix: str) -> ConfigError:
        """Return the error of one that cannot be used."""
        return ConfigError(f"{self._where}[{name!r}] {what}", fix=fix)

    def end(self, title: str) -> None:
        """Refuse what nobody asked for.

        Raises:
            ConfigError: there is something else.
        """
        asked = list(dict.fromkeys(self._asked))
        for name, value in self._values.items():
            if name not in asked and value is not None:
                near = nearest(name, asked)
                meant = f"did you mean {near!r}? " if near else ""
                told = f"there is {', '.join(asked)}" if asked else "leave it out"
                raise ConfigError(f"{self._where} has {name!r}, which means nothing for {title}", fix=f"{meant}{told}")


def kind_of(value: object) -> str:
    """Return what kind of thing a value is, without showing it."""
    return "None" if value is None else f"of type {type(value).__name__}"
