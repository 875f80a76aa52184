"""What a dataset that is still to be opened says to those who read it as it is."""

from __future__ import annotations

from typing import NoReturn

__all__ = ["Unread"]


class Unread:
    """Something that is read by its loader alone: whoever loops over it, counts it or indexes it is told so."""

    __slots__ = ()

    def __iter__(self) -> NoReturn:
        raise self._unread("cannot be looped over")

    def __len__(self) -> NoReturn:
        raise self._unread("has no length (len(loader) tells the batches of an epoch)")

    def __getitem__(self, index: object) -> NoReturn:
        raise self._unread("has no samples by number")

    def __bool__(self) -> bool:
        return True

    def _unread(self, what: str) -> TypeError:
        how = (
            "open it by `with ds.loader(batch_size=64) as loader:` and loop over the loader, with no DataLoader around"
        )
        return TypeError(f"a {type(self).__name__} {what}: {how}")
