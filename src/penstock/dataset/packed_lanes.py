"""Sequences that one rank packs of its documents: by lane, made and not yet given."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.dataset.packed_documents import Taken
from penstock.stream.epochs import Nothing
from penstock.tokens import PackCounts
from penstock.tokens.held import lane_of, lane_state, pieces_of, pieces_state
from penstock.tokens.packing import Lane, Packing, Ready, flushed, laid_out

__all__ = ["Lanes"]


class Lanes:
    """The lanes of a rank.

    Attributes:
        ready: sequences that were made and not given, each with its lane.
    """

    def __init__(self, packing: Packing, numbers: Iterable[int] = ()) -> None:
        self._packing = packing
        self._lanes = {number: Lane(packing) for number in numbers}
        self.ready: Ready = deque()

    def add(self, taken: Taken) -> bool:
        """Take a document in; tell whether anything of it was packed."""
        lane = self._lanes[taken.lane]
        if isinstance(taken.value, Nothing) or 0 < taken.passed <= lane.passed:
            return False
        dropped = lane.counts.dropped
        self.ready.extend((taken.lane, pieces) for pieces in lane.add(taken.value))
        lane.passed = taken.passed
        return lane.counts.dropped == dropped

    def give(self, number: int) -> list[dict[str, NDArray[np.int64]]]:
        """Return sequences that are ready, as arrays of shape (length,)."""
        return [laid_out(self.ready.popleft()[1], self._packing) for _ in range(number)]

    def flush(self) -> None:
        """Have ready what all lanes hold."""
        first = next(iter(self._lanes))
        self.ready.extend((first, pieces) for pieces in flushed(list(self._lanes.values())))

    def let_go(self) -> None:
        """Leave out sequences that were made and are not given, and count them so."""
        for number, pieces in self.ready:
            tokens = sum(len(each.ids) for each in pieces)
            counts = self._lanes[number].counts
            counts.sequences -= 1
            counts.padding -= self._packing.length - tokens
            counts.tokens_dropped += tokens
        self.ready.clear()

    def begin(self) -> None:
        """Begin an epoch of the documents; what is held of another one is let go of, and counted."""
        self.flush()
        self.let_go()
        for lane in self._lanes.values():
            lane.passed = 0

    def counts(self) -> PackCounts:
        """Return what was done so far, in all lanes."""
        counts = PackCounts()
        for lane in self._lanes.values():
            counts = counts.plus(lane.counts)
        return counts

    def state(self) -> dict[str, Any]:
        """Return what they hold, as text, numbers, lists and dictionaries."""
        return {
            "lanes": {str(number): lane_state(lane) for number, lane in self._lanes.items()},
            "ready": [[number, pieces_state(pieces)] for number, pieces in self.ready],
        }

    def load(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Go on where these lanes were, in whichever states of ranks they are.

        Raises:
            CheckpointMismatch: what was saved is damaged.
        """
        saved = {int(number): state for each in states for number, state in each["lanes"].items()}
        for number in self._lanes.keys() & saved.keys():
            self._lanes[number] = lane_of(saved[number], self._packing)
        self.ready.extend(
            (int(number), pieces_of(pieces, self._packing))
            for each in states
            for number, pieces in each["ready"]
            if int(number) in self._lanes
        )
