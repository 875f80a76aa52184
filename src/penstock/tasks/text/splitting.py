"""Which split each text is in: by itself, by its group, by what it is fetched with, or by its file's name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError
from penstock.manifest import SPLITS, Extent, SkippedObject
from penstock.plan import left_to_cut, row_ranks, split_rule
from penstock.sources import ObjectInfo, SortedListing
from penstock.tasks.options import Options
from penstock.tasks.protocols import Limits, OwnSplits
from penstock.tasks.split_files import ByName
from penstock.tasks.split_names import split_of
from penstock.tasks.text.options import UNITS
from penstock.texts import counted
from penstock.units import GIB

__all__ = ["Splits", "of_own_splits"]

SMALL_BYTES: Final = GIB
"""Of all objects, up to which texts are split and not blocks: so much is soon fetched once more for each split."""


class Splits:
    """Which split each text of an extent is in.

    Args:
        num_bytes: of all objects.
        files: splits of objects by their keys, where their names say so; else empty.
    """

    def __init__(self, chosen: Options, limits: Limits, *, num_bytes: int, files: dict[str, str]) -> None:
        asked, self._seed = limits.splitting, limits.splitting.seed
        unit, has_groups = chosen.choice("split_unit", UNITS), chosen.text("group_column") is not None
        if has_groups and (asked.by_sample or unit != "auto"):
            other = "--split-by sample" if asked.by_sample else "--option split-unit="
            raise ConfigError(
                f"texts are to stay together by --option group-column=, which {other} contradicts",
                fix="leave one of them out",
            )
        self._files, self._own = files, frozenset(files.values())
        fractions = left_to_cut(asked.fractions, self._own) if files else asked.fractions
        self._rule = split_rule(fractions=fractions, seed=asked.seed)
        is_large = num_bytes > SMALL_BYTES and not asked.by_sample
        self._whole = not has_groups and (unit == "blocks" or (unit == "auto" and is_large))

    def of(self, extent: Extent) -> NDArray[np.int64]:
        """Return the places among ``SPLITS`` of an extent's texts, shape (texts,)."""
        own = self._files.get(extent.spans[0].object, "train")
        if own != "train":
            return np.full(extent.num_samples, SPLITS.index(own), np.int64)
        places = np.array([SPLITS.index(name) for name in self._rule.names], np.int64)
        if extent.groups:
            return np.array([SPLITS.index(self._rule(group)) for group in extent.groups], np.int64)
        if self._whole:
            return np.full(extent.num_samples, SPLITS.index(self._rule(extent.key)), np.int64)
        return places[self._rule.of_ranks(row_ranks(self._seed, extent.key, extent.num_samples))]

    def own_splits(self) -> OwnSplits | None:
        """Return the splits that files have by their names; None where that was not asked for."""
        if not self._files:
            return None
        return OwnSplits(names=self._own, split_of=lambda key: key.rpartition(":")[2])


async def of_own_splits(
    listing: SortedListing, files: dict[str, str], skipped: list[SkippedObject]
) -> AsyncIterator[ObjectInfo]:
    """Return the objects of a listing that are of a split by their names, and take note of it; others are counted.

    Raises:
        ConfigError: none is to train on.
    """
    rule = ByName()
    for info in listing:
        if not info.is_empty:
            rule.see(info.key)
    num_others = 0
    for info in listing:
        names = [split_of(name) for name in rule.of(info.key)]
        if len(names) == 1 and names[0]:
            files[info.key] = names[0]
        else:
            num_others += not info.is_empty
    if "train" not in files.values():
        raise ConfigError(
            "no file is of the training split by its name", fix="leave --option split-files out, or name it train"
        )
    if num_others:
        reason = "of no split, or of several, by its name"
        skipped.append(SkippedObject(object=counted(num_others, "object"), reason=reason, count=num_others))
    for info in listing:
        if info.key in files:
            yield info
    listing.close()
