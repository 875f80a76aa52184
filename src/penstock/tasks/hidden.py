"""Files that lie among those of a dataset and are none of it: of file systems, of engines that write tables, and ours.

Spark, Hive and Hugging Face datasets leave them out likewise: `_SUCCESS`, `_metadata`, `_delta_log/`, `_temporary/`,
`.part.crc`, `.cache/`, and `_pack/` of `penstock pack`.
"""

from __future__ import annotations

import re

from penstock.errors import EmptyListing
from penstock.manifest import SkippedObject
from penstock.patterns import alternatives, any_of, is_hidden, matcher
from penstock.texts import counted

__all__ = ["Hidden", "is_set_aside"]

_NAMES_SOME = re.compile(r"(?:^|/)(?:\[[._]|[._][^/])")


def is_set_aside(key: str) -> bool:
    """Tell whether a key is hidden, or of a file or folder whose name begins with an underscore.

    Folders like ``_year=2024`` are values of a column, and none.
    """
    return _num_aside(key) > 0


def _num_aside(key: str) -> int:
    """Return how many parts of a key set it aside."""
    *folders, name = key.split("/")
    return sum(is_hidden(part) or (part.startswith("_") and "=" not in part) for part in folders) + (
        is_hidden(name) or name.startswith("_")
    )


class Hidden:
    """Leaves hidden objects out, and counts them.

    Args:
        pattern, more: of keys. What one names by parts that begin with a dot or underscore is not hidden by as many
            of its own, as ``datasets`` has it: of ``_a/*`` ``_a/1.csv`` is taken, and ``_a/_SUCCESS`` is not.
        uri: that is listed, for messages.
    """

    def __init__(self, pattern: str, uri: str, *more: str) -> None:
        named: dict[int, list[str]] = {}
        for each in (text for one in (pattern, *more) for text in alternatives(one)):
            named.setdefault(len(_NAMES_SOME.findall(each)), []).append(each)
        self._named = [(number, matcher(any_of(texts))) for number, texts in named.items() if number]
        self._pattern, self._uri = pattern, uri
        self.num, self.example = 0, ""

    def knowing(self, *patterns: str) -> Hidden:
        """Return one that takes what other patterns name as well."""
        return Hidden(self._pattern, self._uri, *patterns)

    def leaves_out(self, key: str) -> bool:
        """Tell whether an object is left out; it is counted then."""
        number = _num_aside(key)
        if not number or any(number <= most and fits(key) for most, fits in self._named):
            return False
        self.num, self.example = self.num + 1, self.example or key
        return True

    def told(self) -> list[SkippedObject]:
        """Say what was left out."""
        number = self.num
        return [SkippedObject(object=counted(number, "object"), reason="hidden", count=number)] if number else []

    def nothing_else(self) -> EmptyListing:
        """Return the error where all that fits is hidden."""
        return EmptyListing(
            f"all that fits {self._pattern!r} under {self._uri} is hidden, by a name that begins with a dot or "
            f"underscore ({counted(self.num, 'object')}, {self.example} for one)",
            fix="name it in the pattern, like _folder/*, or move it",
            about=self._uri,
        )
