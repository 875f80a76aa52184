"""An event loop in a thread of this process, for what reads while others wait for it or do other things."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Final, TypeVar

__all__ = ["LoopThread"]

T = TypeVar("T")
TURNS: Final = 8
"""Of a loop, in which a task goes on, and another that it made, connects and sends."""


class LoopThread:
    """A thread that runs an event loop, from when it is first asked until it is closed.

    Of this process alone: in one that was forked nothing runs, and another has to be made.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a search for garbage may close it while this thread holds it
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run something; it is cancelled with what is returned, and when this is closed.

        Raises:
            RuntimeError: this is closed.
        """
        with self._lock:
            if self._is_closed:
                work.close()
                raise RuntimeError("the thread that reads was closed")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=_run, args=(self._loop,), name="penstock-reads", daemon=True)
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something, and wait for it; an interrupt of the wait cancels it."""
        running = self.submit(work)
        try:
            return running.result()
        except BaseException:
            running.cancel()
            raise

    def give_way(self) -> None:
        """Wait until what can go on has asked for what it needs next, on connections that may have to be opened."""
        self.run(_take_turns())

    def close(self, last: Callable[[], None] = lambda: None) -> None:
        """End it, and wait for that; what runs is cancelled.

        It may be called by whoever finds that nobody refers to it any more: a search for garbage is made by any thread,
        also by this one in the midst of anything, where nothing of it can be waited for.

        Args:
            last: called in it before that, once.
        """
        with self._lock:
            was_closed, self._is_closed = self._is_closed, True
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(last)
            loop.call_soon_threadsafe(loop.stop)
            if thread is not threading.current_thread():
                thread.join()
        elif not was_closed:
            last()


async def _take_turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
