"""Small objects of each format, that have several extents where they can."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

__all__ = ["FORMATS", "NUM_ROWS", "plain", "text_lines", "zip_file"]

NUM_ROWS = 40


def _rows() -> list[dict[str, Any]]:
    return [{"n": number, "text": f"row {number}" * (number % 5)} for number in range(NUM_ROWS)]


def _table() -> pa.Table:
    return pa.table({"n": list(range(NUM_ROWS)), "text": [row["text"] for row in _rows()]})


def _parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(_table(), file, row_group_size=7)
    return file.getvalue()


def _arrow() -> bytes:
    file = io.BytesIO()
    feather.write_feather(_table(), file, chunksize=7)
    return file.getvalue()


def text_lines() -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" * (1 + row["n"] % 3) for row in _rows())


def _tar(mode: str = "w") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        for row in _rows():
            for name, data in (("txt", row["text"].encode()), ("cls", b"%d" % row["n"])):
                member = tarfile.TarInfo(f"d/{row['n']:04}.{name}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


def zip_file() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for row in _rows():
            archive.writestr(f"{row['n']:04}.txt", row["text"])
            archive.writestr(f"{row['n']:04}.cls", str(row["n"]))
    return file.getvalue()


def _npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.arange(3 * NUM_ROWS).reshape(NUM_ROWS, 3))
    return file.getvalue()


def _npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, n=np.arange(5), x=np.eye(3))
    return file.getvalue()


def _safetensors() -> bytes:
    data = np.arange(NUM_ROWS, dtype="<i8").tobytes()
    head = json.dumps({"n": {"dtype": "I64", "shape": [NUM_ROWS], "data_offsets": [0, len(data)]}}).encode()
    return len(head).to_bytes(8, "little") + head + data


def _mds() -> bytes:
    told = {"column_names": ["n", "text"], "column_encodings": ["int", "str"], "column_sizes": [8, None]}
    head = json.dumps({**told, "format": "mds", "version": 2, "compression": None}).encode()
    samples = []
    for row in _rows():
        text = row["text"].encode()
        samples.append(len(text).to_bytes(4, "little") + row["n"].to_bytes(8, "little") + text)
    begin = 4 + 4 * (NUM_ROWS + 1) + len(head)
    offsets = np.cumsum([begin, *map(len, samples)]).astype("<u4").tobytes()
    return NUM_ROWS.to_bytes(4, "little") + offsets + head + b"".join(samples)


def _csv() -> bytes:
    return b"n,text\n" + b"".join(b"%d,%s\n\n" % (row["n"], row["text"].encode()) for row in _rows())


SMALL: dict[str, Any] = {"block": 100}
FORMATS: dict[str, tuple[str, str, bytes, dict[str, Any]]] = {
    "objects": ("objects", "bin", b"all of it", {}),
    "parquet": ("parquet", "parquet", _parquet(), {}),
    "arrow": ("arrow", "arrow", _arrow(), {}),
    "csv": ("csv", "csv", _csv(), SMALL),
    "jsonl": ("jsonl", "jsonl", text_lines(), SMALL),
    "jsonl.gz": ("jsonl", "jsonl.gz", gzip.compress(text_lines()), SMALL),
    "jsonl.zst": ("jsonl", "jsonl.zst", pa.Codec("zstd").compress(text_lines(), asbytes=True), SMALL),
    "json": ("json", "json", json.dumps(_rows()).encode(), SMALL),
    "lines": ("text", "txt", text_lines(), SMALL),
    "documents": ("text", "txt", b"\n\n\n".join(b"a\nb %d" % n for n in range(NUM_ROWS)), {"by": "document", **SMALL}),
    "files": ("text", "txt", b"one text", {"by": "file"}),
    "tar": ("tar", "tar", _tar(), {"decoded": True}),
    "tar.gz": ("tar", "tar.gz", _tar("w:gz"), {}),
    "zip": ("zip", "zip", zip_file(), {}),
    "members": ("zip", "zip", zip_file(), {"by": "member"}),
    "npy": ("npy", "npy", _npy(), {"by": "row", **SMALL}),
    "array": ("npy", "npy", _npy(), {}),
    "npz": ("npz", "npz", _npz(), {}),
    "safetensors": ("safetensors", "safetensors", _safetensors(), {"by": "row", **SMALL}),
    "mds": ("mds", "mds", _mds(), SMALL),
}
"""By a name: the format, an object's ending and bytes, and options."""


def plain(value: Any) -> Any:
    """Return a value that can be compared."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return value
