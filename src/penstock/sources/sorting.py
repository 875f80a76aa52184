"""A listing of any size in the order of its keys, in bounded memory.

Stores list in an order of their own: S3 by key but for its folder markers, file systems as they like. Objects are
sorted ``RUN_OBJECTS`` at a time; what does not fit in memory goes to one scratch file that has no name, so that
nothing is left behind however the process ends, and runs are merged as they are read. A listing that comes in order
makes a single run. Reading takes the memory of a batch of each run: so ``FAN_IN`` runs are merged to one as soon as
there are as many, and 10^9 objects in no order are 39 merged runs and 256 others at most, of 90 MB of batches, beside
120 bytes for the place of each batch. An object is written once, or twice where it comes in such a mess.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path

from penstock.errors import SourceError
from penstock.files import ScratchFile
from penstock.sources.protocols import ObjectInfo

__all__ = ["SortedListing", "without_repeats"]

RUN_OBJECTS = 100_000
"""Objects held in memory, about 30 MB."""
FAN_IN = 256
"""Runs that are merged to one, before more are written."""

_Batches = list[tuple[int, int]]
"""Offset and length of each batch of a run in its scratch file."""

_KEY = attrgetter("key")


class SortedListing:
    """Objects of a listing; add them, then read them in the order of their keys as often as needed.

    Args:
        scratch: folder for what does not fit in memory; None is the system's folder for temporary files.
        run_objects: most objects held in memory; None is ``RUN_OBJECTS``.

    Raises:
        DiskFull, OutputUnwritable: the scratch file cannot be written; from ``add``.
    """

    def __init__(self, scratch: Path | None, *, run_objects: int | None = None) -> None:
        self._scratch = scratch
        self._run_objects = run_objects or RUN_OBJECTS
        self._held: list[ObjectInfo] = []
        self._runs: list[_Batches] = []
        self._last_key = ""
        self._file: ScratchFile | None = None
        self._merged: list[tuple[ScratchFile, _Batches]] = []
        self._num_objects = 0

    def __len__(self) -> int:
        return self._num_objects

    @property
    def num_runs(self) -> int:
        """Runs in scratch files: 1 where all objects came in order, none where they fit in memory."""
        return len(self._runs) + len(self._merged)

    def add(self, page: Sequence[ObjectInfo]) -> None:
        """Take objects in."""
        self._held += page
        self._num_objects += len(page)
        if len(self._held) >= self._run_objects:
            self._spill()

    def __iter__(self) -> Iterator[ObjectInfo]:
        """Return the objects in the order of their keys; none may be added any more.

        Raises:
            SourceError: two of them have the same key.
        """
        self._held.sort(key=_KEY)
        runs = [iter(self._held), *self._read_merged(), *self._read_runs()]
        return without_repeats(heapq.merge(*runs, key=_KEY) if len(runs) > 1 else runs[0])

    def close(self) -> None:
        """Let go of scratch files."""
        for file in (self._file, *(file for file, _ in self._merged)):
            if file is not None:
                file.close()

    def _spill(self) -> None:
        self._held.sort(key=_KEY)
        if not self._runs or self._held[0].key < self._last_key:
            if len(self._runs) >= FAN_IN:
                self._merge()
            self._runs.append([])
        if self._file is None:
            self._file = ScratchFile(self._scratch)
        from penstock.sources.sorted_runs import write_run  # here: few listings are too long for memory

        self._runs[-1] += write_run(self._file, self._held)
        self._last_key = self._held[-1].key
        self._held.clear()

    def _merge(self) -> None:
        """Make one run of those in the scratch file, in a file of its own; the room of theirs is free again."""
        from penstock.sources.sorted_runs import write_run

        file = ScratchFile(self._scratch)
        try:
            self._merged.append((file, list(write_run(file, heapq.merge(*self._read_runs(), key=_KEY)))))
        except BaseException:
            file.close()
            raise
        assert self._file is not None
        self._file.close()
        self._file, self._runs = None, []

    def _read_runs(self) -> list[Iterator[ObjectInfo]]:
        return [_read(self._file, run) for run in self._runs if self._file is not None]

    def _read_merged(self) -> list[Iterator[ObjectInfo]]:
        return [_read(*run) for run in self._merged]


def _read(file: ScratchFile, run: _Batches) -> Iterator[ObjectInfo]:
    from penstock.sources.sorted_runs import read_run

    return read_run(file, run)


def without_repeats(infos: Iterable[ObjectInfo]) -> Iterator[ObjectInfo]:
    """Return objects, which come in the order of their keys, and see that none but a folder's marker comes twice.

    Raises:
        SourceError: one does: a store that lists it twice may have left another out.
    """
    last: str | None = None
    for info in infos:
        if info.size_bytes:
            if info.key == last:
                raise SourceError(
                    f"the listing names {info.key!r} twice",
                    fix="list again; if it stays, the server, or a proxy before it, gives listings that cannot be "
                    "trusted",
                    about=info.key,
                )
            last = info.key
        yield info
