"""Datasets of other values: what functions make of them, and of which columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast, overload

from penstock.dataset.sharded import Sharded
from penstock.stream.checks import called_with, count, flag
from penstock.stream.options import names_checked

if TYPE_CHECKING:
    from penstock.dataset.described import Dataset
    from penstock.dataset.mixing import Mixed
    from penstock.dataset.regrouped import Regrouped

__all__ = ["Changed", "batched"]


class Changed(Sharded):
    """A dataset that others are made of."""

    __slots__ = ()

    @names_checked
    def map(self, function: Callable[[Any], Any]) -> Dataset:
        """Return a dataset of the values that a function makes of this one's, in the loading workers."""
        called_with("function", function, "value")
        return self._with(function)

    @names_checked
    def filter(self, function: Callable[[Any], Any]) -> Dataset:
        """Return a dataset of the values that a function says yes to, in the loading workers.

        Each is fetched and decoded before it is asked, and what is left out leaves its batch smaller: batches are cut
        as if it were there, so positions, ranks and resuming are exact, and ``len`` counts it. A batch that nothing is
        left of is not given; where several ranks step together it is an error. To leave out by key, at no cost and
        with full batches, use ``where``.

        Args:
            function: of a value as it is there, behind ``map`` before it; it should say the same each time.
        """
        from penstock.dataset.functions import Filter  # here, as in what follows: most datasets have none

        called_with("function", function, "value")
        return self._with(Filter(function))

    @overload
    def map_batches(self, function: Callable[..., Any], *, rng: bool = False) -> Dataset: ...

    @overload
    def map_batches(self, function: Callable[..., Any], *, rng: bool = False, rows: int) -> Regrouped: ...

    @names_checked
    def map_batches(
        self, function: Callable[..., Any], *, rng: bool = False, rows: int | None = None
    ) -> Dataset | Regrouped:
        """Return a dataset of the values that a function makes of all values of a batch of the loader at once.

        It gives as many as it was given, in their order, so that positions, ranks and resuming stay exact; others are
        an error. With ``rows`` it is given so many rows at a time, whatever the batches are, and gives any number of
        values: batches are cut of what it gives, and a position is exact within that too. How many there are is not
        known before they are made, so ``len(loader)`` is an error, and several ranks need ``samples=`` of the loader.

        ``transform=`` of the loader comes before it, ``map``, ``filter`` and others behind it after it. It
        runs where batches are put together: with ``workers``, of formats of many samples an extent, that is the
        process that asked for them.

        Args:
            function: of a list of values, that gives a list; or a dictionary with a list for each column.
            rng: call it with ``(values, rng)``, a generator of the batch's own by seed, epoch and its first sample.
            rows: that it is given at a time, fewer at an epoch's end; None is the loader's batch.
        """
        return batched(cast("Dataset", self), function, rng=rng, rows=rows)

    @names_checked
    def select(self, names: str | Iterable[str]) -> Dataset:
        """Return a dataset of some columns of tables or JSON, or of some members of the samples of archives.

        Nothing else is fetched; but behind ``map`` and ``filter`` it takes columns of what those give.

        Raises:
            ConfigError: the format has none, or it is no list of names.
        """
        from penstock.dataset.columns import selected

        return selected(cast("Dataset", self), names)

    @names_checked
    def rename(self, names: Mapping[str, str]) -> Dataset:
        """Return a dataset whose columns have other names, in their places.

        Args:
            names: new ones by old ones, like ``{"txt": "text"}``. That a value lacks one is an error when it comes.

        Raises:
            ConfigError: there are none, or two columns would have one name.
        """
        from penstock.dataset.columns import renamed

        return renamed(cast("Dataset", self), names)

    @names_checked
    def drop(self, names: str | Iterable[str]) -> Dataset:
        """Return a dataset without some columns.

        Of columns that were chosen (``columns=``, ``select``) those are no longer fetched; else they are, and left out
        of what comes: ``select`` fetches less. That a value lacks one is an error when it comes.

        Raises:
            ConfigError: there are none.
        """
        from penstock.dataset.columns import dropped, names_in

        return dropped(cast("Dataset", self), names_in("drop", names))

    def mapped(self, function: Callable[[Any], Any]) -> Dataset:
        """Return a dataset of the values that a function makes of this one's, as ``map`` does, of a verb's own."""
        return self._with(function)

    def _with(self, function: Callable[..., Any]) -> Dataset:
        dataset = cast("Dataset", self)
        return replace(dataset, functions=(*dataset.functions, function))


def batched(
    rows_of: Dataset | Mixed, function: Callable[..., Any], *, rng: bool, rows: int | None
) -> Dataset | Regrouped:
    """Return what a function makes of batches, or of so many rows at a time.

    Raises:
        ConfigError: an argument cannot be used.
    """
    from penstock.dataset.functions import Batched

    has_chance = flag("rng", rng)
    called_with("function", function, "values", *(["rng"] if has_chance else []))
    if rows is None:
        return rows_of._with(Batched(function, has_chance))  # type: ignore[union-attr] # a mix refuses it before
    from penstock.dataset.regrouped import Regrouped  # it knows datasets

    return Regrouped(of=rows_of, made=Batched(function, has_chance, count("rows", rows, 1, most=2**20)))
