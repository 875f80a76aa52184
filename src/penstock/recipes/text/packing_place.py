"""A lane of packing: what it holds, what is ready, and where it was, as a checkpoint keeps it.

Shapes: B sequences, L tokens of each.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from penstock.errors import CheckpointMismatch
from penstock.loader.protocols import Batch, BatchLoader, LoaderState
from penstock.tokens import UNLEARNT, Document, Packing
from penstock.tokens.held import lane_of, lane_state, pieces_of, pieces_state
from penstock.tokens.packing import Lane, Pieces, flushed, laid_out

__all__ = ["Packer", "Position", "batch_of", "documents_of", "texts_state"]

_STATE, _EPOCH, _GIVEN = "packed", "packed_epoch", "packed_given"
_OWN: Final = (_STATE, _EPOCH, _GIVEN)
"""What a position has beside that of the texts."""


class Packer:
    """One lane of packing, and the sequences that are ready."""

    def __init__(self, packing: Packing) -> None:
        self.lane = Lane(packing)
        self.ready: list[Pieces] = []
        self.names: list[tuple[str, str]] = []
        self.is_ended = False

    def take(self, texts: Batch) -> None:
        """Take texts in."""
        for document in documents_of(texts.data):
            self.ready.extend(self.lane.add(document))
        self.names += zip(texts.keys, texts.groups, strict=True)

    def end(self) -> None:
        """Have ready all that is held."""
        self.ready.extend(flushed([self.lane]))
        self.is_ended = True

    def give(self, number: int) -> Batch:
        """Return a batch of some sequences, which has the names of the texts that were taken in since the last one.

        The last text's is kept for an epoch's last batch: whoever counts texts is to have all of them then, not before.
        """
        chosen, self.ready = self.ready[:number], self.ready[number:]
        kept = 0 if self.is_ended and not self.ready else 1
        names, self.names = self.names[: len(self.names) - kept], self.names[len(self.names) - kept :]
        return Batch(
            data=batch_of([laid_out(pieces, self.lane.packing) for pieces in chosen]),
            keys=tuple(key for key, _ in names),
            groups=tuple(group for _, group in names),
        )


class Position:
    """Where packing was before it took texts in, and how many batches were given since."""

    def __init__(self, texts: LoaderState, epoch: int, packed: Mapping[str, Any], given: int) -> None:
        self._texts, self.epoch, self._packed, self.given = texts, epoch, packed, given
        self._text: str | None = None

    @classmethod
    def before(cls, loader: BatchLoader, packer: Packer, epoch: int) -> Position:
        """Return the position now."""
        packed = {
            "lane": lane_state(packer.lane),
            "ready": [pieces_state(pieces) for pieces in packer.ready],
            "names": list(packer.names),
            "ended": packer.is_ended,
        }
        return cls(loader.state_dict(), epoch, packed, 0)

    @classmethod
    def of(cls, saved: LoaderState) -> Position | None:
        """Return one that was saved; None where no texts were taken in.

        Raises:
            CheckpointMismatch: it is none.
        """
        if _STATE not in saved:
            return None
        try:
            return cls(texts_state(saved), int(saved[_EPOCH]), json.loads(str(saved[_STATE])), int(saved[_GIVEN]))
        except (TypeError, ValueError, KeyError) as error:
            raise _damaged(error) from error

    @property
    def is_ended(self) -> bool:
        """Whether all texts of the epoch were taken in."""
        return bool(self._packed.get("ended"))

    def packer(self, packing: Packing) -> Packer:
        """Return a packer that is where it was.

        Raises:
            CheckpointMismatch: what was saved is damaged.
        """
        packer = Packer(packing)
        try:
            packer.lane = lane_of(self._packed["lane"], packing)
            packer.ready = [pieces_of(pieces, packing) for pieces in self._packed["ready"]]
            packer.names = [(str(key), str(group)) for key, group in self._packed["names"]]
        except (TypeError, ValueError, KeyError) as error:
            raise _damaged(error) from error
        packer.is_ended = self.is_ended
        return packer

    def state(self) -> LoaderState:
        """Return it as text and numbers."""
        # Asked for after each step, and the same but for a number until texts are taken in again.
        self._text = self._text or json.dumps(self._packed)
        return {**self._texts, _STATE: self._text, _EPOCH: self.epoch, _GIVEN: self.given}


def texts_state(state: LoaderState) -> LoaderState:
    """Return the position of the texts alone."""
    return {name: value for name, value in state.items() if name not in _OWN}


def documents_of(data: Mapping[str, Any]) -> Iterator[Document]:
    """Return the texts of a batch, as the task collates it."""
    ends = np.cumsum(data["sizes"])[:-1]
    yield from map(Document, np.split(data["inputs"], ends), np.split(data["labels"], ends))


def batch_of(laid: Sequence[Mapping[str, NDArray[np.int64]]]) -> dict[str, Any]:
    """Return what a network is given and what it is to say, each int64 of shape (B, L)."""
    found = {name: torch.from_numpy(np.stack([each[name] for each in laid])) for name in laid[0]}
    targets = torch.full_like(found["labels"], UNLEARNT)
    # A part's first token has the label of none, so that no part's last one is to say another's.
    targets[:, :-1] = found.pop("labels")[:, 1:]
    return {"inputs": {**found, "next_ids": targets}, "targets": targets}


def _damaged(error: Exception) -> CheckpointMismatch:
    return CheckpointMismatch(
        f"the saved position of packing cannot be read ({error})", fix="go on from another checkpoint, or begin anew"
    )
