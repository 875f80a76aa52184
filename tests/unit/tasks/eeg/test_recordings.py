"""Which recordings, channels, events and labels are taken; whatever is not is counted and named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pytest

from penstock.errors import DataError, EmptyListing, HeaderMismatch
from penstock.formats.bdf import encode_bdf
from penstock.formats.recordings.opening import of_records
from penstock.manifest import Extent
from penstock.sources import ObjectInfo
from penstock.tasks.eeg.channels import choose_channels
from penstock.tasks.protocols import Limits
from penstock.tasks.registry import get_task
from support.samples import decoded_inputs

from .conftest import Bids, Make, trial
from .test_tasks import fetch, reasons

SKIP = Limits(skip_bad=True)
PLAIN = {"normalize": "none"}
NO_OBJECT = ObjectInfo(key="made", size_bytes=1, version="v")


def put(
    bids: Bids,
    subject: str,
    labels: Sequence[str] = ("E1", "E2", "E3"),
    *,
    rates: Sequence[int] | None = None,
    units: Sequence[str] | None = None,
    ending: str = ".bdf",
) -> Path:
    """Write a recording with such channels, and events."""
    bids.events(subject, [*trial(1), *trial(4, reaction=0.75), (8.0, "contrastTrial_start")])
    header = replace(
        bids.header(len(labels)),
        labels=tuple(labels),
        samples_per_record=tuple(rates or [bids.rate] * len(labels)),
        units=tuple(units or ["uV"] * len(labels)),
    )
    rng = np.random.default_rng(sum(subject.encode()))
    digital = [rng.integers(-9999, 9999, bids.seconds * rate, dtype=np.int32) for rate in header.samples_per_record]
    return bids.put(f"{bids.stem(subject)}_eeg{ending}", encode_bdf(header, digital))


def key(bids: Bids, subject: str) -> str:
    return f"{bids.stem(subject)}_eeg.bdf"


def decoded(bids: Bids, sample: Extent) -> np.ndarray:
    task = get_task("eeg-c1")
    return decoded_inputs(task, fetch(bids.folder, sample), sample)


def subjects(samples: list[Extent]) -> set[str]:
    return {sample.group for sample in samples}


# The majority decides.


def test_the_first_recording_is_no_norm_where_bad_ones_are_left_out(bids: Bids, make: Make) -> None:
    put(bids, "sub-A", ("E1", "E2"))
    for name in "BCD":
        put(bids, f"sub-{name}")
    put(bids, "sub-E", rates=(25, 25, 25))
    put(bids, "sub-F", ("E1", "E2", "E9"))
    put(bids, "sub-G", units=("uV", "uV", ""))
    made, samples = make(bids, "eeg-c1", limits=SKIP)
    assert made.shape == (3, 100)
    assert subjects(samples) == {"sub-B", "sub-C", "sub-D"}
    told = reasons(made)
    norm = f"{key(bids, 'sub-B')} (as 3 of 7 recordings)"
    assert told[key(bids, "sub-A")] == f"{key(bids, 'sub-A')} has 2 channels, {norm} has 3"
    assert told[key(bids, "sub-E")] == f"{key(bids, 'sub-E')} has 25 samples per second, {norm} has 50"
    assert told[key(bids, "sub-F")] == f"{key(bids, 'sub-F')} has the channel(s) E9 where {norm} has the channel(s) E3"
    assert "E3 in '', " in told[key(bids, "sub-G")]
    with pytest.raises(HeaderMismatch, match=r"has 3 channels, .* has 2"):
        make(bids, "eeg-c1")


def test_of_two_equally_common_kinds_the_one_with_more_channels_is_taken_and_that_is_told(
    bids: Bids, make: Make
) -> None:
    put(bids, "sub-A", ("E1", "E2"))
    put(bids, "sub-B")
    made, samples = make(bids, "eeg-c1", limits=SKIP)
    assert subjects(samples) == {"sub-B"}
    assert "(as 1 of 2 recordings, of two equally common kinds)" in reasons(made)[key(bids, "sub-A")]


def test_where_nothing_can_be_used_the_first_reason_is_the_error(bids: Bids, make: Make) -> None:
    for name in "AB":
        put(bids, f"sub-{name}").write_bytes(b"nothing")
    with pytest.raises(DataError, match="sub-A"):
        make(bids, "eeg-c1", limits=SKIP)


@pytest.mark.parametrize("limits", [Limits(), SKIP], ids=["fail", "skip"])
def test_channels_in_another_order_are_put_in_order_by_name(bids: Bids, make: Make, limits: Limits) -> None:
    put(bids, "sub-A", ("Fz", "Cz", "Pz"))
    path = put(bids, "sub-B", ("Pz", "Fz", "Cz"))
    _, samples = make(bids, "eeg-c1", PLAIN, limits=limits)
    assert subjects(samples) == {"sub-A", "sub-B"}
    whole = mne.io.read_raw_bdf(path, preload=True, verbose="error").get_data(["Fz", "Cz", "Pz"])
    first = round(1.4 * bids.rate) + 25
    sample = next(sample for sample in samples if sample.group == "sub-B")
    np.testing.assert_array_equal(decoded(bids, sample), whole[:, first : first + 100].astype(np.float32))


# EEG by type.


def test_more_aux_channels_at_another_rate_do_not_win_over_eeg(bids: Bids, make: Make) -> None:
    labels = ("Fz", "Cz", "EXG1", "EXG2", "GSR1", "Resp", "Temp", "Status")
    path = put(bids, "sub-A", labels, rates=(50, 50, 100, 100, 100, 100, 100, 50))
    put(bids, "sub-B", labels, rates=(50, 50, 100, 100, 100, 100, 100, 50))
    made, samples = make(bids, "eeg-c1", PLAIN)
    assert made.shape == (2, 100)
    raw = mne.io.read_raw_bdf(path, preload=True, include=["Fz", "Cz"], verbose="error")
    first = round(1.4 * bids.rate) + 25
    np.testing.assert_array_equal(decoded(bids, samples[0]), raw.get_data()[:, first : first + 100].astype(np.float32))
    name = f"2 recordings, like {key(bids, 'sub-A')}"
    assert reasons(made)[name].startswith("5 of 7 channels are not taken: EXG1 (EXG), EXG2 (EXG), GSR1 (GSR)")


def test_the_table_of_channels_tells_types_and_bad_ones(bids: Bids, make: Make) -> None:
    for subject in ("sub-A", "sub-B"):
        put(bids, subject, ("X1", "X2", "X3", "E4"))
    rows = [
        "name\ttype\tunits\tstatus",
        "X1\tEEG\tuV\tgood",
        "X2\tEEG\tuV\tbad",
        "X3\teeg\tuV\tn/a",
        "E4\tEOG\tuV\tgood",
    ]
    bids.put("task-contrastChangeDetection_channels.tsv", "\n".join([*rows, ""]))
    bids.put(f"{bids.stem('sub-B')}_channels.tsv", "\n".join([*rows, ""]).replace("bad", "good"))
    made, samples = make(bids, "eeg-c1", PLAIN)
    assert made.shape == (3, 100)
    masked, clean = decoded(bids, samples[0]), decoded(bids, samples[-1])
    assert [bool(np.any(row)) for row in masked] == [True, False, True]
    assert np.all(np.any(clean, axis=1))
    told = reasons(made)
    assert told[key(bids, "sub-A")] == "1 channels are marked bad, and are zeros: X2"
    assert told[f"2 recordings, like {key(bids, 'sub-A')}"] == "1 of 4 channels are not taken: E4 (EOG)"


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (["Q\tEEG\tgood"], "names none of its channels"),
        (["E1\tEEG\tgood", "E1\tEOG\tgood"], r"channels\.tsv, line 3: the channel 'E1' comes a second time"),
        (["E1\tEEG\tugly"], r"channels\.tsv, line 2: the status of E1 is 'ugly'"),
        (["E1\tEEG"], r"channels\.tsv, line 2: 2 cells where the header has 3"),
        ([f"E{i}\tEEG\tbad" for i in (1, 2, 3)], "all 3 EEG channels .* are marked bad"),
        ([f"E{i}\tECG\tgood" for i in (1, 2, 3)], "has no EEG channel"),
    ],
)
def test_tables_of_channels_that_cannot_be_right_are_refused_or_named(
    bids: Bids, make: Make, rows: list[str], told: str
) -> None:
    put(bids, "sub-A")
    put(bids, "sub-B")
    bids.put(f"{bids.stem('sub-A')}_channels.tsv", "\n".join(["name\ttype\tstatus", *rows, ""]))
    with pytest.raises(DataError, match=told):
        make(bids, "eeg-c1")
    made, samples = make(bids, "eeg-c1", limits=SKIP)
    assert subjects(samples) == {"sub-B"}
    assert key(bids, "sub-A") in reasons(made)


@pytest.mark.parametrize(
    "label",
    ["EEG 001", "EEG Fp1-Ref", "Fp1", "FP2", "AF7", "AFz", "F10", "FCz", "FT9", "FFC1h", "C3", "Cz", "T7", "TP10",
     "CPz", "CCP2h", "P3", "POz", "PO10", "PPO1h", "POO9h", "O1", "Oz", "Iz", "Nz", "M1", "A1", "A32", "D12", "E1",
     "E129", "Fc5.", "F3-REF", "VREF"],
)  # fmt: skip
def test_names_of_eeg_channels(bids: Bids, label: str) -> None:
    header = replace(bids.header(4), labels=(label, "AUX1", "AUX2", "Q"), samples_per_record=(5, 9, 9, 9))
    assert choose_channels(of_records(NO_OBJECT, header)).labels == (label,)


@pytest.mark.parametrize(
    ("label", "unit"),
    [(name, "uV") for name in ("EXG1", "GSR2", "Erg1", "Resp", "Plet", "Temp", "HEOG", "EOG", "VEOG1", "ECG", "EKG2",
     "EMG-L", "ACC_X", "Trig", "SpO2", "Photo", "DC01", "EOG ROC", "ECG EKG", "Resp nasal", "STI 014")]
    + [("E7", "mmHg"), ("Belt", "%"), ("Skin", "degC")],
)  # fmt: skip
def test_names_and_units_of_other_channels(bids: Bids, label: str, unit: str) -> None:
    header = replace(bids.header(2), labels=(label, "Cz"), units=(unit, "uV"))
    assert choose_channels(of_records(NO_OBJECT, header)).labels == ("Cz",)


# Events.


def with_columns(bids: Bids, subject: str, columns: dict[str, list[str]]) -> None:
    bids.recording(subject)
    onsets = [str(1.0 + 2 * i) for i in range(len(next(iter(columns.values()))))]
    table = {"onset": onsets, "duration": ["0"] * len(onsets), **columns}
    rows = ["\t".join(table), *("\t".join(cells) for cells in zip(*table.values(), strict=True))]
    bids.put(f"{bids.stem(subject)}_events.tsv", "\n".join([*rows, ""]))


SIDES = ["left", "right"] * 4
KINDS = ["go", "go", "stop", "stop"] * 2


def test_the_column_of_events_is_value_or_else_trial_type_or_any_that_is_chosen(bids: Bids, make: Make) -> None:
    for name in "ab":
        with_columns(bids, f"sub-{name}", {"trial_type": SIDES, "kind": KINDS})
    assert make(bids, "eeg-events")[0].classes == ("left", "right")
    assert make(bids, "eeg-events", {"event_column": "kind"})[0].classes == ("go", "stop")
    for name in "ab":
        with_columns(bids, f"sub-{name}", {"trial_type": SIDES, "value": KINDS})
    assert make(bids, "eeg-events")[0].classes == ("go", "stop")
    for name in "ab":  # a column that holds nothing tells nothing
        with_columns(bids, f"sub-{name}", {"trial_type": SIDES, "value": ["n/a"] * 8})
    assert make(bids, "eeg-events")[0].classes == ("left", "right")


def test_tables_without_a_common_column_name_the_option_that_there_is(bids: Bids, make: Make) -> None:
    with_columns(bids, "sub-a", {"kind": KINDS})
    with pytest.raises(
        DataError, match=r"events\.tsv tells of no event in .*value or trial_type .*: kind.*event-column="
    ):
        make(bids, "eeg-events")
    with pytest.raises(DataError, match=r"has no column side .*onset, duration, kind.*--option event-column="):
        make(bids, "eeg-events", {"event_column": "side"})
    for task in ("eeg-events", "eeg-c1"):
        assert "event_column" in {option.name for option in get_task(task).options}
    with_columns(bids, "sub-a", {"value": SIDES})
    with_columns(bids, "sub-b", {"trial_type": SIDES})
    with_columns(bids, "sub-c", {"trial_type": SIDES})
    with pytest.raises(DataError, match="or others do in another one"):
        make(bids, "eeg-events")
    made, samples = make(bids, "eeg-events", limits=SKIP)
    assert subjects(samples) == {"sub-b", "sub-c"}
    assert "has no column trial_type" in reasons(made)[key(bids, "sub-a")]


def test_c1_takes_its_trials_from_trial_type_where_there_is_no_value(bids: Bids, make: Make) -> None:
    path = bids.folder / f"{bids.stem('sub-A')}_events.tsv"
    put(bids, "sub-A")
    path.write_text(path.read_text().replace("value", "trial_type"))
    assert len(make(bids, "eeg-c1")[1]) == 2


def test_events_are_inherited_from_the_folders_above_and_the_nearest_wins(bids: Bids, make: Make) -> None:
    def events(*values: str) -> str:
        return "\n".join(["onset\tduration\tvalue", *(f"{1 + 2 * i}\t0\t{v}" for i, v in enumerate(values * 5)), ""])

    for subject in ("sub-a", "sub-b", "sub-c"):
        bids.recording(subject, root="ds/", task="x")
    bids.put("events.tsv", events("above"))  # above the dataset: none of its own
    bids.put("ds/events.tsv", events("any"))
    bids.put("ds/task-x_events.tsv", events("one", "two"))
    bids.put("ds/task-y_events.tsv", events("other"))
    bids.put("ds/sub-b/sub-b_task-x_events.tsv", events("three", "four"))
    bids.put(f"{bids.stem('sub-c', root='ds/', task='x')}_events.tsv", events("five", "six"))
    bids.seconds = 40
    for subject in ("sub-a", "sub-b", "sub-c"):
        bids.recording(subject, root="ds/", task="x")
    made, samples = make(bids, "eeg-events")
    found = {
        group: {made.classes[int(s.targets[0])] for s in samples if s.group == group and s.targets[0] is not None}
        for group in subjects(samples)
    }
    assert found == {"sub-a": {"one", "two"}, "sub-b": {"three", "four"}, "sub-c": {"five", "six"}}


def test_an_onset_that_is_no_number_is_named(bids: Bids, make: Make) -> None:
    put(bids, "sub-A")
    path = bids.folder / f"{bids.stem('sub-A')}_events.tsv"
    path.write_text(path.read_text().replace("1.4\t", "1,4\t"))
    with pytest.raises(DataError, match=r"events\.tsv, line 3: onset is '1,4', which is no number"):
        make(bids, "eeg-c1")


# Labels.


def participants(bids: Bids, *rows: str, root: str = "") -> None:
    bids.put(f"{root}participants.tsv", "\n".join(["participant_id\tnotes\texternalizing", *rows, ""]))


def test_a_quoted_cell_does_not_give_a_subject_anothers_label(bids: Bids, make: Make) -> None:
    for name in "AB":
        bids.recording(f"sub-{name}")
    participants(bids, 'sub-A\t"left\tearly"\t0.5', "B\tn/a\t-1")
    _, samples = make(bids, "eeg-c2")
    assert {sample.group: sample.targets[0] for sample in samples} == {"sub-A": 0.5, "sub-B": -1.0}


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (["sub-A\tx\t1", "sub-A\ty\t2"], r"participants\.tsv, line 3: sub-A has externalizing 2, but line 2 says 1"),
        (["sub-A\tx\t1", "A\ty\t2"], "line 3: sub-A has externalizing 2, but line 2 says 1"),
        (["sub-A\tx\thigh"], r"participants\.tsv, line 2: externalizing is 'high', which is no number"),
        (["sub-A\tx"], r"participants\.tsv, line 2: 2 cells where the header has 3"),
        (["sub-A\tx\t1\t2"], r"participants\.tsv, line 2: 4 cells"),
        (["n/a\tx\t1"], r"line 2: externalizing is 1, but the participant_id is missing"),
    ],
)
def test_labels_that_contradict_or_mean_nothing_are_refused_by_line_and_value(
    bids: Bids, make: Make, rows: list[str], told: str
) -> None:
    bids.recording("sub-A")
    participants(bids, *rows)
    with pytest.raises(DataError, match=told):
        make(bids, "eeg-c2")


def test_a_row_that_comes_twice_the_same_is_no_contradiction(bids: Bids, make: Make) -> None:
    bids.recording("sub-A")
    participants(bids, "sub-A\tx\t1.0", "sub-A\ty\t1", "sub-A\tz\tn/a")
    assert {sample.targets[0] for sample in make(bids, "eeg-c2")[1]} == {1.0}


def test_a_subject_of_two_releases_has_one_label(bids: Bids, make: Make) -> None:
    for root, score in (("R1_L100_bdf/", 1), ("R2_L100_bdf/", 2)):
        bids.recording("sub-A", root=root)
        participants(bids, f"sub-A\tx\t{score}", root=root)
    told = (
        r"R2_L100_bdf/participants\.tsv, line 2: sub-A has externalizing 2, but R1_L100_bdf/participants\.tsv, line 2,"
    )
    with pytest.raises(DataError, match=told):
        make(bids, "eeg-c2")


# What is not read.


def test_files_of_other_formats_and_names_are_named(bids: Bids, make: Make) -> None:
    put(bids, "sub-A")
    stem = bids.stem("sub-B")
    for ending in ("json", "edf.gz", "fif.gz", "cnt"):
        bids.put(f"{stem}_eeg.{ending}", "x")
    for ending in ("fdt", "vmrk", "eeg"):
        bids.put(f"{stem}_eeg.{ending}", "x")
        bids.put(f"{bids.stem('sub-A')}_eeg.{ending}", "x")
    for ending in ("set", "vhdr", "fif"):
        bids.put(f"{bids.stem('sub-A')}_eeg.{ending}", "x")
    bids.put("sub-C/meg/sub-C_task-rest_meg.fif", "x")
    bids.put("loose/recording.bdf", "x")
    bids.put("loose/other.vhdr", "x")
    bids.put("loose/notes.txt", "x")
    bids.put("derivatives/sub-A/eeg/sub-A_task-rest_eeg.set", "x")
    bids.put("derivatives/sub-A/eeg/sub-A_task-rest_eeg.bdf", "x")
    put(bids, "sub-A", ending=".edf")
    bids.recording("sub-A", task="rest")
    told = reasons(make(bids, "eeg-c1")[0])
    not_read = "is not read, only .bdf, .edf, .fif, .set, .vhdr are"
    name = stem.rpartition("/")[2]
    headers = {"fdt": "set", "vmrk": "vhdr", "eeg": "vhdr"}
    assert told == {
        **{f"{stem}_eeg.{e}": f"its format (.{e}) {not_read}" for e in ("edf.gz", "fif.gz", "cnt")},
        **{f"{stem}_eeg.{e}": f"its header, {name}_eeg.{h}, is not there" for e, h in headers.items()},
        "sub-C/meg/sub-C_task-rest_meg.fif": "it is no _eeg, but _meg",
        "loose/recording.bdf": "its name is not like sub-01_task-rest_eeg.bdf",
        "loose/other.vhdr": "its name is not like sub-01_task-rest_eeg.bdf",
        "2 recordings below derivatives/": "other forms of the dataset's recordings",
        **{
            f"{bids.stem('sub-A')}_eeg.{e}": f"the same recording lies there as {key(bids, 'sub-A')}"
            for e in ("edf", "vhdr", "set", "fif")
        },
        "1 recording of task rest": "not of the task that was asked for",
    }


def test_a_dataset_of_other_formats_alone_says_so(bids: Bids, make: Make) -> None:
    bids.put(f"{bids.stem('sub-A')}_eeg.cnt", "x")
    with pytest.raises(
        EmptyListing, match=r"but 1 files are not read, like .*_eeg\.cnt: its format \(\.cnt\) is not read"
    ):
        make(bids, "eeg-c1")


def test_recordings_beyond_those_asked_for_are_counted(bids: Bids, make: Make) -> None:
    for name in "ABC":
        put(bids, f"sub-{name}")
    made, _ = make(bids, "eeg-c1", limits=Limits(max_files=1))
    assert reasons(made) == {"2 recordings": "more than were asked for (max-files)"}


# Recordings that were stopped.


@pytest.mark.parametrize("stated", [None, b"-1      "])
def test_a_stopped_recording_is_read_up_to_its_last_whole_record_and_told(
    bids: Bids, make: Make, stated: bytes | None
) -> None:
    path = put(bids, "sub-A")
    data = path.read_bytes()[:-100]
    path.write_bytes(data if stated is None else data[:236] + stated + data[244:])
    made, samples = make(bids, "eeg-c1", PLAIN)
    assert reasons(made) == {key(bids, "sub-A"): "its last record has 350 of 450 bytes: 19 whole ones are read"}
    whole: Any = mne.io.read_raw_bdf(path, preload=True, verbose="error").get_data()
    assert whole.shape[1] == 19 * bids.rate
    first = round(1.4 * bids.rate) + 25
    np.testing.assert_array_equal(decoded(bids, samples[0]), whole[:, first : first + 100].astype(np.float32))


def test_subjects_whose_labels_cannot_be_used_are_left_out_alone(bids: Bids, make: Make) -> None:
    for name in "ABCD":
        bids.recording(f"sub-{name}")
    participants(bids, "sub-A\tx\t1", "sub-A\ty\t2", "sub-B\tx\thigh", "sub-C\tx\t3")
    made, samples = make(bids, "eeg-c2", limits=SKIP)
    assert subjects(samples) == {"sub-C"}
    assert reasons(made) == {
        "sub-A": "participants.tsv, line 3: sub-A has externalizing 2, but line 2 says 1",
        "sub-B": "participants.tsv, line 4: externalizing is 'high', which is no number",
        "sub-D": "no externalizing in participants.tsv",
    }
    participants(bids, "sub-A\tx")
    with pytest.raises(DataError, match="line 2: 2 cells"):
        make(bids, "eeg-c2", limits=SKIP)
