"""The window's folder in a chaos run: where it lies, and what it takes at its most."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

from penstock.window.folder import used_bytes

__all__ = ["Peak", "bounded_volume"]

LOOK_SECONDS = 0.005
PAGE_BYTES = 4096


@contextlib.contextmanager
def bounded_volume(folder: Path, bound_bytes: int) -> Iterator[str]:
    """Make the folder, on a tmpfs that holds no more than the bound where one may be mounted; tell what it is."""
    folder.mkdir()
    # The pages that the bound begins are had in full, but nothing beyond them.
    size = -(-bound_bytes // PAGE_BYTES) * PAGE_BYTES
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "penstock-chaos", str(folder)]
    if os.geteuid() != 0 or subprocess.run(words, capture_output=True, check=False).returncode:
        yield "a plain folder"
        return
    try:
        yield "a tmpfs of just the bound"
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


class Peak:
    """Looks at what a folder holds, in a thread, for as long as the block runs.

    Attributes:
        peak_bytes: the most that it took on disk.
        allocated_bytes: the most that its files were together by their sizes, whether written to or not.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="penstock-peak-0")
        self.peak_bytes = 0
        self.allocated_bytes = 0

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(LOOK_SECONDS):
            with contextlib.suppress(OSError):
                self.peak_bytes = max(self.peak_bytes, used_bytes(self._folder))
                self.allocated_bytes = max(self.allocated_bytes, sum(_sizes(self._folder)))


def _sizes(folder: Path) -> Iterator[int]:
    for entry in os.scandir(folder):
        with contextlib.suppress(FileNotFoundError):
            yield entry.stat(follow_symlinks=False).st_size
