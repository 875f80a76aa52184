"""One loop over a stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data._utils.pin_memory import pin_memory

from penstock.errors import DataError, StreamMisused

if TYPE_CHECKING:
    from penstock.stream.face import Stream

__all__ = ["NOTHING", "Epoch", "Nothing", "pinned"]


class Nothing:
    """Stands for a value that is left out, and for a batch that nothing is left of."""


NOTHING = Nothing()


def pinned(batch: Any) -> Any:
    """Return a batch in page-locked memory, where there is a GPU that it is of use for."""
    return pin_memory(batch) if torch.cuda.is_available() else batch  # type: ignore[no-untyped-call]


class Epoch(Iterator[Any]):
    """The batches of one loop; it holds its stream, so that a stream without a name lives as long as its loop.

    Args:
        number: of the loop; one that began later, or a position that was loaded, ends this one.
    """

    def __init__(self, stream: Stream, number: int, batches: Iterator[Any]) -> None:
        self._stream: Stream | None = stream
        self._number = number
        self._batches = batches

    def __iter__(self) -> Epoch:
        return self

    def __next__(self) -> Any:
        stream = self._stream
        if stream is None:
            raise StopIteration
        with stream._taking_turn():
            if stream._loops != self._number:
                raise StreamMisused(
                    "another loop over this Stream was begun, or a position loaded, since this one began",
                    fix="use one iterator at a time; for two at once make two Streams",
                )
            try:
                batch = self._next(stream)
            except BaseException as error:
                stream._reading.note_error(error)
                # It is over, or it failed; neither gives anything behind it.
                self._stream = None
                raise
            stream._has_given, stream._has_loaded = True, False
            return pinned(batch) if stream._options.pin_memory else batch

    def _next(self, stream: Stream) -> Any:
        """Return the next batch that something is left of."""
        while isinstance(batch := next(self._batches), Nothing):
            stream._has_given, stream._has_loaded = True, False
            if stream._reading.ranks.world_size > 1:
                raise DataError(
                    "filter left nothing of a batch",
                    fix="ranks step together, so none may be left without a sample: use larger batches, or leave out "
                    "by key, with where",
                )
        return batch
