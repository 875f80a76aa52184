"""Classes of storage of what a mix read: what was drawn of each member, spread over the classes of its objects."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.records import ClassSize
from penstock.records.run import MixShare

__all__ = ["mixed_classes"]


def mixed_classes(mix: Sequence[MixShare]) -> dict[str, ClassSize]:
    """Return what was read of each class, that of members which tell none under the empty name; empty where none does.

    What was drawn counts, and where nothing was saved of that, what the last epoch planned.
    """
    if not any(each.storage_classes for each in mix):
        return {}
    has_given = any(each.given for each in mix)
    found: dict[str, ClassSize] = {}
    for each in mix:
        samples = each.given if has_given else each.planned
        read_bytes = samples * each.sample_bytes
        for name, size in _spread(each, samples, read_bytes).items():
            before = found.get(name, ClassSize(num_objects=0, size_bytes=0))
            found[name] = ClassSize(
                num_objects=before.num_objects + size.num_objects, size_bytes=before.size_bytes + size.size_bytes
            )
    return {name: size for name, size in found.items() if size.size_bytes}


def _spread(member: MixShare, samples: int, read_bytes: float) -> dict[str, ClassSize]:
    total = sum(size.size_bytes for size in member.storage_classes.values())
    if not total:
        return {"": ClassSize(num_objects=samples, size_bytes=round(read_bytes))}
    part = read_bytes / total
    return {
        name: ClassSize(num_objects=round(size.num_objects * part), size_bytes=round(size.size_bytes * part))
        for name, size in member.storage_classes.items()
    }
