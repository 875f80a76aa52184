"""Errors on their way to the consumer: with the sample that they belong to, and what they were in a worker.

An error that crosses a process keeps its type and its arguments; its traceback, which cannot cross, goes along as a
note, as ``add_note`` makes them.
"""

from __future__ import annotations

import contextlib
import pickle
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch.utils.data import default_collate

from penstock.errors import PenstockError
from penstock.loader.unlike import unlike

__all__ = ["Failed", "add_note", "collating", "noting", "putting_together", "sample_note", "transform_note"]

MOST_KEYS = 64
"""Keys of a batch that a note names, each."""
_UNLIKE = "penstock: a batch takes values of one type and shape, none missing{}: map them, or give a collate="


@dataclass(frozen=True, slots=True)
class Failed:
    """An error on its way from a worker to the consumer, in order."""

    error: BaseException

    @classmethod
    def of(cls, error: BaseException) -> Failed:
        """Return an error to be raised in a loop, which one of the kinds that end loops without a word cannot be."""
        if not isinstance(error, StopIteration | GeneratorExit):
            return cls(error)
        raised = RuntimeError(f"{type(error).__name__} was raised where it ends no loop")
        raised.__cause__, raised.__notes__ = error, list(getattr(error, "__notes__", ()))
        return cls(raised)

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrived, _packed(self.error)


@contextlib.contextmanager
def noting(note: str) -> Iterator[None]:
    """Say with an error what it belongs to."""
    try:
        yield
    except BaseException as error:
        add_note(error, note)
        raise


@contextlib.contextmanager
def collating(keys: Sequence[str], values: Sequence[Any], *, position: int, epoch: int) -> Iterator[None]:
    """Say with an error of ``collate`` which batch it met, in what values are not alike, and what helps."""
    with noting(batch_note(keys, position=position, epoch=epoch)), putting_together(values):
        yield


@contextlib.contextmanager
def putting_together(values: Sequence[Any]) -> Iterator[None]:
    """Say with an error of torch's default collate in what values are not alike, and what helps."""
    try:
        yield
    except Exception as error:
        at = [each.filename for each in traceback.extract_tb(error.__traceback__)]
        if default_collate.__code__.co_filename in at:  # None, arrays of other shapes, types that it does not know
            told = unlike(values)
            add_note(error, _UNLIKE.format(f" ({told})" if told else ""))
        raise


def add_note(error: BaseException, note: str) -> None:
    """Say once with an error what it belongs to."""
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)


def sample_note(what: str, key: str, *, position: int, epoch: int) -> str:
    """Name a sample: what was done with it, its key, and its place in the epoch's order."""
    return f"penstock: {what} {key!r}, sample {position} of epoch {epoch} (both from 0)"


def transform_note(transform: object, key: str, *, position: int, epoch: int) -> str:
    """Name a sample that a transform was given, by what the caller calls it."""
    return sample_note(f"{getattr(transform, 'called', 'transform')} of", key, position=position, epoch=epoch)


def batch_note(keys: Sequence[str], *, position: int, epoch: int) -> str:
    """Name a batch by its samples' keys, and by the place of the first in the epoch's order."""
    named = ", ".join(repr(key) for key in keys[:MOST_KEYS])
    more = f" and {len(keys) - MOST_KEYS} more" if len(keys) > MOST_KEYS else ""
    return f"penstock: collate of the batch from sample {position} of epoch {epoch} on (both from 0): {named}{more}"


def _packed(error: BaseException) -> tuple[bytes, tuple[str, ...]]:
    """Return an error as bytes, and its notes; whatever it holds, unpacking them will not fail."""
    notes = tuple(getattr(error, "__notes__", ()))
    if not isinstance(error, PenstockError):
        notes += ("in a loading worker: " + "".join(traceback.format_exception(error)).rstrip(),)
    for made in (error, _Bare.of(error)):
        with contextlib.suppress(Exception):
            data = pickle.dumps(made)
            if type(_unpacked(data)) is type(error):
                return data, notes
    return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}")), notes


def _unpacked(data: bytes) -> BaseException:
    found = pickle.loads(data)  # noqa: S301 - what a worker of this process packed
    return found.error() if isinstance(found, _Bare) else found


def _arrived(data: bytes, notes: tuple[str, ...]) -> Failed:
    error = _unpacked(data)
    error.__notes__ = list(notes)
    return Failed(error)


@dataclass(frozen=True, slots=True)
class _Bare:
    """An error whose class cannot be called with its own arguments, as many are that take others than they keep."""

    kind: type[BaseException]
    args: tuple[Any, ...]

    @classmethod
    def of(cls, error: BaseException) -> _Bare:
        return cls(type(error), tuple(arg if _crosses(arg) else repr(arg) for arg in error.args))

    def error(self) -> BaseException:
        made = self.kind.__new__(self.kind)
        made.args = self.args
        return made


def _crosses(value: object) -> bool:
    try:
        pickle.loads(pickle.dumps(value))  # noqa: S301 - packed one line before
    except Exception:
        return False
    return True
