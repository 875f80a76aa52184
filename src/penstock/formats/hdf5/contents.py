"""What an HDF5 file has: its datasets, what they are of, and where the bytes of their chunks lie."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np

from penstock.errors import ConfigError, DataError
from penstock.formats.hdf5.blocks import h5py_of, lies
from penstock.texts import did_you_mean

__all__ = ["HEAP_ITEM", "Chunk", "Contents", "Dataset", "Kind", "chosen_names", "read_dataset"]

HEAP_ITEM: Final = 16
"""Bytes of what tells where a value lies in the heap."""
_SHOWN: Final = 20
_MOST_CHUNKS: Final = 1 << 22
_SCALE: Final = b"DIMENSION_SCALE"
_MOST_DEPTH: Final = 32


class Kind(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the chunks of a dataset are decoded by.

    Attributes:
        type: its type, as libhdf5 encodes it, in base64.
        chunk: lengths of a chunk; of datasets that are not in chunks, of a row.
        filters: of the pipeline: number, flags and values of each.
        fill: the value of what is missing, its bytes in base64; empty for none.
        is_text: whether its bytes are text.
        heap: of values that lie in the file's heap, what they are: "text", "bytes" or numbers' type.
    """

    type: str
    chunk: tuple[int, ...]
    filters: tuple[tuple[int, int, tuple[int, ...]], ...] = ()
    fill: str = ""
    is_text: bool = False
    heap: str = ""


class Chunk(msgspec.Struct, frozen=True, array_like=True):
    """A chunk: where its first number lies in the dataset, its bytes in the file, and which filters it passed by."""

    place: tuple[int, ...]
    offset: int
    length: int
    mask: int


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset.

    Attributes:
        chunks: by their place.
        begin: of a dataset that lies in one run, in the file; -1 of others.
        inline: bytes of one that lies among what tells of it, in base64.
    """

    name: str
    shape: tuple[int, ...]
    item_bytes: int
    kind: Kind
    chunks: tuple[Chunk, ...] = ()
    begin: int = -1
    inline: str = ""

    @property
    def row_bytes(self) -> int:
        """Bytes of a row, unpacked."""
        return self.item_bytes * int(np.prod(self.shape[1:], dtype=object))


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What a file has; ``base`` is that of its addresses."""

    datasets: tuple[Dataset, ...]
    base: int


def chosen_names(file: Any, columns: Sequence[str] | None, key: str) -> list[str]:
    """Return the names of the datasets that are read.

    Raises:
        ConfigError: one that was asked for is not there.
        DataError: there is a link to another file where nothing was asked for by name.
    """
    h5py = h5py_of()
    found: dict[str, bool] = {}

    def walk(group: Any, before: str, depth: int) -> None:
        if depth > _MOST_DEPTH:
            raise lies(key, "its groups are nested too deep")
        for name in group:
            path = f"{before}{name}"
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.SoftLink):
                continue
            if isinstance(link, h5py.ExternalLink):
                external.append(path)
                continue
            each = group[name]
            address = h5py.h5o.get_info(each.id).addr if isinstance(each, h5py.Group) else 0
            if isinstance(each, h5py.Group) and address not in seen:
                seen.add(address)
                walk(each, f"{path}/", depth + 1)
            elif isinstance(each, h5py.Dataset):
                found[path] = "CLASS" in each.attrs and _is_scale(each)

    external: list[str] = []
    seen: set[int] = set()
    walk(file, "", 0)
    if columns is None:
        if external:
            raise _refused(key, external[0], "is a link to another file, which is not read")
        named = [name for name, is_scale in found.items() if not is_scale]
        return named or list(found)
    wrong = next((name for name in columns if name.strip("/") not in found), None)
    if wrong is not None and wrong.strip("/") in external:
        raise _refused(key, wrong, "is a link to another file, which is not read")
    if wrong is not None:
        raise ConfigError(
            f"{key} has no dataset {wrong!r}",
            fix=f"{did_you_mean(wrong, list(found))}its datasets are: {', '.join(list(found)[:_SHOWN])}",
        )
    return [name.strip("/") for name in columns]


def _is_scale(dataset: Any) -> bool:
    """Whether a dataset is the axis of others, as NetCDF4 has it."""
    value = dataset.attrs["CLASS"]
    return (value.encode() if isinstance(value, str) else bytes(value)).rstrip(b"\0") == _SCALE


def _refused(key: str, name: str, why: str) -> DataError:
    return DataError(f"{name!r} in {key} {why}", fix="choose others with columns", about=key)


def read_dataset(file: Any, name: str, key: str, size_bytes: int) -> Dataset:
    """Return what is known of a dataset.

    Raises:
        DataError: it is one that is not read: virtual, of references, in other files, packed by filters that are not
            there.
        HeaderMismatch: it contradicts itself.
    """
    h5py = h5py_of()
    dataset = file[name]
    dtype = _type_of(dataset, key, name)
    plist = dataset.id.get_create_plist()
    layout = plist.get_layout()
    filters = tuple(plist.get_filter(number)[:3] for number in range(plist.get_nfilters()))
    lacking = next((each for each in filters if not h5py.h5z.filter_avail(each[0])), None)
    if lacking is not None:
        raise _refused(key, name, f"is packed by the filter {lacking[0]}, which h5py lacks")
    heap = _heap_of(file, dataset, key, name)
    shape = dataset.shape or (1,)
    text = h5py.check_string_dtype(dtype)
    kind = Kind(
        type="" if heap else base64.b64encode(dataset.id.get_type().encode()).decode(),
        chunk=plist.get_chunk() if layout == h5py.h5d.CHUNKED else (1, *shape[1:]),
        filters=tuple((code, flags, tuple(values)) for code, flags, values in filters),
        fill="" if heap else base64.b64encode(np.array(dataset.fillvalue, dtype).tobytes()).decode(),
        is_text=text is not None and text.encoding == "utf-8" and not heap,
        heap=heap,
    )
    item_bytes = HEAP_ITEM if heap else dtype.itemsize
    made = Dataset(name=name, shape=dataset.shape, item_bytes=item_bytes, kind=kind)
    if layout == h5py.h5d.CHUNKED:
        return msgspec.structs.replace(made, chunks=_chunks(dataset, key, name, size_bytes))
    if layout == h5py.h5d.COMPACT:
        if heap:
            raise _refused(key, name, "is of values elsewhere in the file, and lies among what tells of it")
        return msgspec.structs.replace(made, inline=base64.b64encode(np.asarray(dataset[()]).tobytes()).decode())
    # Of numbers that were never written there is none, and behind a user block libhdf5 gives another.
    begin = dataset.id.get_offset() if dataset.id.get_storage_size() else None
    size = int(np.prod(shape, dtype=object)) * item_bytes
    if begin is not None and begin + size > size_bytes:
        raise lies(key, f"{name!r} ends at byte {begin + size}, of {size_bytes}")
    return msgspec.structs.replace(made, begin=-1 if begin is None else begin)


def _type_of(dataset: Any, key: str, name: str) -> Any:
    """Return the type of a dataset's values, which lie in the file itself."""
    try:
        dtype = dataset.dtype
    except (TypeError, ValueError) as error:
        raise _refused(key, name, f"is of a type that is not read ({error})") from error
    if dataset.shape is None:
        raise _refused(key, name, "is empty")
    plist = dataset.id.get_create_plist()
    if plist.get_layout() == h5py_of().h5d.VIRTUAL:
        raise _refused(key, name, "is virtual, made of other datasets, which is not read")
    if plist.get_external_count():
        raise _refused(key, name, "lies in other files, which are not read")
    if _has_references(dtype):
        raise _refused(key, name, "is of references to objects, which are not read")
    return dtype


def _heap_of(file: Any, dataset: Any, key: str, name: str) -> str:
    """Return what values are that lie in the file's heap; nothing of others.

    Raises:
        DataError: they are none that are read.
    """
    h5py = h5py_of()
    dtype = dataset.dtype
    if not dtype.hasobject:
        return ""
    text, inner = h5py.check_string_dtype(dtype), h5py.check_vlen_dtype(dtype)
    if file.id.get_create_plist().get_sizes() != (8, 8):
        raise _refused(key, name, "is of values elsewhere in the file, by addresses that have not 8 bytes")
    if text is not None:
        return "text"
    if isinstance(inner, np.dtype) and not inner.hasobject and inner.kind in "biufc":
        return str(inner.str)
    raise _refused(key, name, f"is of a type that is not read ({dtype})")


def _chunks(dataset: Any, key: str, name: str, size_bytes: int) -> tuple[Chunk, ...]:
    found: list[Chunk] = []

    def see(chunk: Any) -> None:
        if len(found) > _MOST_CHUNKS:
            raise lies(key, f"{name!r} has more than {_MOST_CHUNKS} chunks")
        found.append(Chunk(tuple(chunk.chunk_offset), chunk.byte_offset, chunk.size, chunk.filter_mask))

    dataset.id.chunk_iter(see)
    for each in found:
        steps = zip(each.place, dataset.shape, dataset.chunks, strict=True)
        is_in = all(0 <= at < length and at % part == 0 for at, length, part in steps)
        if each.length and (not is_in or each.offset is None or each.offset + each.length > size_bytes):
            raise lies(key, f"a chunk of {name!r} at {each.place} begins at byte {each.offset} of {size_bytes}")
    return tuple(sorted((each for each in found if each.length), key=lambda each: each.place))


def _has_references(dtype: Any) -> bool:
    h5py = h5py_of()
    if dtype.names:
        return any(_has_references(dtype.fields[name][0]) for name in dtype.names)
    inner = h5py.check_vlen_dtype(dtype)
    if isinstance(inner, np.dtype):
        return _has_references(inner)
    if dtype.subdtype:
        return _has_references(dtype.subdtype[0])
    return h5py.check_ref_dtype(dtype) is not None
