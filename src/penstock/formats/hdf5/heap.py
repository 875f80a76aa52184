"""Values of lengths of their own, in collections of an HDF5 file's heap ("GCOL"), with every length checked.

After the HDF5 File Format Specification, III.E: a collection is its size and objects, each with its number and size.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Heap"]

_REFERENCE: Final = np.dtype([("length", "<u4"), ("address", "<u8"), ("number", "<u4")])
_HEAD: Final = struct.Struct("<4sB3xQ")
_OBJECT: Final = struct.Struct("<HH4xQ")


class Heap:
    """The heap of a file.

    Args:
        data: of the whole file.
        base: of its addresses.
        most_bytes: that values may take together.
    """

    def __init__(self, data: bytes, base: int, most_bytes: int) -> None:
        self._data, self._base, self._left = data, base, most_bytes
        self._collections: dict[int, dict[int, tuple[int, int]]] = {}

    def values(self, references: NDArray[Any], kind: str) -> NDArray[Any]:
        """Return values of what tells where they lie, of the same shape.

        Args:
            kind: "text", or numbers' type.

        Raises:
            ValueError: they do not lie in the heap, or take more than they may together.
        """
        told = np.ascontiguousarray(references).view(_REFERENCE).ravel()
        found = np.empty(told.shape, object)
        dtype = None if kind == "text" else np.dtype(kind)
        item = 1 if dtype is None else dtype.itemsize
        for place, (length, address, number) in enumerate(told.tolist()):
            raw = self._object(address, number, length * item) if length and address else b""
            if dtype is None:
                found[place] = raw.split(b"\0")[0].decode()
            else:
                found[place] = np.frombuffer(raw, dtype).astype(dtype.newbyteorder("="))
        return found.reshape(references.shape)

    def _object(self, address: int, number: int, size: int) -> bytes:
        if address not in self._collections:
            self._collections[address] = self._collection(address + self._base)
        if number not in self._collections[address]:
            raise ValueError(f"no object {number} in the heap at byte {address}")
        begin, has = self._collections[address][number]
        self._left -= size
        if size > has or self._left < 0:
            raise ValueError(f"values of {size} bytes, of {has} in the heap, or of too many together")
        return self._data[begin : begin + size]

    def _collection(self, at: int) -> dict[int, tuple[int, int]]:
        if at + _HEAD.size > len(self._data):
            raise ValueError(f"no heap at byte {at}")
        magic, version, size = _HEAD.unpack_from(self._data, at)
        end = at + size
        if magic != b"GCOL" or version != 1 or end > len(self._data):
            raise ValueError(f"no heap at byte {at}")
        found = {}
        at += _HEAD.size
        while at + _OBJECT.size <= end:
            number, _, length = _OBJECT.unpack_from(self._data, at)
            at += _OBJECT.size
            if not number:  # what is left is free
                break
            if at + length > end:
                raise ValueError(f"an object in the heap that ends at byte {at + length} of {end}")
            found[number] = at, length
            at += -(-length // 8) * 8
        return found
