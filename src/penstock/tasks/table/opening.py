"""Which objects are tables, of which format, and what reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from penstock.errors import ConfigError
from penstock.formats.csv import Csv
from penstock.formats.options import size_of
from penstock.formats.registry import format_options
from penstock.manifest import SkippedObject
from penstock.sources import ObjectInfo, ObjectSource, SortedListing
from penstock.tasks.hidden import is_set_aside
from penstock.tasks.objects import pages_of
from penstock.tasks.options import Options
from penstock.tasks.protocols import Limits
from penstock.tasks.table.choosing import names_in
from penstock.tasks.table.csv_tables import CsvTables
from penstock.tasks.table.parquet_tables import ParquetTables
from penstock.tasks.table.parts import Tables
from penstock.tasks.table.row_tables import RowTables
from penstock.texts import counted

__all__ = ["list_tables", "open_tables"]

DELIMITERS: Final = {"comma": ",", "tab": "\t", "semicolon": ";", "bar": "|"}
_OPTIONS: Final = ("delimiter", "names", "block", "memory", "statistics")
"""That not all formats have."""
_MEANT: Final = {"csv": ("delimiter", "names", "block"), "parquet": ("memory", "statistics")}
_OF_OTHERS: Final = ("block", "memory")
"""That a format is given which has them."""


async def list_tables(
    source: ObjectSource,
    chosen: Options,
    limits: Limits,
    skipped: list[SkippedObject],
    *,
    formats: Mapping[str, tuple[str, ...]],
    wanted: str = "table",
) -> tuple[SortedListing, int, str]:
    """List the objects that are tables; give their bytes together, and their format, as well.

    Without a pattern and a format they are those of the format that most bytes are of, by their names.

    Args:
        formats: that they may be of, each with the endings of its objects' names.
        wanted: what they are called, for messages.

    Raises:
        ConfigError: their format is none of tables, or does not follow from their names.
        SourceError: the source could not be listed.
    """
    asked = _asked(chosen, formats)
    endings = {name: of for name, of in formats.items() if asked in ("auto", name)}
    usual = [each for of in endings.values() for each in of]
    pattern = chosen.text("match") or f"*.{{{','.join([*usual, *map(str.upper, usual)])}}}"
    is_chosen = chosen.is_set("match")
    found: dict[str, tuple[SortedListing, list[int]]] = {}
    num_hidden = 0
    async for page in pages_of(source, pattern, skipped, wanted="" if is_chosen else wanted):
        for info in page:
            if not is_chosen and is_set_aside(info.key):
                num_hidden += 1
                continue
            name = asked if is_chosen or asked != "auto" else _format_of(info.key, endings)
            listing, sizes = found.setdefault(name, (SortedListing(limits.scratch), [0, 0]))
            listing.add([info])
            sizes[0] += info.size_bytes
            sizes[1] += 1
    if num_hidden:
        skipped.append(SkippedObject(object=counted(num_hidden, "object"), reason="hidden", count=num_hidden))
    if not found:
        return SortedListing(limits.scratch), 0, asked
    best = min(found, key=lambda name: (-found[name][1][0], name))
    for name, (listing, (_, count)) in found.items():
        if name != best:
            reason = f"of the format {name}, where more is of {best}: choose it with --option format={name}"
            skipped.append(SkippedObject(object=counted(count, "object"), reason=reason, count=count))
            listing.close()
    listing, (num_bytes, _) = found[best]
    return listing, num_bytes, best if best != "auto" else _by_first(listing, formats)


def _asked(chosen: Options, formats: Mapping[str, tuple[str, ...]]) -> str:
    asked = chosen.text("format") or "auto"
    if asked == "auto" or formats.get(asked) or (asked in formats and chosen.is_set("match")):
        return asked
    if asked in formats:
        raise ConfigError(
            f"objects of the format {asked} have no endings of their own", fix="name them with --option match="
        )
    format_options(asked)  # says where there is none of the name, or it cannot be imported
    raise ConfigError(
        f"the format {asked} gives no rows by column", fix=f"choose one of: {', '.join(formats)}; or leave it out"
    )


def _format_of(key: str, formats: Mapping[str, tuple[str, ...]]) -> str:
    """Return the format that an object's name has; the empty text where it has none's."""
    lower = key.lower()
    return next((name for name, of in formats.items() if lower.endswith(tuple(f".{each}" for each in of))), "")


def _by_first(listing: SortedListing, formats: Mapping[str, tuple[str, ...]]) -> str:
    first: ObjectInfo | None = next((info for info in listing if not info.is_empty), None)
    name = "" if first is None else _format_of(first.key, formats)
    if first is not None and not name:
        raise ConfigError(
            f"what {first.key} is does not follow from its name",
            fix=f"say it, like --option format=csv, or one of: {', '.join(formats)}",
        )
    return name


def open_tables(chosen: Options, name: str, limits: Limits, skipped: list[SkippedObject]) -> Tables:
    """Return what reads tables of a format.

    Raises:
        ConfigError: an option means nothing of it, or cannot be used.
    """
    known = format_options(name)
    meant = _MEANT.get(name, tuple(each for each in _OF_OTHERS if each in known))
    other = next((each for each in _OPTIONS if chosen.is_set(each) and each not in meant), None)
    if other is not None:
        raise ConfigError(f"the option {other} means nothing of {name}", fix="leave it out")
    if name == "parquet":
        return ParquetTables(memory_bytes=size_of("memory", chosen.text("memory")), scratch=limits.scratch)
    if name == "csv":
        word = chosen.text("delimiter")
        delimiter = DELIMITERS[chosen.choice("delimiter", tuple(DELIMITERS))] if word is not None else None
        kind = Csv(block=chosen.text("block") or "", names=names_in(chosen, "names") or None)  # for its checks
        block_bytes = size_of("block", kind.block)
        return CsvTables(delimiter=delimiter, names=kind.names, block_bytes=block_bytes, scratch=limits.scratch)
    options = {each: chosen.text(each) for each in meant if chosen.is_set(each)}
    return RowTables(name, options, scratch=limits.scratch, skipped=skipped)
