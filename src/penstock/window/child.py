"""The prefetcher from the trainer's side: a sidecar that serves the window already, or a child process.

A child is told that its parent is gone by the end of its standard input, which the kernel closes however the
parent dies; processes that the parent forks, such as loading workers, let go of it at once. A child that dies by
a signal is started again, as long as it gets anything done between two deaths; one that ends with an error has
told it through the window.
"""

from __future__ import annotations

import functools
import logging
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

from penstock.errors import WindowError
from penstock.window.filler import is_served
from penstock.window.layout import Control

__all__ = ["PrefetchMode", "Prefetcher", "start_prefetcher"]

MAX_DEATHS = 20
"""Deaths by a signal, between which nothing was fetched, after which a child is given up."""
STOP_SECONDS = 10

_log = logging.getLogger(__name__)


class PrefetchMode(StrEnum):
    """Who prefetches."""

    AUTO = "auto"
    SIDECAR = "sidecar"
    PROCESS = "process"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Command:
    argv: tuple[str, ...]

    def start(self) -> subprocess.Popen[bytes]:
        # numpy's linear algebra, which a prefetcher has no use for, starts a thread a core when it is imported.
        environment = {"OPENBLAS_NUM_THREADS": "1", **os.environ}
        return subprocess.Popen(self.argv, stdin=subprocess.PIPE, env=environment)  # noqa: S603 - our own module, no shell


_running: weakref.WeakSet[Prefetcher] = weakref.WeakSet()


def _let_go_after_fork() -> None:
    for prefetcher in list(_running):
        prefetcher.let_go()


@functools.cache
def _watch_forks() -> None:
    os.register_at_fork(after_in_child=_let_go_after_fork)


class Prefetcher:
    """A child process that serves a window until it is closed."""

    def __init__(self, folder: Path, window_bytes: int, *, options: Sequence[str] = ()) -> None:
        self._command = _Command(
            argv=(
                sys.executable,
                "-m",
                "penstock",
                "prefetch",
                "--window",
                str(folder),
                "--window-size",
                str(window_bytes),
                "--until-stdin-closes",
                *options,
            )
        )
        self._folder = folder
        self._lock = threading.Lock()
        self._closing = False
        self._process = self._command.start()
        self.num_restarts = 0
        _watch_forks()
        _running.add(self)
        self._watcher = threading.Thread(target=self._watch, name="penstock-prefetcher-0", daemon=True)
        self._watcher.start()

    @property
    def pid(self) -> int:
        """Process id of the child that serves now."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child and wait for it."""
        with self._lock:
            self._closing = True
            process = self._process
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._watcher.join()

    def let_go(self) -> None:
        """Close this process's end of the child's standard input, and nothing else: for a forked process."""
        pipe = self._process.stdin
        if pipe is not None:
            pipe.close()

    def _watch(self) -> None:
        deaths, progress = 0, self._progress()
        while True:
            code = self._process.wait()
            with self._lock:
                before, progress = progress, self._progress()
                deaths = deaths + 1 if progress == before else 0
                if self._closing or code >= 0:
                    return
                if deaths >= MAX_DEATHS:
                    _log.error("prefetcher.given_up signal=%d restarts=%d", -code, self.num_restarts)
                    return
                self.num_restarts += 1
                _log.warning("prefetcher.restart signal=%d restarts=%d", -code, self.num_restarts)
                self._process = self._command.start()

    def _progress(self) -> tuple[str, int]:
        """Give what changes whenever something was fetched."""
        try:
            control = Control(self._folder, writable=False)
        except (OSError, WindowError):
            return "", 0
        return control.text("session"), control.number("sample_bytes")


def start_prefetcher(
    mode: PrefetchMode, folder: Path, window_bytes: int, *, options: Sequence[str] = ()
) -> Prefetcher | None:
    """Start a child if none serves the window; None where a sidecar does, or is waited for."""
    if mode is PrefetchMode.SIDECAR or (mode is PrefetchMode.AUTO and is_served(folder)):
        return None
    return Prefetcher(folder, window_bytes, options=options)
