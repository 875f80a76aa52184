"""Text of others, such as objects' names, made fit to be shown: it can neither steer a terminal nor hide anything."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

__all__ = ["columns_of", "counted", "did_you_mean", "nearest", "printable"]

_UNFIT = (
    "\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f"
)
"""Control characters, those that turn the direction of what follows or take no room, and halves of pairs."""
_IN_LINES = re.compile(f"[\x00-\x08\x0b-\x1f{_UNFIT}]")
_IN_A_LINE = re.compile(f"[\x00-\x1f{_UNFIT}]")


def printable(text: str, *, lines: bool = False) -> str:
    r"""Return text with what cannot be shown written like ``\x1b`` or ``\u202e``.

    Args:
        text: any.
        lines: it may have line ends and tabs, which stay.
    """
    return (_IN_LINES if lines else _IN_A_LINE).sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that is most like another one; the empty text where none is."""
    import difflib  # here: most processes never ask

    return next(iter(difflib.get_close_matches(word, list(known), n=1)), "")


def did_you_mean(word: str, known: Iterable[str], *, quoted: bool = True) -> str:
    """Return the beginning of an advice, with a space behind it: the known word that is most like another one.

    The empty text where none is.
    """
    near = nearest(word, known)
    return f"did you mean {near!r}? " if near and quoted else f"did you mean {near}? " if near else ""


def counted(count: int, noun: str) -> str:
    """Write a count and what is counted: ``1 sample``, ``2,448 samples``."""
    return f"{count:,} {noun if count == 1 else f'{noun}s'}"


def columns_of(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of as many cells each as lines, their columns below one another; whatever stands in a cell."""
    shown = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in shown) for column in range(len(shown[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in shown]
    return "".join(f"{line.rstrip()}\n" for line in lines)
