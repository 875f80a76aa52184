"""Challenge 2: a score of each subject (externalizing) from any stretch of the EEG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError, DataError, MissingLabel
from penstock.formats.tables import Row, is_missing, read_table
from penstock.records import Sample, SkippedObject
from penstock.sources import ObjectSource
from penstock.tasks.eeg.base import EegTask
from penstock.tasks.eeg.bids import Dataset, find_recordings
from penstock.tasks.eeg.making import Epochs, EpochSpec, Made, make_sample_set
from penstock.tasks.eeg.metrics import regression_metrics, subject_metrics
from penstock.tasks.eeg.options import NORMALIZE, Options, bids_task, positive
from penstock.tasks.eeg.reading import Reader
from penstock.tasks.protocols import Limits, OptionValue, SampleSet, TaskOption
from penstock.tasks.scores import Scores

__all__ = ["EegC2"]

_OPTIONS: Final = (
    bids_task("contrastChangeDetection"),
    TaskOption(
        name="label",
        kind=str,
        default="externalizing",
        help="column of participants.tsv to predict",
        metavar="COLUMN",
    ),
    positive("window_seconds", 4.0, "seconds of a window"),
    positive("stride_seconds", 2.0, "seconds from the start of a window to the next"),
    positive("crop_seconds", 2.0, "seconds of a window that are taken, at random in training, else from its middle"),
    NORMALIZE,
)


class EegC2(EegTask):
    """Predicts a subject's score from crops of windows of its recordings."""

    name = "eeg-c2"
    score = "nrmse"
    higher_is_better = False
    options = _OPTIONS

    async def make_samples(
        self, source: ObjectSource, *, limits: Limits, options: Mapping[str, OptionValue]
    ) -> SampleSet:
        """Make samples of all windows of the recordings of subjects that have the label.

        Raises:
            SourceError: the source could not be listed or read, or nothing lies there.
            MissingLabel: no subject has the label.
            DataError: a recording or a participants table cannot be used.
        """
        chosen = Options(self.options, options, task=self.name)
        spec = EpochSpec(
            num_seconds=chosen.seconds("window_seconds", above=0),
            crop_seconds=chosen.seconds("crop_seconds", above=0),
            normalize=chosen.normalize(),
        )
        if spec.crop_seconds > spec.num_seconds:
            raise ConfigError(
                f"--option crop-seconds is {spec.crop_seconds:g}, longer than a window of {spec.num_seconds:g} s",
                fix="give a crop that fits the window",
            )
        stride_seconds = chosen.seconds("stride_seconds", above=0)
        column = ",".join(chosen.names("label"))
        dataset = await find_recordings(source, limits=limits, bids_tasks=chosen.names("bids_task"))
        dataset, labels = await _labelled(source, dataset, column=column, skip_bad=limits.skip_bad)

        def make(epochs: Epochs) -> Made:
            stride = max(1, round(stride_seconds * epochs.opened.rate_hz))
            return _window_samples(epochs, stride, labels[epochs.opened.recording.info.key])

        return await make_sample_set(
            Reader(source),
            dataset.first(limits.max_files),
            spec=spec,
            make=make,
            what="windows",
            none_made=_no_windows,
            with_events=False,
            skip_bad=limits.skip_bad,
        )

    def metrics(self, truth: NDArray[np.float64], predicted: NDArray[np.float64], groups: Sequence[str]) -> Scores:
        """Score by window, and under ``subject_`` by each subject's mean."""
        return regression_metrics(truth, predicted) | subject_metrics(truth, predicted, groups)


async def _labelled(
    source: ObjectSource, dataset: Dataset, *, column: str, skip_bad: bool
) -> tuple[Dataset, dict[str, float]]:
    """Keep the recordings of subjects that have the label, and give the label by recording key.

    Raises:
        DataError: a participants table is missing or lacks the column.
        MissingLabel: no subject has the label.
    """
    skipped = list(dataset.skipped)
    by_subject: dict[tuple[str, str], float] = {}
    unusable: set[str] = set()
    told: dict[str, Row] = {}
    for root in sorted({recording.root for recording in dataset.recordings}):
        try:
            rows = await _root_labels(source, dataset, root, column)
            for subject, row in rows.items():
                _check_same(told.setdefault(subject, row), row, subject=subject, column=column)
        except DataError as error:
            if not skip_bad:
                raise
            unusable.add(root)
            skipped.append(SkippedObject(object=f"{root}participants.tsv", reason=error.what))
            continue
        for subject, row in rows.items():
            if (value := row.number(column)) is not None:
                by_subject[root, subject] = value
    labels: dict[str, float] = {}
    unlabelled: dict[tuple[str, str], None] = {}
    for recording in dataset.recordings:
        place = (recording.root, recording.subject)
        if place in by_subject:
            labels[recording.info.key] = by_subject[place]
        elif recording.root not in unusable:
            unlabelled[place] = None
    skipped += [
        SkippedObject(object=subject, reason=f"no {column} in {root}participants.tsv") for root, subject in unlabelled
    ]
    if not labels:
        subjects = len({recording.subject for recording in dataset.recordings})
        raise MissingLabel(
            f"none of {subjects} subjects has a number in the column {column} of participants.tsv",
            fix="choose another column with --option label, or another release",
        )
    kept = tuple(recording for recording in dataset.recordings if recording.info.key in labels)
    return Dataset(recordings=kept, participants=dataset.participants, skipped=skipped), labels


async def _root_labels(source: ObjectSource, dataset: Dataset, root: str, column: str) -> dict[str, Row]:
    """Give the rows of a root's participants table that hold a number, by subject."""
    info = dataset.participants.get(root)
    if info is None:
        raise DataError(
            f"there is no {root}participants.tsv in {source.spec.uri}",
            fix="upload it: it holds the label of each subject",
            about=f"{root}participants.tsv",
        )
    table = read_table(await source.get(info), name=info.key)
    table.require(("participant_id", column), fix="choose another column with --option label=NAME")
    found: dict[str, Row] = {}
    for row in table.rows:
        if row.number(column) is None:
            continue
        if is_missing(row["participant_id"]):
            raise row.error(f"{column} is {row[column]}, but the participant_id is missing", fix="write whose it is")
        subject = f"sub-{row['participant_id'].removeprefix('sub-')}"
        _check_same(found.setdefault(subject, row), row, subject=subject, column=column)
    return found


def _check_same(first: Row, row: Row, *, subject: str, column: str) -> None:
    """Refuse a second label of a subject.

    Raises:
        DataError: it is another one.
    """
    if first.number(column) != row.number(column):
        before = f"line {first.line}" if first.table == row.table else f"{first.table}, line {first.line},"
        raise row.error(
            f"{subject} has {column} {row[column]}, but {before} says {first[column]}",
            fix="leave one label for each subject, or choose another column with --option label=NAME",
        )


def _window_samples(epochs: Epochs, stride: int, label: float) -> Made:
    recording = epochs.opened.recording
    starts = range(0, epochs.opened.num_samples - epochs.num_times + 1, stride)
    made = (
        epochs.sample(
            first_sample=start,
            key=f"{recording.name}/window-{i:04d}",
            group=recording.subject,
            target=label,
        )
        for i, start in enumerate(starts)
    )
    samples: list[Sample] = [sample for sample in made if sample is not None]
    return Made(samples=samples, candidates=len(starts))


def _no_windows(counted: str) -> DataError:
    return DataError(
        f"no recording is as long as a window ({counted})", fix="take shorter windows with --option window-seconds"
    )
