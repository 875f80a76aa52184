"""Challenge 2: a score of each subject (externalizing) from any stretch of the EEG."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError, DataError
from penstock.records import Evaluation, MetricValue, MetricValues
from penstock.sources import ObjectSource
from penstock.tasks.eeg.base import EegTask
from penstock.tasks.eeg.choosing import CHOOSING, choose_recordings
from penstock.tasks.eeg.labels import labelled
from penstock.tasks.eeg.making import Epochs, EpochSpec, Made, make_sample_set
from penstock.tasks.eeg.options import NORMALIZE, Options, bids_task, positive
from penstock.tasks.eeg.overall import overall_score
from penstock.tasks.eeg.reading import Reader
from penstock.tasks.eeg.signal_options import SIGNALS, making_of
from penstock.tasks.metrics import group_metrics, regression_metrics
from penstock.tasks.protocols import Limits, OptionValue, SampleSet, TaskOption

__all__ = ["EVALUATION_CROPS", "EegC2"]

EVALUATION_CROPS: Final = ("middle", "scorer")
_SCORER_SEED: Final = 42
"""Of ``local_scoring.py`` in the challenge's start kit (github.com/eeg2025/startkit)."""

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
    TaskOption(
        name="evaluation_crop",
        kind=str,
        default="middle",
        help="where a crop lies that is not trained on: in the middle of its window, or where the challenge's scorer "
        "puts it, by chance of the seed 42",
        metavar="{middle,scorer}",
    ),
    NORMALIZE,
    *SIGNALS,
    *CHOOSING,
)


class EegC2(EegTask):
    """Predicts a subject's score from crops of windows of its recordings."""

    name = "eeg-c2"
    score = "nrmse"
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
        making = making_of(chosen)
        stride_seconds = chosen.seconds("stride_seconds", above=0)
        column = ",".join(chosen.names("label"))
        as_scorer = chosen.choice("evaluation_crop", EVALUATION_CROPS) == "scorer"
        choice = await choose_recordings(source, limits=limits, bids_tasks=chosen.names("bids_task"), chosen=chosen)
        dataset, labels = await labelled(
            source, choice.dataset, column=column, skip_bad=limits.skip_bad, unlabelled=choice.unlabelled
        )

        def make(epochs: Epochs) -> Made:
            stride = max(1, round(stride_seconds * epochs.opened.rate_hz))
            return _window_samples(epochs, stride, labels.get(epochs.opened.recording.info.key), as_scorer=as_scorer)

        return await make_sample_set(
            Reader(source, making=making),
            dataset.first(limits.max_files),
            spec=spec,
            make=make,
            what="windows",
            none_made=_no_windows,
            with_events=False,
            skip_bad=limits.skip_bad,
            own_splits=choice.own_splits,
            unlabelled=choice.unlabelled,
            notes=choice.notes,
            num_channels=chosen.whole("num_channels", low=0, high=100_000),
        )

    def metrics(
        self, truth: NDArray[np.float64], predicted: NDArray[np.float64], groups: Sequence[str]
    ) -> MetricValues:
        """Score by window, and under ``subject_`` by each subject's mean."""
        return regression_metrics(truth, predicted) | group_metrics(truth, predicted, groups, name="subject")

    def overall(self, evaluations: Sequence[Evaluation]) -> MetricValue:
        """Return the challenge's overall score; see ``overall_score``."""
        return overall_score(evaluations)


def _window_samples(epochs: Epochs, stride: int, label: float | None, *, as_scorer: bool) -> Made:
    recording = epochs.opened.recording
    starts = [
        stretch.first_sample + start
        for stretch in epochs.opened.stretches
        for start in range(0, stretch.num_samples - epochs.num_times + 1, stride)
    ]
    chance = random.Random(_SCORER_SEED)  # noqa: S311  # anew for each recording, as the scorer has it
    spare = epochs.num_times - epochs.crop_times
    samples = [
        epochs.sample(
            first_sample=start,
            key=f"{recording.name}/window-{i:04d}",
            group=recording.subject,
            target=label,
            crop=chance.randint(0, spare) if as_scorer else None,
        )
        for i, start in enumerate(starts)
    ]
    return Made(samples=samples, candidates=len(starts))


def _no_windows(counted: str) -> DataError:
    return DataError(
        f"no recording is as long as a window ({counted})", fix="take shorter windows with --option window-seconds"
    )
