"""Files that lie among those of a dataset and are none of it: of file systems, of engines that write tables, and ours.

Spark, Hive and Hugging Face datasets leave them out likewise: `_SUCCESS`, `_metadata`, `_delta_log/`, `_temporary/`,
`.part.crc`, `.cache/`, and `_pack/` of `penstock pack`.
"""

from __future__ import annotations

import re

from penstock.errors import EmptyListing
from penstock.manifest import SkippedObject
from penstock.patterns import alternatives, is_hidden
from penstock.texts import counted

__all__ = ["Hidden", "is_set_aside"]

_NAMES_SOME = re.compile(r"(?:^|/)(?:\[[._]|[._][^/])")


def is_set_aside(key: str) -> bool:
    """Tell whether a key is hidden, or of a file or folder whose name begins with an underscore.

    Folders like ``_year=2024`` are values of a column, and none.
    """
    parts = key.split("/")
    folders = any(part.startswith("_") and "=" not in part for part in parts[:-1])
    return folders or parts[-1].startswith("_") or is_hidden(key)


class Hidden:
    """Leaves hidden objects out, and counts them.

    Args:
        pattern: of keys; what it names by a part that begins with a dot or underscore is not hidden by that.
        uri: that is listed, for messages.
    """

    def __init__(self, pattern: str, uri: str) -> None:
        self._takes_all = any(_NAMES_SOME.search(each) for each in alternatives(pattern))
        self._pattern, self._uri = pattern, uri
        self.num, self.example = 0, ""

    def leaves_out(self, key: str) -> bool:
        """Tell whether an object is left out; it is counted then."""
        if self._takes_all or not is_set_aside(key):
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
