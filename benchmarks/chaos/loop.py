"""One rank of a training loop of a user's own over files of samples, which saves its place and writes down every batch.

The run's folder holds ``asked.json``, ``window``, and of each rank ``journal-<rank>`` and ``place-<rank>``. A line of
the journal is a batch: ``attempt next_index number,number…;``, the place being the one after it; a sample whose bytes
are not its number's is ``-1``.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

import penstock
from benchmarks.chaos.job import Place, save
from benchmarks.chaos.layouts import LAYOUTS, sample_bytes
from penstock.errors import PenstockError

__all__ = ["Asked", "loop"]

SAVE_EVERY = 4
"""Batches from one saved place to the next."""
LISTS_ANEW_EVERY = 4
"""Attempts, of which the others take the manifest that was kept."""
TIMEOUT_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a loop reads, and how."""

    layout: str
    size_bytes: int
    url: str
    epochs: int
    batch_size: int
    window_bytes: int
    num_ranks: int
    workers: int
    seed: int

    def write(self, folder: Path) -> None:
        """Leave it for the ranks."""
        (folder / "asked.json").write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Return what was left."""
        return cls(**json.loads((folder / "asked.json").read_text()))

    def open(self, folder: Path, *, rank: int, attempt: int) -> penstock.Stream:
        """Open the data as a user does."""
        dataset = LAYOUTS[self.layout].open("s3://chaos", endpoint_url=self.url, anonymous=True)
        ranks: dict[str, Any] = {
            "rank": rank,
            "local_rank": rank,
            "world_size": self.num_ranks,
            "local_world_size": self.num_ranks,
        }
        return dataset.loader(
            self.batch_size,
            window=self.window_bytes,
            window_folder=folder / "window",
            seed=self.seed,
            workers=self.workers,
            epochs=self.epochs,
            manifest_folder=None if attempt % LISTS_ANEW_EVERY == 0 else folder / "manifests",
            timeout_seconds=TIMEOUT_SECONDS,
            **(ranks if self.num_ranks > 1 else {}),
        )


def loop(folder: Path, rank: int, attempt: int, place: Place, tells: Connection) -> None:
    """Read from a place to the end, and tell how far it is after each batch; the process ends with it."""
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    asked = Asked.read(folder)
    try:
        with asked.open(folder, rank=rank, attempt=attempt) as loader:
            if place["next_index"]:
                loader.load_state_dict(place)
            _read(folder, rank, attempt, loader, asked, tells)
    except PenstockError as error:
        tells.send_bytes(f"rank {rank}: {type(error).__name__}: {error}".encode())
        tells.close()
        os._exit(error.exit_code)
    os._exit(0)


def _read(folder: Path, rank: int, attempt: int, loader: penstock.Stream, asked: Asked, tells: Connection) -> None:
    journal, num_batches = os.open(folder / f"journal-{rank}", os.O_WRONLY | os.O_APPEND | os.O_CREAT), 0
    os.write(journal, b"\n")  # ends the line that a kill may have cut
    while loader.epoch < asked.epochs:
        for batch in loader:
            samples = LAYOUTS[asked.layout].read(batch)
            numbers = [number if data == sample_bytes(number, asked.size_bytes) else -1 for number, data in samples]
            state, num_batches = loader.state_dict(), num_batches + 1
            os.write(journal, f"{attempt} {state['next_index']} {','.join(map(str, numbers))};\n".encode())
            if num_batches % SAVE_EVERY == 0 or loader.epoch == asked.epochs:
                save(folder, rank, dict(state))
            tells.send_bytes(str(state["next_index"]).encode())
