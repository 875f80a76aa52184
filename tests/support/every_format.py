"""A small dataset of each format of the registry, and what can be asked of it."""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from penstock.formats.registry import own_format_names
from support.formats import FORMATS, NUM_ROWS

__all__ = ["DATASETS", "EveryFormat", "digest", "files_of", "told"]

GOLDEN = Path(__file__).parents[1] / "unit/formats/golden"


@dataclass(frozen=True, kw_only=True)
class EveryFormat:
    """A small dataset of a format.

    Attributes:
        make: makes its files, by name, of at least two objects.
        num_samples: that it has.
        options: of the format.
        match: patterns of the objects that are opened.
        columns: some that are chosen, or why there are none to choose.
        group_by: the option's value that splits go by, or why there is none.
        packed: makes of its files those that are packed, or why nobody packs them.
        pack: what `penstock pack` makes of it, or why it does not.
        needs: a package of an extra that the tests' own packages are without.
        ranges: whether a sample is read without the rest of its object, or why it is not.
    """

    make: Callable[[], dict[str, bytes]]
    num_samples: int
    columns: tuple[str, ...] | str
    group_by: str | tuple[str, ...]
    packed: Callable[[dict[str, bytes]], dict[str, bytes]] | str
    ranges: bool | str
    options: Mapping[str, Any] = field(default_factory=dict)
    match: str = "*"
    needs: str = ""
    pack: str = "parquet"


def _twice(name: str) -> Callable[[], dict[str, bytes]]:
    """Return two objects of what ``FORMATS`` has."""
    _, ending, data, _ = FORMATS[name]
    return lambda: {f"{number}.{ending}": data for number in range(2)}


def _texts() -> dict[str, bytes]:
    return {f"{number}.txt": b"".join(b"line %d of %d\n" % (n, number) for n in range(NUM_ROWS)) for number in range(2)}


def _objects() -> dict[str, bytes]:
    return {f"{number:02}.bin": b"%d" % number * 50 for number in range(20)}


def _safetensors() -> dict[str, bytes]:
    data = np.arange(400 * NUM_ROWS, dtype="<i8").tobytes()
    tensor = {"dtype": "I64", "shape": [NUM_ROWS, 200]}
    half = len(data) // 2
    places = {"n": [0, half], "m": [half, len(data)]}
    head = json.dumps({name: {**tensor, "data_offsets": place} for name, place in places.items()}).encode()
    return {f"{number}.safetensors": len(head).to_bytes(8, "little") + head + data for number in range(2)}


def _npz() -> dict[str, bytes]:
    made = {}
    for number in range(4):
        file = io.BytesIO()
        np.savez(file, n=np.full(5, number), x=np.eye(60) * number)
        made[f"{number}.npz"] = file.getvalue()
    return made


def _hdf5() -> dict[str, bytes]:
    import h5py

    made = {}
    for number in range(2):
        file = io.BytesIO()
        with h5py.File(file, "w") as opened:
            rows = np.arange(10 * NUM_ROWS).reshape(NUM_ROWS, 10) + number
            opened.create_dataset("x", data=rows, chunks=(5, 10), compression="gzip")
            opened.create_dataset("y", data=np.arange(NUM_ROWS), chunks=(5,))
        made[f"{number}.h5"] = file.getvalue()
    return made


def _zarr() -> dict[str, bytes]:
    import zarr

    store: dict[str, Any] = {}
    group = zarr.open_group(zarr.storage.MemoryStore(store), mode="w", zarr_format=2)
    for name, columns in (("x", 10), ("y", 3)):
        array = group.create_array(name, shape=(NUM_ROWS, columns), chunks=(5, columns), dtype="int64")
        array[:] = np.arange(NUM_ROWS * columns).reshape(NUM_ROWS, columns)
    made = {key: value.to_bytes() for key, value in store.items()}
    return {f"{number}.zarr/{key}": data for number in range(2) for key, data in made.items()}


def _golden(file: str, name: str) -> dict[str, bytes]:
    made = json.loads((GOLDEN / file).read_text())[name]
    return {key: base64.b64decode(text) for key, text in made.get("files", made).items()}


def _litdata() -> dict[str, bytes]:
    return {f"{number}/{key}": data for number in range(2) for key, data in _golden("litdata.json", "plain").items()}


def _packed_litdata(files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{number}/{key}": data for number in range(2) for key, data in _golden("litdata.json", "chunk").items()}


def _lance() -> dict[str, bytes]:
    return {
        f"{number}.lance/{key}": data for number in range(2) for key, data in _golden("lance.json", "plain").items()
    }


def _dicom() -> dict[str, bytes]:
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

    made = {}
    for number in range(6):
        data = Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = SecondaryCaptureImageStorage
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = f"1.2.{number}"
        data.Rows, data.Columns, data.SamplesPerPixel, data.PhotometricInterpretation = 4, 3, 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 0
        data.PatientID = f"p{number // 2}"
        data.PixelData = np.full((4, 3), number, "<u2").tobytes()
        data["PixelData"].VR = "OW"
        file = io.BytesIO()
        pydicom.dcmwrite(file, data, enforce_file_format=True)
        made[f"{number}.dcm"] = file.getvalue()
    return made


def _video() -> dict[str, bytes]:
    from support.media import film

    data = film("mp4", "mpeg4", count=40, gop=5)
    return {f"{number}.mp4": data for number in range(2)}


def _audio() -> dict[str, bytes]:
    import wave

    made = {}
    for number in range(2):
        file = io.BytesIO()
        with wave.open(file, "wb") as opened:
            opened.setnchannels(1)
            opened.setsampwidth(2)
            opened.setframerate(8000)
            opened.writeframes((np.arange(32000) % 500 * (number + 1)).astype("<i2").tobytes())
        made[f"{number}.wav"] = file.getvalue()
    return made


def _recordings() -> dict[str, bytes]:
    from support.recordings import brainvision, microvolts

    made: dict[str, bytes] = {}
    for name in ("a", "b"):
        made |= brainvision(np.round(microvolts(4, 1000, seed=ord(name)) * 10), name=name)
    return made


def _gzip(files: dict[str, bytes]) -> dict[str, bytes]:
    """Pack one by gzip and one by Zstandard."""
    import gzip

    import pyarrow as pa

    first, second = files
    zstd = pa.Codec("zstd").compress(files[second], asbytes=True)
    return {f"{first}.gz": gzip.compress(files[first]), f"{second}.zst": zstd}


def _zstd_alone(files: dict[str, bytes]) -> dict[str, bytes]:
    import pyarrow as pa

    return {f"{name}.zstd": pa.Codec("zstd").compress(data, asbytes=True) for name, data in files.items()}


NO_COLUMNS: Final = "its samples have no columns"
FIELDS: Final = "its options say what a sample holds; `drop` and `rename` take fields of it"
MEMBERS: Final = "`sample` chooses members; `drop` and `rename` take them too"
NO_GROUPS: Final = "it knows no value of a sample before the sample is read: split by key or group"
INSIDE: Final = "it is packed inside, by its own means"
WHOLE: Final = "an object is one sample"

DATASETS: dict[str, EveryFormat] = {
    "arrow": EveryFormat(
        make=_twice("arrow"), num_samples=80, columns=("n",), group_by="n", packed=INSIDE, ranges=True
    ),
    "audio": EveryFormat(
        make=_audio,
        num_samples=8,
        options={"clips": {"seconds": 1}},
        columns=FIELDS,
        group_by=NO_GROUPS,
        packed=INSIDE,
        ranges=True,
    ),
    "csv": EveryFormat(
        make=_twice("csv"),
        num_samples=80,
        options={"block": 100},
        columns=("n",),
        group_by="n",
        packed=_gzip,
        ranges=True,
    ),
    "dicom": EveryFormat(make=_dicom, num_samples=6, columns=FIELDS, group_by="PatientID", packed=INSIDE, ranges=WHOLE),
    "hdf5": EveryFormat(
        make=_hdf5,
        num_samples=80,
        options={"block": 500},
        columns=("y",),
        group_by=NO_GROUPS,
        packed=INSIDE,
        ranges=True,
    ),
    "json": EveryFormat(
        make=_twice("json"),
        num_samples=80,
        options={"block": 100},
        columns=("n",),
        group_by="n",
        packed=_gzip,
        ranges=True,
    ),
    "jsonl": EveryFormat(
        make=_twice("jsonl"),
        num_samples=80,
        options={"block": 100},
        columns=("n",),
        group_by="n",
        packed=_gzip,
        ranges=True,
    ),
    "lance": EveryFormat(
        make=_lance,
        needs="pylance",
        match="*.manifest",
        num_samples=20,
        columns=("id",),
        group_by=NO_GROUPS,
        packed=INSIDE,
        ranges=True,
    ),
    "litdata": EveryFormat(
        make=_litdata,
        pack="tar",
        num_samples=12,
        options={"block": 100},
        columns=FIELDS,
        group_by=NO_GROUPS,
        packed=_packed_litdata,
        ranges=True,
    ),
    "mds": EveryFormat(
        make=_twice("mds"),
        num_samples=80,
        options={"block": 100},
        columns=("n",),
        group_by=NO_GROUPS,
        packed=_zstd_alone,
        ranges=True,
    ),
    "npy": EveryFormat(
        make=_twice("npy"),
        num_samples=80,
        options={"by": "row", "block": 100},
        columns=NO_COLUMNS,
        group_by=NO_GROUPS,
        packed="numpy writes no packed .npy",
        ranges=True,
    ),
    "npz": EveryFormat(make=_npz, num_samples=4, columns=("n",), group_by=NO_GROUPS, packed=INSIDE, ranges=WHOLE),
    "objects": EveryFormat(
        make=_objects,
        num_samples=20,
        columns=NO_COLUMNS,
        group_by=NO_GROUPS,
        packed="an object is given as it is",
        ranges=WHOLE,
    ),
    "parquet": EveryFormat(
        make=_twice("parquet"), num_samples=80, columns=("n",), group_by="n", packed=INSIDE, ranges=True
    ),
    "recordings": EveryFormat(
        make=_recordings,
        num_samples=20,
        match="*.vhdr",
        options={"seconds": 1},
        columns=NO_COLUMNS,
        group_by=NO_GROUPS,
        packed="no recorder packs its files",
        ranges=True,
    ),
    "safetensors": EveryFormat(
        make=_safetensors,
        num_samples=80,
        options={"by": "row", "block": 4000},
        columns=("n",),
        group_by=NO_GROUPS,
        packed="tensors are read by range",
        ranges=True,
    ),
    "tar": EveryFormat(
        make=_twice("tar"),
        num_samples=80,
        options={"decoded": True},
        columns=MEMBERS,
        group_by=NO_GROUPS,
        packed=_gzip,
        ranges=True,
    ),
    "text": EveryFormat(
        make=_texts,
        num_samples=80,
        options={"block": 100},
        columns=NO_COLUMNS,
        group_by=NO_GROUPS,
        packed=_gzip,
        ranges=True,
    ),
    "video": EveryFormat(
        make=_video,
        num_samples=8,
        options={"clips": {"seconds": 0.5}, "frames": 2, "size": [16, 16]},
        columns=FIELDS,
        group_by=NO_GROUPS,
        packed=INSIDE,
        ranges=True,
    ),
    "zarr": EveryFormat(
        make=_zarr,
        num_samples=80,
        options={"block": 500},
        columns=("y",),
        group_by=NO_GROUPS,
        packed=INSIDE,
        ranges=True,
    ),
    "zip": EveryFormat(
        make=_twice("zip"), num_samples=80, columns=MEMBERS, group_by=NO_GROUPS, packed=INSIDE, ranges=True
    ),
}

assert set(DATASETS) == set(own_format_names()), (
    f"give each format a small dataset in {__file__}: {set(DATASETS) ^ set(own_format_names())}"
)


@functools.cache
def files_of(name: str) -> dict[str, bytes]:
    """Return the files of a format's small dataset."""
    return DATASETS[name].make()


def told(value: Any) -> Any:
    """Return what tells a value from others, of plain types."""
    if isinstance(value, dict):
        return [[name, told(each)] for name, each in value.items()]
    if isinstance(value, list | tuple):
        return [type(value).__name__, *map(told, value)]
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        array = np.asarray(value)
        return [str(array.dtype), list(array.shape), hashlib.sha256(array.tobytes()).hexdigest()]
    return [type(value).__name__, repr(value)]


def digest(values: Any) -> str:
    """Return the content fingerprint of some values, in their order."""
    return hashlib.sha256(json.dumps([told(value) for value in values]).encode()).hexdigest()
