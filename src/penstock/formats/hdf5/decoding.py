"""Numbers of HDF5's chunks, decoded by libhdf5 itself in a file in memory that has the same chunk; inflated bounded."""

from __future__ import annotations

import base64
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.formats.hdf5.blocks import h5py_of
from penstock.formats.hdf5.contents import HEAP_ITEM, Kind

__all__ = ["region"]

_DEFLATE: Final = 1
_SLACK: Final = 1 << 16


def region(
    kind: Kind,
    first: int,
    shape: Sequence[int],
    chunks: Sequence[tuple[tuple[int, ...], bytes, int]],
) -> NDArray[Any]:
    """Return rows of a dataset.

    Args:
        first: row.
        shape: of the rows.
        chunks: where each lies in the dataset, its bytes, and its mask of filters.

    Raises:
        ValueError: they are damaged.
    """
    h5py = h5py_of()
    with _errors(), h5py.File(io.BytesIO(), "w") as file:
        type_id = _type(h5py, kind)
        if type_id.dtype.hasobject:
            raise ValueError("values that lie elsewhere in the file")
        before = first // kind.chunk[0] * kind.chunk[0]
        lengths = (first - before + shape[0], *shape[1:])
        # Chunks that passed some filters by are kept apart: libhdf5 2.0 cannot read all of those that are marked so.
        groups: dict[Filters, dict[tuple[int, ...], bytes]] = {(): {}}
        for place, data, mask in chunks:
            filters, own = _inflated(kind, data, mask, type_id.get_size())
            groups.setdefault(filters, {})[place[0] - before, *place[1:]] = own
        found = None
        for number, (filters, some) in enumerate(groups.items()):
            space = h5py.h5s.create_simple(lengths, (h5py.h5s.UNLIMITED,) * len(lengths))
            plist = _plist(h5py, kind, filters, type_id.dtype)
            dataset = h5py.h5d.create(file.id, f"x{number}".encode(), type_id, space, plist)
            for place, data in some.items():
                dataset.write_direct_chunk(place, data)
            values = h5py.Dataset(dataset)[()]
            found = values if found is None else found
            for place in some:
                box = tuple(slice(at, at + length) for at, length in zip(place, kind.chunk, strict=True))
                found[box] = values[box]
        assert found is not None
        return _given(found[first - before :], is_text=kind.is_text)


def _type(h5py: Any, kind: Kind) -> Any:
    if kind.heap:
        return h5py.h5t.create(h5py.h5t.OPAQUE, HEAP_ITEM)
    return h5py.h5t.decode(base64.b64decode(kind.type))


Filters = tuple[tuple[int, int, tuple[int, ...]], ...]


def _plist(h5py: Any, kind: Kind, filters: Filters, dtype: Any) -> Any:
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_chunk(kind.chunk)
    if kind.fill:
        made.set_fill_value(np.frombuffer(base64.b64decode(kind.fill), dtype)[0:1].reshape(()))
    for code, flags, values in filters:
        made.set_filter(code, flags, values)
    return made


def _inflated(kind: Kind, data: bytes, mask: int, item_bytes: int) -> tuple[Filters, bytes]:
    """Return which filters of a chunk are still to be undone, and its bytes; deflate is, where it is the first.

    Raises:
        ValueError: it unpacks to more than a chunk has.
    """
    filters = tuple(each for number, each in enumerate(kind.filters) if not mask >> number & 1)
    if not any(code == _DEFLATE for code, _, _ in filters):
        return filters, data
    most = int(np.prod(kind.chunk, dtype=object)) * item_bytes + _SLACK
    inflater = zlib.decompressobj()
    try:
        made = inflater.decompress(data, most + 1)
    except zlib.error as error:
        raise ValueError(f"a chunk that is no deflate ({error})") from error
    if len(made) > most or not inflater.eof:
        raise ValueError(f"a chunk that is cut off, or unpacks to more than {most} bytes")
    # What is undone before it has a checksum of it, and is left to libhdf5.
    return (filters[:-1], made) if filters[-1][0] == _DEFLATE else (filters, data)


def _given(found: Any, *, is_text: bool) -> NDArray[Any]:
    """Return values in the machine's order of bytes, text as ``str``."""
    made = np.asarray(found)
    if is_text:
        text = np.empty(made.shape, object)
        text[...] = np.vectorize(_text, otypes=[object])(made) if made.size else made
        return text
    return made.astype(made.dtype.newbyteorder("="), copy=False)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else bytes(value).decode()


@contextmanager
def _errors() -> Iterator[None]:
    """Make what h5py raises on damaged bytes a ValueError."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, TypeError, MemoryError, OverflowError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
