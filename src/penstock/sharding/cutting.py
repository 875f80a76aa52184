"""Which samples a shard holds: a function of the dataset's listing, the format and the size alone."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from penstock.formats.sample_names import split_name, why_left_out
from penstock.manifest import Extent

__all__ = ["Shard", "Unit", "cut_shards"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """Extents whose samples are named as one: files of one stem are one sample, others are numbered.

    Attributes:
        name: of the sample; empty where samples are numbered.
    """

    name: str
    extents: list[Extent] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class Shard:
    """Neighbours of the listing.

    Attributes:
        first_sample: number of its first sample in the whole dataset.
    """

    number: int
    first_sample: int
    units: list[Unit]

    def fingerprint(self, settings: str) -> str:
        """Return what names the samples that it holds and how they are written, exactly."""
        digest = hashlib.sha256(settings.encode())
        for unit in self.units:
            for extent in unit.extents:
                spans = [(s.object, s.version, s.offset, s.length_bytes) for s in extent.spans]
                told = (self.first_sample, unit.name, extent.key, extent.num_samples, spans, extent.args)
                digest.update(repr(told).encode())
        return digest.hexdigest()


async def cut_shards(extents: AsyncIterator[Extent], *, size_bytes: int, own_names: bool) -> AsyncIterator[Shard]:
    """Return shards of neighbours: one ends where the next unit would take it beyond its size, if it has any.

    Args:
        size_bytes: of what a shard's samples are read from.
        own_names: each extent is an object; those that follow each other and differ in their extensions alone are one
            sample.
    """
    number = first = size = num_samples = 0
    units: list[Unit] = []
    async for unit in _units(extents, own_names=own_names):
        unit_bytes = sum(extent.size_bytes for extent in unit.extents)
        if units and size + unit_bytes > size_bytes:
            yield Shard(number=number, first_sample=first, units=units)
            number, first, size, num_samples, units = number + 1, first + num_samples, 0, 0, []
        units.append(unit)
        size += unit_bytes
        num_samples += 1 if unit.name else sum(extent.num_samples for extent in unit.extents)
    if units:
        yield Shard(number=number, first_sample=first, units=units)


async def _units(extents: AsyncIterator[Extent], *, own_names: bool) -> AsyncIterator[Unit]:
    last: Unit | None = None
    async for extent in extents:
        name = _own_name(extent.key) if own_names else ""
        if last is not None and name and name == last.name:
            last.extents.append(extent)
            continue
        if last is not None:
            yield last
        last = Unit(name=name, extents=[extent])
    if last is not None:
        yield last


def _own_name(key: str) -> str:
    """Return an object's name without its extension; empty where it is none that a member of an archive can have."""
    found = split_name(key)
    if found is None or why_left_out(key) or key.startswith("/") or {"..", ".", ""} & set(key.split("/")):
        return ""
    extension = found[1]
    return found[0] if extension == extension.strip(".") and extension.isprintable() and extension else ""
