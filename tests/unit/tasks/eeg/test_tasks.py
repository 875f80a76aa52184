"""EEG samples: which trials, windows and events become samples, and what is said of the rest."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import mne
import msgspec
import numpy as np
import pytest

from penstock.errors import (
    ConfigError,
    DataError,
    EmptyListing,
    HeaderMismatch,
    MissingLabel,
    NoResponses,
    TruncatedObject,
)
from penstock.manifest import Extent, SourceSpec
from penstock.sources import open_source
from penstock.tasks.protocols import Limits
from penstock.tasks.registry import get_task, task_names
from support.samples import decoded_inputs

from .conftest import Bids, Make, trial


def fetch(folder: Path, sample: Extent) -> memoryview:
    data = b"".join(
        (folder / span.object).read_bytes()[span.offset : span.offset + span.length_bytes] for span in sample.spans
    )
    assert len(data) == sample.size_bytes
    return memoryview(data)


def with_trials(bids: Bids, subject: str = "sub-A", root: str = "") -> Path:
    bids.events(subject, [*trial(1), *trial(4, reaction=0.75), *trial(8), (12.0, "contrastTrial_start")], root=root)
    return bids.recording(subject, root=root)


def reasons(made: Any) -> dict[str, str]:
    return {skipped.object: skipped.reason for skipped in made.skipped}


def test_c1_takes_the_epoch_after_each_stimulus(bids: Bids, make: Make) -> None:
    path = with_trials(bids)
    made, samples = make(bids, "eeg-c1", {"normalize": "none"})
    assert made.shape == (3, 100)
    assert [sample.key for sample in samples] == [
        f"sub-A_task-contrastChangeDetection_run-1/trial-00{i}" for i in range(3)
    ]
    assert [sample.targets[0] for sample in samples] == pytest.approx([1.0, 0.75, 1.0])
    whole = mne.io.read_raw_bdf(path, preload=True, verbose="error").get_data()
    task = get_task("eeg-c1")
    for sample, stimulus in zip(samples, (1.4, 4.4, 8.4), strict=True):
        first = round(stimulus * bids.rate) + 25
        decoded = decoded_inputs(task, fetch(bids.folder, sample), sample)
        np.testing.assert_array_equal(decoded, whole[:, first : first + 100].astype(np.float32))
        assert sample.spans[0].object_bytes == path.stat().st_size
        assert sample.spans[0].version
        assert sample.size_bytes <= 3 * 3 * 50 * 3


def test_c1_standardizes_each_channel(bids: Bids, make: Make) -> None:
    with_trials(bids)
    _, samples = make(bids, "eeg-c1")
    decoded = decoded_inputs(get_task("eeg-c1"), fetch(bids.folder, samples[0]), samples[0])
    assert decoded.dtype == np.float32
    np.testing.assert_allclose(decoded.mean(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(decoded.std(axis=1), 1, rtol=1e-5)


def test_c1_leaves_out_trials_that_lack_something_and_counts_them(bids: Bids, make: Make) -> None:
    bids.recording("sub-A")
    rows = [*trial(1, reaction=None), *trial(4, stimulus=False, reaction=None), *trial(8), *trial(18.5)]
    bids.events("sub-A", [*rows, (19.99, "contrastTrial_start")])
    made, samples = make(bids, "eeg-c1")
    assert [sample.key[-3:] for sample in samples] == ["002"]
    assert reasons(made) == {"3 of 4 trials": "1 without a response, 1 without a stimulus, 1 outside the recording"}


def test_c1_names_recordings_without_a_usable_trial(bids: Bids, make: Make) -> None:
    with_trials(bids, "sub-A")
    bids.recording("sub-B")
    bids.events("sub-B", [*trial(1, reaction=None), (5.0, "contrastTrial_start")])
    made, samples = make(bids, "eeg-c1")
    assert {sample.group for sample in samples} == {"sub-A"}
    assert reasons(made)[f"{bids.stem('sub-B')}_eeg.bdf"] == "no sample in 1 trials: 1 without a response"


def test_c1_without_any_response_is_an_error_that_counts(bids: Bids, make: Make) -> None:
    bids.recording("sub-A")
    bids.events("sub-A", [*trial(1, reaction=None), *trial(5, reaction=None), (9.0, "contrastTrial_start")])
    with pytest.raises(NoResponses, match="1 recording, 2 trials: 2 without a response"):
        make(bids, "eeg-c1")


def test_a_response_of_the_next_trial_is_not_this_trials(bids: Bids, make: Make) -> None:
    bids.recording("sub-A")
    bids.events("sub-A", [*trial(1, reaction=4), *trial(4), (9.0, "contrastTrial_start")])
    _, samples = make(bids, "eeg-c1")
    assert [sample.targets[0] for sample in samples] == pytest.approx([1.0])


def test_known_bad_subjects_are_left_out_by_name(bids: Bids, make: Make) -> None:
    with_trials(bids, "sub-A")
    with_trials(bids, "sub-NDARWV769JM7")
    made, samples = make(bids, "eeg-c1")
    assert {sample.group for sample in samples} == {"sub-A"}
    assert "exclude this subject" in reasons(made)[f"{bids.stem('sub-NDARWV769JM7')}_eeg.bdf"]


@pytest.mark.parametrize("skip_bad", [False, True])
def test_bad_recordings_fail_or_are_named(bids: Bids, make: Make, skip_bad: bool) -> None:
    for subject in ("sub-A", "sub-B", "sub-C", "sub-D"):
        with_trials(bids, subject)
    cut = bids.folder / f"{bids.stem('sub-B')}_eeg.bdf"
    cut.write_bytes(cut.read_bytes()[:-1000])
    (bids.folder / f"{bids.stem('sub-C')}_events.tsv").unlink()
    if not skip_bad:
        with pytest.raises(TruncatedObject, match="sub-B"):
            make(bids, "eeg-c1")
        return
    made, samples = make(bids, "eeg-c1", limits=Limits(skip_bad=True))
    assert {sample.group for sample in samples} == {"sub-A", "sub-D"}
    told = reasons(made)
    assert "are needed by its header" in told[f"{bids.stem('sub-B')}_eeg.bdf"]
    assert "has no events table" in told[f"{bids.stem('sub-C')}_eeg.bdf"]


def test_recordings_with_other_channels_are_refused(bids: Bids, make: Make) -> None:
    with_trials(bids, "sub-A")
    with_trials(bids, "sub-B")
    bids.recording("sub-B", num_channels=4)
    with pytest.raises(HeaderMismatch, match=r"sub-B.* has 4 channels, .*sub-A.* has 3"):
        make(bids, "eeg-c1")


def test_order_is_that_of_keys_and_max_files_cuts_it(bids: Bids, make: Make) -> None:
    for number in range(40, 0, -1):
        with_trials(bids, f"sub-{number:02d}")
    _, samples = make(bids, "eeg-c1")
    assert [sample.group for sample in samples[::3]] == [f"sub-{number:02d}" for number in range(1, 41)]
    _, samples = make(bids, "eeg-c1", limits=Limits(max_files=2))
    assert {sample.group for sample in samples} == {"sub-01", "sub-02"}


def test_releases_are_chosen_by_folder(bids: Bids, make: Make) -> None:
    for root, subject in (("R1_L100_bdf/", "sub-A"), ("R1_mini_L100_bdf/", "sub-A"), ("R2_L100_bdf/", "sub-B")):
        with_trials(bids, subject, root)

    def taken(**limits: Any) -> set[str]:
        return {sample.spans[0].object.split("/")[0] for sample in make(bids, "eeg-c1", limits=Limits(**limits))[1]}

    assert taken() == {"R1_L100_bdf", "R2_L100_bdf"}
    assert taken(mini=True) == {"R1_mini_L100_bdf"}
    assert taken(releases=("R2",)) == {"R2_L100_bdf"}
    assert taken(releases=("1",), mini=True) == {"R1_mini_L100_bdf"}
    with pytest.raises(EmptyListing, match="R7_L100_bdf is not there, but R1_L100_bdf, R1_mini_L100_bdf, R2_L100_bdf"):
        taken(releases=("R1", "R7"))


def test_a_source_may_be_one_release(bids: Bids, make: Make) -> None:
    with_trials(bids, root="R3_mini_L100_bdf/")
    inside = Bids(folder=bids.folder / "R3_mini_L100_bdf")
    for limits in (Limits(), Limits(mini=True), Limits(mini=True, releases=("R3",))):
        assert len(make(inside, "eeg-c1", limits=limits)[1]) == 3
    with pytest.raises(EmptyListing, match="R4_mini_L100_bdf is not there, but R3_mini_L100_bdf"):
        make(inside, "eeg-c1", limits=Limits(mini=True, releases=("R4",)))


def test_other_tasks_are_named_where_the_asked_one_is_missing(bids: Bids, make: Make) -> None:
    bids.recording("sub-A", task="rest")
    with pytest.raises(EmptyListing, match="no recording of the BIDS task contrastChangeDetection, but of rest"):
        make(bids, "eeg-c1")


def test_a_folder_without_recordings_is_an_empty_listing(bids: Bids, make: Make) -> None:
    bids.put("notes.txt", "hello")
    with pytest.raises(EmptyListing, match=r"no \*_eeg\.bdf"):
        make(bids, "eeg-c1")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"epoch_seconds": 0.0}, "the option epoch-seconds is 0"),
        ({"epoch_seconds": 1e308}, "the option epoch-seconds is 1e"),
        ({"epoch_start": -1e308}, "the option epoch-start is -1e"),
        ({"normalize": "loud"}, "the option normalize is 'loud'"),
        ({"speed": 1}, "speed"),
    ],
)
def test_options_are_checked(bids: Bids, make: Make, options: dict[str, Any], told: str) -> None:
    with_trials(bids)
    with pytest.raises(ConfigError, match=told):
        make(bids, "eeg-c1", options)


def labelled(bids: Bids, cells: dict[str, str], *, bom: bool = False) -> None:
    lines = ["participant_id\tage\texternalizing", *(f"{subject}\t9\t{cell}" for subject, cell in cells.items())]
    bids.put("participants.tsv", ("\ufeff" if bom else "") + "\r\n".join(lines))
    for subject in cells:
        bids.recording(subject)


def test_c2_windows_the_recordings_of_subjects_with_a_label(bids: Bids, make: Make) -> None:
    labelled(bids, {"sub-A": "0.5", "sub-B": "n/a", "sub-C": "-1.25"}, bom=True)
    made, samples = make(bids, "eeg-c2")
    assert made.shape == (3, 100)
    assert {sample.group: sample.targets[0] for sample in samples} == {"sub-A": 0.5, "sub-C": -1.25}
    assert len(samples) == 2 * 9
    assert reasons(made) == {"sub-B": "no externalizing in participants.tsv"}


def test_c2_crops_at_random_in_training_and_the_middle_in_evaluation(bids: Bids, make: Make) -> None:
    labelled(bids, {"sub-A": "0.5"})
    _, samples = make(bids, "eeg-c2", {"normalize": "none"})
    task, sample = get_task("eeg-c2"), samples[1]
    raw = mne.io.read_raw_bdf(bids.folder / sample.spans[0].object, preload=True, verbose="error").get_data()

    def decode(rng: np.random.Generator | None) -> Any:
        return decoded_inputs(task, fetch(bids.folder, sample), sample, rng)

    np.testing.assert_array_equal(decode(None), raw[:, 150:250].astype(np.float32))
    window = raw[:, 100:300].astype(np.float32)
    starts = set()
    for seed in range(20):
        crop = decode(np.random.default_rng(seed))
        found = [i for i in range(101) if np.array_equal(window[:, i : i + 100], crop)]
        assert len(found) == 1
        starts.update(found)
    assert len(starts) > 10


def test_c2_without_labels_or_tables_says_so(bids: Bids, make: Make) -> None:
    labelled(bids, {"sub-A": "n/a", "sub-B": ""})
    with pytest.raises(MissingLabel, match="none of 2 subjects"):
        make(bids, "eeg-c2")
    with pytest.raises(DataError, match=r"has no column factor .it has participant_id, age, externalizing."):
        make(bids, "eeg-c2", {"label": "factor"})
    (bids.folder / "participants.tsv").unlink()
    with pytest.raises(DataError, match=r"no participants\.tsv"):
        make(bids, "eeg-c2")


def test_c2_scores_subjects_too() -> None:
    truth, predicted = np.array([0.0, 0.0, 2.0, 2.0]), np.array([1.0, -1.0, 3.0, 1.0])
    scores = get_task("eeg-c2").metrics(truth, predicted, ["a", "a", "b", "b"])
    assert scores["nrmse"].value == pytest.approx(1.0)
    assert scores["subject_nrmse"].value == pytest.approx(0.0)


def test_events_of_common_values_are_told_apart(bids: Bids, make: Make) -> None:
    bids.recording("sub-A", task="tones")
    rows = [(1 + i, value) for i, value in enumerate(["10", "9", "beep"] * 5 + ["rare"])]
    bids.events("sub-A", [*rows, (0.01, "9")], task="tones")
    made, samples = make(bids, "eeg-events")
    assert made.classes == ("9", "10", "beep")
    assert made.shape == (3, 35)
    assert [sample.targets[0] for sample in samples[:3]] == [1.0, 0.0, 2.0]
    assert reasons(made) == {
        "1 event of value rare": "fewer than 5 of them",
        "1 of 16 events": "1 outside the recording",
    }
    chosen, samples = make(bids, "eeg-events", {"event_values": "9,beep"})
    assert chosen.classes == ("9", "beep")
    assert len({sample.key for sample in samples}) == len(samples) == 10


@pytest.mark.parametrize("asked", ["", "1,2", "2.0,1.0", "1,1.0,2"])
def test_whole_numbers_are_one_class_however_tables_write_them(bids: Bids, make: Make, asked: str) -> None:
    for subject, values in {"sub-A": ["1", "2"], "sub-B": ["1.0", "2.0"], "sub-C": ["1.", "1.5"]}.items():
        bids.recording(subject)
        bids.events(subject, [(1.0 + i, value) for i, value in enumerate(values * 3)])
    made, samples = make(bids, "eeg-events", {"event_values": asked})
    assert made.classes == ("1", "2")
    assert len(samples) == 15


def test_events_need_two_values(bids: Bids, make: Make) -> None:
    bids.recording("sub-A")
    bids.events("sub-A", [(1.0 + i, "9") for i in range(6)])
    with pytest.raises(DataError, match=r"1 values of events are left to tell apart .seen: 9 x6"):
        make(bids, "eeg-events")
    with pytest.raises(DataError, match=r"no event has the value 7 .there are 9."):
        make(bids, "eeg-events", {"event_values": "7,9"})


def test_events_of_the_real_recording_are_cut_as_mne_cuts_them() -> None:
    folder = os.environ.get("PENSTOCK_TEST_DATA")
    if not folder:
        pytest.skip("PENSTOCK_TEST_DATA names no folder of real recordings")
    source, task = open_source(SourceSpec(uri=f"{folder}/eeg")), get_task("eeg-events")

    async def work() -> list[Extent]:
        made = await task.make_samples(source, limits=Limits(), options={"normalize": "none"})
        assert made.shape == (60, 70)
        assert made.classes == ("1", "2", "3", "4")
        return [sample async for sample in made.rows]

    samples = asyncio.run(work())
    assert len(samples) == 27
    raw = mne.io.read_raw_bdf(Path(folder, "eeg", samples[0].spans[0].object), preload=True, verbose="error")
    table = np.loadtxt(Path(folder, "eeg", "sub-01_task-audiovisual_events.tsv"), skiprows=1)
    table = table[np.isin(table[:, 2], [1, 2, 3, 4])]
    events = np.column_stack([np.rint(table[:, 0] * 100), np.zeros(len(table)), table[:, 2]]).astype(int)
    epochs = mne.Epochs(raw, events, tmin=-0.1, tmax=0.59, baseline=None, preload=True, verbose="error")
    ours = [decoded_inputs(task, fetch(Path(folder, "eeg"), sample), sample) for sample in samples]
    np.testing.assert_array_equal(np.stack(ours), epochs.get_data().astype(np.float32))
    np.testing.assert_array_equal([sample.targets[0] for sample in samples], epochs.events[:, 2] - 1)


def test_decoding_refuses_what_it_does_not_know(bids: Bids, make: Make) -> None:
    with_trials(bids)
    task = get_task("eeg-c1")
    sample = make(bids, "eeg-c1")[1][0]
    data, replace = fetch(bids.folder, sample), msgspec.structs.replace
    with pytest.raises(DataError, match="unknown field"):
        decoded_inputs(task, data, replace(sample, codec=sample.codec[:-1] + ',"colour":1}'))
    with pytest.raises(DataError, match="decode field"):
        decoded_inputs(task, data, replace(sample, codec="not JSON"))
    with pytest.raises(DataError, match="are needed"):
        decoded_inputs(task, data, replace(sample, args=((9999,),)))
    with pytest.raises(DataError, match="whole records"):
        decoded_inputs(task, data[:-1], sample)


def test_unknown_tasks_are_refused_and_known_ones_named() -> None:
    assert {"eeg-c1", "eeg-c2", "eeg-events"} <= set(task_names())
    assert [get_task(name).name for name in task_names()] == list(task_names())
    with pytest.raises(ConfigError, match=r"no task 'eeg-c3'.*eeg-c1, eeg-c2, eeg-events, "):
        get_task("eeg-c3")


def test_tasks_do_not_import_torch() -> None:
    code = "import sys, penstock.tasks.registry; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
