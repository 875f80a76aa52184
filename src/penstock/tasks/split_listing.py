"""The objects of a source that are of some splits, by its card or by their names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

from penstock.errors import DataError, EmptyListing
from penstock.manifest import SkippedObject
from penstock.patterns import matcher
from penstock.sources import ObjectInfo, ObjectSource, SortedListing
from penstock.tasks.dataset_card import CARD, split_files
from penstock.tasks.hidden import Hidden
from penstock.tasks.split_files import ByName, ByPattern, own_name
from penstock.texts import counted

__all__ = ["MOST_CARD_BYTES", "Cards", "likely_first", "of_splits"]

MOST_CARD_BYTES: Final = 4 << 20
"""The largest cards of the Hub, of hundreds of languages, have some hundred kilobytes."""


class Cards:
    """Looks out for a source's card while it is listed.

    Attributes:
        num_seen: objects.
    """

    def __init__(self) -> None:
        self._info: ObjectInfo | None = None
        self.num_seen = 0

    def see(self, info: ObjectInfo) -> None:
        """Take note of an object."""
        self.num_seen += 1
        if info.key == CARD and info.size_bytes:
            self._info = info

    async def text(self, source: ObjectSource) -> str:
        """Return the card's text, the empty one where there is none.

        Raises:
            DataError: it is too long for one.
            SourceError: it could not be read.
        """
        if self._info is None:
            return ""
        if self._info.size_bytes > MOST_CARD_BYTES:
            raise DataError(
                f"{CARD} has {self._info.size_bytes} bytes, too many for a card",
                fix="leave split and config out, and choose files by match",
                about=CARD,
            )
        return (await source.get(self._info)).decode(errors="replace")


def likely_first(keys: Sequence[str], pattern: str, asked: str) -> str | None:
    """Return the first key that fits a pattern and is of some splits, as far as names tell; None where none does.

    Args:
        asked: names of splits, joined by commas; empty for all.
    """
    fits, rule = matcher(pattern), ByName()
    fitting = sorted(key for key in keys if key != CARD and fits(key))
    for key in fitting:
        rule.see(key)
    chosen = {own_name(name, rule.names) for name in asked.split(",")} if asked else set(rule.names)
    return next((key for key in fitting if not chosen.isdisjoint(rule.of(key))), None)


async def of_splits(
    listing: SortedListing,
    card: str,
    *,
    asked: str,
    config: str,
    uri: str,
    is_conversion: bool,
    skipped: list[SkippedObject],
    hidden: Hidden | None,
) -> AsyncIterator[ObjectInfo]:
    """Return the objects of a listing that are of some splits; the others are counted.

    Args:
        hidden: leaves out what the card does not name.

    Raises:
        ConfigError: there is no such split or config.
        DataError: the card cannot be read.
        EmptyListing: the card names files for them of which none is here.
    """
    files = split_files(card, asked, config, uri, is_conversion=is_conversion)
    example, named = "", files.rule.paths if isinstance(files.rule, ByPattern) else ()
    shown = None if hidden is None else hidden.knowing(*named)
    hidden = None if hidden is None else hidden.knowing(*named)
    for info in listing:
        if not info.is_empty and not (shown and shown.leaves_out(info.key)):  # else it may be the marker of a folder
            files.rule.see(info.key)
        example = example or info.key
    chosen = files.chosen()
    num_taken = num_others = 0
    for info in listing:
        if hidden is not None and hidden.leaves_out(info.key):
            continue
        if set(files.rule.of(info.key)).isdisjoint(chosen):
            num_others += 1
            continue
        num_taken += not info.is_empty
        yield info
    listing.close()
    told = " and ".join(chosen)
    skipped += [] if hidden is None else hidden.told()
    if not num_taken:
        raise EmptyListing(
            f"no file of the split {told} {files.told} is among those that match takes, {example} for one",
            fix="check match, and the format: the files may be of another",
            about=uri,
        )
    if num_others:
        reason = f"not of the split {told}"
        skipped.append(SkippedObject(object=counted(num_others, "object"), reason=reason, count=num_others))
