"""What a manifest must hold to be trained and scored on, found out while it is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from penstock.errors import ConfigError, MissingLabel
from penstock.plan import SplitRule, nearest_seed
from penstock.records import Sample, no_spread

__all__ = ["ManifestChecks"]

COUNTED_NAMES = 10_000
"""Most groups whose names are held; of more, no split with a fraction worth naming stays empty."""


@dataclass(kw_only=True, slots=True)
class _Tally:
    """Samples of one split."""

    names: set[str] = field(default_factory=set)
    num_samples: int = 0
    lowest: float = float("inf")
    highest: float = float("-inf")
    classes: Counter[int] = field(default_factory=Counter)

    @property
    def is_constant(self) -> bool:
        return self.lowest <= self.highest and no_spread(
            self.highest - self.lowest, max(abs(self.lowest), abs(self.highest))
        )


class ManifestChecks:
    """Watches samples go by, and refuses what could not be trained or scored.

    Args:
        rule: that decides splits.
        fractions: that it was made of.
        by_sample: whether it splits samples and not groups.
        classes: names of the classes, empty for regression.
        score: name of the metric that runs are compared by.
    """

    def __init__(
        self, rule: SplitRule, *, fractions: Sequence[float], by_sample: bool, classes: Sequence[str], score: str
    ) -> None:
        self._rule, self._fractions, self._by_sample = rule, fractions, by_sample
        self._classes, self._score = classes, score
        self._tallies = {name: _Tally() for name in rule.names}

    def split(self, sample: Sample) -> str:
        """Give a sample's split, and count it in."""
        name = sample.key if self._by_sample else sample.group
        split = self._rule(name)
        tally = self._tallies[split]
        tally.num_samples += 1
        if len(tally.names) < COUNTED_NAMES:
            tally.names.add(name)
        if sample.target is not None:
            if self._classes:
                tally.classes[int(sample.target)] += 1
            else:
                tally.lowest, tally.highest = min(tally.lowest, sample.target), max(tally.highest, sample.target)
        return split

    def finish(self) -> tuple[str, ...]:
        """Check the whole; give what a person should know of it.

        Raises:
            ConfigError: a split that was asked for has no samples.
            MissingLabel: the targets of the training split are all the same.
        """
        if any(not tally.num_samples for tally in self._tallies.values()):
            raise self._empty()
        if self._tallies["train"].is_constant or len(self._tallies["train"].classes) == 1:
            raise self._nothing_to_learn()
        return tuple(note for split in self._tallies for note in self._notes(split))

    def _empty(self) -> ConfigError:
        what = "sample" if self._by_sample else "group"
        names = set[str]().union(*(tally.names for tally in self._tallies.values()))
        empty = [split for split, tally in self._tallies.items() if not tally.num_samples]
        came = ", ".join(
            f"{split} {len(tally.names)} {what}(s), {tally.num_samples} samples"
            for split, tally in self._tallies.items()
        )
        told = (
            f"no sample falls into the split {' and '.join(empty)}: of {len(names)} {what}(s) that have samples come "
        )
        other = "" if self._by_sample else ", or split by sample with --split-by sample"
        if len(names) < len(self._tallies):
            fix = f"{len(names)} cannot fill {len(self._tallies)} splits: take more {what}s{other}"
            fix += ", or ask for fewer splits, like --split 0.7,0.3,0"
        elif (seed := nearest_seed(names, fractions=self._fractions, seed=self._rule.seed)) is not None:
            fix = f"which split a {what} is in follows from the seed and its name: --seed {seed} gives each split some"
            fix += f"; or take more {what}s, or larger shares with --split"
        else:
            fix = f"take more {what}s, or larger shares with --split{other}"
        return ConfigError(told + came, fix=fix)

    def _nothing_to_learn(self) -> MissingLabel:
        tally = self._tallies["train"]
        what = (
            f"are of the class {self._classes[next(iter(tally.classes))]!r}"
            if self._classes
            else f"have the target {tally.lowest:g}"
        )
        return MissingLabel(
            f"all {tally.num_samples} samples of the training split, of {len(tally.names)} group(s), {what}: "
            "there is nothing to learn",
            fix="take more recordings or another label, or another --seed where groups fell badly",
        )

    def _notes(self, split: str) -> list[str]:
        tally = self._tallies[split]
        if tally.is_constant:
            samples = "the one target is" if tally.num_samples == 1 else f"all {tally.num_samples} targets are"
            return [f"{split}: {samples} {tally.lowest:g}, so {self._score} is undefined there"]
        if not tally.classes:
            return []
        missing = [name for number, name in enumerate(self._classes) if not tally.classes[number]]
        if len(tally.classes) == 1:
            only = self._classes[next(iter(tally.classes))]
            return [
                f"{split}: all {tally.num_samples} samples are of the class {only}, so scores by class are undefined"
            ]
        told = "cannot be learnt" if split == "train" else "is not scored"
        return [f"{split}: no sample is of the class {name}, which {told}" for name in missing]
