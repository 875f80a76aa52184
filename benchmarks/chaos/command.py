"""``penstock run`` as a program of a job: it saves by itself, and how far that is is told while it runs."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

import torch  # noqa: F401 - ready before a run is forked

from benchmarks.chaos.job import Place
from penstock.entry import entry

__all__ = ["command"]

LOOK_SECONDS = 0.01


def command(folder: Path, rank: int, attempt: int, place: Place, tells: Connection) -> NoReturn:
    """Run the words of ``words.json``, and tell the step that was saved whenever it is another."""
    words: list[str] = json.loads((folder / "words.json").read_text())
    log = os.open(folder / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for standard in (1, 2):
        os.dup2(log, standard)
    threading.Thread(target=_tell, args=(folder / "out" / "checkpoints" / "latest.json", tells), daemon=True).start()
    sys.argv = ["penstock", *words]
    entry()
    raise SystemExit


def _tell(pointer: Path, tells: Connection) -> None:
    last = -1
    while True:
        time.sleep(LOOK_SECONDS)
        if pointer.exists() and (step := int(json.loads(pointer.read_text())["step"])) > last:
            last = step
            tells.send_bytes(str(step).encode())
