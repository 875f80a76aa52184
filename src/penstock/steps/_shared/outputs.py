"""Where a step's outputs are to lie, looked at before it begins."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from penstock.errors import ConfigError, OutputError
from penstock.files import refuse_not_plain
from penstock.sources import RequestMeter, find_scheme, open_blobs

__all__ = ["alone_in", "check_outputs", "check_writable"]

LEFT_SECONDS = 5.0


def check_outputs(*paths: Path | None, inputs: Sequence[Path | None] = ()) -> None:
    """Look whether files can be written where they are to lie; folders that lack are made.

    Args:
        paths: of the outputs; None is one that is not wanted.
        inputs: files that the step reads.

    Raises:
        ConfigError: two outputs are to lie at one path, or one where an input lies.
        PenstockError: one cannot be written.
    """
    wanted = [path for path in paths if path is not None]
    taken = {os.path.realpath(path) for path in inputs if path is not None}
    for path in wanted:
        refuse_not_plain(path)
        place = os.path.realpath(path)
        if place in taken:
            raise ConfigError(
                f"{path} is given for an output and for another file too",
                fix="give each output a file of its own",
                about=str(path),
            )
        taken.add(place)
    for folder in dict.fromkeys(path.absolute().parent for path in wanted):
        check_writable(str(folder))


def check_writable(place: str, *, endpoint_url: str | None = None, meter: RequestMeter | None = None) -> None:
    """Write a thing to a folder or a place in a store and remove it again.

    Raises:
        PenstockError: it cannot be written or removed.
    """
    blobs = open_blobs(place, endpoint_url=endpoint_url, meter=meter, purpose="probe")
    name = f"probe-{uuid.uuid4().hex[:12]}"
    blobs.write(name, b"penstock looked whether it may write here\n")
    blobs.delete(name)


@contextlib.contextmanager
def alone_in(place: str, *, what: str) -> Iterator[None]:
    """Have a local folder for this process; the kernel lets go of it when it ends, and nothing is left in the folder.

    A place in a bucket cannot be had like that, nor a folder of a file system that locks no folders (NFS).

    Args:
        what: is done there, like "saves checkpoints to".

    Raises:
        OutputError: another process has it.
    """
    folder = find_scheme(place).folder(place)
    if folder is None or not folder.is_dir():
        yield
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Workers of one that was killed hold it a moment longer.
        deadline = time.monotonic() + LEFT_SECONDS
        while not _has_locked(handle):
            if time.monotonic() > deadline:
                raise OutputError(
                    f"another job {what} {place}", fix="wait for its end, or choose another folder", about=place
                )
            time.sleep(0.1)
        yield
    finally:
        os.close(handle)


def _has_locked(handle: int) -> bool:
    """Lock a folder; False where another has it. One that cannot be locked is anybody's."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
