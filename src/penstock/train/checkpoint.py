"""Checkpoints: everything a run needs to go on exactly where it was, in a local folder or in S3.

``step-00000120.pt`` holds the bytes and ``latest.json`` names the newest one with its SHA-256; it is
written after them, and old ones are removed after it. So a reader finds the last whole checkpoint whenever
the writer was killed. ``previous.json`` names the one before, ``best.json`` the weights of the best epoch
(``best-00000120.pt``).

A store has no lock that ends with its holder, so who saves looks first whether what is pointed to is what it left
there: of two trainings that save to one place, the one that finds the other's checkpoint ends and touches nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from penstock.errors import CheckpointCorrupt, NotOurs, ObjectNotFound, RecordError
from penstock.records import Saves, decode_record, encode_record
from penstock.records.codec import Record
from penstock.records.telling import kind_of, what_it_is
from penstock.sources import Blobs, RequestMeter, open_blobs
from penstock.train.checkpoint_file import (
    Identity,
    Weights,
    check_identity,
    decode_checkpoint,
    decode_weights,
    encode_checkpoint,
)

__all__ = ["CheckpointRecord", "Checkpoints", "load_weights"]


_FILE = re.compile(r"(step|best)-\d{8,}(-again)?\.pt")
MOST_POINTER_BYTES = 16 << 20
"""Of a file that names a checkpoint: it names some files and the run's options."""
_GIVE = "pass a .pt file that `penstock train` wrote, or its folder of checkpoints"


class CheckpointRecord(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pointer to a checkpoint's file.

    Attributes:
        older: files of earlier checkpoints that may lie beside it, newest first.
    """

    kind: ClassVar[str] = "checkpoint"
    version: ClassVar[int] = 1

    file: str
    sha256: str
    size_bytes: int
    step: int
    epoch: int
    identity: Identity
    older: tuple[str, ...] = ()


class Checkpoints:
    """The checkpoints of one run.

    Args:
        blobs: the folder they lie in.
        keep: how many resumable ones are kept.

    Attributes:
        saves: what writing them has taken so far.
    """

    def __init__(self, blobs: Blobs, *, keep: int = 2) -> None:
        self.saves = Saves()
        self._blobs = blobs
        self._keep = keep
        self._left: list[CheckpointRecord | None] | None = None
        self._held = {"step": 0, "best": 0}

    def save(self, content: Mapping[str, Any], *, identity: Identity, step: int, epoch: int) -> str:
        """Write a resumable checkpoint, point to it, remove those beyond the number to keep; return its path or URI.

        Raises:
            OutputError: it could not be written; the last one is untouched.
            NotOurs: another training saves there.
        """
        with self._counted():
            last = self._latest()
            if last is None:
                self._record("previous.json")  # somebody else's is refused before it would be written over
            file = _free_name("step", step, last)
            known = [] if last is None else [name for name in (last.file, *last.older) if name != file]
            kept = known[: self._keep - 1]
            data = encode_checkpoint(content, identity=identity, step=step, epoch=epoch)
            self._write(file, data)
            if last is not None and self._keep > 1:
                self._write("previous.json", encode_record(last))
            # Those about to be removed stay in the list: a kill before their removal leaves them to the next save.
            record = _pointer(file, data, identity=identity, step=step, epoch=epoch, older=tuple(known[: self._keep]))
            self._point(record)
            for name in known:
                if name not in kept:
                    self._blobs.delete(name)
            self._hold("step", (1 + len(kept)) * len(data))  # one is as large as the other
            return self._blobs.locate(file)

    def save_best(self, content: Mapping[str, Any], *, identity: Identity, step: int, epoch: int) -> str:
        """Write the best epoch's weights in place of the last best ones; return their path or URI.

        Raises:
            OutputError: they could not be written; the last ones are untouched.
            NotOurs: another training saves there.
        """
        with self._counted():
            self._latest()
            last = self._record("best.json")
            file = _free_name("best", step, last)
            data = encode_checkpoint(content, identity=identity, step=step, epoch=epoch)
            self._write(file, data)
            record = _pointer(file, data, identity=identity, step=step, epoch=epoch)
            self._write("best.json", encode_record(record))
            if last is not None:
                self._blobs.delete(last.file)
            self._hold("best", len(data))
            return self._blobs.locate(file)

    def best(self) -> str | None:
        """Return the path or URI of the best epoch's weights, None where there are none yet."""
        record = self._record("best.json")
        if record is None:
            return None
        self._held["best"] = record.size_bytes
        return self._blobs.locate(record.file)

    def load(self, identity: Identity) -> dict[str, Any] | None:
        """Return the content of the last checkpoint, None where there is none.

        Raises:
            CheckpointCorrupt: it is damaged.
            CheckpointMismatch: it is of another run.
        """
        record = self._latest()
        if record is None:
            return None
        check_identity(record.identity, identity, origin=self._blobs.locate("latest.json"))
        return decode_checkpoint(self._read(record), self._blobs.locate(record.file))

    def load_best(self) -> Weights:
        """Return the best epoch's weights.

        Raises:
            ObjectNotFound: there are none.
            CheckpointCorrupt: they are damaged.
        """
        record = self._record("best.json")
        if record is None:
            where = self._blobs.locate("best.json")
            raise ObjectNotFound(f"there is no {where}", fix="pass a run's checkpoint folder or a .pt file")
        return decode_weights(self._read(record), self._blobs.locate(record.file))

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
            self.saves = self.saves.plus(Saves(count=1))
        finally:
            self.saves = self.saves.plus(Saves(seconds=time.perf_counter() - begun))

    def _write(self, name: str, data: bytes) -> None:
        self._blobs.write(name, data)
        self.saves = self.saves.plus(Saves(size_bytes=len(data), writes=1))

    def _hold(self, which: str, size_bytes: int) -> None:
        self._held[which] = size_bytes
        self.saves = msgspec.structs.replace(self.saves, kept_bytes=sum(self._held.values()))

    def _point(self, record: CheckpointRecord) -> None:
        assert self._left is not None
        # Before: what is written may be there though its answer was lost.
        self._left.append(record)
        self._write("latest.json", encode_record(record))
        self._left = [record]

    def _latest(self) -> CheckpointRecord | None:
        """Read latest.json: the first time whatever it is, from then on what this run left there, or none."""
        record = self._record("latest.json")
        if self._left is None:
            self._left = [record]
        if record is not None and record not in self._left:
            raise NotOurs(
                f"another training saves its checkpoints to {self._blobs.locate('').rstrip('/')} too: latest.json "
                f"names {record.file} of step {record.step}, which this one did not write",
                fix="wait for its end, or choose another folder for one of them",
                about=self._blobs.locate("latest.json"),
            )
        return record

    def _record(self, name: str) -> CheckpointRecord | None:
        try:
            data = self._blobs.read(name, most_bytes=MOST_POINTER_BYTES)
        except ObjectNotFound:
            return None
        where = self._blobs.locate(name)
        try:
            record = decode_record(data, CheckpointRecord, origin=where)
        except RecordError as error:
            raise CheckpointCorrupt(error.what, fix=self._way_out(name), about=where) from error
        for file in (record.file, *record.older):
            if not _FILE.fullmatch(file):  # older ones are removed by it
                what = f"{where} names {file!r}, which is no checkpoint's file"
                raise CheckpointCorrupt(what, fix=self._way_out(name), about=where)
        return record

    def _read(self, record: CheckpointRecord) -> bytes:
        where = self._blobs.locate(record.file)
        pointer = "best.json" if record.file.startswith("best-") else "latest.json"
        try:
            data = self._blobs.read(record.file, most_bytes=record.size_bytes)
        except ObjectNotFound as error:
            what = f"{where} is missing though {pointer} names it"
            raise CheckpointCorrupt(what, fix=self._way_out(pointer), about=where) from error
        if len(data) != record.size_bytes or hashlib.sha256(data).hexdigest() != record.sha256:
            what = f"{where} is damaged ({len(data)} of {record.size_bytes} bytes, or its SHA-256 is another)"
            raise CheckpointCorrupt(what, fix=self._way_out(pointer), about=where)
        return data

    def _way_out(self, pointer: str) -> str:
        where = self._blobs.locate(pointer)
        if pointer == "previous.json":
            return f"move {where} away, or choose another folder for checkpoints"
        if pointer == "best.json":
            return f"delete {where} and run the training again"
        with contextlib.suppress(ObjectNotFound, RecordError):
            previous = decode_record(self._blobs.read("previous.json"), CheckpointRecord)
            back = f"copy previous.json over it to go on from step {previous.step}, or "
            return f"{back}delete {where} to start the run anew"
        return f"delete {where} to start the run anew"


def load_weights(
    location: str,
    *,
    endpoint_url: str | None = None,
    region: str | None = None,
    meter: RequestMeter | None = None,
) -> Weights:
    """Load weights from a checkpoint's file, or from a run's folder of checkpoints (its best epoch).

    Args:
        location: local path, or a URI of a store.
        endpoint_url: of the store, where that is not its own.
        region: of the bucket.
        meter: counts the requests.

    Raises:
        ObjectNotFound: nothing is there.
        CheckpointCorrupt: it is damaged, or no checkpoint.
    """
    path = None if "://" in location else Path(location)
    if path is not None and path.exists() and not path.is_dir() and not path.is_file():  # a pipe would be waited for
        raise CheckpointCorrupt(f"{location} is not a file", fix=_GIVE, about=location)
    is_file = path is not None and path.is_file()  # which pipelines pass by any name
    if not is_file and not location.endswith((".pt", ".json")):
        return Checkpoints(
            open_blobs(location, endpoint_url=endpoint_url, region=region, meter=meter, purpose="checkpoint")
        ).load_best()
    folder, slash, name = location.rpartition("/")
    where = folder or slash or "."
    blobs = open_blobs(where, endpoint_url=endpoint_url, region=region, meter=meter, purpose="checkpoint")
    data = blobs.read(name)
    if kind_of(data) == CheckpointRecord.kind:
        raise _pointed_to(data, location, where)
    return decode_weights(data, location)


def _pointed_to(data: bytes, location: str, folder: str) -> CheckpointCorrupt:
    """Say that a pointer was given in the place of a checkpoint, and what to give."""
    file = ""
    with contextlib.suppress(RecordError):
        file = f", or {folder}/{decode_record(data, CheckpointRecord).file}, which this one names"
    return CheckpointCorrupt(
        f"{location} is {what_it_is(data)}, not the checkpoint itself",
        fix=f"pass the folder, {folder}, for its best epoch{file}",
        about=location,
    )


def _free_name(prefix: str, step: int, last: CheckpointRecord | None) -> str:
    """Return a name that ``last`` does not point to: what is pointed to is never written over."""
    name = f"{prefix}-{step:08d}.pt"
    return f"{prefix}-{step:08d}-again.pt" if last is not None and last.file == name else name


def _pointer(
    file: str, data: bytes, *, identity: Identity, step: int, epoch: int, older: tuple[str, ...] = ()
) -> CheckpointRecord:
    digest = hashlib.sha256(data).hexdigest()
    return CheckpointRecord(
        file=file, sha256=digest, size_bytes=len(data), step=step, epoch=epoch, identity=identity, older=older
    )
