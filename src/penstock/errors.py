"""The error tree: every failure a user can meet, with the exit code its process ends with.

A message says what was wrong, with the value, then what to do. Codes go by family, so that a retry
rule can tell them apart: 2 usage, 3 and 2x source, 3x data, 4 and 4x window, 5x output, 6x checkpoint,
7x records and interruption, 8x clusters. A class whose ``retryable`` is true may succeed when it is simply run again.
"""

from __future__ import annotations

import errno
from typing import ClassVar

from penstock.secrets import redact
from penstock.texts import printable

__all__ = [
    "AccessDenied",
    "BucketNotFound",
    "BudgetSpent",
    "CheckpointCorrupt",
    "CheckpointError",
    "CheckpointMismatch",
    "ChecksumMismatch",
    "ClusterError",
    "ConfigError",
    "DataError",
    "DiskFull",
    "EmptyListing",
    "HeaderMismatch",
    "Interrupted",
    "MissingLabel",
    "NoResponses",
    "NotOurs",
    "NotReady",
    "ObjectNotFound",
    "ObjectUnreadable",
    "OutputError",
    "OutputUnwritable",
    "PenstockError",
    "PrefetcherLost",
    "ProcessLost",
    "RankLost",
    "RecordError",
    "SourceChanged",
    "SourceError",
    "SourceUnavailable",
    "StreamMisused",
    "TimeSpent",
    "TrainingDiverged",
    "TruncatedObject",
    "WindowError",
    "WindowTooSmall",
    "error_from_fields",
    "map_os_error",
]


class PenstockError(Exception):
    """Base of all errors that a user can meet. What it says holds no secret and nothing that steers a terminal.

    Args:
        what: what was wrong, with the value.
        fix: what the user can do about it.
        about: the object, sample or file that it is about, if there is one.
    """

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False
    skippable: ClassVar[bool] = False
    """Whether it is one sample's own, so that the others may be used without it where skipping was asked for."""

    def __init__(self, what: str, *, fix: str, about: str | None = None) -> None:
        what, fix = (printable(redact(text), lines=True) for text in (what, fix))
        super().__init__(what)
        self.what = what
        self.fix = fix
        self.about = about

    def name(self, about: str) -> None:
        """Say what it is about where it does not say so yet: decoders of bytes do not know whose they are."""
        if self.about is None and about not in self.what:
            self.what = f"{printable(redact(about), lines=True)}: {self.what}"
            self.args = (self.what,)
        self.about = self.about or about

    def __str__(self) -> str:
        if not self.fix:
            return self.what
        told = f"{self.what}: {self.fix}"
        # Behind the name of a secret and a colon, the first word of the advice would be taken for its value.
        return told if redact(told) == told else f"{self.what}; {self.fix}"

    def __reduce__(self) -> tuple[object, ...]:
        return error_from_fields, (type(self).__name__, self.what, self.fix, self.about)


class ConfigError(PenstockError):
    """An option, or a combination of options, that cannot be honoured."""

    exit_code = 2


class SourceError(PenstockError):
    """The dataset's bytes could not be had from where they lie, and asking again will not help."""

    exit_code = 25


class SourceUnavailable(SourceError):
    """The source did not answer, or answered with a server error, until retries were spent."""

    exit_code = 3
    retryable = True


class BucketNotFound(SourceError):
    """The bucket or the local folder does not exist."""

    exit_code = 20


class AccessDenied(SourceError):
    """Credentials are missing, expired or lack a permission."""

    exit_code = 21


class EmptyListing(SourceError):
    """Nothing lies under the prefix that was asked for."""

    exit_code = 22


class SourceChanged(SourceError):
    """An object changed (ETag or size) after the manifest was made."""

    exit_code = 23


class ObjectNotFound(SourceError):
    """A single object that should be there is not."""

    exit_code = 24
    skippable = True


class ObjectUnreadable(AccessDenied):
    """A single object that may not be read, is archived, or is encrypted with a key that may not be used."""

    exit_code = 26
    skippable = True


class DataError(PenstockError):
    """The bytes arrived but do not mean what they should."""

    exit_code = 30
    skippable = True


class TruncatedObject(DataError):
    """An object ends before its own header says it should."""

    exit_code = 31


class HeaderMismatch(DataError):
    """A header contradicts itself or the object that it heads."""

    exit_code = 32


class NoResponses(DataError):
    """Events lack the responses (or stimuli) that samples are made from."""

    exit_code = 33


class MissingLabel(DataError):
    """No subject, or too few subjects, have the label that the task learns."""

    exit_code = 34


class ChecksumMismatch(DataError):
    """Bytes in the window do not match the checksum they were stored with."""

    exit_code = 35


class WindowError(PenstockError):
    """The window cannot be used."""

    exit_code = 40


class WindowTooSmall(WindowError):
    """The window's bound cannot hold what one step needs at once."""

    exit_code = 4


class PrefetcherLost(WindowError):
    """The prefetcher showed no sign of life for longer than the timeout."""

    exit_code = 41
    retryable = True


class ProcessLost(PenstockError):
    """A process that this one started, such as a loading worker, was killed or ended without a word."""

    exit_code = 42
    retryable = True


class RankLost(WindowError):
    """Another rank that reads through the same window ended, or stopped reading, and this one cannot go on."""

    exit_code = 43
    retryable = True


class StreamMisused(ConfigError):
    """A stream is used where it cannot be: after a fork, in a loading worker, by two threads, closed, shared twice."""

    exit_code = 44

    def __init__(self, what: str, *, fix: str = "", about: str | None = None) -> None:
        # torch makes an error that comes from a worker again of its text alone.
        super().__init__(what, fix=fix, about=about)


class OutputError(PenstockError):
    """A result could not be written."""

    exit_code = 50


class DiskFull(OutputError):
    """No space was left on the device."""

    exit_code = 51


class OutputUnwritable(OutputError):
    """The output folder or file cannot be written to."""

    exit_code = 52


class NotOurs(OutputError):
    """A folder or a file that was to be written to is somebody else's; it was left as it is."""

    exit_code = 53


class CheckpointError(PenstockError):
    """A checkpoint could not be used."""

    exit_code = 60


class CheckpointCorrupt(CheckpointError):
    """A checkpoint's bytes are damaged."""

    exit_code = 61


class CheckpointMismatch(CheckpointError):
    """A checkpoint belongs to another model, task, plan or run configuration."""

    exit_code = 62


class TrainingDiverged(PenstockError):
    """The loss is no longer a finite number."""

    exit_code = 65


class RecordError(PenstockError):
    """A record is of an unknown version, has unknown fields, or is not a record at all."""

    exit_code = 70


class ClusterError(PenstockError):
    """A cluster could not be asked, or did not do what it was asked for."""

    exit_code = 80


class NotReady(PenstockError):
    """A machine or a cluster lacks something that training there needs."""

    exit_code = 81


class Interrupted(PenstockError):
    """Stopped by SIGTERM after saving: run the same command again to go on (EX_TEMPFAIL of sysexits.h)."""

    exit_code = 75
    retryable = True


class TimeSpent(Interrupted):
    """Stopped after the hours that a training was given, with all saved: it goes on with more."""

    exit_code = 76
    retryable = False


class BudgetSpent(Interrupted):
    """Stopped before it went over the dollars or the requests that a run was given: it goes on with more."""

    exit_code = 77
    retryable = False


def _subclasses(cls: type[PenstockError]) -> dict[str, type[PenstockError]]:
    found = {cls.__name__: cls}
    for child in cls.__subclasses__():
        found |= _subclasses(child)
    return found


def error_from_fields(name: str, what: str, fix: str, about: str | None) -> PenstockError:
    """Rebuild an error that crossed a process as its class name and fields; unknown names give the base."""
    return _subclasses(PenstockError).get(name, PenstockError)(what, fix=fix, about=about)


def map_os_error(error: OSError, path: str) -> PenstockError:
    """Return the error of the tree that an ``OSError`` on writing ``path`` stands for."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"no space is left for {path}", fix="free some space or choose another folder", about=path)
    if error.errno == errno.EFBIG:  # the file system's own bound, or that of `ulimit -f`
        what = f"no file may be as large there as {path}"
        return DiskFull(what, fix="ask for less or choose another folder", about=path)
    return OutputUnwritable(
        f"cannot write {path} ({error.strerror or error})",
        fix="choose a folder that exists and that this user may write to",
        about=path,
    )
