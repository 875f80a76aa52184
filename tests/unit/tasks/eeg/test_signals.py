"""Channels, references, filters and rates of EEG: samples are what MNE-Python cuts of the whole recording."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pytest

from penstock.errors import ConfigError, DataError, HeaderMismatch
from penstock.tasks.protocols import Limits, OptionValue
from support.eeg_kinds import KINDS, STEP_VOLTS, dataset, put, stored

from .conftest import Bids, Make
from .test_kinds_of_recordings import PLAIN, samples
from .test_tasks import fetch, reasons

LABELS = "participant_id\texternalizing\nsub-A\t0.5\nsub-B\t1.5\n"
CLOSE = 1e-6
"""Of a channel's standard deviation: samples are float32."""
Work = Callable[[Any], Any]


def average(raw: Any) -> Any:
    return raw.set_eeg_reference("average", projection=False, verbose="error")


WAYS: list[tuple[dict[str, OptionValue], Work]] = [
    ({"band_pass": "2-15"}, lambda raw: raw.filter(2, 15, verbose="error")),
    ({"high_pass": 0.8}, lambda raw: raw.filter(0.8, None, verbose="error")),
    ({"low_pass": 12.0}, lambda raw: raw.filter(None, 12.0, verbose="error")),
    ({"high_pass": 3.0, "low_pass": 24.5}, lambda raw: raw.filter(3.0, 24.5, verbose="error")),
    ({"notch": "12"}, lambda raw: raw.notch_filter(12.0, verbose="error")),
    ({"notch": "8,16"}, lambda raw: raw.notch_filter([8.0, 16.0], verbose="error")),
    ({"resample": 25.0}, lambda raw: raw.resample(25, method="polyphase", verbose="error")),
    ({"resample": 80.0}, lambda raw: raw.resample(80, method="polyphase", verbose="error")),
    ({"resample": 50.0}, lambda raw: raw),
    ({"reference": "average"}, average),
    ({"reference": "E1"}, lambda raw: raw.set_eeg_reference(["E1"], verbose="error")),
    ({"reference": "E0,E2", "channels": "E1"}, lambda raw: raw.set_eeg_reference(["E0", "E2"]).pick(["E1"])),
    ({"channels": "E2,E0"}, lambda raw: raw.pick(["E2", "E0"])),
    ({"channel_numbers": "1-2"}, lambda raw: raw.pick([1, 2])),
    ({"channel_numbers": "2,0"}, lambda raw: raw.pick(["E2", "E0"])),
    ({"channel_count": 2}, lambda raw: raw.pick([0, 1])),
    (
        {"reference": "average", "band_pass": "1-20", "notch": "10", "resample": 40.0, "channels": "E2,E1"},
        lambda raw: average(raw)
        .pick(["E2", "E1"])
        .filter(1, 20, verbose="error")
        .notch_filter(10.0, verbose="error")
        .resample(40, method="polyphase", verbose="error"),
    ),
]  # fmt: skip


def windows(bids: Bids, options: Mapping[str, OptionValue]) -> dict[str, OptionValue]:
    bids.put("participants.tsv", LABELS)
    return {"window_seconds": 1.6, "crop_seconds": 1.6, "stride_seconds": 1.12, "normalize": "none", **options}


def check(found: Mapping[str, tuple[str, float | None, np.ndarray]], whole: np.ndarray, rate: float) -> None:
    """Check that samples are the windows of a whole recording, shape (channels, times), first and last included."""
    num, stride = round(1.6 * rate), round(1.12 * rate)
    starts = range(0, whole.shape[1] - num + 1, stride)
    assert len(found) == len(starts) > 1
    for (_, _, inputs), start in zip(found.values(), starts, strict=True):
        wanted = whole[:, start : start + num]
        np.testing.assert_allclose(inputs, wanted, rtol=0, atol=CLOSE * whole.std())


@pytest.mark.parametrize(("options", "work"), WAYS, ids=lambda value: str(value) if isinstance(value, dict) else "")
def test_samples_are_cut_of_the_whole_recording_as_mne_makes_it(
    bids: Bids, make: Make, options: dict[str, OptionValue], work: Work
) -> None:
    path = bids.recording("sub-A")
    raw = work(mne.io.read_raw_bdf(path, preload=True, verbose="error"))

    made, extents = make(bids, "eeg-c2", windows(bids, options))

    assert made.shape == (len(raw.ch_names), round(1.6 * raw.info["sfreq"]))
    check(samples(bids, "eeg-c2", extents), raw.get_data(), raw.info["sfreq"])


ALL = {"reference": "average", "band_pass": "1-20", "resample": 40.0, "channel_numbers": "1,3"}


@pytest.mark.parametrize(("task", "context"), [
    ("eeg-c1", "recording"), ("eeg-c1", "sample"), ("eeg-c2", "recording"), ("eeg-events", "recording"),
])  # fmt: skip
@pytest.mark.parametrize("kind", KINDS)
def test_files_of_each_kind_give_the_same_filtered_samples(
    tmp_path: Path, make: Make, kind: str, task: str, context: str
) -> None:
    options = PLAIN | ALL | {"filter_context": context}
    bids, expected = dataset(tmp_path / "data", kind), dataset(tmp_path / "bdf", "bdf")
    made, extents = make(bids, task, options)
    here, there = (samples(each, task, make(each, task, options)[1]) for each in (bids, expected))
    assert made.shape[0] == 2
    assert list(here) == list(there)
    for key, (group, target, inputs) in there.items():
        assert here[key][:2] == (group, target)
        np.testing.assert_allclose(here[key][2], inputs, rtol=0, atol=1e-5 * inputs.std())
    if kind == "eeglab-packed":
        assert len(extents) == 2


@pytest.mark.parametrize("kind", ["edf+", "bdf+"])
def test_no_filter_reaches_across_a_gap(tmp_path: Path, make: Make, kind: str) -> None:
    bids = Bids(folder=tmp_path / "data")
    put(bids, "sub-A", kind, starts=[float(each if each < 10 else each + 8) for each in range(bids.seconds)])
    bids.events("sub-A", [(onset, f"e{number % 2}") for number, onset in enumerate((0.0, 8.9, 18.0, 27.0))])
    options = {"epoch_start": 0.0, "epoch_seconds": 1.0, "event_values": "e0,e1", "band_pass": "1-10"}

    found = samples(bids, "eeg-events", make(bids, "eeg-events", PLAIN | options | {"resample": 25.0})[1])

    volts = stored("sub-A", bids.rate, bids.seconds) * STEP_VOLTS
    halves = [mne.filter.filter_data(half, 50, 1, 10, verbose="error") for half in (volts[:, :500], volts[:, 500:])]
    slow = [mne.filter.resample(half, 25, 50, method="polyphase", verbose="error") for half in halves]
    places = ((0, 0), (0, 222), (1, 0), (1, 225))
    for (_, _, inputs), (half, first) in zip(found.values(), places, strict=True):
        np.testing.assert_allclose(inputs, slow[half][:, first : first + 25], rtol=0, atol=CLOSE * volts.std())


def test_recordings_shorter_than_a_filter_are_as_mne_has_them_and_told(bids: Bids, make: Make) -> None:
    bids.seconds = 4
    raw = mne.io.read_raw_bdf(bids.recording("sub-A"), preload=True, verbose="error")
    raw.filter(0.5, None, verbose="error")

    made, extents = make(bids, "eeg-c2", windows(bids, {"high_pass": 0.5}))

    check(samples(bids, "eeg-c2", extents), raw.get_data(), 50)
    assert "a filter has 331 taps, more than samples are in 1 stretch(es): distorted" in reasons(made).values()


def test_a_sample_alone_is_filtered_as_if_nothing_were_beside_it(bids: Bids, make: Make) -> None:
    raw = mne.io.read_raw_bdf(bids.recording("sub-A"), preload=True, verbose="error").get_data()
    plain = make(bids, "eeg-c2", windows(bids, {}))[1]

    extents = make(bids, "eeg-c2", windows(bids, {"low_pass": 10.0, "filter_context": "sample"}))[1]

    assert [each.spans for each in extents] == [each.spans for each in plain]
    for number, (_, _, inputs) in enumerate(samples(bids, "eeg-c2", extents).values()):
        alone = mne.filter.filter_data(raw[:, 56 * number : 56 * number + 80], 50, None, 10, verbose="error")
        np.testing.assert_allclose(inputs, alone, rtol=0, atol=CLOSE * raw.std())


def test_what_filters_need_is_read_beside_a_sample_and_no_more(bids: Bids, make: Make) -> None:
    bids.put("participants.tsv", LABELS)
    bids.seconds = 60
    bids.recording("sub-A")
    whole = (make(bids, "eeg-c2", windows(bids, {"high_pass": 2.0})))[1]
    second = 3 * 3 * bids.rate

    middle = whole[len(whole) // 2]

    # 1.6 s, and half of the filter's 1.66 s on either side, in whole records of a second
    assert middle.size_bytes in (4 * second, 5 * second)
    assert middle.size_bytes == sum(span.length_bytes for span in middle.spans)
    assert len(fetch(bids.folder, middle)) == middle.size_bytes


def test_a_bad_channel_stays_zeros_and_is_in_no_average(bids: Bids, make: Make) -> None:
    path = bids.recording("sub-A")
    bids.put(f"{bids.stem('sub-A')}_channels.tsv", "name\ttype\tstatus\nE0\tEEG\tgood\nE1\tEEG\tbad\nE2\tEEG\tgood\n")
    raw = mne.io.read_raw_bdf(path, preload=True, verbose="error")
    raw.info["bads"] = ["E1"]
    wanted = average(raw).filter(None, 10, picks="all", verbose="error").get_data()
    wanted[1] = 0

    check(
        samples(bids, "eeg-c2", make(bids, "eeg-c2", windows(bids, {"reference": "average", "low_pass": 10.0}))[1]),
        wanted, 50,
    )  # fmt: skip
    with pytest.raises(DataError, match=r"E1 is marked bad in .*, and is to be the reference"):
        make(bids, "eeg-c2", windows(bids, {"reference": "E1"}))
    with pytest.raises(DataError, match=r"all channels that are taken of .* are marked bad: E1"):
        make(bids, "eeg-c2", windows(bids, {"channels": "E1"}))


def test_recordings_of_other_channels_and_rates_go_together_once_they_are_alike(bids: Bids, make: Make) -> None:
    bids.recording("sub-A")
    bids.rate = 80
    bids.recording("sub-B", num_channels=5)
    with pytest.raises(HeaderMismatch):
        make(bids, "eeg-c2", windows(bids, {"channels": "E2,E1"}))

    made, extents = make(bids, "eeg-c2", windows(bids, {"channels": "E2,E1", "resample": 40.0}))

    assert made.shape == (2, 64)
    assert {each.group for each in extents} == {"sub-A", "sub-B"}
    found = samples(bids, "eeg-c2", [each for each in extents if each.group == "sub-B"])
    path = bids.folder / f"{bids.stem('sub-B')}_eeg.bdf"
    raw = mne.io.read_raw_bdf(path, preload=True, verbose="error").pick(["E2", "E1"])
    check(found, raw.resample(40, method="polyphase", verbose="error").get_data(), 40)


def test_num_channels_counts_what_a_recording_has(bids: Bids, make: Make) -> None:
    bids.recording("sub-A")
    bids.recording("sub-B", num_channels=5)
    made, extents = make(bids, "eeg-c2", windows(bids, {"channels": "E2,E1", "num_channels": 5}))
    assert {each.group for each in extents} == {"sub-B"}
    assert made.shape[0] == 2


def test_a_recording_that_lacks_what_is_asked_for_is_left_out_by_name(bids: Bids, make: Make) -> None:
    bids.recording("sub-A")
    bids.recording("sub-B", num_channels=5)
    made, extents = make(bids, "eeg-c2", windows(bids, {"channels": "E4"}), limits=Limits(skip_bad=True))
    assert {each.group for each in extents} == {"sub-B"}
    assert any("no EEG channel E4: it has E0, E1, E2" in reason for reason in reasons(made).values())


@pytest.mark.parametrize(("options", "told"), [
    ({"band_pass": "40"}, "band-pass is '40': give Hz, two, like 1-40"),
    ({"band_pass": "20-1"}, "let pass from 20 Hz to 1 Hz, which is nothing"),
    ({"band_pass": "0-10"}, "band-pass is '0-10'"),
    ({"band_pass": "a-b"}, "band-pass is 'a-b'"),
    ({"band_pass": "1-2-3"}, "band-pass is '1-2-3'"),
    ({"band_pass": "1-10", "low_pass": 3.0}, "band-pass and low-pass are both given"),
    ({"high_pass": 5.0, "low_pass": 5.0}, "which is nothing"),
    ({"high_pass": 0.0}, "high-pass is '0.0'"),
    ({"low_pass": float("inf")}, "low-pass is 'inf'"),
    ({"low_pass": float("nan")}, "low-pass is 'nan'"),
    ({"notch": "hum"}, "notch is 'hum'"),
    ({"notch": "-50"}, "notch is '-50'"),
    ({"resample": -1.0}, "resample is '-1.0'"),
    ({"filter_context": "all"}, "filter-context is 'all'"),
    ({"reference": "average,E1"}, "reference is 'average,E1'"),
    ({"channels": "E1,E1"}, "channels has E1 twice"),
    ({"channels": "E1", "channel_count": 1}, "channels and channel-count both tell"),
    ({"channel_numbers": "1,x"}, "channel-numbers has 'x'"),
    ({"channel_numbers": "3-1"}, "channel-numbers has '3-1'"),
    ({"channel_numbers": "0-1,1"}, "channel-numbers has a channel twice"),
    ({"channel_numbers": "9" * 30}, "channel-numbers has '9999"),
    ({"channel_count": -1}, "channel-count is -1"),
])  # fmt: skip
@pytest.mark.parametrize("task", ["eeg-c1", "eeg-c2", "eeg-events"])
def test_what_cannot_be_asked_for_is_refused(
    bids: Bids, make: Make, task: str, options: dict[str, OptionValue], told: str
) -> None:
    with pytest.raises(ConfigError) as found:
        make(bids, task, options)
    assert told in str(found.value)


@pytest.mark.parametrize(("options", "told"), [
    ({"low_pass": 25.0}, "has 50 samples a second: they hold nothing of 25 Hz"),
    ({"low_pass": 24.9999}, "a filter of 1650001 taps is wanted"),
    ({"high_pass": 0.0001}, "a filter of 1650001 taps is wanted"),
    ({"notch": "25"}, "around 25 Hz overlap, or are not below half of it"),
    ({"notch": "0.3"}, "around 0.3 Hz overlap"),
    ({"notch": "10,10.5"}, "around 10, 10.5 Hz overlap"),
    ({"resample": 49.999}, "has 50 samples a second, and 49.999 are"),
    ({"channels": "e1"}, "no EEG channel e1: "),
    ({"reference": "Cz"}, "no EEG channel Cz: it has E0, E1, E2"),
    ({"channel_numbers": "1,3"}, "has 3 EEG channels, and channel 3, counted from 0, is asked for"),
    ({"channel_count": 4}, "has 3 EEG channels, and 4 channels is asked for"),
])  # fmt: skip
def test_what_a_recording_cannot_give_is_refused_by_its_name(
    bids: Bids, make: Make, options: dict[str, OptionValue], told: str
) -> None:
    bids.recording("sub-A")
    with pytest.raises(DataError) as found:
        make(bids, "eeg-c2", windows(bids, options))
    assert told in str(found.value)
    assert "sub-A" in str(found.value)


def test_the_real_recording_is_as_mne_makes_it(make: Make) -> None:
    folder = os.environ.get("PENSTOCK_TEST_DATA")
    if not folder:
        pytest.skip("PENSTOCK_TEST_DATA names no folder of real recordings")
    bids = Bids(folder=Path(folder, "eeg"))
    options: dict[str, OptionValue] = {"normalize": "none", "epoch_start": -0.2, "epoch_seconds": 0.7}
    options |= {"reference": "average", "band_pass": "0.5-35", "notch": "45", "resample": 80.0}

    extents = make(bids, "eeg-events", options)[1]

    raw = mne.io.read_raw_bdf(next(bids.folder.glob("*.bdf")), preload=True, verbose="error")
    average(raw).filter(0.5, 35, verbose="error").notch_filter(45.0, verbose="error")
    whole = mne.filter.resample(raw.get_data(), 80, 100, method="polyphase", verbose="error")
    table = np.loadtxt(next(bids.folder.glob("*_events.tsv")), skiprows=1)
    onsets = [round(onset * 80) - 16 for onset, _, value, *_ in table if value in (1, 2, 3, 4)]
    onsets = [first for first in onsets if first + 56 <= whole.shape[1]]
    found = [inputs for _, _, inputs in samples(bids, "eeg-events", extents).values()]
    assert len(found) == len(onsets)
    for inputs, first in zip(found, onsets, strict=True):
        np.testing.assert_allclose(inputs, whole[:, first : first + 56], rtol=1e-6, atol=1e-6 * whole.std())
