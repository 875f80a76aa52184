"""Batches of values that are made of several rows at a time, another number of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from penstock.dataset.made_loader import MadeLoader
from penstock.dataset.mixed_loader import MixedLoader
from penstock.dataset.regrouped_groups import Groups
from penstock.errors import CheckpointMismatch, ConfigError, DataError
from penstock.loader.failures import putting_together
from penstock.stream.epochs import pinned
from penstock.stream.face import Stream

__all__ = ["Asked", "RegroupedLoader"]

STATE_VERSION: Final = 1
_GIVE: Final = "give what state_dict() gave, as it was"
_COUNTS: Final = ("rank", "world_size", "epoch", "given", "taken")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What a loader was asked for.

    Attributes:
        rows: that values are made of at a time.
        name: of how they are made, as far as it can be told.
        samples: values of an epoch, of all ranks; None is as many as all rows make.
        num_epochs: None is without end.
    """

    rows: int
    name: str
    batch_size: int
    samples: int | None
    num_epochs: int | None
    drop_last: bool
    pin_memory: bool
    collate: Callable[[list[Any]], Any]


class RegroupedLoader(MadeLoader):
    """Batches of values, epoch after epoch; ``Regrouped.loader`` opens it, and it behaves as ``Stream`` does.

    A position is that of the rows that the next value is made of, and which of their values it is. It may be saved
    anywhere, and taken up with another batch size or number of workers: the very values follow that would have come.

    Args:
        source: gives the values of so many rows at a time, packed as bytes.
    """

    called = "a loader of values that map_batches makes"

    def __init__(self, source: Stream | MixedLoader, asked: Asked) -> None:
        super().__init__(source)
        self._asked = asked
        self._groups = Groups(source)

    def __len__(self) -> int:
        """Return this rank's batches of an epoch, where ``samples`` says how long it is.

        Raises:
            TypeError: it does not; how many values rows make is not known before they are read.
        """
        if self._asked.samples is None:
            raise TypeError(
                "a loader of values that map_batches makes has no length: how many rows make is not known before they "
                "are read; give samples= to have epochs of so many"
            )
        return self._batches_of(self._asked.samples, self._asked.batch_size, drop_last=self._asked.drop_last)

    def __iter__(self) -> Iterator[Any]:
        """Begin a fresh epoch, or go on from the position that was loaded; an iterator from before is over.

        Raises:
            PenstockError: the data failed; raised at the batch that it belongs to.
        """
        self._check_ranks()
        self._loops += 1
        asked, self._asked_epoch = self._asked_epoch, None
        if not self._has_loaded:
            epoch = self._epoch + self._is_begun if asked is None else asked
            if self._asked.samples is None:
                self._groups.begin(epoch)
            elif epoch != self._epoch + self._is_begun:
                raise ConfigError(
                    f"epoch {epoch} behind epoch {self._epoch} of a loader with samples=",
                    fix="its epochs follow one another: go on, or load a position",
                )
            self._epoch, self._given, self._is_begun = epoch, 0, False
        self._check_epoch(self._asked.num_epochs)
        return self._batches(self._loops)

    def __repr__(self) -> str:
        asked = self._asked
        return f"<RegroupedLoader of {self._source!r}: batches of {asked.batch_size}, made of {asked.rows} rows a time>"

    def state_dict(self) -> dict[str, Any]:
        """Return the position of this rank after the last batch that was given, to save in a checkpoint."""
        ranks, (rows, taken) = self.ranks, self._groups.position()
        return {
            "version": STATE_VERSION,
            "regrouped": self._name(),
            "rank": ranks.rank,
            "world_size": ranks.world_size,
            "epoch": self._epoch,
            "given": self._given,
            "is_begun": self._is_begun,
            "rows": rows,
            "taken": taken,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a position that this rank saved: the next batch is of the values that would have come.

        Raises:
            CheckpointMismatch: it is of another dataset, function or rank, or damaged.
        """
        self._check_state(state)
        self._loops += 1
        self._groups.load(state["rows"], state["taken"])
        self._epoch, self._given, self._is_begun = state["epoch"], state["given"], state["is_begun"]
        self._has_loaded, self._asked_epoch = True, None

    def _batches(self, loop: int) -> Iterator[Any]:
        asked, epoch = self._asked, self._epoch
        while True:
            self._check_loop(loop)
            size = self._make_ready()
            if not size:
                if not self._is_begun:
                    raise DataError(
                        f"map_batches made too few values of all rows of epoch {epoch} for a batch",
                        fix="look at what its function returns; with drop_last use smaller batches",
                    )
                self._end_epoch()
                return
            values = self._groups.take(size)
            with putting_together(values):
                batch = asked.collate(values)
            self._given += size * self.ranks.world_size
            self._is_begun, self._has_loaded = True, False
            if not self._make_ready():
                self._end_epoch()
            yield pinned(batch) if asked.pin_memory else batch
            if self._epoch != epoch:
                return

    def _make_ready(self) -> int:
        """Have values of the next batch ready; return how many it has, 0 where the epoch is over."""
        asked, least = self._asked, self._asked.batch_size if self._asked.drop_last else 1
        wanted = asked.batch_size
        if asked.samples is not None:
            wanted = min(wanted, (asked.samples - self._given) // self.ranks.world_size)
        if wanted < least:
            return 0
        # The last of an epoch are fewer; more than the least are made when they are asked for.
        found = self._groups.make_ready(wanted, goes_on=asked.samples is not None)
        return found if found >= least else 0

    def _end_epoch(self) -> None:
        """Note that the position is the next epoch's."""
        if self._asked.samples is None:
            self._groups.let_go()
        self._epoch, self._given, self._is_begun, self._has_loaded = self._epoch + 1, 0, False, False

    def _check_ranks(self) -> None:
        samples, number = self._asked.samples, self.ranks.world_size
        if number > 1 and samples is None:
            raise ConfigError(
                f"{number} ranks, whose rows make other numbers of values",
                fix="give samples=, those of an epoch of all ranks, so that all take as many batches: rows go on from "
                "one epoch to the next, and none is lost",
            )
        if samples is not None and samples < number * (self._asked.batch_size if self._asked.drop_last else 1):
            raise ConfigError(
                f"samples {samples} for {number} ranks, batches of {self._asked.batch_size}", fix="give more samples"
            )

    def _check_state(self, state: Any) -> None:
        if not isinstance(state, Mapping) or "regrouped" not in state or state.get("version") != STATE_VERSION:
            raise CheckpointMismatch("what is loaded is no saved position of such a loader", fix=_GIVE)
        if state["regrouped"] != self._name():
            raise CheckpointMismatch(
                "the saved position is of another number of rows at a time, or of other functions",
                fix="go on with those that it was saved with, or begin anew",
            )
        if missing := [each for each in (*_COUNTS, "is_begun", "rows") if each not in state]:
            raise CheckpointMismatch(f"the saved position lacks {', '.join(missing)}", fix=_GIVE)
        for each in _COUNTS:
            value = state[each]
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**62:
                raise CheckpointMismatch(f"the saved position has {each} {str(value)[:60]!r}", fix=_GIVE)
        if not isinstance(state["is_begun"], bool) or not isinstance(state["rows"], Mapping):
            raise CheckpointMismatch("the saved position is damaged", fix=_GIVE)
        ranks = self.ranks
        if (state["rank"], state["world_size"]) != (ranks.rank, ranks.world_size):
            raise CheckpointMismatch(
                f"the saved position is of rank {state['rank']} of {state['world_size']}, and this is rank "
                f"{ranks.rank} of {ranks.world_size}",
                fix="each rank has a position of its own, and its values follow from the number of ranks: go on with "
                "as many, each with what it saved",
            )

    def _name(self) -> str:
        return hashlib.sha256(repr((self._asked.name, self._asked.samples is None)).encode()).hexdigest()
