"""Recordings of every kind to be damaged, part by part."""

from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from support.folder_source import Folder
from support.recordings import brainvision, edf_plus, eeglab, fif, hdf5_set, microvolts

Example = tuple[str, bytes, list[dict[str, Any]], Callable[[bytes], Any]]
OPTIONS: list[dict[str, Any]] = [
    {"memory": "16Mi"},
    {"seconds": 0.5, "stride": 0.25, "memory": "16Mi"},
    {"events": "*", "tmin": -0.1, "tmax": 0.3, "memory": "16Mi"},
    {"channels": ["Pz", "Fz"], "memory": "16Mi"},
]
MARKS = [("Stimulus", "S  1", 20, 1), ("New Segment", "", 50, 1)]
EVENTS = [("S1", 20.0), ("boundary", 50.5)]


def recordings() -> list[Example]:
    """Return each object of each kind, options to read it by, and what makes a source of it and of those beside it."""
    micro = microvolts(4, 100)
    steps = np.round(micro * 10)
    made = []
    for how in ({}, {"orientation": "VECTORIZED"}, {"number": "IEEE_FLOAT_32"}):
        made += _parts(brainvision(steps, markers=MARKS, **how))
    body = np.ascontiguousarray(micro.T, "<f4").tobytes()
    made += _parts({"r.set": eeglab("r.fdt", 4, 100, events=EVENTS), "r.fdt": body})
    made += _parts({"r.set": eeglab(micro, 4, 100, events=EVENTS)})
    made += _parts({"r.set": eeglab(micro, 4, 100, events=EVENTS, flat=True)})
    packed = eeglab(micro, 4, 100, events=EVENTS, packed=True)
    made += _parts({"r.set": packed})
    made.append(("recordings", zlib.decompress(packed[136:]), OPTIONS, lambda data: _repacked(packed, data)))
    made += _parts({"r.set": hdf5_set(micro, events=EVENTS)})
    with tempfile.TemporaryDirectory() as folder:
        made += _parts({"r_raw.fif": fif(micro * 1e-6, Path(folder), buffer_seconds=0.25)})
    annotations = [(0, "+0.2\x14word\x14"), (1, "+1.1\x150.5\x14other\x14")]
    digital = np.round(microvolts(4, 300)).astype(np.int32)
    for width, ending in ((2, "edf"), (3, "bdf")):
        for starts in (None, [0.0, 3.0, 4.0]):
            data = edf_plus(
                digital, width_bytes=width, annotations=annotations, starts=starts, broken=starts is not None
            )
            made += _parts({f"r.{ending}": data})
    return made


def _parts(files: dict[str, bytes]) -> list[Example]:
    def beside(key: str) -> Callable[[bytes], Any]:
        return lambda data: Folder(files | {key: data})

    return [("recordings", data, OPTIONS, beside(key)) for key, data in files.items()]


def _repacked(packed: bytes, data: bytes) -> Folder:
    """Return a file whose one packed part unpacks to some bytes."""
    inner = zlib.compress(data)
    return Folder({"r.set": packed[:128] + struct.pack("<II", 15, len(inner)) + inner})
