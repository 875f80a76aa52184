"""A process whose event loop hangs ends, and says where it hung: whoever started it starts it again."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
from collections.abc import AsyncIterator

__all__ = ["watch_loop"]

_CHECKS = 4


@contextlib.asynccontextmanager
async def watch_loop(hung_seconds: float) -> AsyncIterator[None]:
    """End the process with exit code 1 once the running loop has done nothing for ``hung_seconds``.

    The stacks of all threads go to standard error first. One at a time in a process (faulthandler's own limit).
    """

    async def put_off() -> None:
        while True:
            faulthandler.dump_traceback_later(hung_seconds, exit=True)
            await asyncio.sleep(hung_seconds / _CHECKS)

    task = asyncio.create_task(put_off())
    try:
        yield
    finally:
        task.cancel()
        faulthandler.cancel_dump_traceback_later()
