"""What a task is, without torch: making samples, decoding them, scoring predictions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from penstock.manifest import Described, Extent, SkippedObject
from penstock.records import Evaluation, Figure, MetricValue, MetricValues
from penstock.sources import ObjectSource

__all__ = [
    "Answers",
    "Collates",
    "Illustrates",
    "Limits",
    "NamesMetrics",
    "NamesWindow",
    "OptionValue",
    "OwnSplits",
    "PartOfOverall",
    "SampleSet",
    "Splitting",
    "Task",
    "TaskOption",
    "Transforms",
]

OptionValue = str | int | float | bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskOption:
    """One option of a task: ``name`` in snake case becomes ``--name-in-kebab-case``.

    Attributes:
        kind: type that the flag's value is read as; ``bool`` makes a switch.
        metavar: what the help text calls the value.
    """

    name: str
    kind: type[str] | type[int] | type[float] | type[bool]
    default: OptionValue
    help: str
    metavar: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Splitting:
    """How a dataset is to be split, for tasks whose extents have samples of several splits.

    Attributes:
        fractions: of train, valid and test.
        seed: that decides.
        by_sample: split samples, and not groups.
    """

    fractions: tuple[float, ...] = (1.0, 0.0, 0.0)
    seed: int = 0
    by_sample: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Which part of a dataset to take, and where to put what does not fit in memory.

    Attributes:
        max_files: take at most that many objects, in key order; None takes all.
        releases: take these releases only, empty takes all that lie there.
        mini: take the small version of each release.
        skip_bad: leave out an object that cannot be used, and name it, where False fails.
        early: give samples while the listing goes on, where the source lists in the order of its keys.
        scratch: folder for what does not fit in memory; None is the system's folder for temporary files.
        splitting: how whoever lists will split what is found.
    """

    max_files: int | None = None
    releases: tuple[str, ...] = ()
    mini: bool = False
    skip_bad: bool = False
    early: bool = False
    scratch: Path | None = None
    splitting: Splitting = Splitting()


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnSplits:
    """Splits that a dataset itself has, by its folders' names or a column.

    Attributes:
        names: of ``train``, ``valid`` and ``test`` those that it has; ``train`` is one of them.
        split_of: gives an extent's split by its key.
    """

    names: frozenset[str]
    split_of: Callable[[str], str]


@dataclass(kw_only=True, slots=True)
class SampleSet:
    """Samples as they are made.

    Attributes:
        rows: the extents that they lie in, in an order that depends on the dataset and the options alone.
        shape: axes of one decoded sample.
        classes: names of the classes, empty for regression.
        skipped: what was left out and why; complete when ``rows`` has ended.
        own_splits: that the dataset has; None splits it by ``--split``. What it lacks of the splits that are asked
            for is taken of its train split.
        split_of: gives an extent's split, by the listing's own ``splitting``, where the task has seen to it that all of
            an extent's samples are of one; None has whoever lists split extents.
        notes: what a person should know before training.
        values: what the numbers of samples mean, as text, where that was found in the dataset itself: what is trained
            on samples of one such text is not scored on those of another.
    """

    rows: AsyncIterator[Extent]
    shape: tuple[int, ...]
    classes: tuple[str, ...] = ()
    skipped: list[SkippedObject] = field(default_factory=list)
    own_splits: OwnSplits | None = None
    split_of: Callable[[Extent], str] | None = None
    notes: list[str] = field(default_factory=list)
    values: str = ""


class Task(Protocol):
    """One thing to learn from one kind of dataset."""

    @property
    def name(self) -> str:
        """Name on the command line."""
        ...

    @property
    def recipe(self) -> str:
        """Name of the recipe that has its networks; empty where there is nothing to learn."""
        ...

    @property
    def score(self) -> str:
        """Name of the metric that runs are compared by."""
        ...

    @property
    def options(self) -> tuple[TaskOption, ...]:
        """Options of ``make_samples``."""
        ...

    async def make_samples(
        self, source: ObjectSource, *, limits: Limits, options: Mapping[str, OptionValue]
    ) -> SampleSet:
        """List the source and make samples of what lies there.

        Raises:
            SourceError: it could not be listed or read, or nothing lies there.
            DataError: what lies there cannot be used.
        """
        ...

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Make values of some samples of an extent, as a format's ``Decoder`` does, drawing from no generator.

        Unless the task has a ``collate``, what becomes of each sample is a dictionary: ``inputs``, what the network is
        given, an array or a tree of arrays; ``targets`` where there are some, one number or an array (NaN or None where
        it is not known, a float for float64); and what else the objective is to see. All samples' are of one shape and
        type.

        Args:
            data: bytes of the extent's spans, joined; its values may refer to them.
            about: what the manifest tells of the extent and its samples (``about.targets``, ``about.args``; see
                ``penstock.manifest.sample_of``).
            codec: of the extent's object.
            numbers: n-ths of its samples, 0-based, ascending, shape (samples,).

        Raises:
            DataError: the bytes do not mean what they should.
        """
        ...

    def metrics(
        self, truth: NDArray[np.float64], predicted: NDArray[np.float64], groups: Sequence[str]
    ) -> MetricValues:
        """Score predictions, as ``tasks.metrics`` does for regressions and classifications.

        Args:
            truth: targets or class indices, shape (samples,), or what the recipe's own objective gives.
            predicted: shape (samples,) for regression, (samples, classes) of logits for classification, or the same.
            groups: group of each sample.
        """
        ...


@runtime_checkable
class Transforms(Protocol):
    """A task that makes of each decoded value what is collated, where chance takes part in it or it is costly."""

    def transform(self, value: Any, rng: np.random.Generator | None) -> Any:
        """Make another value of a sample's.

        Args:
            rng: source of chance for training-time augmentation, and not to be held on to; None where samples are
                not trained on.

        Raises:
            DataError: the bytes do not mean what they should.
        """
        ...


@runtime_checkable
class Collates(Protocol):
    """A task that makes batches itself; else arrays, tensors and numbers of one shape are stacked, as torch does it."""

    def collate(self, values: list[Any]) -> Mapping[str, Any]:
        """Make a batch of values, with ``inputs`` for the network; it must not hold on to them."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """What a network answered for the samples of a split whose target is known, in the loader's order.

    Attributes:
        truth: targets or class indices, shape (samples,), or what else the recipe's objective gives.
        predicted: shape (samples,) for regression, (samples, classes) of logits for classification, or what else.
        keys: names of the samples.
        groups: group of each sample.
        classes: names of the classes, empty for regression.
        split: that the samples are of.
    """

    truth: NDArray[np.float64]
    predicted: NDArray[np.float64]
    keys: tuple[str, ...]
    groups: tuple[str, ...]
    classes: tuple[str, ...]
    split: str


@runtime_checkable
class Illustrates(Protocol):
    """A task that has figures of its own drawn in the report.

    Without it they are those of ``penstock.tasks.figures.usual_figures``: ROC curves where there are classes. Confusion
    matrix, and truth against prediction, are drawn of every evaluation that has them.
    """

    def figures(self, answers: Answers) -> Sequence[Figure]:
        """Return figures of what a network answered on a whole split; what is too large of them is thinned out."""
        ...


@runtime_checkable
class NamesMetrics(Protocol):
    """A task that tells the names of its metrics, so that a wrong one is refused before anything is listed.

    Of a task without it, whose samples have no class or number each, one is refused at the first validation.
    """

    @property
    def metric_names(self) -> Sequence[str]:
        """Names of all that ``metrics`` may give."""
        ...


@runtime_checkable
class NamesWindow(Protocol):
    """A task that names the bound of its window where nobody gives one, which is 256 MiB otherwise."""

    @property
    def usual_window_bytes(self) -> int:
        """Bound on everything in the window's folder."""
        ...


@runtime_checkable
class PartOfOverall(Protocol):
    """A task whose score makes one score together with another's."""

    def overall(self, evaluations: Sequence[Evaluation]) -> MetricValue:
        """Return the score of them together.

        Raises:
            ConfigError: they are not of the tasks that it is made of.
        """
        ...
