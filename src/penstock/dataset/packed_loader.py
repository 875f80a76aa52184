"""Batches of sequences that are packed of documents."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from penstock.dataset.made_loader import MadeLoader
from penstock.dataset.mixed_loader import MixedLoader
from penstock.dataset.packed_batches import Asked, Packed
from penstock.dataset.packed_documents import Documents, MixDocuments, StreamDocuments
from penstock.dataset.packed_lanes import Lanes
from penstock.dataset.packed_positions import Saved, check_lanes, check_saved
from penstock.errors import ConfigError, DataError
from penstock.stream.epochs import pinned
from penstock.stream.face import Stream

__all__ = ["PackedLoader"]

STATE_VERSION: Final = 1
_log = logging.getLogger(__name__)


class PackedLoader(MadeLoader):
    """Batches of packed sequences, epoch after epoch; ``PackedDataset.loader`` opens it.

    A position may be saved anywhere: it holds what was packed and not given. With as many ranks as saved it, the very
    batches follow that would have come.

    Args:
        source: of documents, each in batches that are packed as bytes.
    """

    called = "a packed loader"

    def __init__(self, source: Stream | MixedLoader, asked: Asked) -> None:
        super().__init__(source)
        self._asked = asked
        self._packing = asked.packing
        self._documents_found: Documents | None = None
        self._lanes = Lanes(asked.packing)
        self._num_lanes = asked.num_lanes or 0
        self._in_vain = 0
        self._has_warned = False

    def __len__(self) -> int:
        """Return this rank's batches of an epoch, where ``sequences`` says how long it is.

        Raises:
            TypeError: it does not; how many sequences documents make is not known before they are read.
        """
        if self._asked.sequences is None:
            raise TypeError(
                "a packed loader has no length: how many sequences documents make is not known before they are read; "
                "give sequences= to have epochs of so many"
            )
        return self._batches_of(self._asked.sequences, self._asked.batch_size, drop_last=self._asked.drop_last)

    @property
    def num_documents(self) -> int:
        """Documents of one of their epochs, of all ranks."""
        return self._documents().num_documents

    def __iter__(self) -> Iterator[Any]:
        """Begin a fresh epoch, or go on from the position that was loaded; an iterator from before is over.

        Raises:
            PenstockError: the data failed; raised at the batch that it belongs to.
        """
        documents = self._documents()
        self._loops += 1
        asked, self._asked_epoch = self._asked_epoch, None
        if not self._has_loaded:
            epoch = self._epoch + self._is_begun if asked is None else asked
            if self._asked.sequences is None and (self._is_begun or epoch != documents.epoch):
                self._begin(epoch)
            if self._asked.sequences is not None and epoch != self._epoch + self._is_begun:
                raise ConfigError(
                    f"epoch {epoch} behind epoch {self._epoch} of a packed loader with sequences=",
                    fix="its epochs follow one another: go on, or load a position",
                )
            self._epoch, self._given, self._is_begun = epoch, 0, False
        self._check_epoch(self._asked.num_epochs)
        return self._batches(self._loops)

    def __repr__(self) -> str:
        return (
            f"<PackedLoader of {self._source!r}: batches of {self._asked.batch_size} x {self._packing.length} tokens>"
        )

    @property
    def packed(self) -> Packed:
        """What packing did so far, of this rank: documents, tokens, padding, and what was cut or left out."""
        return Packed(counts=self._lanes.counts(), length=self._packing.length)

    def state_dict(self) -> dict[str, Any]:
        """Return the position of this rank after the last batch that was given, to save in a checkpoint.

        Each rank has its own, of what its packers hold. It is of text, numbers, lists and dictionaries.
        """
        documents, ranks = self._documents(), self.ranks
        return {
            "version": STATE_VERSION,
            "packed": self._name(),
            "rank": ranks.rank,
            "world_size": ranks.world_size,
            "num_lanes": self._num_lanes,
            "epoch": self._epoch,
            "given": self._given,
            "is_begun": self._is_begun,
            "documents": documents.state(),
            **self._lanes.state(),
        }

    def load_state_dict(self, state: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
        """Take up a saved position: the next batch is the one that would have come.

        Args:
            state: that this rank saved; or those of all ranks that saved one, which may be more or fewer than there
                are now. Then each lane goes on where it was, so that no sequence is lost and none comes twice.

        Raises:
            CheckpointMismatch: it is of another dataset, packing or rank, or damaged.
        """
        documents, ranks = self._documents(), self.ranks
        saved = check_saved(state, version=STATE_VERSION, name=self._name(), ranks=ranks)
        num_lanes = self._lanes_for(saved)
        if saved.is_alike or not isinstance(self._source, MixedLoader):  # those of a mix are refused below
            check_lanes(saved.states)
        lanes = self._new_lanes(num_lanes)
        lanes.load(saved.states)
        self._loops += 1
        self._documents_found = documents = self._opened(num_lanes)
        documents.load([each["documents"] for each in saved.states], is_alike=saved.is_alike)
        self._num_lanes, self._lanes = num_lanes, lanes
        self._epoch, self._given, self._is_begun = saved.epoch, saved.given, saved.is_begun
        self._has_loaded, self._asked_epoch = True, None

    def _batches(self, loop: int) -> Iterator[Any]:
        asked, epoch = self._asked, self._epoch
        while True:
            self._check_loop(loop)
            size = self._make_ready(epoch)
            if not size:
                self._check_any(epoch)
                self._end_epoch()
                return
            batch = asked.collate(self._lanes.give(size))
            self._given += size * self.ranks.world_size
            self._is_begun, self._has_loaded = True, False
            if self._is_over(epoch):
                self._end_epoch()
            yield pinned(batch) if asked.pin_memory else batch
            if self._epoch != epoch:
                return

    def _make_ready(self, epoch: int) -> int:
        """Have sequences of the next batch ready; return their number, 0 where the epoch is over."""
        wanted = self._wanted()
        documents = self._documents()
        while len(self._lanes.ready) < wanted and (self._asked.sequences is not None or documents.epoch == epoch):
            if self._lanes.add(documents.take()):
                self._in_vain = 0
            else:
                self._note_vain(documents)
        if self._asked.sequences is None and documents.epoch != epoch:
            self._lanes.flush()
        found = min(wanted, len(self._lanes.ready))
        return found if found >= self._least() else 0

    def _wanted(self) -> int:
        """Return the sequences of the next batch, as far as they are known; 0 behind the epoch's last."""
        if self._asked.sequences is None:
            return self._asked.batch_size
        left = (self._asked.sequences - self._given) // self.ranks.world_size
        wanted = min(self._asked.batch_size, left)
        return wanted if wanted >= self._least() else 0

    def _least(self) -> int:
        return self._asked.batch_size if self._asked.drop_last else 1

    def _is_over(self, epoch: int) -> bool:
        """Whether nothing more comes in an epoch, as far as it is known without reading on."""
        if self._asked.sequences is not None:
            return not self._wanted()
        return self._documents().epoch != epoch and len(self._lanes.ready) < self._least()

    def _check_any(self, epoch: int) -> None:
        """Refuse to end an epoch of the documents that gave nothing, as if there were nothing to learn.

        Raises:
            DataError: none of its documents could be packed, or they make no batch.
        """
        if self._asked.sequences is not None or self._is_begun:
            return
        number, ready = self._documents().num_documents, len(self._lanes.ready)
        if ready:
            raise DataError(
                f"epoch {epoch} has {ready} sequence(s), of {number} documents, and a batch needs {self._least()}",
                fix="use smaller batches, or leave drop_last out",
            )
        raise self._nothing(number)

    def _nothing(self, number: int) -> DataError:
        """Return what is told where nothing of all documents is packed."""
        return DataError(
            f"none of {number} documents could be packed into {self._packing.length} tokens: all are too long, have no "
            "token, or are left out",
            fix='give a greater length, or long="split"',
        )

    def _note_vain(self, documents: Documents) -> None:
        """Refuse to go on for ever where nothing of a whole epoch can be packed."""
        self._in_vain += 1
        if self._asked.sequences is not None and self._in_vain > 2 * documents.num_documents:
            raise self._nothing(documents.num_documents)

    def _begin(self, epoch: int) -> None:
        """Go to the beginning of an epoch of the documents; what is held of another one is let go of, and counted."""
        documents = self._documents()
        self._lanes.begin()
        documents.begin(epoch)

    def _end_epoch(self) -> None:
        """Note that the position is the next epoch's; say once that not every document was packed."""
        counts = self._lanes.counts()
        if counts.dropped and not self._has_warned:
            self._has_warned = True
            _log.warning(
                "packing left out %d of %d documents, of no token or too long for %d tokens; "
                "PackedLoader.packed tells all",
                counts.dropped,
                counts.documents,
                self._packing.length,
            )
        if self._asked.sequences is None:
            self._lanes.let_go()
        self._epoch, self._given, self._is_begun, self._has_loaded = self._epoch + 1, 0, False, False

    def _documents(self) -> Documents:
        """Return where documents come from, which is known when ranks are."""
        if self._documents_found is None:
            ranks = self.ranks
            if ranks.world_size > 1 and self._asked.sequences is None:
                raise ConfigError(
                    f"{ranks.world_size} ranks, whose documents make other numbers of sequences",
                    fix="give sequences=, those of an epoch of all ranks, so that all take as many batches: documents "
                    "go on from one epoch to the next, and none is lost",
                )
            if self._asked.sequences is not None and self._asked.sequences < ranks.world_size * self._least():
                told = f"sequences {self._asked.sequences} for {ranks.world_size} ranks"
                raise ConfigError(f"{told} and batches of {self._asked.batch_size}", fix="give more")
            self._num_lanes = self._lanes_for(None)
            self._documents_found = self._opened(self._num_lanes)
            self._lanes = self._new_lanes(self._num_lanes)
        return self._documents_found

    def _opened(self, num_lanes: int) -> Documents:
        if isinstance(self._source, MixedLoader):
            return MixDocuments(self._source)
        return StreamDocuments(self._source, num_lanes)

    def _lanes_for(self, saved: Saved | None) -> int:
        """Return the number of lanes: of a mix one a rank, else as asked for, as saved, or 8 that ranks divide.

        Raises:
            ConfigError: the ranks cannot share them.
        """
        world_size = self.ranks.world_size
        if isinstance(self._source, MixedLoader):
            return world_size
        asked = self._asked.num_lanes
        number = asked if asked is not None else saved.num_lanes if saved is not None else int(np.lcm(8, world_size))
        if number % world_size:
            raise ConfigError(
                f"{world_size} ranks cannot share {number} lanes of packing",
                fix="use a number of ranks that divides them, or begin anew with other lanes=",
            )
        if saved is not None and number != saved.num_lanes:
            raise ConfigError(
                f"lanes {number}, and the saved position has {saved.num_lanes}", fix="give as many, or none"
            )
        return number

    def _new_lanes(self, number: int) -> Lanes:
        ranks = self.ranks
        return Lanes(self._packing, range(ranks.rank, number, ranks.world_size))

    def _name(self) -> str:
        told = repr((self._packing, self._asked.fingerprint, self._asked.sequences is None))
        return hashlib.sha256(told.encode(errors="surrogatepass")).hexdigest()
