"""One rank of a job that reads the window, saves its place now and then, and writes down every sample it was given.

The run's folder holds ``window``, ``spec.json``, and of each rank ``journal-<rank>`` and ``place-<rank>``. A line of
the journal is ``attempt index key digest``. What comes after the last saved place of an attempt that was killed does
not count: the next attempt begins at the place that all ranks had saved.
"""

from __future__ import annotations

import faulthandler
import hashlib
import os
import signal
import uuid
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from benchmarks.chaos.dataset import NUM_LANES
from benchmarks.chaos.job import Place, save
from penstock.errors import PenstockError
from penstock.plan import rank_batches
from penstock.records import StreamSpec, decode_record
from penstock.window import WindowReader

__all__ = ["BATCH_SIZE", "train"]

BATCH_SIZE = 4
SAVE_EVERY = 5
"""Batches from one saved place to the next."""
TIMEOUT_SECONDS = 60


def train(folder: Path, rank: int, attempt: int, place: Place, tells: Connection) -> None:
    """Read from a place to the end, and tell how far it is after each batch; the process ends with it."""
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    asked = decode_record((folder / "spec.json").read_bytes(), StreamSpec)
    session = uuid.uuid4().hex if rank == 0 else ""
    spec = msgspec.structs.replace(asked, session=session, first_index=place["next_index"])
    try:
        reader = WindowReader(folder / "window", spec, rank=rank, timeout_seconds=TIMEOUT_SECONDS).begin()
        _read(folder, rank, attempt, reader, tells)
    except PenstockError as error:
        tells.send_bytes(f"rank {rank}: {type(error).__name__}: {error}".encode())
        tells.close()
        os._exit(error.exit_code)
    os._exit(0)


def _read(folder: Path, rank: int, attempt: int, reader: WindowReader, tells: Connection) -> None:
    spec = reader.spec
    batches = rank_batches(
        spec.order,
        first_index=spec.first_index,
        end_index=spec.end_index,
        batch_size=BATCH_SIZE,
        num_lanes=NUM_LANES,
        rank=rank,
        world_size=spec.num_ranks,
    )
    journal = os.open(folder / f"journal-{rank}", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(journal, b"\n")  # ends the line that a kill may have cut
    for number, batch in enumerate(batches, 1):
        lines = [_take(reader, index, attempt) for index in batch.indices.tolist()]
        os.write(journal, "".join(lines).encode())
        reader.advance(batch.next_index)
        if number % SAVE_EVERY == 0 or batch.next_index == spec.end_index:
            save(folder, rank, {"next_index": batch.next_index})
        tells.send_bytes(str(batch.next_index).encode())


def _take(reader: WindowReader, index: int, attempt: int) -> str:
    while True:
        sample = reader.get(index)
        line = f"{attempt} {index} {sample.meta.key} {hashlib.sha256(sample.data).hexdigest()}\n"
        if reader.is_intact(sample):
            return line
