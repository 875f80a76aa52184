"""Extents that ranks of a node share: the first that comes to one decodes it, and gives the others what is theirs.

Ranks are given equally many samples, so where extents differ in size a share ends within one, however they are dealt.
The first rank binds a socket of the extent's name and session, which only one can, decodes, and serves the others'
values from a thread; whoever finds the name taken waits for them. The socket is of Linux's abstract namespace
(unix(7)): it lies in no folder, and is gone with its process. Where a value cannot be handed on (it cannot be pickled,
its rank is lost, ranks see no common namespace), each decodes for itself: the same samples, that often.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pickle
import socket
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.clock import running_seconds

__all__ = ["NodeRanks", "packed", "unpacked"]

_LENGTH = struct.Struct("<q")
"""Bytes of an answer, -1 where there is none."""
_RANK = struct.Struct("<q")
_CREDENTIALS = struct.Struct("3i")
"""Of SO_PEERCRED: process, user and group."""
_AGAIN_SECONDS = 0.02
TAKEN_UP_SECONDS = 5.0
"""How long a name may be bound with nobody behind it, before it is done without."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeRanks:
    """The ranks that share a window, as one of them sees them.

    Attributes:
        session: of the window, the same for all of them and for no other.
        rank: of this process, of all in the world.
        ranks: of the node, of all in the world.
        timeout_seconds: for which another rank is waited for.
    """

    session: str
    rank: int
    ranks: range
    timeout_seconds: float

    def others(
        self, wanted: Callable[[int], Mapping[int, NDArray[np.int64]]]
    ) -> dict[int, dict[int, NDArray[np.int64]]]:
        """Give, by extent, what other ranks of the node want of it.

        Args:
            wanted: gives a rank's samples by extent.
        """
        found: dict[int, dict[int, NDArray[np.int64]]] = {}
        for other in self.ranks:
            if other != self.rank:
                for extent, numbers in wanted(other).items():
                    found.setdefault(extent, {})[other] = numbers
        return found

    def serve_or_take(self, extent: int) -> socket.socket | bytes | None:
        """Return what another rank made for this one, a socket to serve what this one will make, or None."""
        name = f"\0penstock/{self.session}/{extent}"
        given_up = running_seconds() + TAKEN_UP_SECONDS
        while running_seconds() < given_up:
            bound = _bind(name)
            if isinstance(bound, socket.socket):
                return bound
            if not bound:
                return None
            taken = self._take(name)
            if taken is not None:
                return taken or None
            threading.Event().wait(_AGAIN_SECONDS)  # between another's bind and listen, or it was just lost
        return None

    def serve(self, listening: socket.socket, answers: Mapping[int, bytes]) -> None:
        """Return each other rank its answer when it asks for it, in a thread of its own; empty is none."""
        listening.settimeout(self.timeout_seconds)
        threading.Thread(target=_serve, args=(listening, dict(answers)), name="penstock-decoded-0", daemon=True).start()

    def _take(self, name: str) -> bytes | None:
        """Ask for this rank's part; empty where there is none to be had, None where nobody answers."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.settimeout(self.timeout_seconds)
            try:
                asking.connect(name)
            except (ConnectionRefusedError, BlockingIOError):
                return None
            except OSError:
                return b""
            try:
                if _user_of(asking) != os.geteuid():
                    return b""
                asking.sendall(_RANK.pack(self.rank))
                (length,) = _LENGTH.unpack(_received(asking, _LENGTH.size))
                return _received(asking, length) if length > 0 else b""
            except (OSError, EOFError):
                return b""


def packed(about: Any, values: Sequence[Any]) -> bytes:
    """Return an extent's description and values as bytes; empty where they cannot be."""
    try:
        return pickle.dumps((about, list(values)), pickle.HIGHEST_PROTOCOL)
    except Exception:
        return b""


def unpacked(data: bytes) -> tuple[Any, list[Any]]:
    """Return what another rank of this user packed."""
    about, values = pickle.loads(data)  # noqa: S301
    return about, values


def _bind(name: str) -> socket.socket | bool:
    """Return a listening socket, True where another one has the name, False where there are no such names."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(name)
        listening.listen()
    except (OSError, ValueError) as error:
        listening.close()
        return isinstance(error, OSError) and error.errno == errno.EADDRINUSE
    return listening


def _serve(listening: socket.socket, answers: dict[int, bytes]) -> None:
    with listening:
        while answers:
            try:
                asked, _ = listening.accept()
            except OSError:  # nobody came within the timeout
                return
            with asked, contextlib.suppress(OSError, EOFError):
                asked.settimeout(listening.gettimeout())
                if _user_of(asked) == os.geteuid():
                    (rank,) = _RANK.unpack(_received(asked, _RANK.size))
                    answer = answers.pop(rank, b"")
                    asked.sendall(_LENGTH.pack(len(answer)))
                    asked.sendall(answer)


def _user_of(connected: socket.socket) -> int:
    """Return the user of the process at the other end."""
    told = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(told)[1])


def _received(connected: socket.socket, length: int) -> bytes:
    """Receive so many bytes.

    Raises:
        EOFError: there are no more.
    """
    found = bytearray(length)
    view = memoryview(found)
    while len(view):
        size = connected.recv_into(view)
        if not size:
            raise EOFError
        view = view[size:]
    return bytes(found)
