"""What there is of each class of storage among objects that are at hand, and what cannot be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from penstock.manifest.classes import archived_words
from penstock.records import ClassSize
from penstock.sources.protocols import ObjectInfo
from penstock.texts import counted
from penstock.units import format_bytes

__all__ = ["archived_told", "held_told", "percent_told", "sizes_by_class"]


def sizes_by_class(infos: Sequence[ObjectInfo]) -> dict[str, ClassSize]:
    """Return what there is of each class, of most bytes first; objects of none, and those of no bytes, are left out."""
    found: dict[str, list[int]] = {}
    for info in infos:
        if info.storage_class and info.size_bytes:
            found.setdefault(info.storage_class, []).append(info.size_bytes)
    sizes = {name: ClassSize(num_objects=len(each), size_bytes=sum(each)) for name, each in found.items()}
    return dict(sorted(sizes.items(), key=lambda each: -each[1].size_bytes))


def archived_told(infos: Sequence[ObjectInfo]) -> str:
    """Say how many objects cannot be read before they are restored; empty where all can."""
    found = [info for info in infos if info.is_archived]
    if not found:
        return ""
    total = sum(info.size_bytes for info in found)
    return archived_words(len(found), total, {info.storage_class for info in found}, found[0].key)


def held_told(sizes: Mapping[str, ClassSize]) -> str:
    """Say what lies in which class; empty where nothing is known."""
    total = sum(size.size_bytes for size in sizes.values())
    told = [
        f"{name} {counted(size.num_objects, 'object')} of {format_bytes(size.size_bytes)} "
        f"({percent_told(size.size_bytes, total)})"
        for name, size in sizes.items()
    ]
    return f"storage classes: {'; '.join(told)}" if told else ""


def percent_told(part: int, whole: int) -> str:
    """Say what part of a whole something is."""
    return f"{100 * part / whole:.0f} %" if whole else "0 %"
