"""Problems of some of several inputs: the good ones are told of, and the command fails all the same."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from penstock.errors import PenstockError

__all__ = ["kept", "raise_told"]


@contextmanager
def kept(problems: list[PenstockError], *kinds: type[PenstockError], about: str | None = None) -> Iterator[None]:
    """Put an error of some kinds beside the problems that there are, in place of raising it.

    Args:
        about: what it is about, where it does not say so.
    """
    try:
        yield
    except kinds as error:
        if about is not None:
            error.name(about)
        problems.append(error)


def raise_told(problems: Sequence[PenstockError], *, step: str) -> None:
    """Tell all problems but one, a line each, and raise that one; nothing where there are none.

    Raises:
        PenstockError: the first that asking again does not mend, else the first.
    """
    if not problems:
        return
    last = next((each for each in problems if not each.retryable), problems[0])
    for each in problems:
        if each is not last:
            sys.stderr.write(f"penstock {step}: error: {each}\n")
    raise last
