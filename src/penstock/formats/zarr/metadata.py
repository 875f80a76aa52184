"""Zarr's metadata of arrays, of version 2 (``.zarray``) and 3 (``zarr.json``): shape, chunks, type and codecs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from penstock.errors import HeaderMismatch
from penstock.formats.zarr.types import BYTES, TEXT, dtype_of, fill_of, type_of_v2, type_of_v3
from penstock.formats.zarr.unpacking import ARRAYS, PACKERS

__all__ = ["Array", "Step", "lies", "read_array"]

_MOST_AXES: Final = 32
_MOST_LENGTH: Final = 1 << 53
_OWN: Final = {"zstd", "gzip", "blosc", "crc32c", "vlen-utf8", "vlen-bytes"}
"""Codecs that version 3 names as version 2 does."""


class Step(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A codec, with its settings as JSON."""

    name: str
    config: str = "{}"

    def settings(self) -> dict[str, Any]:
        """Return its settings."""
        found: dict[str, Any] = json.loads(self.config)
        return found


class Array(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """An array.

    Attributes:
        name: within its group.
        dtype: as ``types.dtype_of`` reads it.
        chunks: lengths of what is unpacked as one; of shards, of the chunks in them.
        shard: lengths of shards; empty where there are none.
        fill: of what is missing, as it was told, as JSON.
        steps: of codecs, in the order in which bytes are unpacked.
        order: of a chunk's axes, as they lie.
        before, separator: of the keys of chunks or shards.
        index_at_end: whether a shard ends with its index, else it begins with it.
        index_has_checksum: whether 4 bytes follow the index.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    fill: str
    steps: tuple[Step, ...]
    order: tuple[int, ...]
    before: str = ""
    separator: str = "."
    shard: tuple[int, ...] = ()
    index_at_end: bool = True
    index_has_checksum: bool = True

    @property
    def row_bytes(self) -> int:
        """Bytes of a row, without the text that it may have."""
        return math.prod(self.shape[1:]) * dtype_of(self.dtype).itemsize

    @property
    def chunk_bytes(self) -> int:
        """Bytes of a chunk, without the text that it may have."""
        return math.prod(self.chunks) * dtype_of(self.dtype).itemsize

    def key_of(self, place: tuple[int, ...]) -> str:
        """Return the key of a chunk or shard, within the array."""
        name = self.separator.join(map(str, place))
        if not self.before:
            return name or "0"
        return f"{self.before}{self.separator}{name}" if name else self.before


def lies(key: str, what: str) -> HeaderMismatch:
    """Make the error of metadata or chunks that cannot be read."""
    return HeaderMismatch(
        f"{key} cannot be read as Zarr: {' '.join(what.split())[:300]}",
        fix="write it again, or leave it out",
        about=key,
    )


def read_array(name: str, told: Mapping[str, Any], key: str) -> Array:
    """Return an array of its metadata.

    Args:
        key: of the object that tells it, for messages.

    Raises:
        HeaderMismatch: it is none that is read.
    """
    try:
        made = _read_v2(name, told) if told.get("zarr_format") == 2 else _read_v3(name, told)
        _check(made)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        what = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise lies(key, f"the array {name!r} has {what}" if name else f"it has {what}") from error
    return made


def _check(array: Array) -> None:
    lengths = (*array.shape, *array.chunks, *array.shard)
    axes = len(array.shape)
    is_whole = all(type(length) is int and 0 <= length <= _MOST_LENGTH for length in lengths)
    if not is_whole or axes > _MOST_AXES or len(array.chunks) != axes or not all(array.chunks) or not all(array.shard):
        raise ValueError(f"the shape {array.shape} in chunks of {array.chunks}")
    if array.shard and (
        len(array.shard) != axes or any(outer % inner for outer, inner in zip(array.shard, array.chunks, strict=True))
    ):
        raise ValueError(f"shards of {array.shard} of chunks of {array.chunks}")
    if sorted(array.order) != list(range(axes)):
        raise ValueError(f"the order of axes {array.order}")
    fill_of(array.dtype, json.loads(array.fill))


def _read_v2(name: str, told: Mapping[str, Any]) -> Array:
    filters = [_step_v2(each) for each in told.get("filters") or ()]
    packer = told.get("compressor")
    steps = ([_step_v2(packer)] if packer else []) + filters[::-1]
    dtype = type_of_v2(told["dtype"], [step.name for step in filters])
    for step in steps:
        if step.name not in PACKERS and step.name not in ARRAYS and step.name not in ("vlen-utf8", "vlen-bytes"):
            raise ValueError(f"the codec {step.name[:40]!r}, which is not read")
    if told.get("order", "C") not in ("C", "F"):
        raise ValueError(f"the order {told['order']!r}")
    axes = tuple(range(len(told["shape"])))
    return Array(
        name=name,
        dtype=dtype,
        shape=tuple(told["shape"]),
        chunks=tuple(told["chunks"]),
        fill=json.dumps(told.get("fill_value")),
        steps=tuple(steps),
        order=axes[::-1] if told.get("order") == "F" else axes,
        separator=_separator(told.get("dimension_separator", ".")),
    )


def _separator(told: Any) -> str:
    if told not in (".", "/"):
        raise ValueError(f"the separator {str(told)[:20]!r}")
    return str(told)


def _step_v2(told: Any) -> Step:
    settings = dict(told)
    return Step(str(settings.pop("id")), json.dumps(settings))


def _settings(told: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(told, str):
        return told, {}
    settings = told.get("configuration") or {}
    if not isinstance(settings, dict):
        raise ValueError(f"settings of {str(told)[:60]}")  # noqa: TRY004
    return str(told["name"]), settings


def _read_v3(name: str, told: Mapping[str, Any]) -> Array:
    if told.get("zarr_format") != 3:
        raise ValueError(f"the version {str(told.get('zarr_format'))[:20]}; 2 and 3 are read")
    if told.get("storage_transformers"):
        raise ValueError("storage transformers, which are not read")
    grid, about = _settings(told["chunk_grid"])
    if grid != "regular":
        raise ValueError(f"the chunk grid {grid[:40]!r}; regular ones are read")
    naming, named = _settings(told["chunk_key_encoding"])
    if naming not in ("default", "v2"):
        raise ValueError(f"keys of chunks as of {naming[:40]!r}")
    shape, outer, codecs = tuple(told["shape"]), tuple(about["chunk_shape"]), list(told["codecs"])
    shard: dict[str, Any] = {}
    if any(_settings(each)[0] == "sharding_indexed" for each in codecs):
        if len(codecs) != 1:
            raise ValueError("codecs around its shards, which are not read")
        shard = _settings(codecs[0])[1]
        codecs = list(shard["codecs"])
    dtype = type_of_v3(told["data_type"])
    steps, order, dtype = _steps_v3(codecs, dtype, len(shape))
    return Array(
        name=name,
        dtype=dtype,
        shape=shape,
        chunks=tuple(shard["chunk_shape"]) if shard else outer,
        fill=json.dumps(told.get("fill_value")),
        steps=steps,
        order=order,
        before="c" if naming == "default" else "",
        separator=_separator(named.get("separator", "/" if naming == "default" else ".")),
        shard=outer if shard else (),
        index_at_end=_at_end(shard),
        index_has_checksum=_has_checksum(shard),
    )


def _at_end(shard: Mapping[str, Any]) -> bool:
    place = shard.get("index_location", "end")
    if place not in ("start", "end"):
        raise ValueError(f"the index of its shards at {str(place)[:20]!r}")
    return bool(place == "end")


def _has_checksum(shard: Mapping[str, Any]) -> bool:
    names = [_settings(each)[0] for each in shard.get("index_codecs", ())]
    if shard and (names[:1] != ["bytes"] or names[1:] not in ([], ["crc32c"])):
        raise ValueError(f"the index of its shards packed by {names}")
    if shard and _settings(shard["index_codecs"][0])[1].get("endian", "little") != "little":
        raise ValueError("the index of its shards in big-endian numbers")
    return bool(names[1:])


def _steps_v3(codecs: list[Any], dtype: str, axes: int) -> tuple[tuple[Step, ...], tuple[int, ...], str]:
    """Return codecs as they unpack, the order of axes, and the type with its order of bytes."""
    steps: list[Step] = []
    order = tuple(range(axes))
    for told in codecs:
        name, settings = _settings(told)
        if name == "transpose":
            order = tuple(order[axis] for axis in settings["order"])
        elif name == "bytes":
            if settings.get("endian", "little") not in ("little", "big"):
                raise ValueError(f"the order of bytes {settings['endian']!r}")
            if settings.get("endian") == "big" and dtype_of(dtype).names:
                raise ValueError("fields in big-endian numbers, which are not read")
            if settings.get("endian") == "big":
                dtype = dtype_of(dtype).newbyteorder(">").str
        elif name in _OWN or name.removeprefix("numcodecs.") in {*PACKERS, *ARRAYS}:
            steps.append(Step(name.removeprefix("numcodecs."), json.dumps(settings)))
        else:
            raise ValueError(f"the codec {name[:40]!r}, which is not read")
    if (dtype in (TEXT, BYTES)) != any(step.name.startswith("vlen-") for step in steps):
        raise ValueError(f"values of {dtype} that are packed by {[step.name for step in steps]}")
    return tuple(steps[::-1]), order, dtype
