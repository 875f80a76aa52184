"""A generated EEG dataset in the layout of the 2025 EEG challenge, with an effect of known size planted in it.

Each trial's reaction time is ``mean + sd * (effect * x + sqrt(1 - effect**2) * e)`` with x and e standard
normal; x is the size of an evoked wave on a fixed scalp pattern one second after the stimulus, e is nowhere
in the recording. So no model can do better than an NRMSE of ``sqrt(1 - effect**2)``, and with an effect of 0
none beats the mean. Each subject's externalizing score hangs on the power of its alpha rhythm in the same way.

The background is pink and correlated over the scalp, about 10 microvolts. It is made once and given to each
subject as a random mixture of two shifted copies: 300 MB take seconds, and no copy tells anything of x.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.demo.signals import RATE_HZ, Scalp, make_alpha, make_background, make_scalp
from penstock.errors import ConfigError
from penstock.formats.bdf import BdfHeader, encode_bdf, to_digital

__all__ = ["MIN_SUBJECTS", "DemoDataset", "Sink", "generate_dataset", "planted_bound", "recording_bytes"]

Sink = Callable[[str, bytes], None]
"""Takes a key and the object's bytes."""

DEFAULT_SIZE_BYTES: Final = 300_000_000
NUM_CHANNELS: Final = 129
NUM_TRIALS: Final = 80
MIN_SUBJECTS: Final = 3

REACTION_MEAN_SECONDS: Final = 1.4
REACTION_SD_SECONDS: Final = 0.25
REACTION_RANGE_SECONDS: Final = (0.3, 2.5)
MISSED_RESPONSES: Final = 0.03
LEAD_SECONDS: Final = 2.0
# A trial: its start, the stimulus after 0.3 to 0.5 s, the next trial's start 2.55 to 2.75 s after the stimulus.
STIMULUS_SECONDS: Final = (0.3, 0.5)
AFTER_STIMULUS_SECONDS: Final = (2.55, 2.75)

WAVE_SECONDS: Final = 1.0
WAVE_WIDTH_SECONDS: Final = 0.12
WAVE_MICROVOLTS: Final = 20.0
ALPHA_MICROVOLTS: Final = 6.0


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoDataset:
    """What was generated.

    Attributes:
        num_trials: trials with a response, the last trial of each recording not counted (it has no end).
        size_bytes: all objects together.
        bound_nrmse: the least NRMSE that any model can reach on average.
    """

    releases: tuple[str, ...]
    num_subjects: int
    num_trials: int
    num_objects: int
    size_bytes: int
    bound_nrmse: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _Trials:
    """Times in seconds after the recording's start, and wave sizes, shape (trials,); NaN where none responded."""

    starts: NDArray[np.float64]
    stimuli: NDArray[np.float64]
    responses: NDArray[np.float64]
    waves: NDArray[np.float64]


def planted_bound(effect: float) -> float:
    """Return the least NRMSE that any model can reach on average, where ``effect`` was planted."""
    return math.sqrt(1.0 - effect**2)


def recording_bytes(num_trials: int = NUM_TRIALS, num_channels: int = NUM_CHANNELS) -> float:
    """Return about how large a recording is."""
    return float(3 * num_channels * RATE_HZ * num_trials * (np.mean(STIMULUS_SECONDS + AFTER_STIMULUS_SECONDS) * 2))


def generate_dataset(
    sink: Sink,
    *,
    seed: int = 0,
    effect: float = 0.9,
    size_bytes: int = DEFAULT_SIZE_BYTES,
    num_releases: int = 3,
    num_trials: int = NUM_TRIALS,
    num_channels: int = NUM_CHANNELS,
) -> DemoDataset:
    """Generate a dataset, object by object.

    Args:
        sink: takes each key and its bytes, in an order that does not matter.
        seed: the same seed gives the same bytes.
        effect: correlation of x with the reaction time, 0 to 1.
        size_bytes: about how large the dataset is to be; there are three subjects at least.
        num_trials: trials of each subject, those without a response included.

    Raises:
        ConfigError: the effect is not from 0 to 1, or there are fewer than two trials or channels or no release.
    """
    _check(effect, num_releases, num_trials, num_channels)
    num_subjects = round(size_bytes / recording_bytes(num_trials, num_channels))
    num_subjects = max(MIN_SUBJECTS, num_releases, num_subjects)
    shared, *rest = np.random.default_rng(seed).spawn(2)
    times = math.ceil(LEAD_SECONDS * 2 + num_trials * (STIMULUS_SECONDS[1] + AFTER_STIMULUS_SECONDS[1])) * RATE_HZ
    scalp = make_scalp(shared, num_channels, times)
    releases = tuple(f"R{i + 1}" for i in range(num_releases))
    written: dict[str, int] = {}

    def put(key: str, data: bytes) -> None:
        written[key] = len(data)
        sink(key, data)

    responded = 0
    people: dict[str, list[str]] = {release: [] for release in releases}
    for i, rng in enumerate(rest[0].spawn(num_subjects)):
        release = releases[i % num_releases]
        subject = f"sub-NDARDEMO{i + 1:03d}"
        alpha, row = _make_person(rng, subject, release, effect)
        people[release].append(row)
        trials = _make_trials(rng, num_trials, effect)
        responded += int(np.isfinite(trials.responses[:-1]).sum())
        stem = f"{release}_L100_bdf/{subject}/eeg/{subject}_task-contrastChangeDetection_run-1"
        put(f"{stem}_eeg.bdf", _recording(rng, subject, scalp, trials, alpha))
        put(f"{stem}_events.tsv", _events_table(rng, trials))
    for release, rows in people.items():
        put(f"{release}_L100_bdf/participants.tsv", "\n".join([_PARTICIPANTS, *rows, ""]).encode())
        put(f"{release}_L100_bdf/dataset_description.json", _description(release))
    return DemoDataset(
        releases=releases,
        num_subjects=num_subjects,
        num_trials=responded,
        num_objects=len(written),
        size_bytes=sum(written.values()),
        bound_nrmse=planted_bound(effect),
    )


_PARTICIPANTS: Final = "\t".join(
    [
        *("participant_id", "release_number", "sex", "age", "ehq_total", "commercial_use", "full_pheno"),
        *("p_factor", "attention", "internalizing", "externalizing", "contrastChangeDetection_1"),
    ]
)


def _check(effect: float, num_releases: int, num_trials: int, num_channels: int) -> None:
    if not 0 <= effect <= 1:
        raise ConfigError(f"the effect is {effect:g}", fix="give a number from 0 to 1")
    if num_releases < 1 or num_trials < 2 or num_channels < 2:
        raise ConfigError(
            f"{num_releases} releases, {num_trials} trials and {num_channels} channels make no dataset",
            fix="give one release, two trials and two channels or more",
        )


def _make_person(rng: np.random.Generator, subject: str, release: str, effect: float) -> tuple[float, str]:
    """Return a person's alpha amplitude in microvolts and its row of the participants table."""
    latent, rest = rng.standard_normal(2)
    externalizing = effect * latent + planted_bound(effect) * rest
    p_factor, attention, internalizing = rng.standard_normal(3)
    cells = [
        *(subject, release, rng.choice(["F", "M"]), f"{rng.uniform(5, 21):.4f}", f"{rng.uniform(-100, 100):.2f}"),
        *("Yes", "Yes", f"{p_factor:.3f}", f"{attention:.3f}", f"{internalizing:.3f}", f"{externalizing:.3f}"),
        "available",
    ]
    return float(ALPHA_MICROVOLTS * np.exp(0.5 * latent)), "\t".join(map(str, cells))


def _make_trials(rng: np.random.Generator, num_trials: int, effect: float) -> _Trials:
    waits = rng.uniform(*STIMULUS_SECONDS, num_trials)
    ends = rng.uniform(*AFTER_STIMULUS_SECONDS, num_trials)
    starts = LEAD_SECONDS + np.concatenate([[0.0], np.cumsum(waits + ends)[:-1]])
    waves, rest = rng.standard_normal((2, num_trials))
    reaction = REACTION_MEAN_SECONDS + REACTION_SD_SECONDS * (effect * waves + planted_bound(effect) * rest)
    missed = rng.random(num_trials) < MISSED_RESPONSES
    responses = starts + waits + np.where(missed, np.nan, reaction.clip(*REACTION_RANGE_SECONDS))
    return _Trials(starts=starts, stimuli=starts + waits, responses=responses, waves=waves)


def _recording(rng: np.random.Generator, subject: str, scalp: Scalp, trials: _Trials, alpha_microvolts: float) -> bytes:
    num_channels = len(scalp.wave)
    seconds = math.ceil(trials.stimuli[-1] + AFTER_STIMULUS_SECONDS[1] + LEAD_SECONDS)
    signal = make_background(rng, scalp.pool, seconds * RATE_HZ)
    signal += np.outer(scalp.alpha, alpha_microvolts * make_alpha(rng, seconds * RATE_HZ))
    # the sample nearest to the stimulus, as whoever cuts the epochs will find it
    first = np.rint(trials.stimuli * RATE_HZ).astype(np.int64)
    after = np.arange(round(WAVE_SECONDS * 2 * RATE_HZ))
    bump = np.exp(-(((after / RATE_HZ - WAVE_SECONDS) / WAVE_WIDTH_SECONDS) ** 2) / 2)
    evoked = np.zeros(seconds * RATE_HZ, np.float32)
    evoked[first[:, None] + after] = WAVE_MICROVOLTS * trials.waves[:, None] * bump
    signal += np.outer(scalp.wave, evoked)
    header = BdfHeader(
        name=subject,
        width_bytes=3,
        variant="24BIT",
        num_records=seconds,
        record_seconds=1.0,
        labels=(*(f"E{i + 1}" for i in range(num_channels - 1)), "Cz"),
        units=("uV",) * num_channels,
        physical_min=(-8192.0,) * num_channels,
        physical_max=(8191.0,) * num_channels,
        digital_min=(-(2**23),) * num_channels,
        digital_max=(2**23 - 1,) * num_channels,
        samples_per_record=(RATE_HZ,) * num_channels,
    )
    return encode_bdf(header, to_digital(header, signal))


def _events_table(rng: np.random.Generator, trials: _Trials) -> bytes:
    lines = ["onset\tduration\tvalue\tevent_code\tfeedback", "0.000\tn/a\tcontrastChangeB1_start\t94\tn/a"]
    lines += _event_lines(rng, trials)
    return "\n".join([*lines, ""]).encode()


def _event_lines(rng: np.random.Generator, trials: _Trials) -> Iterator[str]:
    for start, stimulus, response in zip(trials.starts, trials.stimuli, trials.responses, strict=True):
        side = int(rng.integers(2))
        name = ("left", "right")[side]
        yield f"{start:.4f}\tn/a\tcontrastTrial_start\t5\tn/a"
        yield f"{stimulus:.4f}\tn/a\t{name}_target\t{8 + side}\tn/a"
        if not math.isnan(response):
            yield f"{response:.4f}\tn/a\t{name}_buttonPress\t{12 + side}\tsmiley_face"


def _description(release: str) -> bytes:
    body = {
        "Name": f"Penstock demo, release {release}",
        "BIDSVersion": "1.9.0",
        "DatasetType": "raw",
        "License": "CC0",
        "GeneratedBy": [{"Name": "penstock demo"}],
    }
    return json.dumps(body, indent=1).encode() + b"\n"
