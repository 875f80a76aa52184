"""What a format does with bytes: it indexes objects into extents, and decodes extents into samples."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from penstock.manifest import Described, Extent, SkippedObject
from penstock.sources import FindObject, GetRange, ListObjects, ObjectInfo, ReadBeside

__all__ = ["ByObject", "Decoder", "Format", "Found", "Store", "by_object", "reads_by"]

Found = Extent | SkippedObject
"""What indexing an object finds: extents, and what it leaves out with the reason."""


ByObject = Literal["little", "all"]
"""What is read of an object to index it, by a format whose extents lie in one object, with keys that begin with its."""


def by_object(kind: object) -> ByObject | None:
    """Return what a format's ``by_object`` says; None where an object's extents may need others."""
    found: ByObject | None = getattr(kind, "by_object", None)
    return found


def reads_by(kind: object) -> tuple[str, ...]:
    """Return what a format's ``reads_by`` says: modules that it imports when it first reads, or others before that."""
    found: tuple[str, ...] = getattr(kind, "reads_by", ())
    return found


class Store(GetRange, FindObject, ListObjects, ReadBeside, Protocol):
    """What an object is indexed from: its own bytes, and those of others that belong to it."""


class Decoder(Protocol):
    """Decodes an extent; it goes to loading workers, so it must be picklable.

    What it draws from the process's generators (``random``, ``numpy.random``, ``torch``) is the extent's own and the
    epoch's, if it is drawn before the call returns.
    """

    def __call__(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return the values of some samples, in the order asked for.

        Args:
            data: the extent's bytes (``memoryview``, spans joined), or the ``Path`` of a file that holds them and is
                gone afterwards. Values of an extent of one sample may be views of them.
            about: what the manifest tells of the extent and its samples.
            codec: of the extent's object.
            numbers: n-ths of its samples, 0-based, ascending, shape (samples,).

        Returns:
            Values of any kind (arrays, tensors, dictionaries, tuples, text, bytes), or what makes them when it is asked
            for an item.
        """
        ...


class Format(Protocol):
    """A format, made with its options as keywords; it goes to loading workers, so it must be picklable."""

    def index(self, source: Store, info: ObjectInfo) -> AsyncIterator[Found]:
        """Find the extents of an object, in an order that depends on the object alone, reading as little as it takes.

        Args:
            source: that the object lies in; every read names ``info``, so that a changed object is never read.
            info: of the object, which is not empty.

        Raises:
            DataError: the object is not of this format, or contradicts itself; it names the object.
            ConfigError: an option cannot be honoured for it.
            SourceError: it could not be read.
        """
        ...

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return the values of some samples of an extent, as a ``Decoder`` does.

        Raises:
            DataError: the bytes do not mean what they should.
        """
        ...
