"""The prefetcher from the trainer's side: a sidecar that serves the window already, or a child process.

A child that ends, by whatever signal or code, is started again, as long as it gets anything done between two ends;
except where it told an error that another would meet as well: then that is everybody's who waits for it, at once.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Self

from penstock.children import Child
from penstock.errors import NotOurs, PenstockError, PrefetcherLost, WindowError
from penstock.observe.endings import describe_end
from penstock.options.window import ServingOptions
from penstock.window.control import Control
from penstock.window.ownership import is_served_by_sidecar

__all__ = ["Prefetcher", "start_prefetcher"]

MAX_DEATHS = 20
"""Ends by a signal, between which nothing was fetched, after which a child is given up."""
MAX_FAILURES = 3
"""The same of ends by an exit code other than 0."""
PAUSE_SECONDS = (0.05, 2.0)
"""Before a child that got nothing done is started again: the first pause, which doubles, and the longest."""

_log = logging.getLogger(__name__)


class Prefetcher:
    """A child process that serves a window until it is closed.

    Args:
        folder: of the window.
        options: of the window.
    """

    def __init__(self, folder: Path, options: ServingOptions) -> None:
        asked = options.but(window=folder, prefetch="auto", until_stdin_closes=True)
        self._words = ("penstock", "prefetch", *asked.to_argv())
        self._folder = folder
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._error: PenstockError | None = None
        self._on_lost: list[weakref.WeakMethod[Callable[[], None]]] = []
        self._child = self._start()
        self.num_restarts = 0
        self._watcher = threading.Thread(target=self._watch, name="penstock-prefetcher-0", daemon=True)
        self._watcher.start()

    @property
    def pid(self) -> int:
        """Process id of the child that serves now."""
        return self._child.pid

    def error(self) -> PenstockError | None:
        """Return why the window is served no more; None as long as it is."""
        return self._error

    def when_lost(self, call: Callable[[], None]) -> None:
        """Have a bound method called, in another thread, when the window is served no more; it is not kept alive."""
        self._on_lost.append(weakref.WeakMethod(call))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child and wait for it."""
        self._closing.set()
        with self._lock:
            child = self._child
        child.close()
        self._watcher.join()

    def _start(self) -> Child:
        return Child(self._words)

    def _watch(self) -> None:
        deaths, progress = 0, self._progress()
        while True:
            code = self._child.wait()
            if self._closing.is_set():
                return
            before, progress = progress, self._progress()
            deaths = deaths + 1 if progress == before else 0
            error = self._child.error()
            if (error is not None and not error.retryable) or deaths >= (MAX_FAILURES if code > 0 else MAX_DEATHS):
                self._give_up(error or self._lost(code))
                return
            pause_seconds, longest_seconds = PAUSE_SECONDS
            if deaths and self._closing.wait(min(pause_seconds * 2 ** (deaths - 1), longest_seconds)):
                return
            with self._lock:
                if self._closing.is_set():
                    return
                self.num_restarts += 1
                _log.warning("prefetcher.restart restarts=%d reason=it %s", self.num_restarts, describe_end(code))
                ended, self._child = self._child, self._start()
            ended.close()

    def _give_up(self, error: PenstockError) -> None:
        _log.error("prefetcher.given_up restarts=%d error=%s", self.num_restarts, error)
        self._error = error
        for reference in self._on_lost:
            if (call := reference()) is not None:
                call()

    def _lost(self, code: int) -> PrefetcherLost:
        return PrefetcherLost(
            f"the prefetcher {describe_end(code)}, {self.num_restarts + 1} times in a row without fetching anything",
            fix="see its log; run it again, with more memory where that was short",
            about=str(self._folder),
        )

    def _progress(self) -> tuple[str, int]:
        """Return what changes whenever something was fetched."""
        try:
            control = Control(self._folder, writable=False)
        except (OSError, WindowError, NotOurs):
            return "", 0
        return control.session, control.num_filled


def start_prefetcher(folder: Path, options: ServingOptions) -> Prefetcher | None:
    """Start a child if none serves a window, and the options do not say otherwise; None where a sidecar does, or will.

    Args:
        folder: of the window.
        options: of the window; their ``prefetch`` says who serves it.
    """
    if options.prefetch == "sidecar" or (options.prefetch == "auto" and is_served_by_sidecar(folder)):
        return None
    return Prefetcher(folder, options)
