"""All ranks of a job, started and ended together, as torchrun does it.

Ranks are forked from a server process that has imported everything and done nothing: a start takes some tens of
milliseconds, where an interpreter with its imports takes half a second of CPU.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

__all__ = ["Job", "Place", "Program", "save"]

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["benchmarks.chaos.trainer", "benchmarks.chaos.loop", "benchmarks.chaos.command"])

Place = dict[str, Any]
"""Of a rank in its data, at least ``next_index``."""
Program = Callable[[Path, int, int, Place, Connection], None]
"""Of a rank: what is run is given the run's folder, the rank, the attempt, where to go on, and whom to tell."""
BEGINNING: Place = {"next_index": 0}
WORKER_LOST = "ProcessLost: a loading worker"


def _begin(program: Program, *given: Any) -> None:
    multiprocessing.set_start_method("fork", force=True)  # of what it starts itself, as in a program of a user's
    program(*given)


def save(folder: Path, rank: int, place: Place) -> None:
    """Save a rank's place."""
    path = folder / f"place-{rank}"
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(place))
    temporary.replace(path)


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

    Args:
        folder: of the run, which holds ``place-<rank>``.
        program: of a rank.

    Attributes:
        attempts: how often the job was started, with the first index of each.
        errors: of trainers that ended by themselves and not well.
    """

    def __init__(self, folder: Path, num_ranks: int, program: Program) -> None:
        self._folder = folder
        self._num_ranks = num_ranks
        self._program = program
        self._ranks: list[_Rank] = []
        self.attempts: list[int] = []
        self.errors: list[str] = []
        self._noted: list[str] = []

    @property
    def progress(self) -> int:
        """The stream index that all ranks have passed in this attempt."""
        return min(rank.index for rank in self._ranks)

    @property
    def pids(self) -> list[int]:
        """Process ids of the ranks."""
        return [rank.process.pid or 0 for rank in self._ranks]

    def place(self) -> Place:
        """Return the last place that all ranks had saved."""
        paths = [self._folder / f"place-{rank}" for rank in range(self._num_ranks)]
        places = [json.loads(path.read_text()) if path.exists() else BEGINNING for path in paths]
        return min(places, key=lambda place: int(place["next_index"]))

    def start(self) -> None:
        """Start all ranks."""
        place = self.place()
        self._go_back(place)
        self.attempts.append(place["next_index"])
        self._ranks = []
        for rank in range(self._num_ranks):
            told, tells = _CONTEXT.Pipe(duplex=False)
            attempt = len(self.attempts)
            process = _CONTEXT.Process(target=_begin, args=(self._program, self._folder, rank, attempt, place, tells))
            process.start()
            tells.close()
            self._ranks.append(_Rank(process, told, place["next_index"]))

    def _go_back(self, place: Place) -> None:
        """Forget places past the common one: what a rank had read past it, it has to read again."""
        for rank in range(self._num_ranks):
            if (self._folder / f"place-{rank}").exists():
                save(self._folder, rank, place)

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
                self._note(rank.error or f"a trainer ended with exit code {rank.process.exitcode}")
                return False
        return True if len(ended) == len(self._ranks) else None

    def _note(self, error: str) -> None:
        """Note an error, once an attempt; of several ranks one that lost a worker ends all: they go on together."""
        if len(self._noted) < len(self.attempts):
            self._noted += [error] * (len(self.attempts) - len(self._noted))
            if self._num_ranks == 1 or WORKER_LOST not in error:
                self.errors.append(error)
