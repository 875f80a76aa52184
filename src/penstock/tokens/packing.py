"""Packing: documents of several lengths in sequences of one, by a packer for each lane.

``concat`` lays documents end to end and cuts every ``length`` tokens, as GPT's data was made: no padding but at an
epoch's end, and documents are cut wherever it falls. ``best_fit`` cuts none that fits: the document that waits longest
begins a sequence, and of those that wait the longest that fits in follows, until none does. That is best-fit packing
(Ding et al., "Fewer Truncations Improve Language Modeling", arXiv 2404.10830) over a bounded buffer, in an order that
lets no document wait for more than as many sequences as the buffer holds documents. ``single`` gives each its own.

What a packer gives follows from its documents in their order and nothing else.
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from penstock.tokens.documents import UNLEARNT, Document

__all__ = ["LONG", "METHODS", "PackCounts", "Packer", "Packing", "Pieces", "flushed", "laid_out"]

METHODS: Final = ("concat", "best_fit", "single")
"""How documents are put together."""
LONG: Final = ("split", "drop", "truncate", "truncate_left")
"""What becomes of a document that is longer than a sequence."""

Pieces = list[Document]
"""Of a sequence: documents, or parts of some, in their order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Packing:
    """How sequences are made.

    Attributes:
        length: tokens of a sequence.
        method: one of ``METHODS``.
        long: one of ``LONG``.
        buffer: documents that a lane of ``best_fit`` holds at most.
        pad_id: token that fills what is left of a sequence.
    """

    length: int
    method: str
    long: str
    buffer: int
    pad_id: int


@dataclass(slots=True)
class PackCounts:
    """What packing did so far.

    Attributes:
        documents: that were taken in.
        tokens: of them.
        split: documents whose tokens lie in more than one sequence.
        truncated: documents that were cut short.
        dropped: documents that were left out, for they were too long, or of no token.
        tokens_dropped: of documents cut short or left out, and of what ``drop_last`` left out.
        unlearnt: documents that nothing is learnt of.
        sequences: that were made.
        padding: tokens that fill them.
    """

    documents: int = 0
    tokens: int = 0
    split: int = 0
    truncated: int = 0
    dropped: int = 0
    tokens_dropped: int = 0
    unlearnt: int = 0
    sequences: int = 0
    padding: int = 0

    def plus(self, other: PackCounts) -> PackCounts:
        """Add counts."""
        return PackCounts(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)})


class Packer(Protocol):
    """Makes sequences of documents that fit in."""

    def add(self, document: Document) -> Iterator[Pieces]:
        """Take one in; give the sequences that are full."""
        ...

    def held(self) -> Pieces:
        """Return what is held, which another packer goes on with."""
        ...

    def hold(self, pieces: Pieces) -> None:
        """Go on with what another one held."""
        ...


class Concat:
    """Lays documents end to end."""

    def __init__(self, length: int) -> None:
        self._length, self._room, self._pieces = length, length, Pieces()

    def add(self, document: Document) -> Iterator[Pieces]:
        """Take one in; give the sequences that are full."""
        done, size = 0, len(document.ids)
        while done < size:
            taken = min(self._room, size - done)
            self._pieces.append(part_of(document, done, done + taken))
            done += taken
            self._room -= taken
            if not self._room:
                full, self._pieces, self._room = self._pieces, Pieces(), self._length
                yield full

    def held(self) -> Pieces:
        """Return the parts of the sequence that is not full."""
        return list(self._pieces)

    def hold(self, pieces: Pieces) -> None:
        """Go on with a sequence that is not full."""
        self._pieces = list(pieces)
        self._room = self._length - sum(len(each.ids) for each in pieces)


class BestFit:
    """Puts documents where they fit best."""

    def __init__(self, length: int, buffer: int) -> None:
        self._length, self._buffer = length, buffer
        self._waiting: dict[int, Document] = {}
        self._by_size: list[tuple[int, int]] = []
        """(length, how late it came, negated) of those that wait, ascending."""
        self._next = 0

    def add(self, document: Document) -> Iterator[Pieces]:
        """Take one in; give a sequence where it is one more than the buffer holds."""
        self._waiting[self._next] = document
        bisect.insort(self._by_size, (len(document.ids), -self._next))
        self._next += 1
        while len(self._waiting) > self._buffer:
            yield self._sequence()

    def flush(self) -> Iterator[Pieces]:
        """Give what is left."""
        while self._waiting:
            yield self._sequence()

    def held(self) -> Pieces:
        """Return the documents that wait, the longest waiting first."""
        return list(self._waiting.values())

    def hold(self, pieces: Pieces) -> None:
        """Have documents wait."""
        self._waiting, self._by_size, self._next = {}, [], 0
        for each in pieces:
            assert not list(self.add(each))

    def _sequence(self) -> Pieces:
        number = next(iter(self._waiting))
        at = bisect.bisect_left(self._by_size, (len(self._waiting[number].ids), -number))
        pieces, room = Pieces(), self._length
        while at >= 0:
            size, late = self._by_size.pop(at)
            pieces.append(self._waiting.pop(-late))
            room -= size
            at = bisect.bisect_right(self._by_size, (room, 1)) - 1
        return pieces


class Single:
    """Gives each document a sequence of its own."""

    def add(self, document: Document) -> Iterator[Pieces]:
        """Give it."""
        yield [document]

    def held(self) -> Pieces:
        """Return nothing."""
        return []

    def hold(self, pieces: Pieces) -> None:
        """Go on with nothing."""
        assert not pieces


def part_of(document: Document, begin: int, end: int) -> Document:
    """Return tokens of a document as one of their own."""
    return Document(document.ids[begin:end], document.labels[begin:end])


class Lane:
    """Documents of one lane, in their order, as sequences.

    Attributes:
        packing: how sequences are made.
        counts: what was done so far.
        passed: stream index that all documents of the lane were taken in before.
        packer: holds what is not full yet.
    """

    def __init__(self, packing: Packing) -> None:
        self.packing = packing
        self.packer: Packer = (
            Concat(packing.length)
            if packing.method == "concat"
            else BestFit(packing.length, packing.buffer)
            if packing.method == "best_fit"
            else Single()
        )
        self.counts = PackCounts()
        self.passed = 0

    def add(self, document: Document) -> Iterator[Pieces]:
        """Take a document in; give the sequences that are full."""
        counts, size = self.counts, len(document.ids)
        counts.documents += 1
        counts.tokens += size
        counts.unlearnt += bool(size) and not bool((document.labels != UNLEARNT).any())
        if not size or (size > self.packing.length and self.packing.long == "drop"):
            counts.dropped += 1
            counts.tokens_dropped += size
            return iter(())
        return self.counted(each for part in self._parts(document) for each in self.packer.add(part))

    def let_out(self) -> Pieces:
        """Return what is held, and hold nothing any more."""
        held = self.packer.held()
        self.packer.hold([])
        return held

    def _parts(self, document: Document) -> Iterator[Document]:
        """Return what is left of a document, in parts that fit; those of ``concat`` are cut by it."""
        packing, size = self.packing, len(document.ids)
        over = size - packing.length
        if over > 0 and packing.long.startswith("truncate"):
            self.counts.truncated += 1
            self.counts.tokens_dropped += over
            document = part_of(document, over, size) if packing.long == "truncate_left" else part_of(document, 0, -over)
            over = 0
        if packing.method == "concat":
            held = sum(len(each.ids) for each in self.packer.held())
            self.counts.split += held + len(document.ids) > packing.length
            yield document
            return
        self.counts.split += over > 0
        for begin in range(0, len(document.ids), packing.length):
            yield part_of(document, begin, begin + packing.length)

    def counted(self, sequences: Iterator[Pieces]) -> Iterator[Pieces]:
        """Count sequences as this lane's."""
        for pieces in sequences:
            self.counts.sequences += 1
            self.counts.padding += self.packing.length - sum(len(each.ids) for each in pieces)
            yield pieces


def flushed(lanes: Sequence[Lane]) -> list[Pieces]:
    """Return what lanes hold, put together by best fit, cut nowhere and padded; it counts as the first one's.

    What ``concat`` held lies in a sequence in the order in which it was held: documents stay end to end.
    """
    packing = lanes[0].packing
    held = [piece for lane in lanes for piece in lane.let_out()]
    together = BestFit(packing.length, len(held))
    together.hold(held)
    sequences = together.flush()
    if packing.method == "concat":
        places = {id(piece): place for place, piece in enumerate(held)}
        sequences = (sorted(pieces, key=lambda piece: places[id(piece)]) for pieces in sequences)
    return list(lanes[0].counted(sequences))


Ready = deque[tuple[int, Pieces]]
"""Sequences that were made and not given, each with its lane."""


def laid_out(pieces: Pieces, packing: Packing) -> dict[str, NDArray[np.int64]]:
    """Return a sequence as arrays of int64, each of shape (length,).

    ``input_ids``; ``labels``, ``UNLEARNT`` where nothing is learnt: of padding, and of each part's first token, which
    nothing of its document comes before; ``position_ids``, from 0 on in each part; ``document_ids``, the number of the
    part in the sequence, -1 of padding.
    """
    length = packing.length
    found = {name: np.zeros(length, np.int64) for name in ("input_ids", "labels", "position_ids", "document_ids")}
    at = 0
    for number, piece in enumerate(pieces):
        end = at + len(piece.ids)
        found["input_ids"][at:end] = piece.ids
        found["labels"][at:end] = piece.labels
        found["labels"][at] = UNLEARNT
        found["position_ids"][at:end] = np.arange(end - at)
        found["document_ids"][at:end] = number
        at = end
    found["input_ids"][at:] = packing.pad_id
    found["labels"][at:] = UNLEARNT
    found["position_ids"][at:] = np.arange(length - at)
    found["document_ids"][at:] = -1
    return found
