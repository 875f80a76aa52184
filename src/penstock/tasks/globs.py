"""Patterns of paths as cards of datasets have them: ``*`` ends at a slash, ``**`` does not.

A card comes from whoever made the repository, and so do the paths. Of a pattern of many wildcards no expression is made
that tries one place of theirs after the other, but all places are tried at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import translate
from typing import Final

__all__ = ["glob_matcher"]

_FOLDERS, _ANY, _PART, _LETTER = "**/", "**", "*", "?"
_WILD: Final = {_FOLDERS: r"(?:.*/)?", _ANY: r".*", _PART: r"[^/]*", _LETTER: r"[^/]"}
_FEW: Final = 2
"""Wildcards of any length that an expression may have: with each more, its time has another power of the path's."""


def glob_matcher(pattern: str) -> Callable[[str], bool]:
    """Return what tells whether a path fits a pattern of a card."""
    parts = _parts(pattern.removeprefix("./"))
    if sum(piece in (_FOLDERS, _ANY, _PART) for piece in parts) > _FEW:
        return _Places(parts).fits
    fits = re.compile("".join(map(_expression, parts)), re.DOTALL)
    return lambda path: fits.fullmatch(path) is not None


def _parts(pattern: str) -> list[str]:
    """Return wildcards, choices in brackets, and letters."""
    found, at, last = [], 0, pattern.rfind("]")
    while at < len(pattern):
        piece = next((wild for wild in (_FOLDERS, _ANY) if pattern.startswith(wild, at)), pattern[at])
        if piece == "[":
            inner = at + (2 if pattern.startswith("!", at + 1) else 1)
            end = pattern.find("]", inner + 1) if inner < last else -1
            piece = pattern[at : end + 1] if end >= 0 else "["
        found.append(piece)
        at += len(piece)
    return found


def _expression(piece: str) -> str:
    if piece in _WILD:
        return _WILD[piece]
    if len(piece) > 1:
        return translate(piece).removeprefix("(?s:").removesuffix(r")\Z")
    return re.escape(piece)


class _Places:
    """The places of a pattern that a path may have come to, each a bit."""

    def __init__(self, parts: list[str]) -> None:
        self._any = self._part = self._skipping = 0
        self._letters: list[tuple[int, re.Pattern[str]]] = []
        self._by_letter: dict[str, int] = {}
        place = 0
        for piece in parts:
            bit = 1 << place
            if piece == _FOLDERS:  # to be passed over, or anything up to a slash
                self._skipping |= bit
                self._any |= bit << 1
                self._letters.append((bit << 2, re.compile("/")))
                place += 3
                continue
            if piece == _ANY:
                self._any |= bit
            elif piece == _PART:
                self._part |= bit
            else:
                self._letters.append((bit, re.compile(_expression(piece), re.DOTALL)))
            place += 1
        self._end = 1 << place

    def fits(self, path: str) -> bool:
        """Tell whether a path comes to the end."""
        places = self._moved(1)
        for letter in path:
            stay = self._any if letter == "/" else self._any | self._part
            places = self._moved((places & stay) | (places & self._taking(letter)) << 1)
            if not places:
                return False
        return bool(places & self._end)

    def _moved(self, places: int) -> int:
        """Add the places that nothing has to be read for."""
        while True:
            more = places | (places & (self._any | self._part | self._skipping)) << 1 | (places & self._skipping) << 3
            if more == places:
                return places
            places = more

    def _taking(self, letter: str) -> int:
        """Return the places that take a letter."""
        found = self._by_letter.get(letter)
        if found is None:
            found = sum(bit for bit, takes in self._letters if takes.fullmatch(letter))
            self._by_letter[letter] = found
        return found
