"""Figures of an inspection as words, the same in a terminal and in a page."""

from __future__ import annotations

from penstock.inspection.found import Inspection, Kind
from penstock.sources import held_told
from penstock.texts import counted
from penstock.units import format_bytes

__all__ = [
    "KIND_HEADS",
    "QUANTILES",
    "headline",
    "kind_cells",
    "notes",
    "sizes_told",
    "spent_told",
    "splits_told",
]

QUANTILES = ("smallest", "10 %", "median", "90 %", "largest")
KIND_HEADS = ("extension", "objects", "bytes", "samples", "format", "by first bytes")


def headline(found: Inspection) -> str:
    """Return what lies there, in one line."""
    what = f"{counted(found.figures.num_objects, 'object')}, {format_bytes(found.figures.total_bytes)}"
    return what if found.is_whole else f"{what}: of a part of the listing, there are more"


def sizes_told(found: Inspection) -> str:
    """Return quantiles of the sizes, in one line."""
    pairs = zip(QUANTILES, found.figures.quantiles, strict=True)
    return ", ".join(f"{name} {format_bytes(size)}" for name, size in pairs)


def kind_cells(kind: Kind) -> tuple[str, ...]:
    """Return a kind's cells under ``KIND_HEADS``."""
    return (
        kind.extension or "(none)",
        f"{kind.num_objects:,}",
        format_bytes(kind.total_bytes),
        _samples(kind),
        "each a sample" if kind.format == "objects" else kind.format,
        ", ".join(kind.by_magic) or "-",
    )


def _samples(kind: Kind) -> str:
    if kind.about_samples is None:
        return "-"
    is_exact = kind.format == "objects" or (kind.num_objects == 1 and kind.num_samples is not None)
    return f"{kind.about_samples:,}" if is_exact else f"about {float(f'{kind.about_samples:.2g}'):,.0f}"


def splits_told(found: Inspection) -> list[str]:
    """Return configs, splits and classes of storage, a line each."""
    lines = [f"configs: {', '.join(found.configs)}"] if found.configs else []
    lines += [f"splits: {', '.join(found.splits)}"] if found.splits else []
    return [*lines, *([held_told(found.storage_classes)] if found.storage_classes else [])]


def notes(found: Inspection) -> list[str]:
    """Return what is to be said of the listing, and what was passed over."""
    told = [*found.listing_notes, *([found.card_note] if found.card_note else [])]
    told += list(found.left_out[:5])
    if found.more_kinds:
        told.append(f"{counted(found.more_kinds, 'more extension')} of fewer bytes not looked into")
    if not found.is_whole:
        told.append(
            "the listing was not read to its end: objects, bytes, samples and advice are of its beginning and of some "
            "folders (--max-objects lists more)"
        )
    return told


def spent_told(found: Inspection) -> str:
    """Return what the inspection has cost."""
    spent = found.spent
    return (
        f"This took {counted(spent.requests, 'request')} and {format_bytes(spent.bytes_downloaded)} "
        f"(no more than {spent.most_requests:,} and {format_bytes(spent.most_bytes)})."
    )
