"""Recordings of every kind, written as small as they can be, and a source of several objects in memory."""

from __future__ import annotations

import asyncio
import io
import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import mne
import numpy as np
import scipy.io
from numpy.typing import NDArray

from penstock.formats.bdf import BdfHeader, encode_header, encode_records
from penstock.formats.protocols import Format
from penstock.manifest import Extent, SkippedObject
from penstock.sources import ObjectInfo
from support.folder_source import Folder

__all__ = ["Objects", "brainvision", "edf_plus", "eeglab", "fif", "hdf5_set", "microvolts"]

LABELS = ("Fz", "Cz", "Pz", "Oz")


class Objects(Folder):
    """Objects in memory, each of a version of its own, one of which is opened."""

    def infos(self) -> list[ObjectInfo]:
        return [
            ObjectInfo(key=key, size_bytes=len(data), version=f"v-{key}") for key, data in sorted(self.files.items())
        ]

    def index_of(self, kind: Format, key: str) -> tuple[list[Extent], list[SkippedObject]]:
        async def walk() -> list[Any]:
            info = await self.find(key)
            assert info is not None
            return [found async for found in kind.index(self, info)]

        found = asyncio.run(walk())
        return [x for x in found if isinstance(x, Extent)], [x for x in found if isinstance(x, SkippedObject)]

    def joined(self, extent: Extent) -> bytes:
        for span in extent.spans:
            assert span.version == f"v-{span.object}"
            assert 0 <= span.offset < span.offset + span.length_bytes <= span.object_bytes
        return b"".join(self.files[span.object][span.offset : span.offset + span.length_bytes] for span in extent.spans)

    def values_of(self, kind: Format, key: str) -> list[Any]:
        found: list[Any] = []
        for extent in self.index_of(kind, key)[0]:
            numbers = np.arange(extent.num_samples)
            found += list(kind.decode(memoryview(self.joined(extent)), extent, extent.codec, numbers))
        return found


def microvolts(num_channels: int = 4, num_samples: int = 1000, *, seed: int = 0) -> NDArray[np.float64]:
    """Return numbers as of an EEG, shape (channels, samples)."""
    return np.random.default_rng(seed).normal(0, 30, (num_channels, num_samples)).round(2)


def brainvision(
    stored: NDArray[Any],
    *,
    name: str = "r",
    labels: Sequence[str] = LABELS,
    resolution: float = 0.1,
    unit: str = "µV",
    number: str = "INT_16",
    orientation: str = "MULTIPLEXED",
    rate_hz: float = 100,
    markers: Sequence[tuple[str, str, int, int]] = (),
    changes: Mapping[str, str] | None = None,
) -> dict[str, bytes]:
    """Return the three objects of a recording.

    Args:
        stored: numbers as they are stored, shape (channels, samples).
        markers: (type, description, position from 1, samples).
        changes: pieces of the header that others are written for.
    """
    dtype = {"INT_16": "<i2", "INT_32": "<i4", "IEEE_FLOAT_32": "<f4"}[number]
    lines = [
        "Brain Vision Data Exchange Header File Version 1.0",
        "; written by a test",
        "",
        "[Common Infos]",
        "Codepage=UTF-8",
        f"DataFile={name}.eeg",
        f"MarkerFile={name}.vmrk",
        "DataFormat=BINARY",
        f"DataOrientation={orientation}",
        f"NumberOfChannels={len(stored)}",
        f"DataPoints={stored.shape[1]}",
        f"SamplingInterval={1e6 / rate_hz:g}",
        "",
        "[Binary Infos]",
        f"BinaryFormat={number}",
        "",
        "[Channel Infos]",
        *(
            f"Ch{i + 1}={label.replace(',', chr(92) + '1')},,{resolution},{unit}"
            for i, label in enumerate(labels[: len(stored)])
        ),
        "",
        "[Comment]",
        "[anything]",
        "",
    ]
    header = "\r\n".join(lines)
    for old, new in (changes or {}).items():
        assert old in header
        header = header.replace(old, new)
    marks = [("New Segment", "", 1, 1), *markers]
    vmrk = [
        "Brain Vision Data Exchange Marker File, Version 1.0",
        "",
        "[Common Infos]",
        "Codepage=UTF-8",
        f"DataFile={name}.eeg",
        "",
        "[Marker Infos]",
        *(f"Mk{i + 1}={kind},{text},{at},{lasts},0" for i, (kind, text, at, lasts) in enumerate(marks)),
        "",
    ]
    body = stored.T if orientation == "MULTIPLEXED" else stored
    return {
        f"{name}.vhdr": header.encode(),
        f"{name}.vmrk": "\r\n".join(vmrk).encode(),
        f"{name}.eeg": np.ascontiguousarray(body, dtype).tobytes(),
    }


def eeglab(
    data: NDArray[Any] | str,
    num_channels: int,
    num_samples: int,
    *,
    labels: Sequence[str] = LABELS,
    rate_hz: float = 100,
    events: Sequence[tuple[Any, float]] = (),
    packed: bool = False,
    flat: bool = False,
    **fields: Any,
) -> bytes:
    """Return a ``.set``.

    Args:
        data: numbers in microvolts, or the name of an ``.fdt``.
        events: (type, latency from 1).
        packed: by zlib, as MATLAB's version 7 does.
        flat: fields as variables of their own.
    """
    rows = np.zeros((len(events),), dtype=[("type", object), ("latency", object), ("duration", object)])
    for number, (kind, latency) in enumerate(events):
        rows[number] = (kind, float(latency), 0.0)
    places = np.zeros((num_channels,), dtype=[("labels", object), ("type", object)])
    for number in range(num_channels):
        places[number] = (labels[number], "EEG")
    dataset = {
        "setname": "r",
        "nbchan": float(num_channels),
        "trials": 1.0,
        "pnts": float(num_samples),
        "srate": float(rate_hz),
        "data": data,
        "icaact": np.zeros((3, 500)),
        "chanlocs": places,
        "event": rows if len(events) else np.zeros((0, 0)),
        **fields,
    }
    file = io.BytesIO()
    scipy.io.savemat(file, dataset if flat else {"EEG": dataset}, do_compression=packed, oned_as="row")
    return file.getvalue()


def hdf5_set(data: NDArray[Any], *, rate_hz: float = 100, events: Sequence[tuple[str, float]] = ()) -> bytes:
    """Return a ``.set`` as MATLAB's version 7.3 writes it."""
    import h5py

    file = io.BytesIO()
    with h5py.File(file, "w") as made:
        group = made.create_group("EEG")
        kept = made.create_group("#refs#")

        def char(where: Any, name: str, text: str) -> Any:
            letters = np.frombuffer(text.encode("utf-16-le"), "<u2").reshape(-1, 1)
            held = where.create_dataset(name, data=letters)
            held.attrs["MATLAB_class"] = np.bytes_("char")
            return held

        for name, value in {"nbchan": len(data), "trials": 1, "pnts": data.shape[1], "srate": rate_hz}.items():
            group.create_dataset(name, data=np.array([[float(value)]]))
        group.create_dataset("data", data=np.ascontiguousarray(data.T), compression="gzip")
        places = group.create_group("chanlocs")
        names = [char(kept, f"l{i}", label).ref for i, label in enumerate(LABELS[: len(data)])]
        places.create_dataset("labels", data=np.array(names, dtype=h5py.ref_dtype).reshape(-1, 1))
        if events:
            rows = group.create_group("event")
            kinds = [char(kept, f"t{i}", kind).ref for i, (kind, _) in enumerate(events)]
            times = [
                kept.create_dataset(f"e{i}", data=np.array([[latency]])).ref for i, (_, latency) in enumerate(events)
            ]
            rows.create_dataset("type", data=np.array(kinds, dtype=h5py.ref_dtype).reshape(-1, 1))
            rows.create_dataset("latency", data=np.array(times, dtype=h5py.ref_dtype).reshape(-1, 1))
    return file.getvalue()


def fif(
    volts: NDArray[Any],
    folder: Path,
    *,
    labels: Sequence[str] = LABELS,
    rate_hz: float = 100,
    annotations: mne.Annotations | None = None,
    number: str = "single",
    kinds: str | Sequence[str] = "eeg",
    split_size: str = "2GB",
    first_sample: int = 0,
    buffer_seconds: float = 1.0,
    **save: Any,
) -> bytes:
    """Return a FIF recording, that MNE writes."""
    made = mne.io.RawArray(
        volts,
        mne.create_info(list(labels[: len(volts)]), rate_hz, kinds),
        first_samp=first_sample,
        verbose="error",
    )
    if annotations is not None:
        made.set_annotations(annotations)
    path = folder / "written_raw.fif"
    made.save(
        path, fmt=number, split_size=split_size, overwrite=True, buffer_size_sec=buffer_seconds, verbose="error", **save
    )
    return path.read_bytes()


def edf_plus(
    digital: NDArray[np.int32],
    *,
    width_bytes: int = 2,
    starts: Sequence[float] | None = None,
    annotations: Sequence[tuple[int, str]] = (),
    labels: Sequence[str] = LABELS,
    rate: int = 100,
    broken: bool = False,
) -> bytes:
    """Return an EDF+ or BDF+ recording of records of one second.

    Args:
        digital: stored numbers, shape (channels, samples).
        starts: seconds at which each record begins.
        annotations: (record, list) like ``(0, "+0.5\\x151\\x14word\\x14")``.
        broken: whether it says that it is discontinuous.
    """
    num_channels, num_samples = digital.shape
    num_records = num_samples // rate
    form = "EDF" if width_bytes == 2 else "BDF"
    most = 2**15
    text_samples = 60
    header = BdfHeader(
        name="made",
        width_bytes=width_bytes,
        variant=f"{form}+{'D' if broken else 'C'}",
        num_records=num_records,
        record_seconds=1.0,
        labels=(*labels[:num_channels], f"{form} Annotations"),
        units=("uV",) * num_channels + ("",),
        physical_min=(-3276.8,) * num_channels + (-1.0,),
        physical_max=(3276.7,) * num_channels + (1.0,),
        digital_min=(-most,) * (num_channels + 1),
        digital_max=(most - 1,) * (num_channels + 1),
        samples_per_record=(rate,) * num_channels + (text_samples,),
    )
    lists = []
    for record in range(num_records):
        start = starts[record] if starts is not None else record
        text = f"+{start:g}\x14\x14\0" + "".join(f"{each}\0" for at, each in annotations if at == record)
        lists.append(text.encode().ljust(text_samples * width_bytes, b"\0"))
        assert len(lists[-1]) == text_samples * width_bytes
    held = np.frombuffer(b"".join(lists), np.uint8).reshape(-1, width_bytes)
    words = np.zeros((len(held), 4), np.uint8)
    words[:, :width_bytes] = held
    body = encode_records(header, [*digital, words.view("<i4").ravel()])
    return encode_header(replace(header)) + body


def small_matrix(kind: int, payload: bytes, name: str = "", shape: tuple[int, ...] = (1, 1)) -> bytes:
    """Return a MATLAB matrix of version 5, as it stands in a file."""

    def part(form: int, data: bytes) -> bytes:
        return struct.pack("<II", form, len(data)) + data + bytes(-len(data) % 8)

    dims = struct.pack(f"<{len(shape)}i", *shape)
    body = part(6, struct.pack("<II", kind, 0)) + part(5, dims) + part(1, name.encode()) + payload
    return part(14, body)
