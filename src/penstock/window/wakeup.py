"""Wake-ups across processes: a SOCK_SEQPACKET socket in the window's folder, with polling as its fallback.

A message says only "look again": ``c`` that a cursor moved, ``s`` that a session is asked for, ``r`` that a slot is
ready. The truth is in the mapped files, so a lost message costs a poll interval and never correctness. The
socket's path goes through ``/proc/self/fd``: AF_UNIX paths end at 108 bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from penstock.window.folder import SOCKET

__all__ = ["Bell", "Listener"]

FALLBACK_POLL_SECONDS = (0.001, 0.02)
CONNECTED_POLL_SECONDS = 0.25
POLLS_A_STEP = 16
"""Polls after which the pause between two grows by the shortest one."""
_CURSOR, _SESSION, _READY = b"c", b"s", b"r"

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def _short_path(folder: Path) -> Iterator[str]:
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}/{SOCKET}"
    finally:
        os.close(handle)


def _is_socket(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return stat.S_ISSOCK(path.lstat().st_mode)
    return False


class Bell:
    """The prefetcher's side: rings all readers, and is woken by any of them.

    Attributes:
        changed: set when a cursor moved, or a fill ended.
        asked: set when a session is asked for.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._clients: set[socket.socket] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: socket.socket | None = None
        self._ringing: asyncio.Handle | None = None
        self.changed = asyncio.Event()
        self.asked = asyncio.Event()

    async def start(self) -> None:
        """Listen; where the volume takes no sockets, readers and prefetcher poll instead."""
        path = self._folder / SOCKET
        server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        server.setblocking(False)
        try:
            if _is_socket(path):
                path.unlink()  # of one that was killed; whatever else has that name stays
            with _short_path(self._folder) as short:
                server.bind(short)
            path.chmod(0o660)
            server.listen(64)
        except OSError as error:
            server.close()
            _log.warning("window.no_socket error=%s", error)
            return
        self._server = server
        self._spawn(self._accept(server))

    def ring(self) -> None:
        """Wake every reader once the event loop has done what it is about to do: many slots, one wake-up."""
        if self._ringing is None:
            self._ringing = asyncio.get_running_loop().call_soon(self._ring_all)

    def _ring_all(self) -> None:
        """A reader whose queue is full has wake-ups waiting already."""
        self._ringing = None
        for client in list(self._clients):
            try:
                client.send(_READY)
            except BlockingIOError:
                continue
            except OSError:
                # Only ``_listen`` closes it: a socket that is closed under a pending read confuses the event loop.
                self._clients.discard(client)
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)

    async def wait(self) -> None:
        """Wait until a reader rings, or for the poll interval."""
        timeout = CONNECTED_POLL_SECONDS if self._clients else FALLBACK_POLL_SECONDS[1]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self.changed.wait()
        self.changed.clear()

    async def close(self) -> None:
        """Stop listening and let go of all readers."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._ringing is not None:
            self._ringing.cancel()
            self._ring_all()
        for client in list(self._clients):
            self._drop(client)
        if self._server is not None:
            self._server.close()
            with contextlib.suppress(OSError):  # where the folder is another's, this is not what went wrong
                (self._folder / SOCKET).unlink()

    def _spawn(self, work: object) -> None:
        assert asyncio.iscoroutine(work)
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, server: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(server)
            except OSError as error:
                # Nobody can connect any more, so that readers poll instead.
                _log.warning("window.no_socket error=%s", error)
                server.close()
                return
            client.setblocking(False)
            self._clients.add(client)
            # What happened between its connecting and this rang no bell at it.
            with contextlib.suppress(OSError):
                client.send(_READY)
            self._spawn(self._listen(client))

    async def _listen(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            while message := await loop.sock_recv(client, 64):
                (self.asked if message == _SESSION else self.changed).set()
        except OSError as error:
            _log.debug("window.reader_gone error=%s", error)
        self._drop(client)

    def _drop(self, client: socket.socket) -> None:
        self._clients.discard(client)
        client.close()


class Listener:
    """A reader's side: rings the prefetcher, and waits for it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket: socket.socket | None = None
        self._polls = 0

    def ring(self, *, session: bool = False) -> None:
        """Wake the prefetcher: a cursor moved, or a session is asked for."""
        if self._socket is not None or self._connect():
            assert self._socket is not None
            try:
                self._socket.send(_SESSION if session else _CURSOR, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                self.close()

    def wait(self) -> None:
        """Wait for a wake-up, or for the poll interval."""
        if self._socket is None and self._connect():
            # What happened before the connection rang no bell here: look again at once.
            return
        if self._socket is None:
            low, high = FALLBACK_POLL_SECONDS
            time.sleep(min(high, low * (1 + self._polls // POLLS_A_STEP)))
            self._polls += 1
            return
        self._polls = 0
        events = select.poll()  # not select, which knows no file above number 1,023
        events.register(self._socket, select.POLLIN)
        ready = events.poll(1000 * CONNECTED_POLL_SECONDS)
        try:
            while ready and self._socket.recv(64, socket.MSG_DONTWAIT):
                pass
            if ready:
                self.close()
        except BlockingIOError:
            return
        except OSError:
            self.close()

    def close(self) -> None:
        """Let go of the prefetcher."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self) -> bool:
        client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # A connection that does not come about at once is as good as none.
        client.setblocking(False)
        try:
            with _short_path(self._folder) as short:
                client.connect(short)
        except OSError:
            client.close()
            return False
        self._socket = client
        return True
