"""Meters in files, which outlive the process that counts in them.

A file is mapped, and a count is a word of it: what was counted is in the kernel's hands at once, and a SIGKILL takes
nothing of it back. A file belongs to an *owner*: the step of a run that the requests are for, the same in each of its
attempts. One process writes to a file at a time, which its lock tells; the next attempt goes on in it, so that there
are as many files as processes that counted for one owner at the same time. Each has an id, drawn when it was made:
whoever adds files up, or carries what they held to another place, counts each id once.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import mmap
import os
import struct
import uuid
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from penstock import locks
from penstock.errors import NotOurs, map_os_error
from penstock.files import open_regular
from penstock.records import Meters
from penstock.sources.meter import NUM_WORDS, RequestMeter

__all__ = [
    "METER_PREFIX",
    "MeterFile",
    "read_meter_files",
    "read_spent",
    "sum_meters",
    "sweep_meter_files",
    "take_later",
]

METER_PREFIX = "meter-"
MAX_OTHERS = 8
"""Files of other owners that are left in a folder that owners share."""
FILE_MODE = 0o660

_MAGIC = b"PENMETR1"
_HEAD = struct.Struct("<8s32s64s24x")
_SIZE = _HEAD.size + 8 * NUM_WORDS

_log = logging.getLogger(__name__)


class MeterFile:
    """A meter that counts in a file, or in memory alone where no file can be had.

    Attributes:
        id: of the file.
        meter: counts.
    """

    def __init__(self, identity: str, meter: RequestMeter, handle: int | None) -> None:
        self.id = identity
        self.meter = meter
        self._handle = handle

    @classmethod
    def open(cls, folder: Path | None, owner: str, *, is_own: bool = False) -> Self:
        """Go on with a file of the owner's that nobody writes to, or make one; what was spent is told anew in it.

        Args:
            folder: None counts in memory alone.
            owner: of any length.
            is_own: it ends with this process: forked ones, which may outlive it, neither hold nor count in it.
        """
        found = cls._open(folder, owner)
        found.meter.tell_spent(0.0, 0.0)
        if is_own:
            _OWN.add(found)
        return found

    @classmethod
    def _open(cls, folder: Path | None, owner: str) -> Self:
        if folder is None:
            return cls(uuid.uuid4().hex, RequestMeter(), None)
        try:
            for path in _paths(folder, owner):
                if not path.is_file() or path.is_symlink():
                    continue
                handle = open_regular(path, os.O_RDWR)
                found = _identity(handle, owner) if locks.take(handle) else None
                if found is not None:
                    return cls(found, RequestMeter(_map(handle)), handle)
                os.close(handle)
            return cls(*_make(folder, owner))
        except OSError as error:
            _log.warning("meter.in_memory folder=%s reason=%s", folder, map_os_error(error, str(folder)))
            return cls(uuid.uuid4().hex, RequestMeter(), None)

    def read(self) -> dict[str, Meters]:
        """Return the counts by id."""
        return {self.id: self.meter.read()}

    def close(self) -> None:
        """Let go of the file; counts go to memory from here on."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            os.close(handle)

    def leave_to_parent(self) -> None:
        """Let go of the file in a forked process, its map too; what is counted here goes nowhere."""
        words, self.meter.words = self.meter.words, RequestMeter().words
        words.release()
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_OWN: weakref.WeakSet[MeterFile] = weakref.WeakSet()
"""Files that end with this process."""


def _leave_all_to_parent() -> None:
    for each in list(_OWN):
        each.leave_to_parent()
    _OWN.clear()


os.register_at_fork(after_in_child=_leave_all_to_parent)


def read_meter_files(folder: Path | None, owner: str | None = None) -> dict[str, Meters]:
    """Return what the files of an owner (None: of all) in a folder hold, by id; nothing where there are none."""
    found: dict[str, Meters] = {}
    for path in _paths(folder, owner) if folder is not None else ():
        with contextlib.suppress(OSError, ValueError, NotOurs):
            handle = open_regular(path, os.O_RDONLY)
            try:
                identity = _identity(handle, owner)
                if identity is not None:
                    found[identity] = RequestMeter(_copy(handle)).read()
            finally:
                os.close(handle)
    return found


def read_spent(folder: Path) -> tuple[float, float] | None:
    """Return the dollars that a run spent, and spends by the hour, which counts in a folder now; None without one."""
    for path in _paths(folder, None):
        with contextlib.suppress(OSError, ValueError, NotOurs):
            if not locks.is_held(path):
                continue
            handle = open_regular(path, os.O_RDONLY)
            try:
                spent = RequestMeter(_copy(handle)).spent if _identity(handle, None) is not None else None
            finally:
                os.close(handle)
            if spent is not None:
                return spent
    return None


def sum_meters(attempts: Mapping[str, Meters]) -> Meters:
    """Add up what was counted under different ids."""
    total = Meters()
    for meters in attempts.values():
        total = total.plus(meters)
    return total


def take_later(*seen: Mapping[str, Meters]) -> dict[str, Meters]:
    """Join what was seen of the same ids at different times: counts only go up, so the larger are the later ones."""
    found: dict[str, Meters] = {}
    for each in seen:
        for identity, meters in each.items():
            before = found.get(identity)
            if before is None or before.count().sent <= meters.count().sent:
                found[identity] = meters
    return found


def sweep_meter_files(folder: Path, *, keep: str) -> None:
    """Remove the oldest files of other owners that nobody writes to, all but a few."""
    others = sorted(
        (path for path in _paths(folder, None) if not path.name.startswith(_prefix(keep))),
        key=lambda path: path.stat().st_mtime,
    )
    for path in others[: max(0, len(others) - MAX_OTHERS)]:
        with contextlib.suppress(OSError):
            if _is_meter(path) and not locks.is_held(path):
                path.unlink()


def _is_meter(path: Path) -> bool:
    with contextlib.suppress(OSError, NotOurs):
        handle = open_regular(path, os.O_RDONLY)
        try:
            return _identity(handle, None) is not None
        finally:
            os.close(handle)
    return False


def _prefix(owner: str) -> str:
    return f"{METER_PREFIX}{hashlib.sha256(owner.encode()).hexdigest()[:16]}-"


def _paths(folder: Path, owner: str | None) -> Iterator[Path]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        prefix = METER_PREFIX if owner is None else _prefix(owner)
        yield from sorted(path for path in folder.iterdir() if path.name.startswith(prefix))


def _identity(handle: int, owner: str | None) -> str | None:
    """Return the id of a file; None where it is not of this owner, or is no whole one."""
    if os.fstat(handle).st_size != _SIZE:
        return None
    magic, identity, owned_by = _HEAD.unpack(os.pread(handle, _HEAD.size, 0))
    if magic != _MAGIC or (owner is not None and owned_by != _owner_hash(owner)):
        return None
    return str(identity.decode("ascii", "replace"))


def _owner_hash(owner: str) -> bytes:
    return hashlib.sha256(owner.encode()).hexdigest().encode()


def _make(folder: Path, owner: str) -> tuple[str, RequestMeter, int]:
    # Not those above it: a child that outlives its parent would make anew what was cleared away behind it.
    folder.mkdir(exist_ok=True)
    identity = uuid.uuid4().hex
    path = folder / f"{_prefix(owner)}{identity[:8]}"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, FILE_MODE)
    try:
        locks.take(handle)
        os.fchmod(handle, FILE_MODE)  # whatever the umask
        os.posix_fallocate(handle, 0, _SIZE)  # a hole is a SIGBUS on a full disk
        os.pwrite(handle, _HEAD.pack(_MAGIC, identity.encode(), _owner_hash(owner)), 0)
        return identity, RequestMeter(_map(handle)), handle
    except BaseException:
        os.close(handle)
        path.unlink(missing_ok=True)
        raise


def _map(handle: int) -> memoryview:
    return memoryview(mmap.mmap(handle, _SIZE, access=mmap.ACCESS_WRITE))[_HEAD.size :].cast("Q")


def _copy(handle: int) -> memoryview:
    """Return the counts as they are now; mapped, a file that is cut short meanwhile would be a SIGBUS."""
    return memoryview(os.pread(handle, 8 * NUM_WORDS, _HEAD.size).ljust(8 * NUM_WORDS, b"\0")).cast("Q")
