"""Which images are taken of those that lie somewhere, in which split each is, and what is told of the others."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from penstock.errors import DataError, MissingLabel
from penstock.manifest import LeftOutObjects, SkippedObject
from penstock.plan import left_to_cut, split_rule
from penstock.tasks.protocols import Splitting
from penstock.tasks.ranking import rank_of
from penstock.tasks.xray.finding import Archives, Image, Lying
from penstock.tasks.xray.labels import LabelBook, Labelled
from penstock.texts import counted, did_you_mean

__all__ = ["OWN_SPLITS", "Choice", "Chosen", "Wanted", "choose"]

OWN_SPLITS: Final = frozenset({"train", "test"})
"""Of the dataset itself, by test_list.txt."""
_SHOWN: Final = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What is asked for.

    Attributes:
        findings: bits of findings to score; images with others alone are left out. 0 takes all.
        views: to take; empty takes all.
        train_archives: patterns of archives that training images are of.
        train_share: of the training patients.
        train_on_all: train on images with findings too.
        most_unmatched: share of images without a row above which the dataset is refused.
        max_files: take at most that many images, of which hashes say which.
    """

    findings: int
    views: tuple[str, ...]
    train_archives: tuple[str, ...]
    train_share: float
    train_on_all: bool
    most_unmatched: float
    max_files: int | None


@dataclass(frozen=True, slots=True)
class Choice:
    """An image that is taken."""

    image: Image
    known: Labelled
    split: str


@dataclass(kw_only=True, slots=True)
class Chosen:
    """What is taken, in order, and what is not."""

    choices: list[Choice] = field(default_factory=list)
    skipped: list[SkippedObject] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def choose(
    lying: Lying, book: LabelBook, wanted: Wanted, splitting: Splitting, *, test_images: frozenset[str] | None
) -> Chosen:
    """Choose images.

    Args:
        test_images: names of those that the dataset's own test split has; None splits patients by ``splitting``.

    Raises:
        DataError: an image lies in two places, or none is left to train on.
        MissingLabel: too many have no row in the table.
    """
    known = _Known(lying, book, wanted.most_unmatched)
    labelled = known.images()
    if wanted.max_files is not None and wanted.max_files < len(labelled):
        names = heapq.nsmallest(wanted.max_files, (rank_of(image.name) for image, _ in labelled))
        labelled = [pair for pair in labelled if rank_of(pair[0].name) <= names[-1]]
    split_of = _splits(book, splitting, test_images)
    left_out: Counter[str] = Counter()
    found = Chosen()
    archives = Archives(wanted.train_archives, option="train-archives")
    is_trained_on = _training(wanted, splitting.seed, archives)
    for image, label in labelled:
        split = split_of(label.patient)
        archives(image.key)  # whosever it is: an archive may have images of no training patient
        reason = _why_not(label, wanted) or (is_trained_on(image, label) if split == "train" else "")
        if reason:
            left_out[reason] += 1
        else:
            found.choices.append(Choice(image, label, split))
    archives.check(lying.source.spec.uri)
    found.skipped = [
        *known.skipped,
        *(SkippedObject(object=counted(number, "image"), reason=why, count=number) for why, number in left_out.items()),
    ]
    found.notes = _notes(found.choices, book, known.num_rows_without)
    if not any(choice.split == "train" for choice in found.choices):
        why = ", ".join(f"{number} {reason}" for reason, number in left_out.items()) or "none is of a training patient"
        raise DataError(
            f"no image is left to train on of {counted(len(labelled), 'image')} with a row in {book.name}: {why}",
            fix="take more archives, or larger shares with --split and --option train-share=",
        )
    return found


class _Known:
    """Looks images up in the table."""

    def __init__(self, lying: Lying, book: LabelBook, most_unmatched: float) -> None:
        self._lying, self._book, self._most = lying, book, most_unmatched
        self.skipped: list[SkippedObject] = []
        self.num_rows_without = 0

    def images(self) -> list[tuple[Image, Labelled]]:
        """Return those that have a row."""
        left_out, places = LeftOutObjects(), dict[str, str]()
        found: list[tuple[Image, Labelled]] = []
        unknown: list[str] = []
        for image in self._lying.images():
            label = self._book.get(image.name)
            if label is None:
                unknown.append(image.key)
                left_out.add(image.key, f"not in {self._book.name}")
                continue
            if (before := places.setdefault(image.name, image.key)) != image.key:
                raise DataError(
                    f"{image.name} lies in two places, {before} and {image.key}",
                    fix="leave one, or take some archives alone with --option archives=",
                    about=image.key,
                )
            found.append((image, label))
        self._check(unknown, len(found))
        self.num_rows_without = len(self._book) - len(found)
        self.skipped = left_out.told()
        return found

    def _check(self, unknown: Sequence[str], num_known: int) -> None:
        if not unknown or len(unknown) <= self._most * (num_known + len(unknown)):
            return
        near = did_you_mean(unknown[0].rpartition("/")[2], list(self._book)[:1000])
        raise MissingLabel(
            f"{len(unknown)} of {num_known + len(unknown)} images have no row in {self._book.name}, "
            f"{', '.join(unknown[:_SHOWN])} for {'one' if len(unknown) == 1 else 'some'}",
            fix=f"{near}name the table of these images with --option labels=, or allow more with "
            f"--option unmatched-share= (it is {self._most:g})",
            about=unknown[0],
        )


def _splits(book: LabelBook, splitting: Splitting, test_images: frozenset[str] | None) -> Callable[[str], str]:
    """Return what gives a patient's split, the same whichever archives are taken."""
    if test_images is None:
        return split_rule(fractions=splitting.fractions, seed=splitting.seed)
    tested = {label.patient for name, label in book.items() if name in test_images}
    rule = split_rule(fractions=left_to_cut(splitting.fractions, OWN_SPLITS), seed=splitting.seed)
    return lambda patient: "test" if patient in tested else rule(patient)


def _training(wanted: Wanted, seed: int, is_of: Archives) -> Callable[[Image, Labelled], str]:
    """Return what says why an image of a training patient is not trained on, if it is not."""
    share = wanted.train_share
    taken = None if share >= 1 else split_rule(fractions=(share, 1 - share, 0.0), seed=seed)

    def why_not(image: Image, label: Labelled) -> str:
        if label.findings and not wanted.train_on_all:
            return "with findings, of training patients: normal images alone are trained on"
        if not is_of(image.key):
            return "of training patients, in other archives"
        if taken is not None and taken(f"share/{label.patient}") != "train":
            return "beyond train-share"
        return ""

    return why_not


def _why_not(label: Labelled, wanted: Wanted) -> str:
    if wanted.views and label.view not in wanted.views:
        return f"of other views than {', '.join(wanted.views)}"
    if wanted.findings and label.findings and not label.findings & wanted.findings:
        return "with other findings than those asked for"
    return ""


def _notes(choices: Sequence[Choice], book: LabelBook, num_rows_without: int) -> list[str]:
    counts = Counter((choice.split, bool(choice.known.findings)) for choice in choices)
    told = [
        f"{split}: {counts[split, False]:,} normal images, {counts[split, True]:,} with findings"
        for split in dict.fromkeys(choice.split for choice in choices)
    ]
    if num_rows_without:
        told.append(
            f"{num_rows_without:,} of {len(book):,} rows of {book.name} are of images that are not here, or not taken"
        )
    return told
