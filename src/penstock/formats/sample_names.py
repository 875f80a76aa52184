"""What members of archives are samples together by their names, as WebDataset has it.

What a name has before the first dot of its last part is its sample's, what follows is what it is of it: ``d/0001.jpg``
and ``d/0001.seg.png`` are ``jpg`` and ``seg.png`` of ``d/0001``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from penstock.errors import ConfigError
from penstock.patterns import is_hidden
from penstock.texts import did_you_mean

__all__ = ["KEY", "check_names", "split_name", "why_left_out"]

KEY: Final = "__key__"
"""What a sample's name is of it."""
_NAME: Final = re.compile(r"((?:.*/)?[^./]+)\.([^/]*)", re.DOTALL)
_META: Final = re.compile(r"__[^/]*__(/|$)")
"""Names of what is of a file, not of a sample."""
_PARTS: Final = re.compile(r"[/\\]")
"""Of a name, which programs for Windows write with backslashes."""
_SHOWN: Final = 20
"""Names that an error lists."""


def split_name(name: str) -> tuple[str, str] | None:
    """Return the name of a member's sample, and what it is of it in lower case; None where it is of none."""
    found = _NAME.fullmatch(name)
    return None if found is None else (found[1], found[2].lower())


def why_left_out(name: str, *, is_alone: bool = False) -> str:
    """Say why a file of that name is of no sample; nothing where it is of one.

    Args:
        is_alone: whether each file is a sample.
    """
    if ".." in name and ".." in _PARTS.split(name):
        return "leads out of the file, by '..'"
    if is_hidden(name):
        return "a system's own"
    if is_alone:
        return ""
    if name.startswith("__") and _META.match(name):
        return "of the file, not of a sample"
    if name.lower().endswith(f".{KEY}"):
        return f"is named {KEY}, which is the sample's own name"
    return "" if _NAME.fullmatch(name) else "has no extension"


def check_names(wanted: Sequence[str], samples: Iterable[Mapping[str, Any]], *, object_key: str) -> None:
    """Refuse names that no sample of a file has.

    Raises:
        ConfigError: one is.
    """
    there = sorted({name for members in samples for name in members})
    wrong = next((name for name in wanted if name not in there), None)
    if wrong is not None:
        raise ConfigError(
            f"no sample in {object_key} has {wrong!r}",
            fix=f"{did_you_mean(wrong, there)}its samples have: {', '.join(there[:_SHOWN])}",
        )
