"""Making the samples of tables: columns are chosen by the first table, all are read, and extents come of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final, Literal

from penstock.errors import ConfigError, DataError, EmptyListing, MissingLabel, PenstockError
from penstock.files import ScratchFile
from penstock.formats.options import size_of
from penstock.formats.registry import table_formats
from penstock.manifest import Extent, SkippedObject
from penstock.sources import ObjectInfo, ObjectSource, SortedListing
from penstock.tasks.objects import full_objects
from penstock.tasks.options import Options
from penstock.tasks.protocols import Limits, OwnSplits, SampleSet
from penstock.tasks.refusing import refuse_early, refuse_releases, unreadable
from penstock.tasks.table.choosing import choose_layout, names_in
from penstock.tasks.table.encoding import Encoding
from penstock.tasks.table.gathering import Gathered
from penstock.tasks.table.like import Like, read_like
from penstock.tasks.table.opening import list_tables, open_tables
from penstock.tasks.table.parquet_tables import ParquetTables
from penstock.tasks.table.parts import Tables
from penstock.tasks.table.passing import gather, sample
from penstock.tasks.table.splitting import Splitter, Unit
from penstock.tasks.table.statistics import Statistics
from penstock.tasks.table.targets import PREDICT, Targets
from penstock.texts import counted
from penstock.units import GIB

__all__ = ["make_samples"]

SMALL_BYTES: Final = GIB
"""Of all tables, up to which rows are split and not blocks: so much is soon fetched once more for each split."""
FEWEST_ROWS: Final = 5
"""Of the training split for each class on average; a note tells of fewer."""


async def make_samples(source: ObjectSource, *, limits: Limits, chosen: Options) -> SampleSet:
    """Make a sample of each row that has a target.

    Raises:
        SourceError: the source could not be read, or no table lies there.
        DataError: the tables cannot be used.
        ConfigError: an option cannot be honoured.
    """
    _check_limits(limits)
    target = chosen.text("target")
    if target is None:
        raise ConfigError("the task table has no target", fix="name the column to predict: --option target=COLUMN")
    skipped: list[SkippedObject] = []
    listing, num_bytes, format_name = await list_tables(source, chosen, limits, skipped, formats=table_formats())
    some = next((info for info in listing if not info.is_empty), None)
    if some is None:
        raise EmptyListing("none of the tables can be read: they are hidden or empty", fix="choose others with match")
    tables = open_tables(chosen, format_name, limits, skipped)
    like = read_like(chosen)
    first, kinds = await _first(source, listing, tables, limits)
    layout = choose_layout(first, kinds, chosen, target, like, skipped)
    gathered = Gathered(
        tables=tables,
        targets=_targets(chosen, target, like),
        statistics=Statistics(layout.features, categories=names_in(chosen, "categorical"), is_typed=tables.is_typed),
        splitter=_splitter(chosen, limits, num_bytes=num_bytes),
        kept=ScratchFile(limits.scratch),
    )
    await gather(source, full_objects(_stored(listing), limits, skipped), gathered, layout, skip_bad=limits.skip_bad)
    skipped += gathered.left_out.told()
    _check_rows(gathered, target, source)
    notes = _unit_notes(gathered)
    if like is None and isinstance(tables, ParquetTables):
        await sample(source, gathered, tables, layout, budget_bytes=size_of("statistics", chosen.text("statistics")))
        notes += _read_notes(gathered)
    classes = gathered.targets.classes()
    encoding = _encoding(gathered, chosen, skipped) if like is None else like.encoding
    if missing := gathered.targets.num_missing:
        skipped.append(SkippedObject(object=counted(missing, "row"), reason=f"no {target}", count=missing))
    return SampleSet(
        rows=_rows(gathered, encoding),
        shape=(encoding.width,),
        classes=classes,
        skipped=skipped,
        own_splits=_own_splits(gathered.splitter),
        split_of=lambda extent: extent.key.rpartition(":")[2],
        notes=[*notes, *_class_notes(gathered, classes), _columns_note(encoding)],
        values=encoding.encode(),
    )


def _check_limits(limits: Limits) -> None:
    refuse_releases(limits, "tables have no releases")
    refuse_early(
        limits, "tables are read whole before the first sample, so that their classes and categories are known"
    )


def _targets(chosen: Options, target: str, like: Like | None) -> Targets:
    if like is None:
        return Targets(target, predict=chosen.choice("predict", PREDICT))
    return Targets(target, predict=like.predict, known=like.classes)


def _encoding(gathered: Gathered, chosen: Options, skipped: list[SkippedObject]) -> Encoding:
    """Return how rows become numbers by what was found, and name the columns that are left out."""
    if not any(found.num_rows for found in gathered.statistics.found.values()) and gathered.statistics.found:
        whole = gathered.splitter.unit
        other = ", or split rows with --option split-unit=rows" if whole == "blocks" else ""
        raise ConfigError(
            f"none of the {gathered.num_rows:,} rows with a target falls into the training split, by {whole}",
            fix=f"take more, a larger share with --split, or another --seed{other}",
        )
    encoding, useless = gathered.statistics.encoding(
        asked=names_in(chosen, "columns"), most_values=chosen.whole("max_values", low=2, high=4096)
    )
    skipped += [SkippedObject(object=f"column {name}", reason=reason) for name, reason in useless.items()]
    return encoding


async def _first(
    source: ObjectSource, listing: SortedListing, tables: Tables, limits: Limits
) -> tuple[ObjectInfo, Mapping[str, str]]:
    """Return the first table that can be read, with its columns.

    Raises:
        PenstockError: one before it cannot, and none may be left out, or there is none.
    """
    bad: PenstockError | None = None
    for info in listing:
        if info.is_empty:
            continue
        try:
            if info.trouble:
                raise unreadable(info)
            if kinds := await tables.kinds(source, info):
                return info, kinds
        except PenstockError as error:
            if not (limits.skip_bad and error.skippable):
                raise
            bad = bad or error
    if bad is not None:
        raise bad
    raise EmptyListing("none of the tables has rows that can be read", fix="check what was uploaded there")


def _splitter(chosen: Options, limits: Limits, *, num_bytes: int) -> Splitter:
    units: tuple[Literal["auto", "rows", "blocks"], ...] = ("auto", "rows", "blocks")
    asked = chosen.choice("split_unit", units)
    group = chosen.text("group_column")
    if group is not None and (limits.splitting.by_sample or asked != "auto"):
        other = "--split-by sample" if limits.splitting.by_sample else "--option split-unit="
        raise ConfigError(
            f"the rows of a {group} are to stay together by --option group-column=, which {other} contradicts",
            fix="leave one of them out",
        )
    unit: Unit = "groups" if group is not None else "rows"
    if group is None and not limits.splitting.by_sample:
        is_large = num_bytes > SMALL_BYTES
        unit = "blocks" if asked == "blocks" or (asked == "auto" and is_large) else "rows"
    return Splitter(limits.splitting, unit=unit, group=group, split=chosen.text("split_column"))


def _check_rows(gathered: Gathered, target: str, source: ObjectSource) -> None:
    uri = source.spec.uri
    if not gathered.num_rows:
        raise EmptyListing(f"the tables of {uri} have no rows", fix="check what was uploaded there", about=uri)
    if gathered.targets.num_missing == gathered.num_rows:
        raise MissingLabel(
            f"the target {target} is missing in all {gathered.num_rows:,} rows",
            fix="choose another with --option target=",
        )
    own = gathered.splitter.own_names
    if own and "train" not in own:
        raise DataError(
            f"of the dataset's own splits there is {', '.join(sorted(own))}, but none to train on",
            fix="leave --option split-column= out to have it split by --split",
        )


def _own_splits(splitter: Splitter) -> OwnSplits | None:
    if not splitter.own_names:
        return None
    return OwnSplits(names=frozenset(splitter.own_names), split_of=lambda key: key.rpartition(":")[2])


def _unit_notes(gathered: Gathered) -> list[str]:
    if gathered.splitter.unit == "blocks" and not gathered.splitter.own_names:
        return []
    return ["rows are split, so that what is fetched as one is fetched once for each split that it has rows of"]


def _read_notes(gathered: Gathered) -> list[str]:
    read, rows = gathered.num_sampled, gathered.num_rows
    if not gathered.is_sampled:
        return []
    return [f"means and categories are those of the training split's rows among {read:,} of {rows:,}"]


def _class_notes(gathered: Gathered, classes: Sequence[str]) -> list[str]:
    """Name a target of which little can be learnt, an identifier for one."""
    rows = gathered.num_training(FEWEST_ROWS * len(classes)) if classes else 0
    if rows >= FEWEST_ROWS * len(classes):
        return []
    return [
        f"the {len(classes):,} classes of {gathered.targets.column} have on average {rows / len(classes):.2g} rows to "
        f"train on each, too few to learn from: if it names rows or groups of them, choose another target"
    ]


def _columns_note(encoding: Encoding) -> str:
    numbers = sum(hasattr(column, "mean") for column in encoding.columns)
    categories = len(encoding.columns) - numbers
    return f"learnt from {counted(numbers, 'column')} of numbers and {categories} of categories"


async def _rows(gathered: Gathered, encoding: Encoding) -> AsyncIterator[Extent]:
    for extent in gathered.extents(encoding.names, encoding.encode()):
        yield extent


async def _stored(listing: SortedListing) -> AsyncIterator[ObjectInfo]:
    for info in listing:
        yield info
    listing.close()
