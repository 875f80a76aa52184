"""Which split a file is of, by its name: as the Hugging Face Hub has it of repositories that say nothing else.

After "Structure your repository" of the documentation of ``datasets``, the first of these ways that any file fits:

1. ``data/NAME-00000-of-00005.parquet`` is of the split NAME, whatever that is;
2. a folder on the way is named by a keyword: ``train/x.parquet``, ``my-test-2/x.parquet``;
3. the file is: ``train.parquet``, ``en_dev_0.parquet``;
4. all files are of ``train``.

Keywords stand between the ends of a name, digits, or one of ``- . _`` and a space; capitals are none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from penstock.errors import ConfigError
from penstock.patterns import exactly
from penstock.tasks.globs import glob_matcher
from penstock.tasks.split_names import is_name
from penstock.texts import did_you_mean

__all__ = ["KEYWORDS", "ByName", "ByPattern", "SplitFiles", "SplitRule", "own_name"]

KEYWORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
"""By the name that each split is called by."""
_IGNORED: Final = frozenset(
    ("README.md", "config.json", "dataset_info.json", "dataset_infos.json", "dummy_data.zip", "dataset_dict.json")
)
"""Names of files that are of no split."""
_SHARD: Final = re.compile(r"data/([^/]+)-[0-9]{5}-of-[0-9]{5}[^/]*\.[^/]*")
_FOLDERS: Final = {
    split: re.compile(rf"(?:.*[-._ 0-9])?(?:{'|'.join(words)})(?:[-._ 0-9].*)?") for split, words in KEYWORDS.items()
}
_FILES: Final = {
    split: re.compile(rf"(?:.*[-._ 0-9])?(?:{'|'.join(words)})[-._ 0-9].*") for split, words in KEYWORDS.items()
}


def own_name(asked: str, there: Sequence[str]) -> str | None:
    """Return the split that a name means: that of the name, else the one that is called by another keyword; or None."""
    if asked in there:
        return asked
    words = next((words for words in KEYWORDS.values() if asked in words), ())
    return next((name for name in there if name in words), None)


@dataclass(slots=True)
class ByName:
    """Splits by the conventions of names; all files are shown to it first.

    Attributes:
        folder: that files lie in, empty for the source itself; what lies elsewhere is of no split.
        found: splits that files fit, by each way.
    """

    folder: str = ""
    found: tuple[set[str], ...] = field(default_factory=lambda: (set(), set(), set(), set()))

    def see(self, key: str) -> None:
        """Take note of a file that there is."""
        for names, way in zip(self.found, _WAYS, strict=True):
            names.update(self._by(way, key))

    @property
    def names(self) -> list[str]:
        """Names of the splits that there are."""
        found = self.found[self._way]
        return [name for name in KEYWORDS if name in found] + sorted(found - set(KEYWORDS))

    def of(self, key: str) -> tuple[str, ...]:
        """Return the splits that a file is of."""
        return self._by(_WAYS[self._way], key)

    @property
    def _way(self) -> int:
        return next((number for number, names in enumerate(self.found) if names), len(_WAYS) - 1)

    def _by(self, way: Callable[[str], tuple[str, ...]], key: str) -> tuple[str, ...]:
        rest = _below(self.folder, key)
        return () if rest is None or _is_ignored(rest) else way(rest)


@dataclass(frozen=True, slots=True)
class ByPattern:
    """Splits by patterns that the repository names; ``folder`` is the one that they begin in."""

    patterns: Mapping[str, Sequence[str]]
    folder: str = ""
    _fits: dict[str, list[Callable[[str], bool]]] = field(init=False)

    def __post_init__(self) -> None:
        made = {name: list(map(glob_matcher, patterns)) for name, patterns in self.patterns.items()}
        object.__setattr__(self, "_fits", made)

    def see(self, key: str) -> None:
        """Take note of a file that there is."""

    @property
    def names(self) -> list[str]:
        """Names of the splits that there are."""
        return list(self.patterns)

    @property
    def paths(self) -> list[str]:
        """All patterns, from the source on."""
        folder = f"{exactly(self.folder)}/" if self.folder else ""
        return [f"{folder}{pattern}" for patterns in self.patterns.values() for pattern in patterns]

    def of(self, key: str) -> tuple[str, ...]:
        """Return the splits that a file is of."""
        rest = _below(self.folder, key)
        if rest is None:
            return ()
        return tuple(name for name, fits in self._fits.items() if any(fit(rest) for fit in fits))


class SplitRule(Protocol):
    """Says of which splits files are; is shown all of them first."""

    @property
    def names(self) -> Sequence[str]:
        """Names of the splits that there are."""
        ...

    def see(self, key: str) -> None:
        """Take note of a file that there is."""
        ...

    def of(self, key: str) -> tuple[str, ...]:
        """Return the splits that a file is of."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitFiles:
    """The files of some splits.

    Attributes:
        asked: names of the splits; none for all that there are.
        rule: says of which splits a file is.
        told: where the splits come from, for messages.
    """

    asked: tuple[str, ...]
    rule: SplitRule
    told: str

    def chosen(self) -> tuple[str, ...]:
        """Return the splits that the names mean, once all files were seen.

        Raises:
            ConfigError: there is none of a name.
        """
        there = self.rule.names
        if not self.asked:
            return tuple(there)
        found = [own_name(name, there) for name in self.asked]
        if None in found:
            wrong = self.asked[found.index(None)]
            raise ConfigError(
                f"there is no split {wrong!r} {self.told}, but {', '.join(there) or 'none at all'}",
                fix=f"{did_you_mean(wrong, there)}choose one that is there, or leave split out and choose by match",
            )
        return tuple(name for name in found if name is not None)


def _below(folder: str, key: str) -> str | None:
    if not folder:
        return key
    return key.removeprefix(f"{folder}/") if key.startswith(f"{folder}/") else None


def _is_ignored(path: str) -> bool:
    *folders, name = path.split("/")
    is_hidden = any(part.startswith(".") for part in (*folders, name))
    return is_hidden or name in _IGNORED or any(part.startswith("__") for part in folders)


def _by_shard(path: str) -> tuple[str, ...]:
    found = _SHARD.fullmatch(path)
    return (found[1],) if found is not None and is_name(found[1]) else ()


def _by_folder(path: str) -> tuple[str, ...]:
    folders = path.split("/")[:-1]
    return tuple(split for split, fits in _FOLDERS.items() if any(fits.fullmatch(each) for each in folders))


def _by_file(path: str) -> tuple[str, ...]:
    name = path.rpartition("/")[2]
    return tuple(split for split, fits in _FILES.items() if fits.fullmatch(name))


def _all(path: str) -> tuple[str, ...]:
    return ("train",)


_WAYS: Final = (_by_shard, _by_folder, _by_file, _all)
