"""What a manifest must hold to be trained and scored on, found out while it is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from penstock.errors import ConfigError, MissingLabel
from penstock.manifest import SPLITS, Extent, no_spread
from penstock.plan import SplitRule, nearest_seed
from penstock.tasks.protocols import OwnSplits
from penstock.texts import counted

__all__ = ["ManifestChecks"]

COUNTED_NAMES = 10_000
"""Most groups whose names are held; of more, no split with a fraction worth naming stays empty."""

CLASSES_NAMED = 3
"""Classes without a sample in a split that are named."""


@dataclass(kw_only=True, slots=True)
class _Targets:
    """The range of targets, or of class indices."""

    lowest: float = float("inf")
    highest: float = float("-inf")

    def add(self, low: float, high: float) -> None:
        self.lowest, self.highest = min(self.lowest, low), max(self.highest, high)

    @property
    def are_constant(self) -> bool:
        size = max(abs(self.lowest), abs(self.highest))
        return self.lowest <= self.highest and no_spread(self.highest - self.lowest, size)

    @property
    def told(self) -> str:
        """What they are where they are constant, which the floats that they are held as may only make them."""
        if self.lowest == self.highest and abs(self.lowest) < 2**53:
            return f"{self.lowest:.15g}"
        return f"about {self.lowest:g}, as far as floats of 64 bits tell"


@dataclass(kw_only=True, slots=True)
class _Tally:
    """Samples of one split."""

    names: set[str] = field(default_factory=set)
    num_samples: int = 0
    targets: _Targets = field(default_factory=_Targets)
    classes: set[int] = field(default_factory=set)


class ManifestChecks:
    """Watches samples go by, and refuses what could not be trained or scored.

    Args:
        rule: that decides splits.
        fractions: that it was made of.
        by_sample: whether it splits samples and not groups.
        classes: names of the classes, empty for regression.
        score: name of the metric that runs are compared by.
        own: splits that the dataset itself has.
        cut: gives an extent's split where the task has cut extents by their rows' splits itself.
    """

    def __init__(
        self,
        rule: SplitRule,
        *,
        fractions: Sequence[float],
        by_sample: bool,
        classes: Sequence[str],
        score: str,
        own: OwnSplits | None = None,
        cut: Callable[[Extent], str] | None = None,
    ) -> None:
        self._rule, self._fractions, self._by_sample = rule, fractions, by_sample
        self._classes, self._score = classes, score
        self._own, self._cut = own, cut
        names = {*rule.names, *(own.names if own is not None else ())}
        self._tallies = {name: _Tally() for name in SPLITS if name in names}
        self._named: dict[str, _Targets] = {}

    def split(self, extent: Extent) -> str:
        """Return the split of an extent, which all its samples are of, and count them in."""
        of_rows = extent.groups if self._cut is not None else ()
        # One for all of them, where rows have none of their own: there may be millions of rows.
        names = of_rows or (extent.key if self._by_sample else extent.group,)
        split = self._cut(extent) if self._cut is not None else self._split(extent.key, names[0])
        tally = self._tallies[split]
        tally.num_samples += extent.num_samples
        for name in dict.fromkeys(names):
            if len(self._named) < COUNTED_NAMES:
                tally.names.add(name)
                if name not in self._named:
                    self._named[name] = _Targets()
        for name, target in zip(of_rows or names * len(extent.targets), extent.targets, strict=False):
            if target is None:
                continue
            for targets in (tally.targets, self._named.get(name)):
                if targets is not None:
                    targets.add(target, target)
            if self._classes:
                tally.classes.add(int(target))
        return split

    def _split(self, key: str, name: str) -> str:
        split = self._own.split_of(key) if self._own is not None else ""
        return self._rule(name) if split in ("", "train") else split

    def finish(self) -> tuple[str, ...]:
        """Check the whole; give what a person should know of it.

        Raises:
            ConfigError: a split that was asked for has no samples.
            MissingLabel: the targets of the training split are all the same.
        """
        if any(not tally.num_samples for tally in self._tallies.values()):
            raise self._empty()
        if self._tallies["train"].targets.are_constant:
            raise self._nothing_to_learn()
        return tuple(note for split in self._tallies for note in self._notes(split))

    def _empty(self) -> ConfigError:
        num_names = len(self._named)
        empty = [split for split, tally in self._tallies.items() if not tally.num_samples]
        num_samples = sum(tally.num_samples for tally in self._tallies.values())
        is_alone = self._by_sample and num_samples == num_names
        what = "sample" if is_alone else "extent" if self._by_sample else "group"
        rows = " (row groups, blocks of rows)" if what == "extent" else ""
        whole = "" if is_alone else f" in {counted(num_names, what)}{rows}, each of which falls into one split whole"
        splits = f"split{'s' if len(empty) > 1 else ''} {' and '.join(empty)}"
        told = f"no sample falls into the {splits}: there are {counted(num_samples, 'sample')}{whole}"
        enough = not self._by_sample and num_samples >= len(self._tallies)
        other = ", or split by sample with --split-by sample" if enough else ""
        if num_names < len(self._tallies):
            fix = f"{num_names} cannot fill {len(self._tallies)} splits: take more {what}s{other}"
            return ConfigError(told, fix=f"{fix}, or ask for fewer splits, like --split {_fewer(num_names)}")
        return ConfigError(told, fix=f"{self._another_seed()}take more {what}s, or larger shares with --split")

    def _nothing_to_learn(self) -> MissingLabel:
        tally = self._tallies["train"]
        lowest = tally.targets.lowest
        what = (
            f"are of the class {self._classes[int(lowest)]!r}"
            if self._classes
            else f"have the target {tally.targets.told}"
        )
        return MissingLabel(
            f"all {tally.num_samples} samples of the training split, of {counted(len(tally.names), 'group')}, {what}: "
            "there is nothing to learn",
            fix=f"{self._another_seed()}take more data or another label",
        )

    def _another_seed(self) -> str:
        """Name the nearest seed that leaves something to learn and to score, where there is one."""
        if self._own is not None or self._cut is not None:
            return ""

        def accepts(rule: SplitRule) -> bool:
            train, filled = _Targets(), set[str]()
            for name, targets in self._named.items():
                filled.add(split := rule(name))
                if split == "train":
                    train.add(targets.lowest, targets.highest)
            return filled == set(rule.names) and not train.are_constant

        seed = nearest_seed(accepts, fractions=self._fractions, seed=self._rule.seed)
        if seed is None:
            return ""
        what = "sample or extent" if self._by_sample else "group"
        return f"which split a {what} is in follows from the seed and its name: --seed {seed} will do; or "

    def _notes(self, split: str) -> list[str]:
        tally = self._tallies[split]
        lowest = tally.targets.lowest
        if tally.targets.are_constant and not self._classes:
            samples = "the one target is" if tally.num_samples == 1 else f"all {tally.num_samples} targets are"
            return [f"{split}: {samples} {tally.targets.told}, so {self._score} is undefined there"]
        if tally.targets.are_constant:
            only = self._classes[int(lowest)]
            samples = "the one sample is" if tally.num_samples == 1 else f"all {tally.num_samples} samples are"
            return [f"{split}: {samples} of the class {only}, so scores by class are undefined"]
        missing = [name for number, name in enumerate(self._classes) if number not in tally.classes]
        if not missing or not tally.classes:
            return []
        told = "cannot be learnt" if split == "train" else "is not scored"
        shown = [f"{split}: no sample is of the class {name}, which {told}" for name in missing[:CLASSES_NAMED]]
        more = len(missing) - len(shown)
        return [*shown, f"{split}: nor of {more} more classes"] if more else shown


def _fewer(num_names: int) -> str:
    """Write fractions of as many splits as can be filled."""
    return "0.7,0.3,0" if num_names > 1 else "1,0,0"
