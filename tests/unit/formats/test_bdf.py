"""BDF and EDF: decoded as MNE decodes them, bit for bit, and refused where the header lies."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path

import mne
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from penstock.errors import ConfigError, DataError, HeaderMismatch, TruncatedObject
from penstock.formats.bdf import (
    BdfHeader,
    decode_records,
    encode_bdf,
    encode_header,
    encode_records,
    header_size,
    parse_header,
    record_layout,
    records_span,
    signal_channels,
    to_digital,
)

RANGES = {3: (-(2**23), 2**23 - 1), 2: (-(2**15), 2**15 - 1)}


def make_header(num_channels: int = 4, *, width_bytes: int = 3, num_records: int = 5, samples: int = 10) -> BdfHeader:
    low, high = RANGES[width_bytes]
    return BdfHeader(
        name="recording",
        width_bytes=width_bytes,
        variant="",
        num_records=num_records,
        record_seconds=1.0,
        labels=tuple(f"E{i + 1}" for i in range(num_channels)),
        units=("uV",) * num_channels,
        physical_min=(-8192.0,) * num_channels,
        physical_max=(8191.0,) * num_channels,
        digital_min=(low,) * num_channels,
        digital_max=(high,) * num_channels,
        samples_per_record=(samples,) * num_channels,
    )


def random_digital(header: BdfHeader, seed: int) -> list[NDArray[np.int32]]:
    """Numbers over the whole stored range; time-stamped annotations where a channel holds text."""
    rng = np.random.default_rng(seed)
    low, high = RANGES[header.width_bytes]
    rows = []
    for channel, samples in enumerate(header.samples_per_record):
        if channel in header.annotation_channels:
            rows.append(annotations(header, samples))
        else:
            rows.append(rng.integers(low, high + 1, header.num_records * samples, dtype=np.int32))
    return rows


def annotations(header: BdfHeader, samples: int) -> NDArray[np.int32]:
    width, cells = header.width_bytes, []
    for record in range(header.num_records):
        text = f"+{record * header.record_seconds:g}\x14\x14\x00".encode().ljust(samples * width, b"\x00")
        padded = np.frombuffer(text, np.uint8).reshape(samples, width)
        cells.append(sum(padded[:, i].astype(np.int32) << (8 * i) for i in range(width)))
    return np.concatenate(cells)


def whole(data: bytes) -> tuple[BdfHeader, NDArray[np.float64]]:
    header = parse_header(data, object_bytes=len(data), name="recording")
    return header, decode_records(memoryview(data)[header.header_bytes :], record_layout(header))


def by_mne(data: bytes, header: BdfHeader) -> NDArray[np.float64]:
    """The ordinary channels as MNE reads them."""
    names = [header.labels[i] for i in signal_channels(header)]
    reader = mne.io.read_raw_bdf if header.width_bytes == 3 else mne.io.read_raw_edf
    raw = reader(io.BytesIO(data), preload=True, include=names, verbose="error")
    return np.asarray(raw.get_data())


def number_fields(low: int, high: int) -> st.SearchStrategy[float]:
    """Numbers that fit a header field of eight characters exactly."""
    return st.one_of(
        st.integers(low, high).map(float),
        st.integers(low * 10, high * 10).map(lambda tenths: tenths / 10),
    )


@st.composite
def odd_headers(draw: st.DrawFn) -> BdfHeader:
    width = draw(st.sampled_from([2, 3]))
    low, high = RANGES[width]
    rate = draw(st.integers(12, 40))
    kinds = draw(st.lists(st.sampled_from(["eeg", "eeg", "eeg", "slow", "tal", "status"]), min_size=1, max_size=9))
    kinds = ["eeg", *kinds] if "eeg" not in kinds else kinds
    num_slow = kinds.count("slow")
    kinds += ["eeg"] * (num_slow + 1 - kinds.count("eeg"))
    # MNE takes one channel of each text or trigger name
    names = {"tal": "BDF Annotations" if width == 3 else "EDF Annotations", "status": "Status"}
    kinds = [kind for i, kind in enumerate(kinds) if kind not in names or kind not in kinds[:i]]
    plain = [kind in ("eeg", "slow") for kind in kinds]
    bounds = [
        (draw(number_fields(-20000, -1)), draw(number_fields(1, 20000))) if is_plain else (-1.0, 1.0)
        for is_plain in plain
    ]
    turned = [draw(st.booleans()) if is_plain else False for is_plain in plain]
    digital = [
        (draw(st.integers(low, -1)), draw(st.integers(0, high))) if is_plain else (low, high) for is_plain in plain
    ]
    return BdfHeader(
        name="recording",
        width_bytes=width,
        variant=draw(st.sampled_from(["", "24BIT", "BDF+C", "EDF+C"])),
        num_records=draw(st.integers(1, 6)),
        record_seconds=draw(st.sampled_from([0.1, 0.25, 0.333, 1.0, 1.5, 2.0, 10.0])),
        labels=tuple(names.get(kind, f"{kind}{i}") for i, kind in enumerate(kinds)),
        units=tuple(draw(st.sampled_from(["uV", "mV", "V", "µV", "degC", ""])) for _ in kinds),
        physical_min=tuple(high if t else low for (low, high), t in zip(bounds, turned, strict=True)),
        physical_max=tuple(low if t else high for (low, high), t in zip(bounds, turned, strict=True)),
        digital_min=tuple(pair[0] for pair in digital),
        digital_max=tuple(pair[1] for pair in digital),
        samples_per_record=tuple(rate - 7 if kind == "slow" else rate for kind in kinds),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(header=odd_headers(), seed=st.integers(0, 2**16))
def test_decodes_odd_files_as_mne_does(header: BdfHeader, seed: int) -> None:
    data = encode_bdf(header, random_digital(header, seed))
    read, decoded = whole(data)
    np.testing.assert_array_equal(decoded, by_mne(data, read))


@settings(max_examples=60, deadline=None)
@given(header=odd_headers())
def test_header_survives_writing_and_reading(header: BdfHeader) -> None:
    size_bytes = header.header_bytes + header.num_records * header.record_bytes
    assert parse_header(encode_header(header), object_bytes=size_bytes, name="recording") == header


@settings(max_examples=60, deadline=None)
@given(header=odd_headers(), seed=st.integers(0, 2**16), data=st.data())
def test_a_span_of_records_gives_the_same_samples_as_the_whole(
    header: BdfHeader, seed: int, data: st.DataObject
) -> None:
    stored = encode_bdf(header, random_digital(header, seed))
    _, decoded = whole(stored)
    first = data.draw(st.integers(0, decoded.shape[1] - 1))
    count = data.draw(st.integers(1, decoded.shape[1] - first))
    layout = record_layout(header)
    span = records_span(header, layout, first, count)
    part = decode_records(stored[span.offset : span.offset + span.length_bytes], layout)
    np.testing.assert_array_equal(
        part[:, span.skip_samples : span.skip_samples + count], decoded[:, first : first + count]
    )


def test_long_recordings_are_decoded_over_many_blocks() -> None:
    header = make_header(40, num_records=211, samples=100)
    data = encode_bdf(header, random_digital(header, 1))
    np.testing.assert_array_equal(whole(data)[1], by_mne(data, header))


def test_decodes_the_real_recording_as_mne_does() -> None:
    folder = os.environ.get("PENSTOCK_TEST_DATA")
    if not folder:
        pytest.skip("PENSTOCK_TEST_DATA names no folder of real recordings")
    files = sorted(Path(folder, "eeg").glob("*.[be]df"))
    assert files
    for path in files:
        data = path.read_bytes()
        header, decoded = whole(data)
        np.testing.assert_array_equal(decoded, by_mne(data, header))


def test_layout_is_short_where_channels_agree() -> None:
    layout = record_layout(make_header(129))
    assert layout.runs == ((0, 129),)
    assert isinstance(layout.gain, float)


def test_writing_rounds_to_the_nearest_step() -> None:
    header = make_header(3)
    physical = np.random.default_rng(0).normal(0, 50, (3, 50)).astype(np.float32)
    _, decoded = whole(encode_bdf(header, to_digital(header, physical)))
    step = (8191 + 8192) / (2**24 - 1)
    np.testing.assert_allclose(decoded * 1e6, physical, atol=step * 0.51)


def test_writing_clips_what_cannot_be_stored() -> None:
    header = make_header(1, num_records=1, samples=2)
    _, decoded = whole(encode_bdf(header, to_digital(header, np.array([[-9e9, 9e9]], np.float32).clip(-2e4, 2e4))))
    np.testing.assert_allclose(decoded[0] * 1e6, [-8192, 8191], atol=1e-6)


def test_writing_refuses_part_of_a_record() -> None:
    with pytest.raises(ConfigError, match="whole records"):
        encode_records(make_header(2), np.zeros((2, 51), np.int32))


def patched(data: bytes, at: int, field: str, width: int = 8) -> bytes:
    return data[:at] + field.ljust(width).encode() + data[at + width :]


@pytest.fixture
def recording() -> bytes:
    header = make_header()
    return encode_bdf(header, random_digital(header, 3))


def parse(data: bytes) -> BdfHeader:
    return parse_header(data, object_bytes=len(data), name="sub-A_eeg.bdf")


def test_open_recordings_hold_as_many_records_as_fit(recording: bytes) -> None:
    assert parse(patched(recording, 236, "-1") + bytes(17)).num_records == 5


@pytest.mark.parametrize("width_bytes", [2, 3])
@pytest.mark.parametrize("stated", ["5", "-1", "4"])
@pytest.mark.parametrize("lost", [1, 7, 79])
def test_a_cut_last_record_is_left_out_as_mne_does(width_bytes: int, stated: str, lost: int) -> None:
    header = make_header(width_bytes=width_bytes)
    data = patched(encode_bdf(header, random_digital(header, 5)), 236, stated)[:-lost]
    found = parse(data)
    assert found.num_records == 4
    record_bytes = 4 * 10 * width_bytes
    assert found.note == f"its last record has {record_bytes - lost} of {record_bytes} bytes: 4 whole ones are read"
    body = data[found.header_bytes : found.header_bytes + 4 * record_bytes]
    np.testing.assert_array_equal(decode_records(body, record_layout(found)), by_mne(data, header))


def test_a_last_record_that_was_never_written_is_told(recording: bytes) -> None:
    found = parse(recording[: -4 * 10 * 3])
    assert (found.num_records, found.note) == (4, "its header states 5 records, 4 are there")
    assert parse(recording).note == ""


def test_channels_come_in_the_order_asked_for_and_silent_ones_are_zeros(recording: bytes) -> None:
    header, decoded = whole(recording)
    layout = record_layout(header, (2, 0, 1), silent={0})
    picked = decode_records(recording[header.header_bytes :], layout)
    np.testing.assert_array_equal(picked, decoded[[2, 0, 1]] * np.array([[1], [0], [1]]))


def test_cut_recordings_are_truncated(recording: bytes) -> None:
    with pytest.raises(TruncatedObject, match=r"sub-A_eeg\.bdf has \d+ bytes, \d+ are needed by its header"):
        parse(recording[: -2 * 4 * 10 * 3 - 1])
    with pytest.raises(TruncatedObject, match="of header"):
        parse(recording[:300])
    with pytest.raises(TruncatedObject, match="of header"):
        parse(recording[:100])
    with pytest.raises(TruncatedObject, match="of header"):
        parse(b"")
    with pytest.raises(TruncatedObject, match="one record"):
        parse(patched(recording, 236, "-1")[: 256 * 5 + 10])


@pytest.mark.parametrize(
    ("at", "field", "told"),
    [
        (236, "4", "4 records"),
        (236, "many", "number of records is 'many'"),
        (236, "0", "0 records"),
        (236, "-2", "-2 records"),
        (236, "4.5", "not a whole number"),
        (184, "1000", "1000 header bytes"),
        (244, "0", "records last 0 s"),
        (244, "-1", "records last -1 s"),
        (244, "nan", "record duration"),
        (256 + 4 * (16 + 80 + 8), "8191", "physical range"),
        (256 + 4 * (16 + 80 + 8 + 8 + 8), "8388607", "digital range 8388607..8388607"),
        (256 + 4 * (16 + 80 + 8 * 5 + 80), "0", "0 samples per record"),
    ],
)
def test_headers_that_lie_are_refused(recording: bytes, at: int, field: str, told: str) -> None:
    with pytest.raises(HeaderMismatch, match=told):
        parse(patched(recording, at, field))


def test_objects_longer_than_their_header_says_are_refused(recording: bytes) -> None:
    with pytest.raises(HeaderMismatch, match="5 records"):
        parse(recording + bytes(3 * 4 * 10))


def test_a_wrong_number_of_channels_is_refused(recording: bytes) -> None:
    with pytest.raises(HeaderMismatch, match="3 channels take 1024"):
        header_size(patched(recording, 252, "3", 4), name="x")


def test_the_header_of_a_discontinuous_recording_says_so(recording: bytes) -> None:
    assert parse(patched(recording, 192, "BDF+D", 44)).variant == "BDF+D"


def test_other_formats_are_refused() -> None:
    with pytest.raises(DataError, match="neither BDF nor EDF"):
        header_size(b"RIFF" + bytes(252), name="sound.wav")


def test_a_recording_of_triggers_alone_is_refused() -> None:
    header = replace(make_header(1), labels=("Status",))
    with pytest.raises(DataError, match="no signal channels"):
        record_layout(header)


def test_samples_outside_the_recording_are_refused() -> None:
    header = make_header()
    with pytest.raises(DataError, match="lie outside"):
        records_span(header, record_layout(header), 45, 6)


def test_parts_of_records_are_refused(recording: bytes) -> None:
    with pytest.raises(DataError, match="not whole records"):
        decode_records(recording[: 4 * 10 * 3 + 1], record_layout(make_header()))
