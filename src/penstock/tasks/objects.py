"""Objects for training loops of one's own: whole, each a sample, or what lies in them in a format.

Of whole objects nothing is read but the listing, page by page and in bounded memory, so any number of objects can be
listed. An object's group is the first folder of its key below the source, or its key where it lies in none; it has no
target: what its bytes mean is for the caller's own decoder. A format indexes objects, several at a time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import EmptyListing, SourceError
from penstock.formats.registry import open_format, own_format_names
from penstock.manifest import Described, LeftOutObjects, SkippedObject
from penstock.observe import open_progress
from penstock.patterns import is_unclosed, matcher
from penstock.records import MetricValues
from penstock.sources import ObjectInfo, ObjectSource, SortedListing
from penstock.tasks.converted_files import is_converted
from penstock.tasks.dataset_card import CARD
from penstock.tasks.hidden import Hidden
from penstock.tasks.indexing import EachFound, fitting, indexed, read_format_options, read_patterns
from penstock.tasks.protocols import Limits, OptionValue, SampleSet, TaskOption
from penstock.tasks.refusing import refuse_releases, unreadable
from penstock.tasks.split_listing import Cards, of_splits
from penstock.texts import counted

__all__ = ["WholeObjects", "found_objects", "full_objects", "pages_of", "unreadable"]


class WholeObjects:
    """Each object is a sample."""

    name = "objects"
    recipe = ""
    score = "none"
    options = (
        TaskOption(
            name="match",
            kind=str,
            default="*",
            help="take the objects whose key fits this pattern, as a shell's, like *.jpg or *.{jpg,png}",
            metavar="PATTERN",
        ),
        TaskOption(
            name="format",
            kind=str,
            default="objects",
            help=f"what the objects are: {', '.join(own_format_names())} (objects: each a sample as it is), or another "
            "package's",
            metavar="NAME",
        ),
        TaskOption(
            name="format_options",
            kind=str,
            default="{}",
            help='options of the format, as JSON like {"columns": ["text"]}',
            metavar="JSON",
        ),
        TaskOption(
            name="where",
            kind=str,
            default="[]",
            help='take what has a key, of an object or in one, that fits all of these patterns, as JSON: ["*/train/*"]',
            metavar="JSON",
        ),
        TaskOption(
            name="split",
            kind=str,
            default="",
            help="take the files of this split, or of several, joined by commas: by the card's configs or by names, "
            "like train/ and train-00000-of-00005.parquet, as the Hugging Face Hub has it",
            metavar="NAMES",
        ),
        TaskOption(
            name="config",
            kind=str,
            default="",
            help="take the files of this one of the configs that the card (README.md) has",
            metavar="NAME",
        ),
        TaskOption(
            name="each",
            kind=str,
            default="[]",
            help='patterns of keys, each of which something that is taken must fit, as JSON: ["a.tar", "b/*"]',
            metavar="JSON",
        ),
    )

    async def make_samples(
        self, source: ObjectSource, *, limits: Limits, options: Mapping[str, OptionValue]
    ) -> SampleSet:
        """Make a sample of each object that fits, or of what lies in it; empty objects are left out and counted.

        Raises:
            SourceError: the source could not be listed, or nothing that fits lies there.
            ConfigError: there is no such format, or it has no such options.
            DataError: an object is not of its format.
        """
        refuse_releases(limits, "whole objects have no releases")
        options = {option.name: option.default for option in self.options} | dict(options)
        kind = open_format(str(options["format"]), read_format_options(str(options["format_options"])))
        fits = read_patterns(str(options["where"]))
        skipped: list[SkippedObject] = []
        found = found_objects(source, options, limits, skipped, kind=kind)
        extents = indexed(found, kind, source, limits, skipped)
        rows = fitting(extents, fits, skipped) if fits else extents
        return SampleSet(rows=rows, shape=(), skipped=skipped)

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return the bytes, shape (bytes,), of extents of one sample."""
        return [{"inputs": np.frombuffer(data, dtype=np.uint8)}]

    def metrics(
        self, truth: NDArray[np.float64], predicted: NDArray[np.float64], groups: Sequence[str]
    ) -> MetricValues:
        """Return none: whole objects have no targets."""
        return {}


def found_objects(
    source: ObjectSource,
    options: Mapping[str, OptionValue],
    limits: Limits,
    skipped: list[SkippedObject],
    *,
    kind: object,
) -> AsyncIterator[ObjectInfo]:
    """Return the objects that options of ``WholeObjects`` take, in the order of their keys, none of them empty.

    Args:
        kind: the format, which may say that it ``takes_hidden``.

    Raises: what ``WholeObjects.make_samples`` does, but for what lies in objects.
    """
    options = {option.name: option.default for option in WholeObjects.options} | dict(options)
    found = _found(source, options, limits, skipped, takes_hidden=getattr(kind, "takes_hidden", False))
    return full_objects(found, limits, skipped)


async def _found(
    source: ObjectSource,
    options: Mapping[str, OptionValue],
    limits: Limits,
    skipped: list[SkippedObject],
    *,
    takes_hidden: bool,
) -> AsyncIterator[ObjectInfo]:
    """Return what is taken, in the order of the keys."""
    pattern, split, config = (str(options[name]) for name in ("match", "split", "config"))
    wanted = EachFound(str(options["each"]))
    hidden = None if takes_hidden else Hidden(pattern, source.spec.uri)
    if limits.early and source.lists_in_order and not (split or config):
        async for info in _as_they_come(source, pattern, skipped, hidden):
            wanted.see(info)
            yield info
        wanted.check(source.spec.uri)
        return
    listing, cards, is_conversion = SortedListing(limits.scratch), Cards(), is_converted(source.spec.uri)
    see = cards.see if split or config else None
    if see is not None:
        source.expect(CARD)
    # What a card names is not hidden, and it is not read yet.
    async for page in pages_of(source, pattern, skipped, see=see, hidden=None if see else hidden):
        listing.add(page)
        for info in page:
            wanted.see(info)
    wanted.check(source.spec.uri)
    if not (split or config):
        async for info in _stored(listing):
            yield info
        return
    async for info in of_splits(
        listing,
        await cards.text(source),
        asked=split,
        config=config,
        uri=source.spec.uri,
        is_conversion=is_conversion,
        skipped=skipped,
        hidden=hidden if cards.num_seen > 1 else None,
    ):
        yield info


async def pages_of(
    source: ObjectSource,
    pattern: str,
    skipped: list[SkippedObject],
    *,
    wanted: str = "",
    see: Callable[[ObjectInfo], None] | None = None,
    hidden: Hidden | None = None,
) -> AsyncIterator[list[ObjectInfo]]:
    """List what fits the pattern, folder markers included, and see to it that some of it is not empty.

    Args:
        wanted: what fits it, where nobody asked for that pattern; for messages.
        see: is shown all objects, also those that do not fit.
        hidden: leaves out what fits and is none of the dataset.
    """
    fits = matcher(pattern)
    num_found = num_fitting = num_full = num_others = 0
    example, alone = "", list[ObjectInfo]()
    with open_progress().stage("find", None, "objects") as stage:
        async for page in source.list_objects():
            if see is not None:
                for info in page:
                    see(info)
            fitting = [info for info in page if fits(info.key)]
            num_found, num_fitting = num_found + len(page), num_fitting + len(fitting)
            fit = fitting
            if hidden is not None:
                fitting = [info for info in fit if not hidden.leaves_out(info.key)]
                # An object that is all there is was most likely named itself.
                alone = [info for info in fit if num_found == len(page) == 1 and info not in fitting]
            full_fitting = sum(not info.is_empty for info in fitting)
            num_full += full_fitting
            # What is empty may be the marker of a folder, which is no object.
            num_others += sum(not info.is_empty for info in page) - sum(not info.is_empty for info in fit)
            example = example or next((info.key for info in page), "")
            stage.advance(len(page))
            yield fitting
    if not num_found:
        raise await source.nothing_found()
    if hidden is not None and num_found == 1 and hidden.num:
        hidden.num, num_full = 0, sum(not info.is_empty for info in alone)
        yield alone
    if not num_fitting and wanted:
        raise EmptyListing(
            f"no {wanted} lies under {source.spec.uri}: none of the {counted(num_found, 'object')} fits {pattern!r}, "
            f"{example} for one",
            fix="name another --source or --task, or say which objects are such with --option match=",
            about=source.spec.uri,
        )
    if not num_fitting:
        raise EmptyListing(
            f"none of the {counted(num_found, 'object')} under {source.spec.uri} fits {pattern!r}, {example} for one",
            fix="close its brace" if is_unclosed(pattern) else "choose another pattern with --option match=...",
            about=source.spec.uri,
        )
    skipped += [] if hidden is None else hidden.told()
    if num_others:
        skipped.append(
            SkippedObject(object=counted(num_others, "object"), reason=f"not like {pattern}", count=num_others)
        )
    skipped += [item for item in source.left_out() if item.count is not None or fits(item.object)]
    if not num_full and hidden is not None and hidden.num:
        raise hidden.nothing_else()
    if not num_full:
        raise EmptyListing(
            f"all that fits {pattern!r} under {source.spec.uri} is empty ({counted(num_fitting, 'object')})",
            fix="check what was uploaded there",
            about=source.spec.uri,
        )


async def _as_they_come(
    source: ObjectSource, pattern: str, skipped: list[SkippedObject], hidden: Hidden | None
) -> AsyncIterator[ObjectInfo]:
    """Return objects as they are listed, and refuse those that do not come in the order of their keys."""
    last = ""
    async for page in pages_of(source, pattern, skipped, hidden=hidden):
        for info in page:
            if info.size_bytes and info.key < last:
                raise SourceError(
                    f"{source.spec.uri} lists {info.key} behind {last}, not by key",
                    fix="leave --stream-listing out: a whole listing is sorted here",
                    about=source.spec.uri,
                )
            last = info.key if info.size_bytes else last
            yield info


async def _stored(listing: SortedListing) -> AsyncIterator[ObjectInfo]:
    for info in listing:
        yield info
    listing.close()


async def full_objects(
    found: AsyncIterator[ObjectInfo], limits: Limits, skipped: list[SkippedObject]
) -> AsyncIterator[ObjectInfo]:
    """Return the objects that are not empty, and name the others; folder markers are none."""
    left_out = LeftOutObjects()
    num_full = 0
    open_markers: list[str] = []
    async for info in found:
        # Keys that a key may be in the folder of are those that it begins with: few, and the last ones.
        while open_markers and not info.key.startswith(open_markers[-1]):
            left_out.add(open_markers.pop(), "empty")
        inside = [marker for marker in open_markers if info.key.startswith(f"{marker}/")]
        for marker in inside:
            open_markers.remove(marker)
        if info.is_empty:
            open_markers.append(info.key)
            continue
        if info.trouble:
            if not limits.skip_bad:
                raise unreadable(info)
            left_out.add(info.key, info.trouble)
            continue
        if num_full == limits.max_files:
            skipped.append(SkippedObject(object=f"{info.key} and what follows it", reason="beyond max-files"))
            break
        num_full += 1
        yield info
    for marker in open_markers:
        left_out.add(marker, "empty")
    skipped += left_out.told()
