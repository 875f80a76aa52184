"""Recordings of each kind are read as MNE reads them, by range where that can be, and gaps are never crossed."""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from penstock.errors import DataError
from penstock.formats.recordings import Recordings
from support.recordings import LABELS, Objects, brainvision, edf_plus, eeglab, fif, hdf5_set, microvolts

RATE = 100
NUM = 1000
MARKS = [("Stimulus", "S  1", 101, 1), ("Response", "R  4", 351, 10), ("Stimulus", "S  2", 990, 1)]
WORDS = mne.Annotations([1.0, 3.5, 9.89], [0.01, 0.1, 0.01], ["Stimulus/S  1", "Response/R  4", "Stimulus/S  2"])
LATENCIES = [("S1", 101.0), ("R4", 351.0), ("S2", 990.0)]

Made = tuple[dict[str, bytes], str, Callable[..., Any]]


def made(kind: str, folder: Path) -> Made:
    """Return the objects of a recording, the key of the one that is opened, and how MNE reads it."""
    data = microvolts(4, NUM)
    if kind.startswith("brainvision"):
        _, number, orientation = kind.split("-")
        stored = data if number == "IEEE_FLOAT_32" else np.round(data * 10)
        files = brainvision(stored, number=number, orientation=orientation, markers=MARKS)
        return files, "r.vhdr", mne.io.read_raw_brainvision
    if kind.startswith("eeglab"):
        how = kind.split("-")[1]
        if how == "fdt":
            body = np.ascontiguousarray(data.T, "<f4").tobytes()
            return (
                {"r.set": eeglab("r.fdt", 4, NUM, events=LATENCIES), "r.fdt": body},
                "r.set",
                mne.io.read_raw_eeglab,
            )
        if how == "float32":
            return {"r.set": eeglab(data.astype("f4"), 4, NUM, events=LATENCIES)}, "r.set", mne.io.read_raw_eeglab
        packed, flat = "packed" in how, "flat" in how
        return (
            {"r.set": eeglab(data, 4, NUM, events=LATENCIES, packed=packed, flat=flat)},
            "r.set",
            mne.io.read_raw_eeglab,
        )
    if kind.startswith("fif"):
        _, number, seconds, first = kind.split("-")
        data = fif(
            data * 1e-6,
            folder,
            number=number,
            annotations=WORDS,
            buffer_seconds=float(seconds),
            first_sample=int(first),
        )
        return {"r_raw.fif": data}, "r_raw.fif", mne.io.read_raw_fif
    width = 3 if kind == "bdf+" else 2
    lists = [(0, "+1\x140\x14Stimulus/S  1\x14".replace("\x140", "\x150.01")), (3, "+3.5\x150.1\x14Response/R  4\x14")]
    lists += [(9, "+9.89\x14Stimulus/S  2\x14")]
    digital = np.round(data * 100).astype(np.int32)
    key = f"r.{kind[:3]}"
    read = mne.io.read_raw_bdf if width == 3 else mne.io.read_raw_edf
    return {key: edf_plus(digital, width_bytes=width, annotations=lists)}, key, read


KINDS = [
    *(f"brainvision-{n}-{o}" for n in ("INT_16", "INT_32", "IEEE_FLOAT_32") for o in ("MULTIPLEXED", "VECTORIZED")),
    *(f"eeglab-{how}" for how in ("fdt", "plain", "float32", "packed", "flat", "packedflat")),
    *(f"fif-{number}-{seconds}-{first}" for number, seconds, first in (("single", 1, 0), ("double", 3, 250))),
    "fif-short-0.5-0", "fif-int-1-70", "edf+", "bdf+",
]  # fmt: skip


def by_mne(objects: Objects, key: str, read: Callable[..., Any], folder: Path) -> Any:
    for name, data in objects.files.items():
        (folder / name).write_bytes(data)
    return read(folder / key, preload=True, verbose="error")


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_recording_is_as_mne_reads_it(kind: str, tmp_path: Path) -> None:
    files, key, read = made(kind, tmp_path)
    objects = Objects(files)
    raw = by_mne(objects, key, read, tmp_path)
    (value,) = objects.values_of(Recordings(dtype="float64"), key)
    assert_array_equal(value["signal"], raw.get_data())
    assert value["start"] == 0.0
    named = Recordings(dtype="float64", channels=["Pz", "Fz"])
    assert_array_equal(objects.values_of(named, key)[0]["signal"], raw.get_data(["Pz", "Fz"]))


@pytest.mark.parametrize("kind", KINDS)
def test_windows_are_cut_by_range_and_are_as_mne_has_them(kind: str, tmp_path: Path) -> None:
    files, key, read = made(kind, tmp_path)
    objects = Objects(files)
    raw = by_mne(objects, key, read, tmp_path).get_data()
    cut = Recordings(seconds=2.5, stride=1.5, dtype="float64")
    extents, _ = objects.index_of(cut, key)
    values = objects.values_of(cut, key)
    assert [value["start"] for value in values] == [1.5 * number for number in range(6)]
    for number, value in enumerate(values):
        assert_array_equal(value["signal"], raw[:, 150 * number : 150 * number + 250])
    if "packed" in kind:
        assert len(extents) == 1
        assert extents[0].size_bytes == len(files[key])
    elif kind[0] not in "be" or kind.startswith(("brain", "eeglab")):
        itemsize = extents[0].size_bytes // (4 * 250)
        assert all(extent.size_bytes == 4 * 250 * itemsize for extent in extents)
        assert itemsize in (1, 2, 4, 8)


@pytest.mark.parametrize("kind", KINDS)
def test_events_are_those_of_mne(kind: str, tmp_path: Path) -> None:
    files, key, read = made(kind, tmp_path)
    objects = Objects(files)
    raw = by_mne(objects, key, read, tmp_path)
    cut = Recordings(events="*", tmin=-0.25, tmax=0.5, dtype="float64")
    values = objects.values_of(cut, key)
    _, skipped = objects.index_of(cut, key)
    assert [one.reason for one in skipped] == ["1 of 3 events: 1 outside the recording"]
    found, names = mne.events_from_annotations(raw, verbose="error")
    texts = {number: str(name) for name, number in names.items()}
    assert [value["event"] for value in values] == [texts[number] for number in found[:2, 2]]
    for value, at in zip(values, found[:, 0] - raw.first_samp, strict=False):
        assert value["start"] == (at - 25) / RATE
        assert_array_equal(value["signal"], raw.get_data()[:, at - 25 : at + 50])


def test_a_matlab_file_of_version_7_3_is_read_whole() -> None:
    pytest.importorskip("h5py")
    data = microvolts(4, NUM)
    objects = Objects({"r.set": hdf5_set(data, events=LATENCIES_TEXT)})
    (value,) = objects.values_of(Recordings(dtype="float64"), "r.set")
    assert_array_equal(value["signal"], data * 1e-6)
    values = objects.values_of(Recordings(events="S*", tmin=0, tmax=0.1, dtype="float64"), "r.set")
    assert [value["event"] for value in values] == ["S1", "S2"]
    assert_array_equal(values[0]["signal"], data[:, 100:110] * 1e-6)


LATENCIES_TEXT = [("S1", 101.0), ("R4", 351.0), ("S2", 900.0)]


# Gaps.


def test_gaps_of_edf_plus_are_crossed_by_no_window_and_count_as_time(tmp_path: Path) -> None:
    digital = np.round(microvolts(4, NUM) * 10).astype(np.int32)
    starts = [0.25 + each + (0 if each < 4 else 3.5 if each < 7 else 5) for each in range(10)]
    words = [(1, "+1.75\x14a\x14"), (4, "+5\x14a\x14"), (5, "+9\x14a\x14"), (8, "+13.5\x14a\x14")]
    for width, key in ((2, "r.edf"), (3, "r.bdf")):
        made = edf_plus(digital, width_bytes=width, starts=starts, annotations=words, broken=True)
        objects = Objects({key: made})
        raw = by_mne(objects, key, mne.io.read_raw_edf if width == 2 else mne.io.read_raw_bdf, tmp_path).get_data()
        cut = Recordings(seconds=2, dtype="float64")
        values = objects.values_of(cut, key)
        assert [value["start"] for value in values] == [0, 2, 7.5, 12]
        for value, first in zip(values, (0, 200, 400, 700), strict=True):
            assert_array_equal(value["signal"], raw[:, first : first + 200])
        (told,) = objects.index_of(cut, key)[1]
        assert told.reason == "it has 2 gaps in time, which no sample lies across"
        whole = objects.values_of(Recordings(dtype="float64"), key)
        assert [value["signal"].shape[1] for value in whole] == [400, 300, 300]
        # Times count from the first record's own, a quarter of a second after the header's.
        events = Recordings(events="a", tmin=-0.5, tmax=1, dtype="float64")
        values = objects.values_of(events, key)
        assert [value["start"] for value in values] == [1.0, 8.25, 12.75]
        for value, first in zip(values, (100, 475, 775), strict=True):
            assert_array_equal(value["signal"], raw[:, first : first + 150])
        told = objects.index_of(events, key)[1][0]
        assert told.reason.startswith("1 of 4 events: 1 across a gap; it has 2 gaps")


def test_new_segments_and_boundaries_and_skips_are_gaps(tmp_path: Path) -> None:
    data = microvolts(4, NUM)
    marks = [("New Segment", "", 301, 1), ("Stimulus", "S", 290, 1), ("Stimulus", "S", 320, 1)]
    vision = Objects(brainvision(data * 10, markers=marks))
    events = [("boundary", 300.5), ("S", 290.0), ("S", 320.0)]
    lab = Objects({"r.set": eeglab(data, 4, NUM, events=events)})
    words = mne.Annotations([3.0, 2.89, 3.5], [2.0, 0, 0], ["BAD_ACQ_SKIP", "S", "S"])
    volts = data * 1e-6
    skipped = Objects({"r.fif": fif(volts, tmp_path, annotations=words, buffer_seconds=0.5)})
    for objects, key, second in (
        (vision, "r.vhdr", 300),
        (lab, "r.set", 300),
        (skipped, "r.fif", 500),
    ):
        values = objects.values_of(Recordings(seconds=2, dtype="float64"), key)
        assert [value["start"] for value in values][:3] == [0, second / 100, second / 100 + 2]
        assert_array_equal(values[1]["signal"].shape, (4, 200))
        assert "1 gap in time" in objects.index_of(Recordings(seconds=2), key)[1][0].reason
        around = objects.index_of(Recordings(events="*S*", tmin=-0.2, tmax=0.2), key)[1][0].reason
        assert "across a gap" in around
        wanted = data[:, second : second + 200] * 1e-6
        np.testing.assert_allclose(values[1]["signal"], wanted, atol=1e-7)


def test_skips_of_fif_lie_where_mne_has_zeros(tmp_path: Path) -> None:
    words = mne.Annotations([3.0], [2.0], ["BAD_ACQ_SKIP"])
    objects = Objects({"r_raw.fif": fif(microvolts(4, NUM) * 1e-6, tmp_path, annotations=words, buffer_seconds=0.5)})
    raw = by_mne(objects, "r_raw.fif", mne.io.read_raw_fif, tmp_path).get_data()
    assert not raw[:, 300:500].any()
    for value in objects.values_of(Recordings(dtype="float64"), "r_raw.fif"):
        first = round(value["start"] * RATE)
        assert_array_equal(value["signal"], raw[:, first : first + value["signal"].shape[1]])


# Directories of tags, channels of other kinds.


def with_directory(data: bytes) -> bytes:
    """Return a FIF file with a directory of its tags behind them, as acquisition systems write it."""
    entries, at = [], 0
    while True:
        kind, form, length, onward = struct.unpack(">iiii", data[at : at + 16])
        entries.append(struct.pack(">iiii", kind, form, length, at))
        if onward < 0:
            break
        at = onward or at + 16 + length
    directory = b"".join(entries)
    tag = struct.pack(">iiii", 102, 32, len(directory), -1)
    return data[:52] + struct.pack(">i", len(data)) + data[56:] + tag + directory


def test_a_directory_of_tags_is_read_instead_of_them(tmp_path: Path) -> None:
    data = microvolts(4, 40_000) * 1e-6
    plain = fif(data, tmp_path, annotations=WORDS)
    objects = Objects({"r_raw.fif": with_directory(plain)})
    raw = by_mne(objects, "r_raw.fif", mne.io.read_raw_fif, tmp_path).get_data()
    extents, _ = objects.index_of(Recordings(seconds=100), "r_raw.fif")
    assert objects.read_bytes < len(plain) / 2
    assert len(extents[0].spans) == 100  # a second each, between which other tags lie
    values = objects.values_of(Recordings(seconds=100, dtype="float64"), "r_raw.fif")
    for number, value in enumerate(values):
        assert_array_equal(value["signal"], raw[:, 10_000 * number : 10_000 * (number + 1)])
    pointer = with_directory(plain)
    wrong = pointer[:52] + struct.pack(">i", 100) + pointer[56:]
    with pytest.raises(DataError, match=r"its directory is of kind|the tag at byte 100"):
        Objects({"r_raw.fif": wrong}).values_of(Recordings(), "r_raw.fif")


def test_signals_are_those_at_the_commonest_rate_and_no_triggers(tmp_path: Path) -> None:
    stim = np.zeros((1, NUM))
    data = fif(np.vstack([microvolts(3, NUM) * 1e-6, stim]), tmp_path, kinds=["eeg", "eog", "misc", "stim"])
    objects = Objects({"r_raw.fif": data})
    raw = by_mne(objects, "r_raw.fif", mne.io.read_raw_fif, tmp_path)
    (value,) = objects.values_of(Recordings(dtype="float64"), "r_raw.fif")
    assert_array_equal(value["signal"], raw.get_data(["Fz", "Cz", "Pz"]))
    assert objects.values_of(Recordings(channels="Oz"), "r_raw.fif")[0]["signal"].shape == (1, NUM)
    digital = np.arange(4 * NUM, dtype=np.int32).reshape(4, NUM) % 30_000
    bdf = Objects({"r.bdf": edf_plus(digital, width_bytes=3, labels=("Fz", "Cz", "Pz", "Status"))})
    assert bdf.values_of(Recordings(), "r.bdf")[0]["signal"].shape == (3, NUM)


# What is read.


def test_of_fif_and_brainvision_and_fdt_the_numbers_are_not_read_to_list(tmp_path: Path) -> None:
    data = microvolts(4, 60_000)
    vision = Objects(brainvision(data * 10))
    lab = {"r.set": eeglab("r.fdt", 4, 60_000), "r.fdt": np.ascontiguousarray(data.T, "<f4").tobytes()}
    inside = Objects({"r.set": eeglab(data, 4, 60_000)})
    tagged = Objects({"r.fif": fif(data * 1e-6, tmp_path, buffer_seconds=60)})
    short = Objects({"r.fif": fif(data * 1e-6, tmp_path, buffer_seconds=12)})
    for objects, key in (
        (vision, "r.vhdr"), (Objects(lab), "r.set"), (inside, "r.set"), (tagged, "r.fif"), (short, "r.fif")
    ):  # fmt: skip
        extents, _ = objects.index_of(Recordings(seconds=10), key)
        assert len(extents) == 60
        held = sum(map(len, objects.files.values()))
        assert objects.read_bytes < held / 3, key
        assert sum(extent.size_bytes for extent in extents) <= held


def test_many_events_are_read_one_after_the_other() -> None:
    """The struct of a hundred thousand events took minutes, where what is left of it was copied for each."""
    events = [(f"S{number % 5}", 1 + number / 10) for number in range(5_000)]
    objects = Objects({"r.set": eeglab(microvolts(4, NUM), 4, NUM, events=events)})
    values = objects.index_of(Recordings(events="S1", tmax=0.1), "r.set")[0]
    assert len(values) == sum(round(at - 1) + 10 <= NUM for kind, at in events if kind == "S1")


def test_companions_are_named_and_not_taken_for_recordings() -> None:
    objects = Objects(brainvision(microvolts() * 10))
    extents, skipped = objects.index(Recordings(seconds=5))
    assert len(extents) == 2
    assert [(each.object, each.reason) for each in skipped] == [
        (key, "is part of a recording, and is read by its .vhdr") for key in ("r.eeg", "r.vmrk")
    ]


# The real recording, as a file of each kind.


def test_the_real_recording_is_the_same_in_each_kind(real_data: Path, tmp_path: Path) -> None:
    path = real_data / "eeg/sub-01_task-audiovisual_eeg.bdf"
    raw = mne.io.read_raw_bdf(path, preload=True, verbose="error")
    volts, labels = raw.get_data(), raw.ch_names
    micro = volts * 1e6
    num = micro.shape[1]
    files = {
        "r.vhdr": brainvision(micro, number="IEEE_FLOAT_32", resolution=1, labels=labels),
        "s.set": {"s.set": eeglab(micro, len(labels), num, labels=labels, packed=True)},
        "t.set": {
            "t.set": eeglab("t.fdt", len(labels), num, labels=labels),
            "t.fdt": np.ascontiguousarray(micro.T, "<f4").tobytes(),
        },
        "u_raw.fif": {"u_raw.fif": fif(volts, tmp_path, labels=labels)},
        path.name: {path.name: path.read_bytes()},
    }
    readers = {"vhdr": mne.io.read_raw_brainvision, "set": mne.io.read_raw_eeglab, "fif": mne.io.read_raw_fif}
    for key, held in files.items():
        objects = Objects(held)
        read = readers.get(key.rpartition(".")[2], mne.io.read_raw_bdf)
        by_it = by_mne(objects, key, read, tmp_path).get_data()
        values = objects.values_of(Recordings(seconds=5, dtype="float64"), key)
        assert len(values) == 4
        for number, value in enumerate(values):
            assert_array_equal(value["signal"], by_it[:, 500 * number : 500 * number + 500])
            # float32 of a number is within its 2^24th.
            np.testing.assert_allclose(value["signal"], volts[:, 500 * number : 500 * number + 500], rtol=2**-23)


@pytest.mark.parametrize("first_sample", [0, 250])
@pytest.mark.parametrize(("is_dated", "shift"), [(False, None), (True, None), (True, 0.0), (True, 1.5)])
def test_annotations_of_fif_lie_where_mne_has_them_whatever_they_count_from(
    tmp_path: Path, first_sample: int, shift: float | None, is_dated: bool
) -> None:
    """They count from the first sample, from the moment of the measurement, or from one of their own."""
    date = datetime(2020, 1, 1, tzinfo=UTC)
    data = mne.io.RawArray(
        microvolts() * 1e-6, mne.create_info(list(LABELS), RATE, "eeg"), first_samp=first_sample, verbose="error"
    )
    data.set_meas_date(date if is_dated else None)
    begin = None if shift is None else date + timedelta(seconds=shift)
    data.set_annotations(mne.Annotations([3.0, 5.0], [0, 0], ["a", "b"], orig_time=begin))
    path = tmp_path / "x_raw.fif"
    data.save(path, verbose="error")
    raw = mne.io.read_raw_fif(path, verbose="error")
    wanted = (mne.events_from_annotations(raw, verbose="error")[0][:, 0] - raw.first_samp) / RATE
    objects = Objects({path.name: path.read_bytes()})
    values = objects.values_of(Recordings(events=["a", "b"], tmin=0, tmax=0.1), path.name)
    assert [value["start"] for value in values] == wanted.tolist()


def test_what_edf_plus_says_of_several_channels_comes_once(tmp_path: Path) -> None:
    words = [(2, "+2.5\x150.5\x14blink@@Fz\x14"), (2, "+2.5\x150.5\x14blink@@Cz\x14"), (4, "+4\x14a\x14b@@none\x14")]
    objects = Objects({"r.edf": edf_plus(np.round(microvolts() * 10).astype(np.int32), annotations=words)})
    raw = by_mne(objects, "r.edf", mne.io.read_raw_edf, tmp_path)
    values = objects.values_of(Recordings(events="*", tmin=0, tmax=0.1), "r.edf")
    told = [(value["start"], value["event"]) for value in values]
    assert told == [(2.5, "blink"), (4.0, "a"), (4.0, "b@@none")]
    assert sorted(told) == sorted((float(each["onset"]), str(each["description"])) for each in raw.annotations)
