"""Patterns of keys, as a shell's: ``*``, ``?``, ``[ab]``, and ``{jpg,png}`` for one of several."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fnmatch import translate

__all__ = ["any_of", "matcher"]

_BRACKETS = re.compile(r"\[!?+\]?+[^]]*+\]")


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
    """Write commas, braces and brackets so that they are a key's own, but for brackets that are a pattern's."""
    parts = re.split(f"({_BRACKETS.pattern})", text)
    return "".join(part if _BRACKETS.fullmatch(part) else re.sub(r"[,{}[]", r"[\g<0>]", part) for part in parts)


def _expand(pattern: str) -> list[str]:
    """Give the patterns without braces that one with braces stands for; a brace without a comma is a key's own."""
    found = _first_braces(pattern)
    if found is None:
        return [pattern]
    start, end, choices = found
    rests = _expand(pattern[end:])
    return [pattern[:start] + each + rest for choice in choices for each in _expand(choice) for rest in rests]


def _first_braces(pattern: str) -> tuple[int, int, list[str]] | None:
    """Give where the first group of choices begins and ends, and the choices."""
    # What lies in brackets is covered up, so that places stay what they are.
    plain = _BRACKETS.sub(lambda found: "[" * len(found[0]), pattern)
    start = plain.find("{")
    while start >= 0:
        depth, begins = 0, start + 1
        choices: list[str] = []
        for place in (found.start() for found in re.compile(r"[,{}]").finditer(plain, start)):
            depth += {"{": 1, "}": -1}.get(plain[place], 0)
            if depth == 0 or (depth == 1 and plain[place] == ","):
                choices.append(pattern[begins:place])
                begins = place + 1
            if depth == 0:
                break
        if depth == 0 and len(choices) > 1:
            return start, begins, choices
        start = plain.find("{", start + 1)
    return None
