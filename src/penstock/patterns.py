"""Patterns of keys, as a shell's: ``*``, ``?``, ``[ab]``, ``{jpg,png}`` for one of several, ``{000..127}`` of a row.

``*`` takes slashes as well; ``**/`` stands for any number of folders, and for none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fnmatch import translate

from penstock.errors import ConfigError

__all__ = ["any_of", "exactly", "has_choices", "is_hidden", "is_unclosed", "matcher"]

MOST_ALTERNATIVES = 10_000
MOST_DEPTH = 20
"""Of braces in braces. A pattern is written out before it is looked for: each pair of braces multiplies it."""

_ROW = re.compile(r"(-?[0-9]{1,15}|[a-zA-Z])\.\.(-?[0-9]{1,15}|[a-zA-Z])(?:\.\.(-?[0-9]{1,15}))?")
"""As Bash has it: first, last and step of numbers, or of letters."""
MOST_FOLDERS = 5
_FOLDERS = re.compile(r"(?:(?<=/)|(?<![\s\S]))\*\*/")
_BRACKETS = re.compile(r"\[!?+\]?+[^]]*+\]")


def matcher(pattern: str) -> Callable[[str], bool]:
    """Return what tells whether a key fits a pattern; a brace that is a key's own is written ``[{]``.

    Raises:
        ConfigError: it stands for too many patterns, or its braces lie too deep in each other.
    """
    _check(pattern)
    fits = re.compile("|".join(translate(each) for whole in _expand(pattern) for each in _depths_of(whole))).match
    return lambda key: fits(key) is not None


def any_of(patterns: Sequence[str]) -> str:
    """Return one pattern for several.

    Raises:
        ConfigError: they stand for too many patterns, or braces lie too deep in each other.
    """
    if sum(map(_check, patterns)) > MOST_ALTERNATIVES:
        raise _too_many(f"{len(patterns)} patterns stand")
    if len(patterns) == 1:
        return patterns[0]
    each = [text for pattern in patterns for text in _expand(pattern)]
    return "{" + ",".join(_guarded(text) for text in each) + "}"


def exactly(text: str) -> str:
    """Return the pattern that a text alone fits."""
    return re.sub(r"[*?[{},]", r"[\g<0>]", text)


def has_choices(pattern: str) -> bool:
    """Tell whether a pattern has braces that stand for one of several."""
    return _first_braces(pattern) is not None


def is_hidden(key: str) -> bool:
    """Tell whether a key is a file system's or a program's own: below ``.name`` or ``__MACOSX``."""
    return any((part.startswith(".") and part not in (".", "..")) or part == "__MACOSX" for part in key.split("/"))


def is_unclosed(pattern: str) -> bool:
    """Tell whether a brace is opened that nothing closes, which makes it a key's own."""
    return _depths(pattern)[-1] > 0


def _depths(pattern: str) -> list[int]:
    """Return how many braces are open after each one, and at first none."""
    depths = [0]
    for brace in re.findall("[{}]", _BRACKETS.sub("", pattern)):
        depths.append(max(0, depths[-1] + (1 if brace == "{" else -1)))
    return depths


def _check(pattern: str) -> int:
    """Return for how many patterns one with braces stands, before any is written out."""
    if max(_depths(pattern)) > MOST_DEPTH:
        raise ConfigError(
            f"braces of the pattern {_shown(pattern)} lie more than {MOST_DEPTH} deep in each other",
            fix="write it with fewer, and braces that are a key's own as [{]",
        )
    number = _count(pattern)
    if number > MOST_ALTERNATIVES:
        raise _too_many(f"the pattern {_shown(pattern)} stands")
    return number


def _count(pattern: str) -> int:
    """Return for how many patterns one stands; any number above the most where it is too many."""
    number = 1
    while number <= MOST_ALTERNATIVES and (found := _first_braces(pattern)) is not None:
        _, end, choices = found
        number *= sum(map(_count, choices))
        pattern = pattern[end:]
    return number


def _too_many(what: str) -> ConfigError:
    return ConfigError(
        f"{what} for more than {MOST_ALTERNATIVES} without braces", fix="use fewer braces, or * for what they name"
    )


def _shown(pattern: str) -> str:
    return repr(pattern if len(pattern) <= 60 else pattern[:57] + "...")


def _guarded(text: str) -> str:
    """Write commas, braces and brackets so that they are a key's own, but for brackets that are a pattern's."""
    parts = re.split(f"({_BRACKETS.pattern})", text)
    return "".join(part if _BRACKETS.fullmatch(part) else re.sub(r"[,{}[]", r"[\g<0>]", part) for part in parts)


def _expand(pattern: str) -> list[str]:
    """Return the patterns without braces that one with braces stands for; a brace without a comma is a key's own."""
    found = _first_braces(pattern)
    if found is None:
        return [pattern]
    start, end, choices = found
    rests = _expand(pattern[end:])
    return [pattern[:start] + each + rest for choice in choices for each in _expand(choice) for rest in rests]


def _depths_of(pattern: str) -> list[str]:
    """Return the patterns that one stands for, with and without each ``**/`` that begins a part of a path."""
    parts = _FOLDERS.split(pattern)
    if len(parts) > MOST_FOLDERS:
        return [pattern]
    found = [parts[0]]
    for part in parts[1:]:
        found = [begin + folders + part for begin in found for folders in ("", "**/")]
    return found


def _first_braces(pattern: str) -> tuple[int, int, list[str]] | None:
    """Return where the first group of choices begins and ends, and the choices."""
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
        if depth == 0 and len(choices) == 1:
            choices = _row(choices[0])
        if depth == 0 and choices:
            return start, begins, choices
        start = plain.find("{", start + 1)
    return None


def _row(text: str) -> list[str]:
    """Return what a row like ``000..127`` stands for, of too many the first ones; nothing of other text."""
    found = _ROW.fullmatch(text)
    if found is None or found[1].isalpha() != found[2].isalpha():
        return []
    step = abs(int(found[3] or 1)) or 1
    first, last = (ord(each) if each.isalpha() else int(each) for each in found.group(1, 2))
    numbers = range(first, last + 1, step) if first <= last else range(first, last - 1, -step)
    some = numbers[: MOST_ALTERNATIVES + 1]
    if found[1].isalpha():
        return [chr(number) for number in some]
    is_padded = any(each.lstrip("-").startswith("0") and len(each.lstrip("-")) > 1 for each in found.group(1, 2))
    width = max(len(found[1]), len(found[2])) if is_padded else 0
    return [f"{number:0{width}d}" for number in some]
