"""Patterns of keys, as a shell's: ``*``, ``?``, ``[ab]``, ``{jpg,png}`` for one of several, ``{000..127}`` of a row.

``*`` takes slashes as well; ``**/`` stands for any number of folders, and for none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from fnmatch import translate

from penstock.errors import ConfigError

__all__ = ["alternatives", "any_of", "exactly", "has_choices", "is_hidden", "is_unclosed", "matcher"]

MOST_ALTERNATIVES = 10_000
MOST_LETTERS = 2 << 20
"""Of a pattern that is written out: some seconds of the processor's."""
MOST_DEPTH = 20
"""Of braces in braces. A pattern is written out before it is looked for: each pair of braces multiplies it."""

_ROW = re.compile(r"(-?[0-9]{1,15}|[a-zA-Z])\.\.(-?[0-9]{1,15}|[a-zA-Z])(?:\.\.(-?[0-9]{1,15}))?")
"""As Bash has it: first, last and step of numbers, or of letters."""
MOST_FOLDERS = 5
_FOLDERS = re.compile(r"(?:(?<=/)|(?<![\s\S]))\*\*/")
_MARKS = re.compile(r"[,{}]")
_BRACKETS = re.compile(r"\[!?+\]?+[^]]*+\]")
_OPENED = re.compile(rf"{_BRACKETS.pattern}|\[")


def matcher(pattern: str) -> Callable[[str], bool]:
    """Return what tells whether a key fits a pattern; a brace that is a key's own is written ``[{]``.

    Raises:
        ConfigError: it stands for too many patterns, or its braces lie too deep in each other.
    """
    _check(pattern)
    found: list[str] = []
    num_letters = 0
    for whole in _expand(pattern):
        some = _depths_of(whole)
        found += some
        num_letters += sum(map(len, some))
        if num_letters > MOST_LETTERS:
            raise _too_long(pattern)
    fits = re.compile("|".join(translate(_closed(each)) for each in found)).match
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


def alternatives(pattern: str) -> list[str]:
    """Return the patterns without braces that a pattern stands for.

    Raises:
        ConfigError: as ``matcher``.
    """
    _check(pattern)
    return list(_expand(pattern))


def exactly(text: str) -> str:
    """Return the pattern that a text alone fits."""
    return re.sub(r"[*?[{},]", r"[\g<0>]", text)


def has_choices(pattern: str) -> bool:
    """Tell whether a pattern has braces that stand for one of several."""
    return next(_groups(pattern), None) is not None


def is_hidden(key: str) -> bool:
    """Tell whether a key is a file system's or a program's own: below ``.name`` or ``__MACOSX``."""
    if not (key.startswith(".") or "/." in key or "__MACOSX" in key):  # as most are: archives have millions of names
        return False
    return any((part.startswith(".") and part not in (".", "..")) or part == "__MACOSX" for part in key.split("/"))


def is_unclosed(pattern: str) -> bool:
    """Tell whether a brace is opened that nothing closes, which makes it a key's own."""
    return _depths(pattern)[-1] > 0


def _depths(pattern: str) -> list[int]:
    """Return how many braces are open after each one, and at first none."""
    depths = [0]
    for brace in re.findall("[{}]", _plain(pattern)):
        depths.append(max(0, depths[-1] + (1 if brace == "{" else -1)))
    return depths


def _check(pattern: str) -> int:
    """Return for how many patterns one with braces stands, before any is written out."""
    if max(_depths(pattern)) > MOST_DEPTH:
        raise ConfigError(
            f"braces of the pattern {_shown(pattern)} lie more than {MOST_DEPTH} deep in each other",
            fix="write it with fewer, and braces that are a key's own as [{]",
        )
    number, num_letters = _size(pattern)
    if number > MOST_ALTERNATIVES:
        raise _too_many(f"the pattern {_shown(pattern)} stands")
    if num_letters > MOST_LETTERS:
        raise _too_long(pattern)
    return number


def _size(pattern: str) -> tuple[int, int]:
    """Return for how many patterns one stands, and their letters; any above the most where they are too many."""
    number, num_letters, at = 1, 0, 0
    for start, end, choices in _groups(pattern):
        sizes = [_size(each) for each in choices]
        some, of_some = sum(each for each, _ in sizes), sum(letters for _, letters in sizes)
        num_letters = (num_letters + (start - at) * number) * some + of_some * number
        number *= some
        at = end
        if number > MOST_ALTERNATIVES:
            break
    return number, num_letters + (len(pattern) - at) * number


def _too_long(pattern: str) -> ConfigError:
    return ConfigError(
        f"the pattern {_shown(pattern)}, written out without braces, takes more than {MOST_LETTERS} letters",
        fix="use fewer braces or **/, or * for what they name",
    )


def _too_many(what: str) -> ConfigError:
    return ConfigError(
        f"{what} for more than {MOST_ALTERNATIVES} without braces", fix="use fewer braces, or * for what they name"
    )


def _shown(pattern: str) -> str:
    return repr(pattern if len(pattern) <= 60 else pattern[:57] + "...")


def _guarded(text: str) -> str:
    """Write commas, braces and brackets so that they are a key's own, but for brackets that are a pattern's."""
    end = _end_of_brackets(text)
    parts = [*re.split(f"({_BRACKETS.pattern})", text[:end]), text[end:]]
    return "".join(part if _BRACKETS.fullmatch(part) else re.sub(r"[,{}[]", r"[\g<0>]", part) for part in parts)


def _expand(pattern: str) -> list[str]:
    """Return the patterns without braces that one with braces stands for; a brace without a comma is a key's own."""
    found, at = [""], 0
    for start, end, choices in _groups(pattern):
        some = [pattern[at:start] + each for choice in choices for each in _expand(choice)]
        found = [begin + each for begin in found for each in some]
        at = end
    return [begin + pattern[at:] for begin in found]


def _depths_of(pattern: str) -> list[str]:
    """Return the patterns that one stands for, with and without each ``**/`` that begins a part of a path."""
    parts = _FOLDERS.split(pattern)
    if len(parts) > MOST_FOLDERS:
        return [pattern]
    found = [parts[0]]
    for part in parts[1:]:
        found = [begin + folders + part for begin in found for folders in ("", "**/")]
    return found


def _groups(pattern: str) -> Iterator[tuple[int, int, list[str]]]:
    """Return where groups of choices begin and end, and the choices, one behind the other."""
    plain = _plain(pattern)
    at = plain.find("{")
    while at >= 0:
        end, choices = _group(pattern, plain, at)
        if choices:
            yield at, end, choices
        at = plain.find("{", end if choices else at + 1)


def _group(pattern: str, plain: str, start: int) -> tuple[int, list[str]]:
    """Return where what a brace begins ends, and the choices that it has; none where it is a key's own."""
    depth, begins = 0, start + 1
    choices: list[str] = []
    for place in (found.start() for found in _MARKS.finditer(plain, start)):
        depth += {"{": 1, "}": -1}.get(plain[place], 0)
        if depth == 0 or (depth == 1 and plain[place] == ","):
            choices.append(pattern[begins:place])
            begins = place + 1
        if depth == 0:
            return begins, _row(choices[0]) if len(choices) == 1 else choices
    return begins, []


def _plain(pattern: str) -> str:
    """Return a pattern in which what lies in brackets is covered up, so that places stay what they are."""
    end = _end_of_brackets(pattern)
    return _BRACKETS.sub(lambda found: "[" * len(found[0]), pattern[:end]) + pattern[end:]


def _end_of_brackets(pattern: str) -> int:
    """Return where brackets end that something closes; each one behind it would be looked for to the end."""
    return pattern.rfind("]") + 1


def _closed(pattern: str) -> str:
    """Write brackets that nothing closes so that they are plainly a key's own."""
    end = _end_of_brackets(pattern)
    held = _OPENED.sub(lambda found: found[0] if len(found[0]) > 1 else "[[]", pattern[:end])
    return held + pattern[end:].replace("[", "[[]")


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
