"""Batches of sequences, packed of the texts that a loader gives.

What is trained on is packed as texts come, and a text may lie in several batches; the position that is saved is that
before the texts that were taken in last, what was held then, and how many batches were given since. What is scored is
packed batch by batch of texts, and each part of a text is scored by itself.

Shapes: B sequences, L tokens of each, P parts of texts in a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from penstock.errors import DataError
from penstock.loader.protocols import Batch, BatchLoader, LoaderState
from penstock.manifest import ManifestInfo, ManifestReader
from penstock.recipes.text.packing_place import Packer, Position, batch_of, documents_of, texts_state
from penstock.records import Meters
from penstock.tasks.registry import get_task, usual_options
from penstock.tasks.text.codec import TextCodec
from penstock.tokens import UNLEARNT, Document, Packing
from penstock.tokens.packing import BestFit, Pieces, laid_out, part_of

__all__ = ["PackedScoring", "PackedTraining", "expected_sequences", "packing_of"]

BUFFER: Final = 64
"""Texts that wait for one that they fit with."""


def packing_of(info: ManifestInfo) -> Packing:
    """Return how a manifest's texts are packed."""
    options = {**usual_options(get_task(info.task)), **info.task_options}
    return Packing(
        length=info.shape[0], method=str(options["pack"]), long=str(options["long"]), buffer=BUFFER, pad_id=0
    )


def expected_sequences(manifest: Path, info: ManifestInfo, num_samples: int) -> int:
    """Return about how many sequences texts are packed into: as many as their tokens fill, or one a text."""
    with ManifestReader(manifest) as reader:
        per_text = TextCodec.read(reader.row(0).codec).tokens_per_text
    of_tokens = -(-int(num_samples * per_text) // info.shape[0])
    return max(1, num_samples, of_tokens) if packing_of(info).method == "single" else max(1, of_tokens)


class _Wrapped:
    """A loader of texts."""

    def __init__(self, loader: BatchLoader, packing: Packing, *, batch_size: int) -> None:
        self._loader, self._packing, self._batch_size = loader, packing, batch_size

    @property
    def num_samples(self) -> int | None:
        """Texts of one epoch."""
        return self._loader.num_samples

    def traffic(self) -> dict[str, Meters]:
        """Return what was requested so far."""
        return self._loader.traffic()

    def meters(self) -> Meters:
        """Return what was moved so far."""
        return self._loader.meters()

    def close(self) -> None:
        """Let go of the data."""
        self._loader.close()


class PackedTraining(_Wrapped):
    """Batches that are learnt from. The samples of a batch are the texts that were taken in for it."""

    def __init__(self, loader: BatchLoader, packing: Packing, *, batch_size: int) -> None:
        super().__init__(loader, packing, batch_size=batch_size)
        self._loaded: Position | None = None
        self._now: Position | None = None

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Return the batches of an epoch, from the position of the loaded state if that lies in it."""
        loaded, self._loaded = self._loaded, None
        begun = loaded if loaded is not None and loaded.epoch == epoch else None
        packer = begun.packer(self._packing) if begun is not None else Packer(self._packing)
        to_skip = 0 if begun is None else begun.given
        num_given = 0
        for _ in self._taken_in(epoch, packer, is_ended=begun is not None and begun.is_ended):
            while len(packer.ready) >= (1 if packer.is_ended else self._batch_size):
                batch = packer.give(self._batch_size)
                assert self._now is not None
                self._now.given += 1
                if to_skip:
                    to_skip -= 1
                    continue
                num_given += 1
                yield batch
        self._now = None
        if not num_given and begun is None:
            raise DataError(
                f"nothing of the texts could be packed into {self._packing.length} tokens: all are too long, or empty",
                fix="give a greater --option length=, or --option long=split",
            )

    def _taken_in(self, epoch: int, packer: Packer, *, is_ended: bool) -> Iterator[None]:
        """Take texts in, batch by batch, and at last what is held; note the position before each."""
        if not is_ended:
            batches = self._loader.epoch(epoch)
            while True:
                self._now = Position.before(self._loader, packer, epoch)
                texts = next(batches, None)
                if texts is None:
                    break
                packer.take(texts)
                yield
            packer.end()
        self._now = Position.before(self._loader, packer, epoch)
        yield

    def state_dict(self) -> LoaderState:
        """Return the position after the last batch that was given."""
        if self._now is None:
            return self._loaded.state() if self._loaded is not None else self._loader.state_dict()
        return self._now.state()

    def load_state_dict(self, state: LoaderState) -> None:
        """Take up a saved position.

        Raises:
            CheckpointMismatch: it is of something else.
        """
        own = texts_state(state)
        self._loader.load_state_dict(own)
        self._now = None
        self._loaded = Position.of(state)


class PackedScoring(_Wrapped):
    """Batches that are scored: the samples of a batch are parts of texts, of a sequence's tokens at most."""

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Return the batches of an epoch."""
        for texts in self._loader.epoch(epoch):
            yield from self._packed(texts)

    def _packed(self, texts: Batch) -> Iterator[Batch]:
        parts: dict[int, tuple[int, float]] = {}
        pieces: list[Document] = []
        for number, (document, num_bytes) in enumerate(
            zip(documents_of(texts.data), texts.data["bytes"].tolist(), strict=True)
        ):
            num_learnt = max(1, int((document.labels != UNLEARNT).sum()))
            for begin in range(0, len(document.ids), self._packing.length):
                piece = part_of(document, begin, begin + self._packing.length)
                share = int((piece.labels != UNLEARNT).sum()) / num_learnt
                parts[id(piece)] = number, share * num_bytes
                pieces.append(piece)
        together = BestFit(self._packing.length, len(pieces))
        together.hold(pieces)
        rows = list(together.flush())
        for first in range(0, len(rows), self._batch_size):
            chosen = rows[first : first + self._batch_size]
            laid = [laid_out(row, self._packing) for row in chosen]
            of = [parts[id(piece)] for row in chosen for piece in row]
            yield Batch(
                data={**batch_of(laid), **_scored(laid, chosen, [num_bytes for _, num_bytes in of])},
                keys=tuple(texts.keys[number] for number, _ in of),
                groups=tuple(texts.groups[number] for number, _ in of),
            )

    def state_dict(self) -> LoaderState:
        """Return the position of the texts."""
        return self._loader.state_dict()

    def load_state_dict(self, state: LoaderState) -> None:
        """Take up a saved position of the texts."""
        self._loader.load_state_dict(texts_state(state))


def _scored(
    laid: Sequence[Mapping[str, NDArray[np.int64]]], rows: Sequence[Pieces], num_bytes: Sequence[float]
) -> dict[str, Any]:
    """Return the part that each token is of, (B, L), and what each part has, (P, 3)."""
    firsts = np.cumsum([0, *(len(row) for row in rows)])[:-1]
    parts = np.stack([each["document_ids"] for each in laid]) + firsts[:, np.newaxis]
    pieces = [piece for row in rows for piece in row]
    learnt = [int((piece.labels != UNLEARNT).sum()) for piece in pieces]
    predicted = [int((piece.labels[1:] != UNLEARNT).sum()) for piece in pieces]
    truth = np.stack([predicted, learnt, num_bytes], axis=1).astype(np.float64)
    return {"parts": torch.from_numpy(parts), "truth": torch.from_numpy(truth)}
