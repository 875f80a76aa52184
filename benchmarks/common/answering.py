"""How a process that measures one cell gives its answer: a last line of JSON, and a profile where one is asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NoReturn, TypeVar

__all__ = ["answer"]

Result = TypeVar("Result")


def answer(measure: Callable[[], Result], encode: Callable[[Result], str], *, profile: str) -> NoReturn:
    """Measure, write the result as the last line, and end.

    Args:
        profile: path that a profile of the measurement is written to; empty for none.
    """
    if profile:
        import cProfile

        with cProfile.Profile() as taken:
            result = measure()
        taken.dump_stats(profile)
    else:
        result = measure()
    sys.stdout.write(f"\n{encode(result)}\n")
    sys.stdout.flush()
    os._exit(0)  # some peers leave threads behind that hold up the end
