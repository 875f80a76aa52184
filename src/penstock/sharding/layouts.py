"""Ways to write a shard: TAR as WebDataset has it, arrays in a safetensors file, and those of modules of their own."""

from __future__ import annotations

import io
import json
import math
import re
import tarfile
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError
from penstock.formats.sample_names import KEY
from penstock.sharding.mds import MdsShards
from penstock.sharding.tables import ParquetShards
from penstock.sharding.text import nothing_there, str_of

__all__ = ["COMPRESSIONS", "LAYOUTS", "Arrays", "Layout", "Tar", "open_layout"]

Fields = Mapping[str, Any]
"""A sample as it is written."""


class Layout(Protocol):
    """A way to write samples.

    Attributes:
        extension: of a shard's file.
        format: of Penstock that reads it, with these options.
        needs_schema: whether all shards have something in common, as the first one has it.
    """

    needs_schema: bool
    extension: str
    format: str
    options: Mapping[str, Any]

    def fields_of(self, sample: Mapping[str, Any], name: str) -> Fields:
        """Return what is written of a sample.

        Raises:
            ConfigError: this layout cannot hold it.
        """
        ...

    def fields_back(self, row: Mapping[str, Any]) -> Fields:
        """Return the same of a sample that was read back."""
        ...

    def schema_of(self, samples: Sequence[tuple[str, Any]]) -> str:
        """Return what all shards have in common, as the first one's samples have it; empty where they have nothing.

        Raises:
            ConfigError: this layout cannot hold them together.
        """
        ...

    def encode(self, samples: Sequence[tuple[str, Any]], schema: str) -> tuple[bytes, int]:
        """Return a shard of samples with their names, and its bytes unpacked; equal samples give equal bytes.

        Raises:
            ConfigError: this layout cannot hold them together, or they are not of the schema.
        """
        ...


class _Plain:
    """What layouts have in common that need no schema; a sample's name is none of its fields."""

    needs_schema = False

    def fields_back(self, row: Mapping[str, Any]) -> Fields:
        """Return the same of a sample that was read back."""
        return {field: value for field, value in row.items() if field != KEY}

    def schema_of(self, samples: Sequence[tuple[str, Any]]) -> str:
        """Return nothing."""
        return ""


class Tar(_Plain):
    """Members ``NAME.FIELD``; the end of a field's name says what it is, as WebDataset and ``penstock.tar`` read it."""

    extension = "tar"
    format = "tar"
    options: Mapping[str, Any] = {}

    def fields_of(self, sample: Mapping[str, Any], name: str) -> Fields:
        """Return members by their fields."""
        found: dict[str, bytes] = {}
        for field, value in sample.items():
            if field == KEY:
                continue
            for member, data in _members(str(field), value, name):
                if member in found:
                    raise ConfigError(
                        f"{name} has two fields that are named {member!r} in a TAR file",
                        fix="rename one of them, or pack to arrays",
                    )
                found[member] = data
        if not found:
            raise nothing_there(name)
        return found

    def encode(self, samples: Sequence[tuple[str, Any]], schema: str = "") -> tuple[bytes, int]:
        """Write a file; its members have no times and no owners."""
        made = io.BytesIO()
        seen: set[str] = set()
        with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as file:
            for name, fields in samples:
                if name in seen:
                    raise ConfigError(f"two samples of a shard are named {name!r}", fix="rename an object")
                seen.add(name)
                for field in sorted(fields):
                    member = tarfile.TarInfo(f"{name}.{field}")
                    member.size = len(fields[field])
                    member.mode = 0o644
                    file.addfile(member, io.BytesIO(fields[field]))
        return made.getvalue(), len(made.getvalue())


def _members(field: str, value: Any, name: str) -> list[tuple[str, bytes]]:
    """Return a field as members: one, or one of each part of a structure that holds bytes."""
    clean = re.sub(r"[/\x00-\x1f]", "_", field).strip(".").lower()
    if not clean:
        raise ConfigError(f"a field of {name} has no name that a member can have ({field!r})", fix="rename it")
    value = value.item() if isinstance(value, np.generic) and value.dtype.kind in "biuf" else value
    match value:
        case bytes() | bytearray() | memoryview():
            return [(clean, bytes(value))]
        case str():
            return [(_ending(clean, "txt", "text"), str_of(value, field, name).encode())]
        case bool() | float() | None:
            return [(_ending(clean, "json"), json.dumps(value).encode())]
        case int():
            return [(_ending(clean, "cls", "index", "count", "class"), b"%d" % value)]
        case np.ndarray() if value.dtype.kind in "biufcmM":
            made = io.BytesIO()
            np.save(made, value, allow_pickle=False)
            return [(_ending(clean, "npy"), made.getvalue())]
        case Mapping() if any(isinstance(part, bytes) for part in value.values()):
            return [member for key, part in value.items() for member in _members(f"{clean}.{key}", part, name)]
    try:
        return [(_ending(clean, "json"), json.dumps(value, default=_plain).encode())]
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{field!r} of {name} cannot be written to a TAR file ({error})", fix="choose other columns"
        ) from error


def _ending(name: str, *endings: str) -> str:
    """Return a name that ends in what says what it is."""
    return name if name.rpartition(".")[2] in endings else f"{name}.{endings[0]}"


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item() if value.dtype.kind in "biuf" else str(value)
    if isinstance(value, bytes):
        raise TypeError("bytes deep in a structure")
    return msgspec.to_builtins(value)


_TYPES: Final = {
    "f8": "F64",
    "f4": "F32",
    "f2": "F16",
    "i8": "I64",
    "i4": "I32",
    "i2": "I16",
    "i1": "I8",
    "u8": "U64",
    "u4": "U32",
    "u2": "U16",
    "u1": "U8",
    "b1": "BOOL",
}


class Arrays(_Plain):
    """One array a field, of all samples: safetensors, which ``by="row"`` reads sample by sample."""

    extension = "safetensors"
    format = "safetensors"
    options: Mapping[str, Any] = {"by": "row"}

    def fields_of(self, sample: Mapping[str, Any], name: str) -> Fields:
        """Return arrays by their fields."""
        found = {}
        for field, value in sample.items():
            if field == KEY:
                continue
            array = np.asarray(value) if isinstance(value, np.ndarray | np.generic | bool | int | float) else None
            if array is None or array.dtype.str[1:] not in _TYPES:
                raise ConfigError(
                    f"{field!r} of {name} is {type(value).__name__}, and arrays hold numbers alone",
                    fix="choose columns, or have members decoded (--format-options '{\"decoded\": true}'), or --to tar",
                )
            found[str(field)] = array.astype(array.dtype.newbyteorder("<"))
        return found

    def encode(self, samples: Sequence[tuple[str, Any]], schema: str = "") -> tuple[bytes, int]:
        """Write a file."""
        (first_name, first), *others = samples
        told = {field: (array.dtype, array.shape) for field, array in first.items()}
        for name, fields in others:
            if {field: (array.dtype, array.shape) for field, array in fields.items()} != told:
                raise ConfigError(
                    f"{name} has other arrays than {first_name}: {_shown(fields)} and {_shown(first)}",
                    fix="pack samples of one shape, or --to tar",
                )
        header, parts, at = {}, [], 0
        for field, (dtype, shape) in sorted(told.items(), key=lambda each: (-each[1][0].itemsize, each[0])):
            part = np.stack([fields[field] for _, fields in samples]).tobytes()
            whole = [len(samples), *shape]
            if len(part) != math.prod(whole) * dtype.itemsize:
                raise AssertionError(field)
            header[field] = {"dtype": _TYPES[dtype.str[1:]], "shape": whole, "data_offsets": [at, at + len(part)]}
            at += len(part)
            parts.append(part)
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        data = b"".join([len(text).to_bytes(8, "little"), text, *parts])
        return data, len(data)


def _shown(fields: Mapping[str, NDArray[Any]]) -> str:
    return ", ".join(f"{name} {array.dtype}{list(array.shape)}" for name, array in list(fields.items())[:4])


LAYOUTS: Final = ("tar", "arrays", "parquet", "mds")
"""The names of ``--to``."""
COMPRESSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "tar": ("none",),
    "arrays": ("none",),
    "parquet": ("zstd", "none", "snappy", "gzip"),
    "mds": ("none", "zstd"),
}
"""What each may be compressed by, the usual one first."""


def open_layout(name: str, *, compression: str = "", group_bytes: int) -> Layout:
    """Return a layout.

    Args:
        compression: empty for the usual one.
        group_bytes: of the row groups that some have.

    Raises:
        ConfigError: it is not compressed in that way.
    """
    known = COMPRESSIONS[name]
    if compression and compression not in known:
        raise ConfigError(
            f"--compression {compression}, which shards of {name} do not have", fix=f"choose one of: {', '.join(known)}"
        )
    chosen = compression or known[0]
    if name == "parquet":
        return ParquetShards(compression=chosen, group_bytes=group_bytes)
    if name == "mds":
        return MdsShards(compression=chosen)
    return Arrays() if name == "arrays" else Tar()
