"""Streams that nobody refers to any more, in a process of its own: no other search for garbage is under way there."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading
from pathlib import Path
from typing import Any

import penstock
from support.objects import to_number

__all__ = ["OPTIONS", "children", "threads"]

OPTIONS: dict[str, Any] = {"decode": to_number, "batch_size": 4, "window": "1Mi"}


def children() -> set[int]:
    """Return those of Penstock's processes that this one is the parent of, wherever Penstock itself lies."""
    own = {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            own |= {int(pid) for pid in (thread / "children").read_text().split()}
    return {pid for pid in own if any(word.partition(".")[0] == "penstock" for word in _argv(pid))}


def _argv(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return []


def threads() -> set[threading.Thread]:
    """Return those of streams: sources of fsspec, which streams have in children alone, end theirs by themselves.

    What the error of a test before this one refers to lives for as long as that is kept, and its threads with it.
    """
    found = threading.enumerate()
    return {each for each in found if "penstock" in each.name and not each.name.startswith("penstock-fsspec")}


def dropped(folder: str, workers: int) -> None:
    penstock.Stream(folder, workers=workers, **OPTIONS)


def left_early(folder: str, workers: int) -> None:
    stream = penstock.Stream(folder, workers=workers, **OPTIONS)
    for _ in stream:
        break


def iterator_alone(folder: str, workers: int) -> None:
    batches = iter(penstock.Stream(folder, workers=workers, **OPTIONS))
    next(batches)


def in_a_cycle(folder: str, workers: int) -> None:
    stream = penstock.Stream(folder, workers=workers, **OPTIONS)
    held: list[Any] = [stream, iter(stream)]
    held.append(held)
    next(held[1])


def after_an_error(folder: str, workers: int) -> None:
    with contextlib.suppress(ZeroDivisionError):
        for _ in penstock.Stream(folder, workers=workers, **OPTIONS):
            raise ZeroDivisionError


def main(folder: str, workers: int) -> None:
    """Use streams so, and tell after each what is left of it."""
    gc.disable()  # else any thread may search, in the midst of which another search is none
    for use in (dropped, left_early, iterator_alone, in_a_cycle, after_an_error):
        use(folder, workers)
        gc.collect()
        print(use.__name__, len(children()), len(threads()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
