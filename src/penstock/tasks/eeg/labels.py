"""Labels of subjects, from the participants tables of a dataset's roots."""

from __future__ import annotations

from collections.abc import Container

from penstock.errors import DataError, MissingLabel, PenstockError
from penstock.formats.tables import Row, Table, is_missing
from penstock.manifest import SkippedObject
from penstock.sources import ObjectSource
from penstock.tasks.eeg.bids import Dataset
from penstock.tasks.eeg.participants import participants_table, subject_of

__all__ = ["labelled"]


async def labelled(
    source: ObjectSource, dataset: Dataset, *, column: str, skip_bad: bool, unlabelled: Container[str] = ()
) -> tuple[Dataset, dict[str, float]]:
    """Keep the recordings of subjects that have the label, and give the label by recording key.

    Args:
        skip_bad: leave out and name tables, and subjects, that cannot be used.
        unlabelled: names of the recordings that are kept without one.

    Raises:
        DataError: a participants table is missing or lacks the column, or a label is no number, or a second one.
        MissingLabel: no subject has the label.
    """
    found = _Labels(column)
    errors: list[PenstockError] = []
    skipped = list(dataset.skipped)
    unusable: set[str] = set()
    asked = [recording for recording in dataset.recordings if recording.name not in unlabelled]
    for root in sorted({recording.root for recording in asked}):
        try:
            table = await _table(source, dataset, root, column)
        except PenstockError as error:
            if not (skip_bad and error.skippable):
                raise
            errors.append(error)
            unusable.add(root)
            skipped.append(SkippedObject(object=f"{root}participants.tsv", reason=error.what))
            continue
        for row in table.rows:
            try:
                found.add(root, row)
            except DataError as error:
                if not skip_bad:
                    raise
                errors.append(error)
                found.give_up(row, error)
    labels: dict[str, float] = {}
    without: dict[tuple[str, str], None] = {}
    for recording in asked:
        value = found.of(recording.root, recording.subject)
        if value is not None:
            labels[recording.info.key] = value
        elif recording.root not in unusable:
            without[recording.root, recording.subject] = None
    skipped += [
        SkippedObject(object=subject, reason=found.bad.get(subject) or f"no {column} in {root}participants.tsv")
        for root, subject in without
    ]
    if not labels:
        if errors:
            raise errors[0]
        subjects = len({recording.subject for recording in asked})
        raise MissingLabel(
            f"none of {subjects} subjects has a number in the column {column} of participants.tsv",
            fix="choose another column with --option label, or another release",
        )
    kept = tuple(
        recording for recording in dataset.recordings if recording.name in unlabelled or recording.info.key in labels
    )
    return Dataset(recordings=kept, participants=dataset.participants, skipped=skipped), labels


class _Labels:
    """Labels by root and subject, and why a subject has none that can be used."""

    def __init__(self, column: str) -> None:
        self.bad: dict[str, str] = {}
        self._column = column
        self._values: dict[tuple[str, str], float] = {}
        self._first: dict[str, Row] = {}

    def add(self, root: str, row: Row) -> None:
        """Take a row in.

        Raises:
            DataError: its label is no number, nobody's, or another than the subject has already.
        """
        value = row.number(self._column)
        if value is None:
            return
        if is_missing(row["participant_id"]):
            raise row.error(
                f"{self._column} is {row[self._column]}, but the participant_id is missing", fix="write whose it is"
            )
        subject = _subject(row)
        first = self._first.setdefault(subject, row)
        if first.number(self._column) != value:
            before = f"line {first.line}" if first.table == row.table else f"{first.table}, line {first.line},"
            raise row.error(
                f"{subject} has {self._column} {row[self._column]}, but {before} says {first[self._column]}",
                fix="leave one label for each subject, or choose another column with --option label=NAME",
            )
        self._values[root, subject] = value

    def give_up(self, row: Row, error: DataError) -> None:
        """Leave the subject of a row out."""
        self.bad.setdefault(_subject(row), error.what)

    def of(self, root: str, subject: str) -> float | None:
        """Return a subject's label."""
        return None if subject in self.bad else self._values.get((root, subject))


def _subject(row: Row) -> str:
    return subject_of(row["participant_id"])


async def _table(source: ObjectSource, dataset: Dataset, root: str, column: str) -> Table:
    other = "choose another column with --option label=NAME"
    return await participants_table(
        source, dataset, root, column, fix="upload it: it holds the label of each subject", other=other
    )
