"""Items made ahead of their use, in a thread: the trainer computes while the next batches are put together.

Copying and checking bytes lets go of Python's lock, so that the trainer is hardly slowed by it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

__all__ = ["AHEAD_BATCHES", "Ahead"]

AHEAD_BATCHES = 2
"""Batches that are held ready where there are no workers."""

T = TypeVar("T")


class Ahead(Generic[T]):
    """An iterator over ``items`` whose next ones are made while the last one is used.

    What making one raises is raised in its place, in order.

    Args:
        items: is iterated over by the thread alone.
        depth: items that are held ready at most; one more is in the making.
        interrupt: called by ``close`` so that a wait within ``items`` ends soon.
    """

    def __init__(self, items: Iterator[T], *, depth: int, interrupt: Callable[[], None]) -> None:
        self._items = items
        self._depth = depth
        self._interrupt = interrupt
        self._ready: deque[T] = deque()
        self._changed = threading.Condition()
        self._raised: BaseException | None = None
        self._is_over = self._is_closed = False
        self._thread = threading.Thread(target=self._make, name="penstock-batches-0", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        with self._changed:
            while not self._ready and not self._is_over:
                self._changed.wait()
            if self._ready:
                self._changed.notify_all()
                return self._ready.popleft()
        if self._raised is not None:
            raise self._raised
        raise StopIteration

    def close(self) -> None:
        """End the thread; nothing is made any more when this returns.

        A search for garbage may call it, which any thread makes, this one too: then what it is at is the last.
        """
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._interrupt()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _make(self) -> None:
        try:
            for item in self._items:
                with self._changed:
                    self._ready.append(item)
                    self._changed.notify_all()
                    while len(self._ready) >= self._depth and not self._is_closed:
                        self._changed.wait()
                    if self._is_closed:
                        return
        except BaseException as error:
            self._raised = error
        finally:
            with self._changed:
                self._is_over = True
                self._changed.notify_all()
