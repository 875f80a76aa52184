"""Patterns of keys, as a shell's: ``*``, ``?``, ``[ab]``, and ``{jpg,png}`` for one of several."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fnmatch import translate

__all__ = ["any_of", "matcher"]

_BRACKETS = re.compile(r"\[!?\]?[^]]*\]")


def matcher(pattern: str) -> Callable[[str], bool]:
    """Give what tells whether a key fits a pattern; a brace that is a key's own is written ``[{]``."""
    fits = re.compile("|".join(translate(each) for each in _expand(pattern))).match
    return lambda key: fits(key) is not None


def any_of(patterns: Sequence[str]) -> str:
    """Give one pattern for several."""
    if len(patterns) == 1:
        return patterns[0]
    each = [text for pattern in patterns for text in _expand(pattern)]
    return "{" + ",".join(_guarded(text) for text in each) + "}"


def _guarded(text: str) -> str:
    """Write commas and braces outside of brackets so that they are a key's own."""
    parts = re.split(f"({_BRACKETS.pattern})", text)
    return "".join(part if _BRACKETS.fullmatch(part) else re.sub(r"[,{}]", r"[\g<0>]", part) for part in parts)


def _expand(pattern: str) -> list[str]:
    """Give the patterns without braces that one with braces stands for; a brace without a comma is a key's own."""
    found = _first_braces(pattern)
    if found is None:
        return [pattern]
    start, end, choices = found
    return [each for choice in choices for each in _expand(f"{pattern[:start]}{choice}{pattern[end:]}")]


def _first_braces(pattern: str) -> tuple[int, int, list[str]] | None:
    """Give where the first group of choices begins and ends, and the choices."""
    for start, character in enumerate(pattern):
        if character == "{" and not _in_brackets(pattern, start):
            depth, begins, choices = 0, start + 1, []
            for place in range(start, len(pattern)):
                if _in_brackets(pattern, place):
                    continue
                depth += {"{": 1, "}": -1}.get(pattern[place], 0)
                if depth == 0 or (depth == 1 and pattern[place] == ","):
                    choices.append(pattern[begins:place])
                    begins = place + 1
                if depth == 0:
                    if len(choices) > 1:
                        return start, place + 1, choices
                    break
    return None


def _in_brackets(pattern: str, place: int) -> bool:
    return any(match.start() < place < match.end() for match in _BRACKETS.finditer(pattern))
