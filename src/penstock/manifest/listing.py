"""A listing that goes on, as the folder of its parts tells of it: what is there, and whether more is to come.

``FILE.parts`` lies beside a manifest FILE: parts ``00000.parquet`` with their plans ``00000.json``, ``listing.json``,
which names those that are whole, and ``lock``. The writer holds bytes of ``lock`` for as long as it lives, however it
ends: one that it is at work, and one for each part that is not there yet. So whoever waits for a part sleeps in the
kernel, and is woken when it is there or when it never will be. They are open file description locks (``fcntl(2)``),
which volumes that containers share, or nodes over NFS, have too.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from penstock import locks
from penstock.errors import map_os_error
from penstock.files import open_regular
from penstock.owning import holds_others, names_of_others
from penstock.records.codec import Record, read_record, write_record
from penstock.records.failure import FailureRecord
from penstock.temporary import sweep_abandoned

__all__ = ["ListingRecord", "ListingWriter", "is_listing", "parts_folder", "read_listing_record", "wait_for_part"]

RECORD, LOCK = "listing.json", "lock"
SCRATCH = ".penstock-manifest-"
"""Prefix of the folders for what does not fit in memory while a manifest is written."""
_OURS = re.compile(r"lock|listing\.json|\d{5,}\.(parquet|json)|\.(listing|\d{5,})\.\w+\.\w{32}\.tmp")
_ONLY_WRITER, _AT_WORK, _FIRST_PART = 0, 1, 2
"""Bytes of the lock; part n is byte ``_FIRST_PART + n``."""
_TO_THE_END = 0


class ListingRecord(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far a listing is.

    Attributes:
        parts: fingerprints of the manifests of the parts that are there, in order.
        whole: fingerprint of the whole manifest, None before the listing has ended.
        failure: why it failed, if it did.
    """

    kind: ClassVar[str] = "listing"
    version: ClassVar[int] = 1

    parts: tuple[str, ...] = ()
    whole: str | None = None
    failure: FailureRecord | None = None


def parts_folder(manifest: Path) -> Path:
    """Return the folder of a manifest's parts."""
    return manifest.with_name(f"{manifest.name}.parts")


def read_listing_record(folder: Path) -> ListingRecord | None:
    """Return what a parts' folder tells, None where it tells of no listing.

    Raises:
        RecordError: it cannot be read.
    """
    return read_record(folder / RECORD, ListingRecord) if (folder / RECORD).exists() else None


def is_listing(folder: Path) -> bool:
    """Tell whether a writer is at work; what the record tells is then its own."""
    with _opened(folder) as handle:
        if handle is None:
            return False
        return locks.is_taken(handle, _AT_WORK, 1, shared=True)


def wait_for_part(folder: Path, number: int | None) -> None:
    """Wait until a writer has come to a part, 0-based, or to its end (None), or is gone.

    A signal's handler runs at once, and may end the wait by raising.
    """
    byte = _AT_WORK if number is None else _FIRST_PART + number
    with _opened(folder) as handle:
        if handle is not None:
            locks.wait_and_take(handle, byte, 1, shared=True)


class ListingWriter:
    """Tells of a listing as it goes on; a context manager, within which the writer is at work.

    A second writer of the same folder waits for the first one's end. What an earlier one left is not there any more
    when this one is at work.

    Raises:
        NotOurs: from entering it; the folder holds anything but parts of a listing, and was left as it is.
        DiskFull, OutputUnwritable: from any method.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._record = ListingRecord()
        self._handle = -1

    def __enter__(self) -> Self:
        with self._errors(), contextlib.ExitStack() as stack:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._check()
            self._handle = open_regular(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
            stack.callback(self._let_go)
            locks.wait_and_take(self._handle, _ONLY_WRITER, 1)
            locks.wait_and_take(self._handle, _FIRST_PART, _TO_THE_END)
            self._tell(ListingRecord())
            self._clear()
            locks.wait_and_take(self._handle, _AT_WORK, 1)
            stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._let_go()

    def add_part(self, fingerprint: str) -> None:
        """Tell that the next part is there, manifest and plan."""
        number = len(self._record.parts)
        self._tell(ListingRecord(parts=(*self._record.parts, fingerprint)))
        with self._errors():
            locks.let_go(self._handle, _FIRST_PART + number, 1)

    def end(self, fingerprint: str) -> None:
        """Tell that the whole manifest is there, with its plan."""
        self._tell(ListingRecord(parts=self._record.parts, whole=fingerprint))

    def fail(self, failure: FailureRecord) -> None:
        """Tell that no more will come, and why."""
        self._tell(ListingRecord(parts=self._record.parts, failure=failure))

    def _let_go(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _clear(self) -> None:
        """Remove what an earlier writer left, scratch of a killed one included."""
        sweep_abandoned(self.folder, SCRATCH)
        for path in self.folder.iterdir():
            if path.name not in (RECORD, LOCK) and _OURS.fullmatch(path.name):
                path.unlink()

    def _check(self) -> None:
        """Refuse a folder that holds anything but a listing's parts.

        Raises:
            NotOurs: it does; nothing in it was touched.
        """
        found = names_of_others(self.folder)
        others = [name for name in found if not (_OURS.fullmatch(name) or name.startswith(SCRATCH))]
        if others := others or ([] if LOCK in found else found):
            raise holds_others(self.folder, others, "--manifest, beside which the listing's parts go")

    def _tell(self, record: ListingRecord) -> None:
        write_record(self.folder / RECORD, record)
        self._record = record

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise map_os_error(error, str(self.folder)) from error


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int | None]:
    """Open the lock, None where there is none; closing it lets go of what was taken."""
    try:
        handle = open_regular(folder / LOCK, os.O_RDONLY)
    except FileNotFoundError:
        yield None
        return
    try:
        yield handle
    finally:
        os.close(handle)
