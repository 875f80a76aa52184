"""Shards as MosaicML Streaming writes them (MDS, version 2), and the ``index.json`` that it reads them by.

A shard is the number of its samples, the offsets of each and of the end (whole numbers of 32 bits, little-endian), its
columns as JSON, and the samples: the sizes of those of their columns that have no fixed one, then all columns.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pyarrow as pa

from penstock.errors import ConfigError
from penstock.sharding.records import ShardRecord
from penstock.sharding.text import nothing_there, str_of

__all__ = ["INDEX", "MdsShards", "index_of"]

INDEX: Final = "index.json"
_VERSION: Final = 2
_MOST_BYTES: Final = 2**32 - 1
_SIZES: Final = {"int": 8} | {
    np.dtype(name).name: np.dtype(name).itemsize
    for name in ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8")
}
"""Of scalars, which all take the same."""
_MISSING: Final = "null"
_JSON: Final = frozenset({_MISSING, "json", "str", *_SIZES})
"""Encodings of values that JSON holds too."""
_FIX: Final = "choose columns of one type, or --to parquet or tar"


class MdsShards:
    """MDS shards of the same columns.

    Args:
        compression: "zstd" or "none".
    """

    needs_schema = True
    format = "mds"
    options: Mapping[str, Any] = {}

    def __init__(self, *, compression: str) -> None:
        self._packs = compression == "zstd"
        self.extension = "mds.zstd" if self._packs else "mds"

    def fields_of(self, sample: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        """Return columns by name: a structure that holds bytes is one of each part."""
        found: dict[str, Any] = {}
        for field, value in sample.items():
            for column, part in _parts(str(field), value):
                if column in found:
                    raise ConfigError(f"{name} has two fields that are named {column!r}", fix="rename one of them")
                found[column] = _plain(part, column, name)
        return found

    def fields_back(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the same of a row that was read back."""
        return row

    def schema_of(self, samples: Sequence[tuple[str, Any]]) -> str:
        """Return the columns and their encodings as JSON."""
        if not any(fields for _, fields in samples):
            raise nothing_there(samples[0][0])
        return json.dumps(_encodings_of(samples), sort_keys=True)

    def encode(self, samples: Sequence[tuple[str, Any]], schema: str) -> tuple[bytes, int]:
        """Write a file; return it, and what it takes unpacked."""
        encodings: dict[str, str] = json.loads(schema)
        _check_same(encodings, _encodings_of(samples), samples)
        columns = sorted(encodings.items())
        bodies = [_sample(fields, columns) for _, fields in samples]
        about = json.dumps(_about(encodings, self._compression()), sort_keys=True).encode()
        begin = 4 + 4 * (len(bodies) + 1) + len(about)
        ends = np.cumsum([begin, *map(len, bodies)], dtype=np.int64)
        if ends[-1] > _MOST_BYTES:
            raise ConfigError(
                f"a shard from {samples[0][0]} on takes {ends[-1]} bytes, and one of MDS 4 GiB at most",
                fix="give a smaller --shard-size",
            )
        head = struct.pack("<I", len(bodies)) + ends.astype("<u4").tobytes()
        data = b"".join([head, about, *bodies])
        return (bytes(pa.compress(data, codec="zstd")) if self._packs else data), len(data)

    def _compression(self) -> str | None:
        return "zstd" if self._packs else None


def index_of(records: Sequence[ShardRecord]) -> bytes:
    """Return the ``index.json`` of shards that are there."""
    shards = [_shard(record) for record in records]
    return json.dumps({"version": _VERSION, "shards": shards}, sort_keys=True).encode()


def _shard(record: ShardRecord) -> dict[str, Any]:
    raw_name, packed = record.name.removesuffix(".zstd"), record.name.endswith(".zstd")
    raw: dict[str, Any] = {"basename": raw_name, "bytes": record.raw_bytes, "hashes": {}}
    zipped = {"basename": record.name, "bytes": record.num_bytes, "hashes": {}} if packed else None
    about = _about(json.loads(record.schema), "zstd" if packed else None)
    return {**about, "samples": record.num_samples, "raw_data": raw, "zip_data": zipped}


def _about(encodings: Mapping[str, str], compression: str | None) -> dict[str, Any]:
    columns = sorted(encodings.items())
    return {
        "version": _VERSION,
        "format": "mds",
        "compression": compression,
        "hashes": [],
        "size_limit": None,
        "column_names": [name for name, _ in columns],
        "column_encodings": [encoding for _, encoding in columns],
        "column_sizes": [_SIZES.get(encoding) for _, encoding in columns],
    }


def _parts(column: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping) and any(isinstance(part, bytes) for part in value.values()):
        return [found for name, part in value.items() for found in _parts(f"{column}.{name}", part)]
    return [(column, value)]


def _plain(value: Any, column: str, name: str) -> Any:
    """Return a value as an encoding takes it: what JSON is to hold as JSON gives it back.

    Raises:
        ConfigError: no encoding does.
    """
    match value:
        case str():
            return str_of(value, column, name)
        case None | float() | bytes():
            return value
        case bytearray() | memoryview():
            return bytes(value)
        case bool() | int() | np.bool_():
            return bool(value) if isinstance(value, bool | np.bool_) else value
        case np.generic() if value.dtype.name in _SIZES:
            return value
        case np.ndarray() if not value.ndim:
            return _plain(value[()], column, name)
        case np.ndarray() if value.dtype.newbyteorder("=").name in _SIZES:
            return value
        case Decimal():
            return value
    try:
        return json.loads(json.dumps(value, default=_listed))
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"{column!r} of {name} cannot be written as MDS ({error})", fix=_FIX) from error


def _listed(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufU":
        return value.tolist()
    raise TypeError(f"{type(value).__name__} in a structure" if not isinstance(value, np.generic) else str(value.dtype))


def _encoding(value: Any) -> str:
    match value:
        case None:
            return _MISSING
        case bytes():
            return "bytes"
        case str():
            return "str"
        case np.generic():
            return value.dtype.name
        case np.ndarray():
            return f"ndarray:{value.dtype.newbyteorder('=').name}"
        case float():
            return "float64"
        case int() if not isinstance(value, bool) and -(2**63) <= value < 2**63:
            return "int"
        case Decimal():
            return "str_decimal"
    return "json"


def _joined(one: str, other: str) -> str | None:
    """Return the encoding that holds values of both, None where there is none."""
    if one == other:
        return one
    if {one, other} <= _JSON:
        return "json"
    return "ndarray" if one.startswith("ndarray") and other.startswith("ndarray") else None


def _encodings_of(samples: Sequence[tuple[str, Any]]) -> dict[str, str]:
    found: dict[str, str] = {}
    names = {column: None for _, fields in samples for column in fields}
    for name, fields in samples:
        for column in names:
            encoding = _encoding(fields.get(column))
            both = _joined(found.get(column, encoding), encoding)
            if both is None:
                told = _why_not(found[column], encoding)
                raise ConfigError(f"{column!r} of {name} {told}: a column of MDS is of one encoding", fix=_FIX)
            found[column] = both
    return {column: "json" if encoding == _MISSING else encoding for column, encoding in found.items()}


def _why_not(one: str, other: str) -> str:
    if _MISSING in (one, other):
        known = other if one == _MISSING else one
        return f"is missing, or those before it are, and {known} holds no missing values"
    return f"is of the encoding {other}, and those before it of {one}"


def _check_same(whole: Mapping[str, str], own: Mapping[str, str], samples: Sequence[tuple[str, Any]]) -> None:
    """Refuse samples that the first shard's columns do not hold.

    Raises:
        ConfigError: with the first column.
    """
    at = f"from {samples[0][0]} on"
    for column, encoding in sorted({**dict.fromkeys(whole, _MISSING), **own}.items()):
        if column not in whole:
            raise ConfigError(f"samples {at} have a field {column!r}, which those of the first shard lack", fix=_FIX)
        if _joined(whole[column], encoding) != whole[column]:
            told = "missing" if encoding == _MISSING else f"of the encoding {encoding}"
            raise ConfigError(
                f"{column!r} is of the encoding {whole[column]} in the first shard, and {told} {at}",
                fix=f"{_FIX}, or shards so large that the first one shows what there is (--shard-size)",
            )


def _sample(fields: Mapping[str, Any], columns: Sequence[tuple[str, str]]) -> bytes:
    parts = [(encoding, _encoded(fields.get(column), encoding)) for column, encoding in columns]
    sizes = [len(data) for encoding, data in parts if encoding not in _SIZES]
    if any(size > _MOST_BYTES for size in sizes):
        raise ConfigError(f"a value takes {max(sizes)} bytes, and one of MDS 4 GiB at most", fix="choose other columns")
    return struct.pack(f"<{len(sizes)}I", *sizes) + b"".join(data for _, data in parts)


def _encoded(value: Any, encoding: str) -> bytes:
    """Return a value's bytes, as ``streaming.base.format.mds.encodings`` writes them."""
    if encoding == "bytes":
        return bytes(value)
    if encoding == "str":
        return str(value).encode()
    if encoding == "json":
        return json.dumps(value, default=_listed).encode()
    if encoding == "str_decimal":
        return str(value).encode()
    if encoding in _SIZES:
        return np.asarray(value, "<i8" if encoding == "int" else np.dtype(encoding).newbyteorder("<")).tobytes()
    return _array(value, has_own_type=encoding == "ndarray")


def _array(value: Any, *, has_own_type: bool) -> bytes:
    kind, most = value.dtype.newbyteorder("="), max(value.shape)
    width = next(power for power in range(4) if most < 1 << (8 << power))
    shape = np.asarray(value.shape, f"<u{1 << width}").tobytes()
    code = kind.itemsize * 8 + {"u": 0, "i": 1, "f": 2}[kind.kind]
    before = (bytes([code]) if has_own_type else b"") + bytes([value.ndim << 2 | width])
    values: bytes = value.astype(kind.newbyteorder("<")).tobytes()
    return before + shape + values
