"""Datasets whose values are made of several rows at a time, another number of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NoReturn

from torch.utils.data import default_collate

from penstock.dataset.columns import names_in
from penstock.dataset.described import Dataset
from penstock.dataset.functions import Batched, CollateLeft, Drop, Filter, Keep, Rename, parted
from penstock.dataset.member_feed import pack
from penstock.dataset.mixing import Mixed
from penstock.dataset.own_windows import own_window
from penstock.dataset.regrouped_loader import Asked, RegroupedLoader
from penstock.dataset.regrouped_rows import RegroupedRows
from penstock.dataset.text_verbs import TextVerbs
from penstock.dataset.unread import Unread
from penstock.errors import ConfigError
from penstock.loader.collate import ReusingCollate
from penstock.stream import checks
from penstock.stream.checks import called_with, count
from penstock.stream.epochs import NOTHING
from penstock.stream.face import Stream
from penstock.stream.options import names_checked, no_argument
from penstock.stream.words import in_python

__all__ = ["Regrouped"]

_OWN: Final = ("samples",)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False, repr=False)
class Regrouped(Unread, TextVerbs):
    """Values that a function makes of so many rows at a time; ``map_batches`` with ``rows`` makes it.

    Attributes:
        of: the rows.
        made: makes values of some of them.
        functions: that values go through then, one after the other.
    """

    of: Dataset | Mixed
    made: Batched
    functions: tuple[Callable[[Any], Any], ...] = ()

    def __repr__(self) -> str:
        behind = f", and {len(self.functions)} functions behind it" if self.functions else ""
        return f"<Regrouped of {self.of!r}: map_batches of {self.made.rows} rows at a time{behind}>"

    def mapped(self, function: Callable[[Any], Any]) -> Regrouped:
        """Return one of the values that a function makes of this one's."""
        return replace(self, functions=(*self.functions, function))

    @names_checked
    def map(self, function: Callable[[Any], Any]) -> Regrouped:
        """Return one of the values that a function makes of this one's, where those are made."""
        called_with("function", function, "value")
        return self.mapped(function)

    @names_checked
    def filter(self, function: Callable[[Any], Any]) -> Regrouped:
        """Return one of the values that a function says yes to; batches are full all the same."""
        called_with("function", function, "value")
        return self.mapped(Filter(function))

    @names_checked
    def select(self, names: str | Iterable[str]) -> Regrouped:
        """Return one of some columns of the values."""
        return self.mapped(Keep(names_in("select", names)))

    @names_checked
    def rename(self, names: Mapping[str, str]) -> Regrouped:
        """Return one whose columns have other names."""
        return self.mapped(Rename(dict(names)))

    @names_checked
    def drop(self, names: str | Iterable[str]) -> Regrouped:
        """Return one without some columns."""
        return self.mapped(Drop(names_in("drop", names)))

    def map_batches(self, *_: object, **__: object) -> NoReturn:
        """Refuse functions of batches behind others that change how many values there are.

        Raises:
            ConfigError: always.
        """
        raise ConfigError("map_batches behind map_batches with rows=", fix="do both in one function")

    def pack(self, *_: object, **__: object) -> NoReturn:
        """Refuse to pack: how many documents there are is not known, by which packing deals them out to lanes.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(
            "packing behind map_batches with rows=", fix="pack in its function, or make documents by map before packing"
        )

    def loader(self, batch_size: int | None = None, *, samples: int | None = None, **options: Any) -> RegroupedLoader:
        """Open it: batches of the values, for a training loop.

        Rows are shuffled, and so many of them, one behind the other, are given to the function together; what it gives
        is given in that order.

        Args:
            batch_size: values of a batch, on each rank; None is what the file says that it was opened of, or 1.
            samples: values of an epoch, of all ranks: rows then go on from one to the next. Several ranks need it, for
                each makes another number of values of its rows. None: an epoch is all rows once.
            options: as of ``Dataset.loader``. ``window`` is of each rank, and must hold ``rows`` rows.

        Raises:
            SourceError: a source could not be listed.
            ConfigError: an option cannot be honoured.
            TypeError: there is no such option.
        """
        known = [name for name in inspect.signature(Dataset.loader).parameters if name != "self"]
        wrong = next((name for name in options if name not in known), None)
        if wrong is not None:
            raise TypeError(no_argument("loader", wrong, [*known, *_OWN]))
        if checks.flag("stream_listing", options.get("stream_listing", False)):
            raise ConfigError("stream_listing with map_batches and rows=", fix="leave one of them out")
        said = (self.of.datasets[0] if isinstance(self.of, Mixed) else self.of).loading
        batch_size = said.get("batch_size", 1) if batch_size is None else batch_size
        epochs, collate = options.pop("epochs", None), options.pop("collate", default_collate)
        called_with("collate", collate, "values")
        asked = Asked(
            rows=self.made.rows or 1,
            name=repr((self.made.rows, self.made.has_chance, len(self.functions))),
            batch_size=count("batch_size", batch_size, 1),
            samples=None if samples is None else count("samples", samples, 1, most=2**53),
            num_epochs=None if epochs is None else count("epochs", epochs, 1),
            drop_last=checks.flag("drop_last", options.pop("drop_last", False)),
            pin_memory=checks.flag("pin_memory", options.pop("pin_memory", False)),
            collate=ReusingCollate() if collate is default_collate else collate,
        )
        # With samples= epochs of the rows are not those of the loader.
        options["epochs"] = epochs if samples is None else None
        return RegroupedLoader(self._source(options | own_window(options)), asked)

    def _source(self, options: dict[str, Any]) -> Any:
        """Open what gives the values of so many rows at a time, packed as bytes."""
        size = self.made.rows
        behind: tuple[Callable[..., Any], ...] = (self.made, *self.functions)
        if isinstance(self.of, Mixed):
            if self.made.has_chance:
                raise ConfigError(
                    "map_batches with rng=True of a mix, whose rows are put together by the process that trains",
                    fix="give its members a transform= of (value, rng), or leave rng out",
                )
            return self.of.loader(size, collate=CollateLeft(pack, behind, gives_all=True), **options)
        before, batched = parted(self.of.functions)
        with in_python():
            opened = self.of.opened_with({**options, "batch_size": size})
        collate = CollateLeft(pack, (*batched, *behind), before=len(before), gives_all=True)
        return Stream.made_of(replace(opened, decoder=replace(opened.decoder, collate=collate, stand_in=NOTHING)))

    @property
    def shard_names(self) -> tuple[str, ...]:
        """Names of the shards of the rows."""
        return self._rows("shard_names").shard_names

    @property
    def num_shards(self) -> int:
        """How many shards there are."""
        return self._rows("num_shards").num_shards

    def rows(self) -> Generator[Any, None, None]:
        """Return the values that are made of all rows, one shard after the other; raises as ``open_shard`` does."""
        for name in self.shard_names:
            with self.open_shard(name) as values:
                yield from values

    @names_checked
    def open_shard(self, name: str) -> RegroupedRows:
        """Return the values that are made of a shard's rows, in their order.

        Raises:
            ConfigError: there is no such shard.
        """
        return self.open_shard_at_row(name, 0)

    @names_checked
    def open_shard_at_row(self, name: str, row: int) -> RegroupedRows:
        """Return the values that are made of a shard's rows from one on, so many at a time from the shard's first on.

        Raises:
            ConfigError: there is no such shard, or it has fewer rows; or the row does not begin a group.
        """
        size = self.made.rows or 1
        first = count("row", row, 0, most=2**63 - 1)
        if first % size:
            low = first - first % size
            raise ConfigError(
                f"row {first} lies within a group of {size} rows, which values are made of together",
                fix=f"open it at row {low} or {low + size}",
            )
        if self.made.has_chance:
            raise ConfigError(
                "the rows of a shard with chance (rng=True of map_batches)", fix="leave rng out, or use loader"
            )
        rows = self._rows("open_shard").open_shard_at_row(name, first)
        return RegroupedRows(rows, self.made, self.functions, size=size)

    def _rows(self, asked: str) -> Dataset:
        if isinstance(self.of, Mixed):
            raise ConfigError(f"{asked} of a mix", fix="ask its members")
        return self.of
