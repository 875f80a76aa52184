"""Classes of storage of the objects that a listing names, and what of each class samples lie in.

No object's class is kept with its samples. Of a listing whose objects are all of one class that class alone is held;
of others the names of those that are of another than the first one's go to ``DistinctNames``, in bounded memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from penstock.manifest.distinct import DistinctNames
from penstock.records.classes import ClassSize
from penstock.texts import counted
from penstock.units import format_bytes

__all__ = ["ObjectClasses", "archived_words", "parts_of"]


def archived_words(count: int, total_bytes: int, classes: Iterable[str], first: str) -> str:
    """Say how many objects cannot be read before they are restored."""
    of = f"{counted(count, 'object')} of {format_bytes(total_bytes)}"
    told = f"{'is' if count == 1 else 'are'} archived ({', '.join(sorted(classes))})"
    return f"{of} {told} and cannot be read, {first} for one"


def parts_of(sizes: Mapping[str, ClassSize], num_objects: int, size_bytes: int) -> dict[str, ClassSize]:
    """Return what so many objects, of more that were listed, are taken to have of each class: of one class all of it.

    Of several classes each has the part that it had of the listing; which object is of which is not kept.
    """
    all_bytes = sum(size.size_bytes for size in sizes.values())
    all_objects = sum(size.num_objects for size in sizes.values())
    if not all_bytes or (num_objects, size_bytes) == (all_objects, all_bytes):
        return dict(sizes)
    parts = {
        name: ClassSize(
            num_objects=round(size.num_objects * num_objects / all_objects),
            size_bytes=round(size.size_bytes * size_bytes / all_bytes),
        )
        for name, size in sizes.items()
    }
    return {name: size for name, size in parts.items() if size.size_bytes}


class _Listed(Protocol):
    """An object of a listing."""

    @property
    def key(self) -> str: ...

    @property
    def size_bytes(self) -> int: ...

    @property
    def storage_class(self) -> str: ...

    @property
    def trouble(self) -> str: ...

    @property
    def is_archived(self) -> bool: ...


class ObjectClasses:
    """Takes note of the classes of objects as they are listed; one that is listed again is counted once.

    Args:
        folder: where what does not fit in memory goes.

    Raises:
        DiskFull, OutputUnwritable: from any method.
    """

    def __init__(self, folder: Path) -> None:
        self._names: list[str] = []
        """Of classes; objects that nothing is held of are of the first."""
        self._others = DistinctNames(folder)
        self._archived = DistinctNames(folder)
        self._archives: list[str] = []
        self._first_archived = ""

    def see(self, infos: Iterable[_Listed]) -> None:
        """Take note of some."""
        first = self._names[0] if self._names else None
        for info in infos:
            if info.storage_class != first:
                if first is None:
                    first = info.storage_class
                    self._names.append(first)
                else:
                    self._others.add(info.key, self._number_of(info.storage_class))
            if info.trouble and info.is_archived:
                self._see_archived(info)

    def sizes(self, used: DistinctNames) -> dict[str, ClassSize]:
        """Return what there is of each class among objects, by their names and sizes; those of none are left out."""
        if not any(self._names):
            return {}
        found = used.totals_by(self._others)
        sizes = {
            self._names[number]: ClassSize(num_objects=count, size_bytes=total)
            for number, (count, total) in sorted(found.items())
            if self._names[number]
        }
        return dict(sorted(sizes.items(), key=lambda each: -each[1].size_bytes))

    @property
    def has_archived(self) -> bool:
        """Whether any objects cannot be read before they are restored."""
        return bool(self._archives)

    def archived_told(self) -> str:
        """Say how many objects cannot be read before they are restored."""
        count, total = self._archived.totals()
        return archived_words(count, total, self._archives, self._first_archived)

    def archived_sizes(self) -> dict[str, ClassSize]:
        """Return what there is of each class among objects that cannot be read before they are restored."""
        return self.sizes(self._archived)

    def close(self) -> None:
        """Let go of scratch files."""
        self._others.close()
        self._archived.close()

    def _number_of(self, name: str) -> int:
        if name not in self._names:
            self._names.append(name)
        return self._names.index(name)

    def _see_archived(self, info: _Listed) -> None:
        self._first_archived = self._first_archived or info.key
        if info.storage_class not in self._archives:
            self._archives.append(info.storage_class)
        self._archived.add(info.key, info.size_bytes)
