"""Mixes of other values: what is asked of a mix is asked of each of its members."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from penstock.dataset.changed import batched
from penstock.dataset.unread import Unread
from penstock.errors import ConfigError
from penstock.stream.options import names_checked

if TYPE_CHECKING:
    from penstock.dataset.described import Dataset
    from penstock.dataset.mixing import Mixed
    from penstock.dataset.regrouped import Regrouped

__all__ = ["ChangedMix"]


class ChangedMix(Unread):
    """A mix that others are made of; its verbs are those of ``Dataset``, for all members, of mixes within too."""

    __slots__ = ()

    members: tuple[tuple[Dataset | Mixed, float | None], ...]

    @names_checked
    def map(self, function: Callable[[Any], Any]) -> Mixed:
        """Return a mix of the values that a function makes of this one's, in the loading workers."""
        return self._of_each(lambda member: member.map(function))

    @names_checked
    def filter(self, function: Callable[[Any], Any]) -> Mixed:
        """Return a mix of the values that a function says yes to; what it leaves out is counted as given."""
        return self._of_each(lambda member: member.filter(function))

    @names_checked
    def select(self, names: str | Iterable[str]) -> Mixed:
        """Return a mix of some columns, or members of samples, of each dataset."""
        asked = names if isinstance(names, str) or not isinstance(names, Iterable) else list(names)
        return self._of_each(lambda member: member.select(asked))

    @names_checked
    def rename(self, names: Mapping[str, str]) -> Mixed:
        """Return a mix of datasets whose columns have other names."""
        return self._of_each(lambda member: member.rename(names))

    @names_checked
    def drop(self, names: str | Iterable[str]) -> Mixed:
        """Return a mix of datasets without some columns."""
        asked = names if isinstance(names, str) or not isinstance(names, Iterable) else list(names)
        return self._of_each(lambda member: member.drop(asked))

    @names_checked
    def map_batches(self, function: Callable[..., Any], *, rng: bool = False, rows: int | None = None) -> Regrouped:
        """Return what a function makes of so many rows of the mix at a time, any number of values.

        Raises:
            ConfigError: ``rows`` is not given: the batches of a mix are put together of its members' values.
        """
        if rows is None:
            raise ConfigError(
                "map_batches of a mix, whose batches are put together of its members' values",
                fix="say by rows= how many values it is given at a time, or give the mix's loader a collate= that "
                "calls the function first",
            )
        return cast("Regrouped", batched(cast("Mixed", self), function, rng=rng, rows=rows))

    def _of_each(self, change: Callable[[Any], Dataset | Mixed]) -> Mixed:
        mixed = cast("Mixed", self)
        return replace(mixed, members=tuple((change(member), share) for member, share in mixed.members))
