"""Challenge 1: the reaction time of each trial of the contrast change detection task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.errors import DataError, NoResponses
from penstock.records import Evaluation, MetricValue, MetricValues
from penstock.sources import ObjectSource
from penstock.tasks.eeg.base import EegTask
from penstock.tasks.eeg.choosing import CHOOSING, choose_recordings
from penstock.tasks.eeg.events import RESPONSES, Responses, find_trials
from penstock.tasks.eeg.making import Epochs, EpochSpec, Made, make_sample_set
from penstock.tasks.eeg.options import EVENT_COLUMN, NORMALIZE, Options, bids_task, positive
from penstock.tasks.eeg.overall import overall_score
from penstock.tasks.eeg.reading import Reader
from penstock.tasks.eeg.signal_options import SIGNALS, making_of
from penstock.tasks.metrics import regression_metrics
from penstock.tasks.protocols import Limits, OptionValue, SampleSet, TaskOption

__all__ = ["EegC1"]

_OPTIONS: Final = (
    bids_task("contrastChangeDetection"),
    EVENT_COLUMN,
    TaskOption(
        name="epoch_start",
        kind=float,
        default=0.5,
        help="seconds after the stimulus at which a sample begins",
        metavar="SECONDS",
    ),
    positive("epoch_seconds", 2.0, "seconds that a sample lasts"),
    TaskOption(
        name="responses",
        kind=str,
        default="any",
        help="presses that answer a stimulus: of any button, or left-right, of those two alone, as the challenge's",
        metavar="{any,left-right}",
    ),
    NORMALIZE,
    *SIGNALS,
    *CHOOSING,
)


class EegC1(EegTask):
    """Predicts the seconds from a trial's stimulus to the response, from the EEG after the stimulus."""

    name = "eeg-c1"
    score = "nrmse"
    options = _OPTIONS

    async def make_samples(
        self, source: ObjectSource, *, limits: Limits, options: Mapping[str, OptionValue]
    ) -> SampleSet:
        """Make a sample of each trial that has a stimulus, a response and an epoch inside the recording.

        Raises:
            SourceError: the source could not be listed or read, or nothing lies there.
            NoResponses: no trial has both stimulus and response.
            DataError: a recording cannot be used.
        """
        chosen = Options(self.options, options, task=self.name)
        seconds = chosen.seconds("epoch_seconds", above=0)
        spec = EpochSpec(num_seconds=seconds, crop_seconds=seconds, normalize=chosen.normalize())
        start_seconds = chosen.seconds("epoch_start")
        making = making_of(chosen)
        responses = chosen.choice("responses", RESPONSES)
        choice = await choose_recordings(source, limits=limits, bids_tasks=chosen.names("bids_task"), chosen=chosen)
        dataset = choice.dataset

        def make(epochs: Epochs) -> Made:
            return _trial_samples(epochs, start_seconds, responses, choice.unlabelled)

        return await make_sample_set(
            Reader(source, event_column=chosen.text("event_column"), making=making),
            dataset.first(limits.max_files),
            spec=spec,
            make=make,
            what="trials",
            none_made=_no_responses,
            with_events=True,
            skip_bad=limits.skip_bad,
            own_splits=choice.own_splits,
            unlabelled=choice.unlabelled,
            notes=choice.notes,
            num_channels=chosen.whole("num_channels", low=0, high=100_000),
        )

    def metrics(
        self, truth: NDArray[np.float64], predicted: NDArray[np.float64], groups: Sequence[str]
    ) -> MetricValues:
        """Score reaction times by trial; see ``regression_metrics``."""
        return regression_metrics(truth, predicted)

    def overall(self, evaluations: Sequence[Evaluation]) -> MetricValue:
        """Return the challenge's overall score; see ``overall_score``."""
        return overall_score(evaluations)


def _trial_samples(epochs: Epochs, start_seconds: float, responses: Responses, unlabelled: Container[str] = ()) -> Made:
    opened = epochs.opened
    trials = find_trials(opened.events, responses)
    samples, left_out = [], Counter[str]()
    # rounded apart, as the challenge's own windows are
    shift = round(start_seconds * opened.rate_hz)
    for trial in trials:
        if trial.stimulus_seconds is None:
            left_out["without a stimulus"] += 1
            continue
        seconds = trial.response_seconds
        if seconds is None and opened.recording.name not in unlabelled:
            left_out["without a response"] += 1
            continue
        first = epochs.first_sample(trial.stimulus_seconds, shift)
        if first is None:
            left_out[epochs.why_not(trial.stimulus_seconds, shift)] += 1
            continue
        sample = epochs.sample(
            first_sample=first,
            key=f"{opened.recording.name}/trial-{trial.number:03d}",
            group=opened.recording.subject,
            target=None if seconds is None else seconds - trial.stimulus_seconds,
        )
        samples.append(sample)
    return Made(samples=samples, candidates=len(trials), left_out=left_out)


def _no_responses(counted: str) -> DataError:
    return NoResponses(
        f"no trial has a stimulus, a response and an epoch inside its recording ({counted})",
        fix="check the events tables (contrastTrial_start, left_target, left_buttonPress), --option bids-task and "
        "--option epoch-start",
    )
