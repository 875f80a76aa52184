"""Which config and split a file is of, of those that the Hub converts a dataset to by itself.

They lie in ``refs/convert/parquet`` at ``CONFIG/SPLIT/0000.parquet``; a split that is only partly converted is
``partial-SPLIT``, and one of more than 10,000 files goes on in ``SPLIT-part1``. There is no card beside them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from penstock.errors import ConfigError
from penstock.tasks.split_files import ByName
from penstock.texts import did_you_mean

__all__ = ["ByConversion", "is_converted"]

_FILE: Final = re.compile(r"(?:([^/]+)/)?(?:partial-)?(\w+(?:\.\w+)*)(?:-part[0-9]+)?/[0-9]{4}\.parquet")
_DEFAULT: Final = "default"


def is_converted(uri: str) -> bool:
    """Tell whether a URI names such a conversion."""
    return "@refs/convert/parquet" in unquote(uri)


@dataclass(slots=True)
class ByConversion:
    """Splits of one config; where files lie otherwise and no config is asked for, their names say the split.

    Attributes:
        config: that is asked for; empty takes the default, or the only one.
        uri: of the source, for messages.
        found: splits by config; the config is empty of files right in a split's folder.
    """

    config: str
    uri: str
    found: dict[str, set[str]] = field(default_factory=dict)
    _by_name: ByName = field(default_factory=ByName)

    def see(self, key: str) -> None:
        """Take note of a file that there is."""
        self._by_name.see(key)
        if fits := _FILE.fullmatch(key):
            self.found.setdefault(fits[1] or "", set()).add(fits[2])

    @property
    def names(self) -> list[str]:
        """Names of the splits that there are.

        Raises:
            ConfigError: it is not said which of several configs is meant, or there is none of its name.
        """
        return sorted(self.found[self._chosen()]) if self._is_it else self._by_name.names

    def of(self, key: str) -> tuple[str, ...]:
        """Return the splits that a file is of."""
        if not self._is_it:
            return self._by_name.of(key)
        fits = _FILE.fullmatch(key)
        return (fits[2],) if fits is not None and (fits[1] or "") == self._chosen() else ()

    @property
    def _is_it(self) -> bool:
        return bool(self.found or self.config)

    def _chosen(self) -> str:
        if self.config:
            if self.config not in self.found:
                raise self._no_config()
            return self.config
        if _DEFAULT in self.found or len(self.found) == 1:
            return _DEFAULT if _DEFAULT in self.found else next(iter(self.found))
        raise ConfigError(
            f"{self.uri} has several configs, none of which is its default: {', '.join(sorted(self.found))}",
            fix="choose one with --option config=",
        )

    def _no_config(self) -> ConfigError:
        there = sorted(filter(None, self.found))
        if not there:
            return ConfigError(f"config {self.config!r}, but no card of {self.uri} has configs", fix="leave config out")
        return ConfigError(
            f"there is no config {self.config!r} in {self.uri}, but {', '.join(there)}",
            fix=f"{did_you_mean(self.config, there)}choose one that is there",
        )
