"""How readers find their session: rank 0 asks for one, the other ranks of the window join it.

Rank 0 writes ``session.json`` under a name that nobody had before. Another rank knows the stream that it wants and
not the name: it waits for a session that agrees with it in everything else, that a living rank 0 reads, and that
it has not been in before, so that it can take neither the session of a job that is dead nor its own last one.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

import msgspec

from penstock.errors import NotOurs, RecordError, WindowError
from penstock.owning import WINDOW_MARK
from penstock.records import StreamSpec, decode_record
from penstock.window.cursor import Cursor
from penstock.window.folder import SESSION, read_small

__all__ = ["SessionFile", "differences", "find_session", "is_left", "sessions_of"]

_LEADER = 0
_OWN_FIELDS = {"session", "manifest", "owner", "most_requests"}
_been_in: defaultdict[tuple[Path, int], set[str]] = defaultdict(set)


def sessions_of(folder: Path, rank: int) -> set[str]:
    """Return the names of the sessions of a window that a rank of this process has joined: rank 0 may still read one.

    Of the process and not of a reader: the next stream on the same window knows nothing of the one before.
    """
    return _been_in[folder.absolute(), rank]


def differences(mine: StreamSpec, other: StreamSpec) -> list[str]:
    """Name the fields in which two ranks do not ask for the same stream."""
    fields = [name for name in mine.__struct_fields__ if name not in _OWN_FIELDS]
    return [name for name in fields if getattr(mine, name) != getattr(other, name)]


def _read(folder: Path) -> StreamSpec | None:
    try:
        return decode_record(read_small(folder / SESSION), StreamSpec)
    except (OSError, RecordError, WindowError, NotOurs):
        return None


def find_session(folder: Path, mine: StreamSpec, *, used: Collection[str]) -> StreamSpec | None:
    """Return the session that a rank may join, or None while there is none.

    Raises:
        WindowError: rank 0 asks for another stream.
    """
    found = _read(folder)
    if found is None or found.session in used:
        return None
    leader = Cursor.open(folder, _LEADER)
    if leader is None or leader.session != found.session or not leader.is_alive():
        return None
    # The lock is looked up by the cursor's name, which a new rank 0 may have taken over in between.
    still = Cursor.open(folder, _LEADER)
    if still is None or still.session != found.session:
        return None
    different = differences(mine, found)
    if different:
        raise WindowError(
            f"the ranks that share the window {folder} ask for different streams ({', '.join(different)})",
            fix="start all of them with the same options and from the same checkpoint",
            about=str(folder),
        )
    return msgspec.structs.replace(mine, session=found.session, owner=found.owner, most_requests=found.most_requests)


def is_left(folder: Path, spec: StreamSpec) -> bool:
    """Tell whether nobody reads a session any more: its readers have ended, or another's cursors are in their place.

    A cursor that is missing tells nothing: its reader may be about to come, or will put it back.
    """
    cursors = [Cursor.open(folder, rank) for rank in range(spec.num_ranks)]
    return all(found is not None and not (found.session == spec.session and found.is_alive()) for found in cursors)


class SessionFile:
    """Watches ``session.json`` for a session that takes the place of one's own."""

    def __init__(self, folder: Path, session: str) -> None:
        self._path = folder / SESSION
        self._session = session
        self._seen: tuple[int, int] | None = None

    def check(self) -> None:
        """Raise if another session is asked for by now.

        Raises:
            WindowError: it is, or the window was given up.
        """
        try:
            stat = os.stat(self._path)  # noqa: PTH116 - twice as fast, and called at every wake-up
            if (seen := (stat.st_ino, stat.st_mtime_ns)) == self._seen:
                return
            found = _read(self._path.parent)
        except FileNotFoundError:
            found = None
        if found is None or found.session != self._session:
            if not (self._path.parent / WINDOW_MARK).exists():
                raise WindowError(
                    f"the window {self._path.parent} was removed while it was read from",
                    fix="run it again; use a window folder that only Penstock writes to",
                    about=str(self._path.parent),
                )
            raise WindowError(
                f"another trainer took over the window {self._path.parent}",
                fix="give each trainer a --window folder of its own",
                about=str(self._path.parent),
            )
        self._seen = seen
