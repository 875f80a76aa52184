"""How the ranks of a node find the window of the first of them: a file that it holds a lock on while it serves them.

Its name is the job's, so that all ranks know it; it lies in the folder for temporary files, is this user's alone, and
is never reached through a link. What it says counts only while it is held: what a dead job left says nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from penstock import locks
from penstock.errors import PenstockError, RankLost, WindowError, error_from_fields, map_os_error
from penstock.plan.ranks import Ranks

__all__ = ["Rendezvous", "Serving", "rendezvous_of", "wait_for_serving"]

_JOB: tuple[str, ...] = ("MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT")
_JOB += ("SLURM_JOB_ID", "SLURM_STEP_ID", "PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid")
"""Variables of launchers that tell one job from another."""
_PAUSES_SECONDS = (0.01, 0.2)


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """What the first rank of a node tells the others.

    Attributes:
        window: folder of the window; empty until the source is listed.
        meters: folder of the files that requests are counted in.
        goes_on: whether the listing is followed part by part.
        error: class, text, advice and object of what it failed with.
    """

    window: str = ""
    manifest: str = ""
    plan: str = ""
    meters: str = ""
    goes_on: bool = False
    error: tuple[str, str, str, str | None] | None = None


def rendezvous_of(ranks: Ranks, token: str, *, environ: Mapping[str, str], options: str, number: int) -> Path:
    """Name the file by which the ranks of this node find each other.

    Args:
        token: what they know one another by, where it is not the launcher's variables.
        options: what they must have in common.
        number: of streams with the same options that this process shared before.
    """
    job = token or " ".join(environ.get(name, "") for name in _JOB)
    first = ranks.rank - ranks.local_rank
    text = f"{job}\n{first} {ranks.local_world_size} {ranks.world_size}\n{options}\n{number}"
    name = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:24]
    return Path(tempfile.gettempdir()) / f"{_prefix()}{name}"


def _prefix() -> str:
    return f"penstock-ranks-{os.geteuid()}-"


class Rendezvous:
    """The file of the first rank.

    Raises:
        WindowError: another process serves ranks by the same name.
    """

    def __init__(self, path: Path) -> None:
        if locks.is_held(path):
            raise WindowError(
                f"another process serves the ranks of the same job from this node ({path})",
                fix="start each job with a MASTER_PORT of its own, or give rank=, world_size= and local_rank= rightly",
                about=str(path),
            )
        _sweep(path.parent)
        self._path = path
        self._handle = -1
        self._pid = os.getpid()
        self.tell(Serving())

    def tell(self, serving: Serving) -> None:
        """Say something new; whoever looks sees this or what was said before."""
        try:
            handle, name = tempfile.mkstemp(prefix=".penstock-ranks-", dir=self._path.parent)
            os.write(handle, msgspec.json.encode(serving))
            locks.take(handle)
            os.replace(name, self._path)  # noqa: PTH105 - the handle stays open
        except OSError as error:
            raise map_os_error(error, str(self._path)) from error
        before, self._handle = self._handle, handle
        if before >= 0:
            os.close(before)

    def close(self) -> None:
        """Serve no more; in a forked process, only let go."""
        if self._handle < 0:
            return
        with contextlib.suppress(OSError):
            if os.getpid() == self._pid and os.path.samestat(os.fstat(self._handle), self._path.lstat()):
                self._path.unlink()
        os.close(self._handle)
        self._handle = -1


def wait_for_serving(path: Path, *, timeout_seconds: float) -> Serving:
    """Return what the first rank of this node serves; while it lists, that is waited for however long it takes.

    Raises:
        RankLost: it did not come within the timeout, or it ended.
        PenstockError: what it failed with.
    """
    deadline = time.monotonic() + timeout_seconds
    pause_seconds, longest_seconds = _PAUSES_SECONDS
    has_begun = False
    while True:
        serving = _read(path)
        if serving is not None:
            has_begun = True
            if serving.error is not None:
                raise _error_of(serving.error)
            if serving.window:
                return serving
        elif has_begun or time.monotonic() > deadline:
            did = "ended before its Stream was open" if has_begun else "opened no such Stream"
            raise RankLost(
                f"the first rank of this node {did}, within {timeout_seconds:.0f} s",
                fix="see its own error; open the Stream on all ranks, with the same arguments",
                about=str(path),
            )
        time.sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, longest_seconds)


def _error_of(fields: tuple[str, str, str, str | None]) -> PenstockError:
    name, what, fix, about = fields
    return error_from_fields(name, what, fix, about)


def _read(path: Path) -> Serving | None:
    """Return what is said, None where nobody says anything."""
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            found = os.fstat(handle)
            if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and locks.is_taken(handle):
                return msgspec.json.decode(os.read(handle, 65_536), type=Serving)
        finally:
            os.close(handle)
    return None


def _sweep(folder: Path) -> None:
    """Remove what dead jobs left."""
    for path in folder.glob(f"{_prefix()}*"):
        with contextlib.suppress(OSError):
            handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                found = os.fstat(handle)
                is_ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
                if is_ours and locks.take(handle) and os.path.samestat(found, path.lstat()):
                    path.unlink()
            finally:
                os.close(handle)
