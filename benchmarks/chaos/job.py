"""All ranks of a job, started and ended together, as torchrun does it.

Ranks are forked from a server process that has imported everything and done nothing: a start takes some tens of
milliseconds, where an interpreter with its imports takes half a second of CPU.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from benchmarks.chaos.trainer import train

__all__ = ["Job"]

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["benchmarks.chaos.trainer"])


@dataclass(slots=True)
class _Rank:
    process: ForkServerProcess
    told: Connection
    index: int
    is_open: bool = True
    error: str = ""

    def read(self) -> None:
        """Take what it told: how far it is, or what it failed with."""
        try:
            while self.told.poll():
                told = self.told.recv_bytes().decode()
                if told.isdigit():
                    self.index = int(told)
                else:
                    self.error = told
        except (EOFError, OSError):
            self.is_open = False


class Job:
    """The trainers of one attempt after another; each goes on from the last place that all of them had saved.

    Attributes:
        attempts: how often the job was started, with the first index of each.
        errors: of trainers that ended by themselves and not well.
    """

    def __init__(self, folder: Path, num_ranks: int) -> None:
        self._folder = folder
        self._num_ranks = num_ranks
        self._ranks: list[_Rank] = []
        self.attempts: list[int] = []
        self.errors: list[str] = []

    @property
    def progress(self) -> int:
        """The stream index that all ranks have passed in this attempt."""
        return min(rank.index for rank in self._ranks)

    def place(self) -> int:
        """Return the last place that all ranks had saved."""
        places = (self._folder / f"place-{rank}" for rank in range(self._num_ranks))
        return min(int(place.read_text()) if place.exists() else 0 for place in places)

    def start(self) -> None:
        """Start all ranks."""
        first = self.place()
        self._go_back(first)
        self.attempts.append(first)
        self._ranks = []
        for rank in range(self._num_ranks):
            told, tells = _CONTEXT.Pipe(duplex=False)
            process = _CONTEXT.Process(target=train, args=(self._folder, rank, len(self.attempts), first, tells))
            process.start()
            tells.close()
            self._ranks.append(_Rank(process, told, first))

    def _go_back(self, first: int) -> None:
        """Forget places past the common one: what a rank had read past it, it has to read again."""
        for rank in range(self._num_ranks):
            place = self._folder / f"place-{rank}"
            if place.exists():
                temporary = place.with_suffix(".tmp")
                temporary.write_text(str(first))
                temporary.replace(place)

    def kill(self, number: int) -> None:
        """Kill one rank; the others are ended as torchrun does when one dies."""
        self._ranks[number].process.kill()
        self._ranks[number].process.join()
        self.end()

    def end(self) -> None:
        """End whatever still runs."""
        for rank in self._ranks:
            rank.process.terminate()
            rank.process.join()
            rank.told.close()
            rank.process.close()
        self._ranks = []

    def dump(self) -> None:
        """Have all ranks write where they stand to the standard error."""
        for rank in self._ranks:
            with contextlib.suppress(ProcessLookupError):
                os.kill(rank.process.pid or 0, signal.SIGUSR1)
        time.sleep(1)

    def wait(self, *, goal: int, seconds: float) -> bool:
        """Wait until all ranks passed an index, or one ended; False where nothing came for that long."""
        end = time.monotonic() + seconds
        while self.progress < goal:
            ready = wait([rank.told for rank in self._ranks if rank.is_open], max(0.0, end - time.monotonic()))
            if not ready:
                return False
            for rank in self._ranks:
                if rank.told in ready:
                    rank.read()
            if self.finished() is not None:
                return True
        return True

    def finished(self) -> bool | None:
        """Tell whether all ranks came to the end (True), one failed (False), or they run (None)."""
        ended = [rank for rank in self._ranks if not rank.is_open]
        for rank in ended:
            rank.process.join()
            if rank.process.exitcode:
                self.errors.append(rank.error or f"a trainer ended with exit code {rank.process.exitcode}")
                return False
        return True if len(ended) == len(self._ranks) else None
