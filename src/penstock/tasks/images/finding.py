"""Which of a source's objects are images with a label: one listing, what is left out counted and named."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from penstock.errors import DataError, EmptyListing, MissingLabel
from penstock.manifest import LeftOutObjects, SkippedObject
from penstock.observe import open_progress
from penstock.patterns import is_hidden, matcher
from penstock.sources import ObjectInfo, ObjectSource, SortedListing
from penstock.tasks.images.label_table import LabelTable
from penstock.tasks.images.naming import Labels, Meaning, looks_like_image
from penstock.tasks.protocols import Limits
from penstock.tasks.ranking import rank_of
from penstock.tasks.refusing import unreadable
from penstock.texts import counted, did_you_mean

__all__ = ["Found", "find_images"]

MAX_CLASSES: Final = 1_000
"""Of which the squared number of counts is evaluated and drawn."""
SHOWN: Final = 3
"""Names of objects that an error tells."""
NAMED: Final = 8
"""Names of classes, likewise."""


@dataclass(kw_only=True, slots=True)
class Found:
    """Images that have a label.

    Attributes:
        counts: images of each class.
        others: images of each class that was not asked for.
        splits: that they lie in, by the dataset's own word; with the empty text where it says nothing.
        skipped: what was left out.
        chosen: tells which of the listing's images are taken.
    """

    listing: SortedListing
    counts: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    splits: set[str] = field(default_factory=set)
    skipped: list[SkippedObject] = field(default_factory=list)
    chosen: Callable[[str], bool] = lambda key: True

    def images(self) -> Iterator[ObjectInfo]:
        """Return them in the order of their keys."""
        return (info for info in self.listing if self.chosen(info.key))


async def find_images(
    source: ObjectSource,
    labels: Labels,
    *,
    limits: Limits,
    pattern: str | None,
    classes: Sequence[str],
    most_unmatched: float,
) -> Found:
    """List a source, and take the images that have a label.

    Args:
        pattern: that keys of images fit; None takes what has an image's ending.
        classes: to take alone; none takes all.
        most_unmatched: share of the images without a label, and of the table's rows without an image, above which
            the dataset is refused.

    Raises:
        SourceError: the source could not be listed, or no image lies there.
        DataError: too many images have no label, or rows no image, or there are not two classes.
    """
    count = _Count(source, labels, pattern=pattern, classes=frozenset(classes), skip_bad=limits.skip_bad)
    found = Found(listing=SortedListing(limits.scratch))
    async for page in _pages(source):
        taken = []
        for info in page:
            meaning = count.look(info)
            if meaning is not None:
                taken.append(info)
                found.counts[meaning.label] += 1
                found.splits.add(meaning.split)
        found.listing.add(taken)
        _check_number(found.counts)
    if not count.num_objects:
        raise await source.nothing_found()
    count.finish(found, most_unmatched=most_unmatched)
    _check_classes(found, classes, source)
    if limits.max_files is not None and limits.max_files < len(found.listing):
        _choose(found, limits.max_files, labels)
    return found


async def _pages(source: ObjectSource) -> AsyncIterator[Sequence[ObjectInfo]]:
    with open_progress().stage("find", None, "objects") as stage:
        async for page in source.list_objects():
            stage.advance(len(page))
            yield page


class _Count:
    """Looks at objects one by one, and counts what is left out."""

    def __init__(
        self,
        source: ObjectSource,
        labels: Labels,
        *,
        pattern: str | None,
        classes: frozenset[str],
        skip_bad: bool,
    ) -> None:
        self._source, self._labels = source, labels
        self._pattern, self._classes, self._skip_bad = pattern, classes, skip_bad
        self._fits = matcher(pattern) if pattern is not None else looks_like_image
        self._left_out = LeftOutObjects()
        self._others: Counter[str] = Counter()
        self._splits: dict[str, str] = {}
        """By group."""
        self._no_image: list[str] = []
        self._num_no_image = self._num_images = 0
        self._unlabelled: list[str] = []
        self._num_unlabelled = 0
        self.num_objects = 0

    def look(self, info: ObjectInfo) -> Meaning | None:
        """Return what is known of an object that is an image with a label; None for another one."""
        self.num_objects += 1
        key, of_table = info.key, isinstance(self._labels, LabelTable) and self._labels.has(info.key)
        if not of_table and (is_hidden(key) or not self._fits(key)):
            if not info.is_empty and not (isinstance(self._labels, LabelTable) and self._labels.is_at(key)):
                self._num_no_image += 1
                self._no_image += [key] if len(self._no_image) < SHOWN else []
            return None
        self._num_images += 1
        meaning = self._labels.meaning(key)
        if isinstance(meaning, str):
            self._num_unlabelled += 1
            self._unlabelled += [key] if len(self._unlabelled) < SHOWN else []
            self._left_out.add(key, meaning)
            return None
        if self._classes and meaning.label not in self._classes:
            self._others[meaning.label] += 1
            return None
        if info.is_empty:
            self._left_out.add(key, "empty")
            return None
        if info.trouble:
            self._refuse(info)
            return None
        if meaning.group and meaning.split:
            self._check_split(meaning)
        return meaning

    def _check_split(self, meaning: Meaning) -> None:
        before = self._splits.setdefault(meaning.group, meaning.split)
        if before != meaning.split:
            raise DataError(
                f"the group {meaning.group!r} is in two of the dataset's splits, {before} and {meaning.split}",
                fix="leave the option group-column or group-folder out, or the one that says the split",
            )

    def _refuse(self, info: ObjectInfo) -> None:
        if not self._skip_bad:
            raise unreadable(info)
        self._left_out.add(info.key, info.trouble)

    def finish(self, found: Found, *, most_unmatched: float) -> None:
        """Check what was left out, and tell it."""
        uri = self._source.spec.uri
        if not self._num_images:
            looked_at = counted(self.num_objects, "object")
            wanted = "is an image by its name" if self._pattern is None else f"fits {self._pattern!r}"
            raise EmptyListing(
                f"none of the {looked_at} under {uri} {wanted}, {self._shown()}",
                fix="check the prefix, or say which are with --option match=PATTERN",
                about=uri,
            )
        rows_without: list[str] = []
        if isinstance(self._labels, LabelTable):
            rows_without = self._check_rows(self._labels, most_unmatched)
        if self._num_unlabelled > most_unmatched * self._num_images:
            raise MissingLabel(
                f"{self._num_unlabelled} of {self._num_images} images have no label, "
                f"{', '.join(self._unlabelled)} for {'one' if len(self._unlabelled) == 1 else 'some'}",
                fix=f"{self._advice()}, or allow more with --option unmatched-share= (it is {most_unmatched:g})",
                about=self._unlabelled[0],
            )
        found.skipped += self._left_out.told() + rows_to_tell(rows_without, self._labels)
        found.others = self._others
        if self._others:
            number, names = self._others.total(), sorted(self._others)
            told = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
            reason = f"not of the classes asked for, but of {told}"
            found.skipped.append(SkippedObject(object=counted(number, "image"), reason=reason, count=number))
        if self._num_no_image:
            number = self._num_no_image
            reason = f"no image by name, {self._shown()}" if self._pattern is None else f"not like {self._pattern}"
            found.skipped.append(SkippedObject(object=counted(number, "object"), reason=reason, count=number))
        found.skipped += self._source.left_out()

    def _check_rows(self, table: LabelTable, most_unmatched: float) -> list[str]:
        without = list(table.without_image())
        if len(without) > most_unmatched * len(table):
            seen = f"; images are like {self._unlabelled[0]}" if self._unlabelled else ""
            raise DataError(
                f"{len(without)} of the {len(table)} rows of {table.name} have no image, "
                f"{', '.join(without[:SHOWN])} for {'one' if len(without) == 1 else 'some'}{seen}",
                fix="check --option path-column= and the source, or allow more with --option unmatched-share= "
                f"(it is {most_unmatched:g})",
                about=table.name,
            )
        return without

    def _advice(self) -> str:
        if isinstance(self._labels, LabelTable):
            return "add them to the table, or say which objects are meant with --option match=PATTERN"
        return (
            "put each into the folder of its class, choose the folder with --option class-folder=, give a table of "
            "labels with --option labels="
        )

    def _shown(self) -> str:
        names = self._no_image
        return f"{', '.join(names)} for {'one' if len(names) == 1 else 'some'}" if names else "but folders"


def rows_to_tell(paths: Sequence[str], labels: Labels) -> list[SkippedObject]:
    """Name rows of a table that have no image."""
    if not isinstance(labels, LabelTable):
        return []
    left_out = LeftOutObjects()
    for path in paths:
        left_out.add(path, f"a row of {labels.name}, but no image")
    return left_out.told()


def _check_number(counts: Counter[str]) -> None:
    if len(counts) > MAX_CLASSES:
        raise DataError(
            f"the images have more than {MAX_CLASSES} different labels, {', '.join(sorted(counts)[:SHOWN])} for some",
            fix="choose what is a class with --option class-folder= or label-column=",
        )


def _check_classes(found: Found, asked: Sequence[str], source: ObjectSource) -> None:
    """Refuse what gives nothing to tell apart."""
    counts = found.counts
    if missing := [name for name in asked if not counts[name]]:
        there = sorted({*counts, *found.others} - set(missing))
        meant = did_you_mean(missing[0], there)
        raise DataError(
            f"no image is of the class {', '.join(missing)} (there are {', '.join(there[:NAMED]) or 'none'})",
            fix=f"{meant}choose others with --option classes=",
        )
    if len(counts) < 2:
        only = f"all {len(found.listing)} images of {source.spec.uri} are of the class {next(iter(counts), '')!r}"
        raise DataError(
            only if counts else f"no image of {source.spec.uri} can be used",
            fix="two classes are needed: check --option class-folder=, label-column= and classes=",
            about=source.spec.uri,
        )


def _choose(found: Found, number: int, labels: Labels) -> None:
    """Take some of the images, by a hash of their keys: so of all classes, and the same ones each time."""
    last = heapq.nsmallest(number, (rank_of(info.key) for info in found.listing))[-1]
    found.chosen = lambda key: rank_of(key) <= last
    left_out = len(found.listing) - number
    found.skipped.append(SkippedObject(object=f"{left_out} images", reason="beyond max-files", count=left_out))
    kept: Counter[str] = Counter()
    found.splits = set()
    for info in found.images():
        meaning = labels.meaning(info.key)
        assert isinstance(meaning, Meaning)
        kept[meaning.label] += 1
        found.splits.add(meaning.split)
    if len(kept) < 2:
        raise DataError(
            f"the {number} images of --max-files are all of the class {next(iter(kept))!r}", fix="take more"
        )
