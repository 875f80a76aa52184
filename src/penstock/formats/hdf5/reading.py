"""A process of its own that reads what HDF5 files have, since libhdf5 may crash on damaged ones.

    python -m penstock.formats.hdf5.reading

It takes jobs from its standard input and tells on its standard output what bytes it wants, what it found, or what is
wrong: messages of MessagePack, each behind its length in 4 bytes. It ends with its input.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from typing import Any, BinaryIO, Final

import msgspec

from penstock.errors import ConfigError, DataError, HeaderMismatch, PenstockError
from penstock.formats.hdf5.blocks import Blocks, h5py_of, lies
from penstock.formats.hdf5.contents import Contents, chosen_names, read_dataset
from penstock.units import GIB

__all__ = ["ERRORS", "Faulty", "Found", "Job", "Wanted", "decode_message", "encode_message", "error_of"]

_MOST_BYTES: Final = 8 * GIB
_MOST_SECONDS: Final = 300
"""Of the processor, for a file."""
_MAGIC: Final = b"\x89HDF\r\n\x1a\n"
_USER_BLOCKS: Final = (0, 512, 1024, 2048, 4096, 8192)
"""Before a file's begin, as MATLAB has one."""
ERRORS: Final[dict[str, type[PenstockError]]] = {
    each.__name__: each for each in (ConfigError, DataError, HeaderMismatch)
}


class Job(msgspec.Struct, frozen=True, tag=True):
    """A file to read."""

    key: str
    size_bytes: int
    columns: tuple[str, ...] | None


class Wanted(msgspec.Struct, frozen=True, tag=True):
    """Bytes of the file that are wanted; they are the next message to the process, as they are."""

    begin: int
    length: int


class Found(msgspec.Struct, frozen=True, tag=True):
    """What the file has."""

    contents: Contents


class Faulty(msgspec.Struct, frozen=True, tag=True):
    """What is wrong with it."""

    kind: str
    what: str
    fix: str


Message = Job | Wanted | Found | Faulty
_decoder: Final = msgspec.msgpack.Decoder(Message)


def encode_message(message: Message | bytes) -> bytes:
    """Return a message, or bytes, behind their length."""
    data = message if isinstance(message, bytes) else msgspec.msgpack.encode(message)
    return len(data).to_bytes(4, "little") + data


def decode_message(data: bytes) -> Message:
    """Return a message without its length."""
    found: Message = _decoder.decode(data)
    return found


def error_of(told: Faulty, key: str) -> PenstockError:
    """Return the error that was told."""
    return ERRORS[told.kind](told.what, fix=told.fix, about=key)


def _read(job: Job, fetch: Any) -> Message:
    """Read what a file has."""
    blocks = Blocks(job.key, job.size_bytes, fetch)
    try:
        h5py = h5py_of()
        _check_magic(blocks, job)
        with h5py.File(blocks, "r") as file:
            names = chosen_names(file, job.columns, job.key)
            datasets = tuple(read_dataset(file, name, job.key, job.size_bytes) for name in names)
            return Found(Contents(datasets=datasets, base=file.userblock_size))
    except (ConfigError, DataError) as error:
        wrong: PenstockError = error
    except Exception as error:  # of whatever kind h5py makes of damage
        wrong = blocks.refusal or lies(job.key, f"{type(error).__name__}: {error}")
    return Faulty(type(wrong).__name__, wrong.what, wrong.fix or "")


def _check_magic(blocks: Blocks, job: Job) -> None:
    for place in _USER_BLOCKS:
        if place + len(_MAGIC) > job.size_bytes:
            break
        blocks.seek(place)
        if blocks.read(len(_MAGIC)) == _MAGIC:
            return
    raise lies(job.key, "it does not begin as HDF5 does")


def _next(asked: BinaryIO) -> bytes | None:
    """Return the next message, without its length; None at the end."""
    length = asked.read(4)
    if len(length) < 4:
        return None
    data = asked.read(int.from_bytes(length, "little"))
    return data if len(data) == int.from_bytes(length, "little") else None


def _limit(kind: int, most: int) -> None:
    """Limit what this process may take, to no more than it was allowed."""
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _main() -> None:
    asked, told = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is none of the messages
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # its parent's, which ends its input
    _limit(resource.RLIMIT_AS, _MOST_BYTES)
    _limit(resource.RLIMIT_CORE, 0)

    def tell(message: Message) -> None:
        told.write(encode_message(message))
        told.flush()

    def fetch(begin: int, length: int) -> bytes:
        tell(Wanted(begin, length))
        data = _next(asked)
        if data is None:
            os._exit(0)  # nobody waits for it any more, whatever libhdf5 is about
        return data

    while (data := _next(asked)) is not None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + _MOST_SECONDS)
        job = decode_message(data)
        assert isinstance(job, Job)
        tell(_read(job, fetch))


if __name__ == "__main__":
    _main()
