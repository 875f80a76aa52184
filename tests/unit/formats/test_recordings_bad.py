"""Recordings that are damaged, lie or name what they must not: refused by one line that says what is wrong."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.errors import ConfigError, DataError, PenstockError
from penstock.formats.recordings import Recordings, ending_of, matlab
from support.recordings import Objects, brainvision, edf_plus, eeglab, fif, hdf5_set, microvolts, small_matrix

NUM = 400
STEPS = np.round(microvolts(4, NUM) * 10)
MICRO = microvolts(4, NUM)


def refused(files: dict[str, bytes], key: str, told: str, options: dict[str, Any] | None = None) -> None:
    with pytest.raises(DataError, match=told) as caught:
        Objects(files).values_of(Recordings(**(options or {})), key)
    text = str(caught.value)
    assert key in text
    assert "\n" not in text
    assert len(text) < 600


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("NumberOfChannels=4", "NumberOfChannels=5", r"\[Channel Infos\] lack Ch5 of 5 channels"),
        ("NumberOfChannels=4", "NumberOfChannels=3", r"\[Channel Infos\] tell of Ch4, of 3 channels"),
        ("NumberOfChannels=4", "NumberOfChannels=0", "NumberOfChannels is '0'"),
        ("NumberOfChannels=4", "NumberOfChannels=99999999", "NumberOfChannels is '99999999'"),
        ("NumberOfChannels=4\r\n", "", "NumberOfChannels is ''"),
        ("DataPoints=400", "DataPoints=401", "3200 bytes, 3208 by r.vhdr are needed"),
        ("DataPoints=400", "DataPoints=300", "states 300 samples of 4 channels, r.eeg has 400"),
        ("DataPoints=400", "DataPoints=-1", "DataPoints is '-1'"),
        ("SamplingInterval=10000", "SamplingInterval=0", "SamplingInterval is 0"),
        ("SamplingInterval=10000", "SamplingInterval=nan", "SamplingInterval is 'nan'"),
        ("SamplingInterval=10000", "SamplingInterval=1e-320", "SamplingInterval is 9.99"),
        ("BinaryFormat=INT_16", "BinaryFormat=UINT_64", "BinaryFormat is 'UINT_64'"),
        ("DataFormat=BINARY", "DataFormat=ASCII", "DataFormat is 'ASCII', only BINARY is read"),
        ("DataOrientation=MULTIPLEXED", "DataOrientation=ROUND", "DataOrientation is 'ROUND'"),
        ("DataPoints=400", "DataPoints=400\r\nDataType=FREQUENCYDOMAIN", "only TIMEDOMAIN is read"),
        ("DataPoints=400", "DataPoints=400\r\nSegmentationType=MARKERBASED", "it holds epochs, no recording"),
        ("DataFile=r.eeg", "DataFile=", "it names no DataFile"),
        ("DataFile=r.eeg", "DataFile=../r.eeg", "no name of an object beside it"),
        ("DataFile=r.eeg", "DataFile=/etc/passwd", "no name of an object beside it"),
        ("DataFile=r.eeg", "DataFile=..\\r.eeg", "no name of an object beside it"),
        ("DataFile=r.eeg", "DataFile=https://host/r.eeg", "no name of an object beside it"),
        ("DataFile=r.eeg", "DataFile=..", "no name of an object beside it"),
        ("DataFile=r.eeg", "DataFile=gone.eeg", "names gone.eeg, which is not there"),
        ("MarkerFile=r.vmrk", "MarkerFile=../r.vmrk", "no name of an object beside it"),
        ("Ch1=Fz,,0.1,µV", "Ch1=Fz,,zero,µV", "resolution of 'Fz,,zero,µV' is 'zero'"),
        ("Ch1=Fz,,0.1,µV", "Ch1=Fz,,0,µV", "resolution of 'Fz,,0,µV' is 0"),
        ("Ch1=Fz,,0.1,µV", "Ch1=Fz,,0.1,µV\r\nCh1=Fz,,0.1,µV", "already exists"),
        ("[Common Infos]", "[Commons]", r"no \[Common Infos\]"),
        ("Data Exchange Header File", "Data Exchange Marker File", "not as a BrainVision Header File"),
    ],
)  # fmt: skip
def test_brainvision_headers(old: str, new: str, told: str) -> None:
    refused(brainvision(STEPS, changes={old: new}), "r.vhdr", told)


def test_brainvision_parts() -> None:
    files = brainvision(STEPS, markers=[("S", "1", 5, 1)])
    refused({**files, "r.eeg": files["r.eeg"][:-1]}, "r.vhdr", "3199 bytes, 3200 by r.vhdr are needed")
    refused({**files, "r.eeg": b""}, "r.vhdr", "which is not there, or empty")
    refused({**files, "r.vhdr": files["r.vhdr"][:200]}, "r.vhdr", "header of r.vhdr is wrong")
    headless = {**files, "r.vmrk": b"nothing"}
    with pytest.raises(DataError, match=r"r\.vmrk is wrong: it begins with 'nothing'"):
        Objects(headless).values_of(Recordings(), "r.vhdr")
    assert Objects({**files, "r.vmrk": files["r.vmrk"].replace(b",5,1,0", b",5," + b"9" * 5000)}).values_of(
        Recordings(events="*", tmax=0.1), "r.vhdr"
    )
    for row in (b"Mk2=S,1,five,1", b"Mk2=S", b"Mk2=S,1,1" + b"0" * 400, b"Mk2=S,1,-4,1", b"Mk2=S,1,1" + b"0" * 5000):
        broken = {**files, "r.vmrk": files["r.vmrk"].replace(b"Mk2=S,1,5,1,0", row)}
        with pytest.raises(DataError, match=r"its marker .* has no position"):
            Objects(broken).values_of(Recordings(), "r.vhdr")


def test_brainvision_names_that_are_not_ascii_and_stale_ones_are_read() -> None:
    labels = ("Ö1", "脑2", "a,b", "Fz")
    files = brainvision(STEPS, labels=labels, changes={"DataFile=r.eeg": "DataFile=$b.eeg", "=r.vmrk": "=old.vmrk"})
    values = Objects(files).values_of(Recordings(channels=["脑2", "a,b"], dtype="float64"), "r.vhdr")
    np.testing.assert_allclose(values[0]["signal"], STEPS[1:3] * 1e-7)
    latin = {
        **files,
        "r.vhdr": files["r.vhdr"].decode().replace("Codepage=UTF-8\r\n", "").replace("脑2", "é").encode("latin-1"),
    }
    for codec in ("undefined", "zlib_codec", "no-such"):
        odd = {**files, "r.vhdr": files["r.vhdr"].replace(b"=UTF-8", f"={codec}".encode())}
        assert Objects(odd).values_of(Recordings(), "r.vhdr")[0]["signal"].shape == (4, NUM)
    named = Objects(latin).values_of(Recordings(channels=["Ö1", "é"]), "r.vhdr")
    assert named[0]["signal"].shape == (2, NUM)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"srate": 0.0}, "its srate is 0"),
        ({"srate": -5.0}, "its srate is -5"),
        ({"srate": np.nan}, "its srate is nan"),
        ({"srate": "fast"}, "its srate is no number"),
        ({"nbchan": 5.0}, "its data have the shape"),
        ({"nbchan": 1e9}, "its nbchan is 1000000000"),
        ({"nbchan": 2.5}, "its nbchan is 2.5"),
        ({"pnts": 500.0}, "its data have the shape"),
        ({"trials": 3.0}, "it holds 3 epochs, and no recording"),
        ({"event": {"type": "S", "latency": 1.7e308}}, "an event has the latency 1.7e"),
        ({"event": {"type": "S", "latency": np.inf}}, "latency of an event is inf"),
        ({"data": MICRO + 1j}, "its data are complex"),
        ({"data": np.zeros((0, 0))}, "its data have the shape"),
        ({"data": {"a": 1}}, "its data are neither numbers nor the name of an .fdt"),
        ({"data": ""}, "its data are neither numbers nor the name of an .fdt"),
        ({"data": "r.dat"}, "its data lie in 'r.dat', which is no .fdt"),
        ({"data": "../r.fdt"}, "no name of an object beside it"),
        ({"data": "/r.fdt"}, "no name of an object beside it"),
        ({"data": "r.fdt"}, "names r.fdt, which is not there, or empty"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("packed", [False, True])
def test_eeglab_headers(fields: dict[str, Any], told: str, packed: bool) -> None:
    made = eeglab(num_channels=4, num_samples=NUM, packed=packed, **({"data": MICRO} | fields))
    refused({"r.set": made}, "r.set", told)


def test_eeglab_parts() -> None:
    body = np.ascontiguousarray(MICRO.T, "<f4").tobytes()
    made = eeglab("r.fdt", 4, NUM)
    refused({"r.set": made, "r.fdt": body[:-4]}, "r.set", "6396 bytes, 6400 are needed by r.set")
    refused({"r.set": made, "r.fdt": body + body}, "r.set", "12800 bytes, not 6400")
    whole, packed = eeglab(MICRO, 4, NUM), eeglab(MICRO, 4, NUM, packed=True)
    for data in (whole, packed):
        for length in (1, 100, 128, 140, 1000, len(data) // 2, len(data) - 9):
            refused({"r.set": data[:length]}, "r.set", "r.set")
    refused({"r.set": whole[:124] + b"\x05\x01" + whole[126:]}, "r.set", "no MATLAB file of version 5 to 7.3")
    chanlocs = np.zeros((3,), dtype=[("labels", object)])
    for number in range(3):
        chanlocs[number] = (f"E{number}",)
    refused(
        {"r.set": eeglab(MICRO, 4, NUM, chanlocs=chanlocs)}, "r.set", "chanlocs tell of 3 channels, its nbchan is 4"
    )


def packed_file(inner: bytes) -> bytes:
    made = zlib.compress(inner, 9)
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + struct.pack("<II", 15, len(made)) + made


def test_bombs_in_matlab_files_are_bounded() -> None:
    bomb = packed_file(struct.pack("<II", 14, 2**31) + bytes(64 << 20))
    assert len(bomb) < 1 << 20
    refused({"r.set": bomb}, "r.set", "a matrix begins with type 0", {"memory": "16Mi"})
    # A field that is passed over, and is said to be larger than what may be unpacked.
    large = eeglab(MICRO, 4, NUM, packed=True, icaact=np.zeros((4, 700_000)))
    refused({"r.set": large}, "r.set", r"unpacks to .* more than 16.0 MiB", {"memory": "16Mi"})
    assert Objects({"r.set": large}).values_of(Recordings(), "r.set")[0]["signal"].shape == (4, NUM)


@pytest.mark.parametrize("packed", [False, True])
def test_labels_and_events_beyond_any_are_not_read(monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    monkeypatch.setattr(matlab, "MOST_VALUE_BYTES", 2000)
    made = eeglab(MICRO, 4, NUM, events=[("S", 5.0)] * 30, packed=packed)
    refused({"r.set": made}, "r.set", r"its event has \d+ bytes, more than 2000")


def test_values_nested_too_deep_and_objects_are_passed_over_or_refused() -> None:
    inner = b""
    for _ in range(200):
        inner = small_matrix(1, inner or struct.pack("<II", 14, 0))
    deep = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + small_matrix(1, inner, "chanlocs")
    refused({"r.set": deep}, "r.set", "nested deeper than")
    many = small_matrix(1, b"", "event", (1 << 20, 1 << 20))
    refused({"r.set": deep[:128] + many}, "r.set", "values are said to lie in")
    opaque = small_matrix(17, b"x" * 64, "secret")
    objects = Objects({"r.set": eeglab(MICRO, 4, NUM, flat=True) + opaque})
    assert objects.values_of(Recordings(), "r.set")[0]["signal"].shape == (4, NUM)


def test_matlab_7_3_files() -> None:
    pytest.importorskip("h5py")
    made = hdf5_set(MICRO)
    for length in (200, 1000, len(made) // 2, len(made) - 100):
        refused({"r.set": made[:length]}, "r.set", "cannot be read as a MATLAB file of version 7.3")
    refused({"r.set": made}, "r.set", r"the data of r.set take .* more than 1 KiB|has .* more than", {"memory": 1024})


def test_matlab_7_3_files_are_never_read_beyond_themselves(tmp_path: Path) -> None:
    """HDF5 can lie in other files: those of the machine that lists, if it were let."""
    h5py = pytest.importorskip("h5py")
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(range(256)) * 100)
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as held:
        held["data"] = MICRO.T
        held.create_group("EEG")["data"] = MICRO.T

    def linked(change: Callable[[Any, Any], None]) -> bytes:
        file = io.BytesIO(hdf5_set(MICRO))
        with h5py.File(file, "r+") as made:
            change(made, made["EEG"])
        return file.getvalue()

    def external(made: Any, group: Any) -> None:
        del group["data"]
        group.create_dataset("data", (NUM, 4), "f8", external=[(str(secret), 0, NUM * 4 * 8)])

    def virtual(made: Any, group: Any) -> None:
        del group["data"]
        layout = h5py.VirtualLayout((NUM, 4), "f8")
        layout[:] = h5py.VirtualSource(str(other), "data", (NUM, 4))
        group.create_virtual_dataset("data", layout)

    def link(made: Any, group: Any) -> None:
        del group["data"]
        group["data"] = h5py.ExternalLink(str(other), "/data")

    def whole(made: Any, group: Any) -> None:
        del made["EEG"]
        made["EEG"] = h5py.ExternalLink(str(other), "/EEG")

    def label(made: Any, group: Any) -> None:
        held = made["#refs#"].create_dataset("x", (4, 1), "u2", external=[(str(secret), 0, 8)])
        group["chanlocs/labels"][0, 0] = held.ref

    for change in (external, virtual, link, whole, label):
        refused({"r.set": linked(change)}, "r.set", "lie in other files|a link to another place")


def test_fif_files(tmp_path: Path) -> None:
    data = fif(MICRO * 1e-6, tmp_path)
    refused({"r.fif": b"x" * 100}, "r.fif", "no FIF file")
    refused({"r.fif": data[:20]}, "r.fif", "no FIF file")
    for length in (60, 500, len(data) // 2, len(data) - 1000):
        refused({"r.fif": data[:length]}, "r.fif", "r.fif")
    rate = struct.pack(">f", 100.0)
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        refused({"r.fif": data.replace(rate, struct.pack(">f", wrong), 1)}, "r.fif", "its rate is")
    count = struct.pack(">iiiii", 200, 3, 4, 0, 4)
    assert count in data
    refused({"r.fif": data.replace(count, count[:-1] + b"\x05")}, "r.fif", "states 5 channels and tells of 4")
    buffer = data.index(struct.pack(">iii", 300, 4, 4 * 4 * 100))
    back = data[: buffer + 12] + struct.pack(">i", 60) + data[buffer + 16 :]
    refused({"r.fif": back}, "r.fif", "goes back to 60")
    long = data[: buffer + 8] + struct.pack(">i", 2**31 - 1) + data[buffer + 12 :]
    refused({"r.fif": long}, "r.fif", "it was cut off")
    odd = data[: buffer + 4] + struct.pack(">i", 20) + data[buffer + 8 :]
    refused({"r.fif": odd}, "r.fif", "numbers are of type 4, 20")


def test_fif_in_several_files_and_without_a_recording(tmp_path: Path) -> None:
    long = fif(np.zeros((4, 600_000)), tmp_path, split_size="5MB", number="double")
    refused({"r.fif": long}, "r.fif", r"it goes on in 'written_raw-1\.fif': save it as one file")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b"+1\x14\x14", b"-9\x14\x14", "record 1 begins at -9 s, before the one before it ends"),
        (b"+1\x14\x14", b"+x\x14\x14", r"record 1 has the annotation b'\+x.*', which is none"),
        (b"+1\x14\x14", b"+1\x14\xff", "record 1 has the annotation"),
        (b"+1\x14\x14", b"\0\0\0\0", "record 1 does not say when it begins"),
        (b"EDF Annotations", b"EDF Nothing    ", r"it is EDF\+D and has no annotations channel"),
    ],
)
def test_discontinuous_recordings_that_do_not_tell_their_times(old: bytes, new: bytes, told: str) -> None:
    data = edf_plus(STEPS.astype(np.int32), broken=True)
    assert old in data
    refused({"r.edf": data.replace(old, new)}, "r.edf", told)


def test_channels_that_are_not_there_or_come_twice() -> None:
    with pytest.raises(ConfigError, match=r"channel 'EDF Annotations' of r\.edf holds text: take its annotations"):
        Objects({"r.edf": edf_plus(STEPS.astype(np.int32))}).values_of(Recordings(channels="EDF Annotations"), "r.edf")
    twice = Objects(brainvision(STEPS, labels=("Fz", "Fz", "Pz", "Oz")))
    with pytest.raises(DataError, match=r"r\.vhdr has 2 channels 'Fz'"):
        twice.values_of(Recordings(channels="Fz"), "r.vhdr")
    assert twice.values_of(Recordings(), "r.vhdr")[0]["signal"].shape == (4, NUM)
    with pytest.raises(ConfigError, match=r"no channel 'Cx': .*channels are: Fz, Cz, Pz, Oz"):
        Objects(brainvision(STEPS)).values_of(Recordings(channels=["Cx"]), "r.vhdr")
    with pytest.raises(ConfigError, match="names one twice"):
        Objects(brainvision(STEPS)).values_of(Recordings(channels=["Cz", "Cz"]), "r.vhdr")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"seconds": 0}, "seconds 0"),
        ({"seconds": "5"}, "seconds '5'"),
        ({"seconds": float("nan")}, "seconds nan"),
        ({"seconds": True}, "seconds True"),
        ({"seconds": 1e300}, "seconds 1e"),
        ({"events": "S", "tmax": float("inf")}, "tmax inf"),
        ({"events": "S", "tmin": -(10**400)}, "tmin -1000"),
        ({"stride": 2}, "stride 2 without seconds"),
        ({"seconds": 2, "stride": -1}, "stride -1"),
        ({"seconds": 2, "events": "S"}, "both seconds 2 and events"),
        ({"events": []}, r"events \[\]"),
        ({"events": "S", "tmin": 1, "tmax": 1}, "tmin 1 is not before tmax 1"),
        ({"events": "S", "tmin": None}, "tmin None"),
        ({"channels": [1]}, r"channels \[1\]"),
        ({"dtype": "int16"}, "dtype 'int16'"),
        ({"memory": 0}, "memory 0"),
    ],
)
def test_options_that_mean_nothing(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Recordings(**options)


def test_windows_beyond_memory_and_shorter_than_a_sample() -> None:
    files = brainvision(STEPS)
    refused(files, "r.vhdr", r"a window of r.vhdr takes .*: give shorter windows", {"memory": 1000})
    with pytest.raises(DataError, match=r"0\.001 s hold no sample at 100 Hz"):
        Objects(files).values_of(Recordings(seconds=0.001), "r.vhdr")
    extents, skipped = Objects(files).index_of(Recordings(seconds=5), "r.vhdr")
    assert not extents
    assert skipped[0].reason == "is shorter than a window: 4 s, not 5"
    extents, skipped = Objects(files).index_of(Recordings(events=["nothing"]), "r.vhdr")
    assert not extents
    assert skipped[0].reason == "no event is like nothing (there are: none)"


def test_other_names_are_no_recordings() -> None:
    with pytest.raises(PenstockError, match=r"r\.txt is no recording by its name"):
        Objects({"r.txt": b"x"}).values_of(Recordings(), "r.txt")
    assert [ending_of(key) for key in ("a.b/c", "a/b.SET", ".edf", "")] == ["", ".set", ".edf", ""]
