"""A real FTP server (pyftpdlib) of a folder, in a thread; it may cut transfers off."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

__all__ = ["PASSWORD", "USER", "Ftp", "serve_ftp"]

USER, PASSWORD = "reader", "hunter2-of-the-test"


@dataclass(kw_only=True)
class Ftp:
    """The server's state.

    Attributes:
        every: of how many transfers one fails, 0 for none.
        num_faults: so far.
        num_resets: of them that nobody counts: none.
        num_transfers: of files.
    """

    uri: str = ""
    folder: Path
    every: int = 0
    num_transfers: int = 0
    num_faults: int = 0
    num_resets: int = 0


@contextlib.contextmanager
def serve_ftp(folder: Path) -> Iterator[Ftp]:
    """Serve until left."""
    state = Ftp(folder=folder)
    authorizer = DummyAuthorizer()
    authorizer.add_user(USER, PASSWORD, str(folder))

    class Handler(FTPHandler):  # type: ignore[misc]
        def ftp_RETR(self, file: str) -> Any:  # noqa: N802 - its name
            state.num_transfers += 1
            if state.every and state.num_transfers % state.every == 0:
                state.num_faults += 1
                if state.num_faults % 2:
                    self.respond("426 Connection closed; transfer aborted.")
                else:
                    self.close()
                return None
            return super().ftp_RETR(file)

    Handler.authorizer = authorizer
    Handler.auth_failed_timeout = 0
    server = FTPServer(("127.0.0.1", 0), Handler)
    state.uri = f"ftp://127.0.0.1:{server.socket.getsockname()[1]}"
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            server.ioloop.loop(0.02, blocking=False)

    thread = threading.Thread(target=serve, name="ftp-server", daemon=True)
    thread.start()
    try:
        yield state
    finally:
        stop.set()
        thread.join()
        server.close_all()
