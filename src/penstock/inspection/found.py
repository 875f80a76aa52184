"""What an inspection finds; it is written as JSON as it stands, but for the pictures."""

from __future__ import annotations

import msgspec

from penstock.records import ClassSize

__all__ = ["Column", "Figures", "Inspection", "Kind", "Picture", "SizeClass", "Spent"]


class SizeClass(msgspec.Struct, frozen=True, kw_only=True):
    """Objects of more than half of ``up_to_bytes``, and no more than that; 0 are the empty ones."""

    up_to_bytes: int
    num_objects: int
    total_bytes: int


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes of the objects that were listed.

    Attributes:
        quantiles: sizes in bytes: of the smallest, of 10, 50 and 90 % of them, and of the largest.
        classes: by powers of two, ascending.
    """

    num_objects: int
    total_bytes: int
    quantiles: tuple[int, ...]
    classes: tuple[SizeClass, ...]


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A part of each sample.

    Attributes:
        values: of the first samples, as short text; empty where they were not read.
    """

    name: str
    type: str
    values: tuple[str, ...] = ()


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """A small picture (PNG) of one that was found."""

    name: str
    told: str
    png: bytes


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """Objects of one extension.

    Attributes:
        extension: in small letters with its dot, ``.jsonl.gz``; empty where they have none.
        by_magic: what those are by their first bytes that were looked at, and how many.
        mismatches: objects whose first bytes are not what their name says, told in words.
        format: Penstock's format that reads them; ``objects`` where none does, so that each is a sample.
        example: the object that was looked into.
        num_samples: in the example; None where that was not cheap to learn.
        about_samples: in all that was listed, by the example's.
        group_bytes: largest that must be fetched as one to decode a sample of the example (a row group, a member).
        note: what is to be said of it, as why its samples are not shown.
    """

    extension: str
    num_objects: int
    total_bytes: int
    by_magic: dict[str, int]
    mismatches: tuple[str, ...]
    format: str
    example: str
    num_samples: int | None = None
    about_samples: int | None = None
    group_bytes: int = 0
    columns: tuple[Column, ...] = ()
    note: str = ""


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What the inspection has cost, and what it would not go beyond."""

    requests: int
    bytes_downloaded: int
    most_requests: int
    most_bytes: int


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """All that was found.

    Attributes:
        is_whole: everything was listed; otherwise what follows is of a part of it.
        configs: of the dataset's card, and splits by the card or by the names of files.
        listing_notes: what is to be said of the listing, as how old the inventory is that it is of.
        card_note: why the card could not be read.
        advice: in sentences.
        storage_classes: what there is of each class of storage, where the source tells it.
    """

    source: str
    is_whole: bool
    figures: Figures
    kinds: tuple[Kind, ...]
    more_kinds: int
    configs: tuple[str, ...]
    splits: tuple[str, ...]
    card_note: str
    left_out: tuple[str, ...]
    listing_notes: tuple[str, ...]
    advice: tuple[str, ...]
    spent: Spent
    storage_classes: dict[str, ClassSize] = {}
