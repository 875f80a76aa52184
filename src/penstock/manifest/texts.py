"""A manifest's columns in memory: texts, each distinct one once where they repeat, and numbers in their smallest type.

``pyarrow.compute`` is not asked where it need not be: its import takes a prefetcher longer than its first requests.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["Texts", "narrow"]

LOOKED_AT_ROWS = 1024
SHORT_TEXT_BYTES = 256
FEW_TEXTS = 1 << 18
"""Of all columns, up to which encoding by way of Python, 0.15 us each, takes less than that import, 40 ms."""
_num_encoded = 0


class Texts:
    """A column of texts, none of them null.

    Attributes:
        size_bytes: what it takes in memory.
    """

    def __init__(self, array: pa.Array) -> None:
        self._is_coded = True
        if pa.types.is_dictionary(array.type):
            self._set_coded(array)
            return
        first = array[0].as_py() if len(array) else ""
        if _is_all(array, first):
            self._values: NDArray[np.object_] = np.array([first], dtype=np.object_)
            self._codes: NDArray[Any] = np.zeros(len(array), np.uint8)
        else:
            # Encoding is most of what reading takes: short texts that differ at first are not looked at any further.
            short = array.nbytes <= SHORT_TEXT_BYTES * len(array)
            looked_at = array[:LOOKED_AT_ROWS].to_pylist()
            encoded = None if short and 2 * len(set(looked_at)) > len(looked_at) else _encoded(array, looked_at)
            if encoded is None or 2 * len(encoded.dictionary) > len(array):
                self._is_coded = False
                self._ends, data = _ends(array), memoryview(array.buffers()[2] or b"")
                # Of ASCII the bytes' places are the characters', and slices of a text cost half as much.
                self._data: str | memoryview = str(data, "ascii") if _is_ascii(data) else data
                self.size_bytes: int = array.nbytes
                return
            self._set_coded(encoded)
            return
        self.size_bytes = self._codes.nbytes + _python_bytes(self._values)

    def _set_coded(self, encoded: pa.DictionaryArray) -> None:
        self._values = encoded.dictionary.to_numpy(zero_copy_only=False)
        self._codes = narrow(encoded.indices)
        self.size_bytes = self._codes.nbytes + _python_bytes(self._values)

    def __getitem__(self, row: int) -> str:
        if self._is_coded:
            text: str = self._values[self._codes[row]]
            return text
        found = self._data[self._ends[row] : self._ends[row + 1]]
        return found if isinstance(found, str) else str(found, "utf-8")

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.object_]:
        """Return texts of rows, shape as given."""
        if self._is_coded:
            values: NDArray[np.object_] = self._values[self._codes[rows]]
            return values
        data, starts, ends = self._data, self._ends[rows].tolist(), self._ends[rows + 1].tolist()
        found = np.empty(len(rows), np.object_)
        if isinstance(data, str):
            found[:] = [data[start:end] for start, end in zip(starts, ends, strict=True)]
        else:
            found[:] = [str(data[start:end], "utf-8") for start, end in zip(starts, ends, strict=True)]
        return found


def _encoded(array: pa.Array, first: list[str]) -> pa.DictionaryArray:
    """Return each distinct text once; ``first`` are those at the beginning, or all."""
    global _num_encoded
    _num_encoded += len(array)
    if len(first) < len(array) and _num_encoded > FEW_TEXTS:
        return array.dictionary_encode()  # imports pyarrow.compute
    texts = first if len(first) == len(array) else array.to_pylist()
    return pa.array(texts, pa.dictionary(pa.int32(), array.type))


def _python_bytes(texts: NDArray[np.object_]) -> int:
    return sum(len(text) + 60 for text in texts)


def narrow(array: pa.Array) -> NDArray[Any]:
    """Return whole numbers in the smallest type that holds them all, in memory of their own."""
    values: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    if not values.size:
        return np.zeros(0, dtype=np.int8)
    low, high = values.min(), values.max()
    types = (np.uint8, np.uint16, np.uint32) if low >= 0 else (np.int8, np.int16, np.int32)
    return values.astype(
        next((kind for kind in types if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max), np.int64)
    )


def _ends(array: pa.Array) -> NDArray[np.int32]:
    """Return where each text begins in the column's bytes, and the last one ends, shape (texts + 1,)."""
    return np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1]


def _is_ascii(data: memoryview) -> bool:
    return not len(data) or int(np.frombuffer(data, np.uint8).max()) < 128


def _is_all(array: pa.Array, text: str) -> bool:
    """Tell whether every text of a column is this one."""
    if not len(array):
        return True
    ends, size = _ends(array), len(text.encode())
    if not (np.diff(ends) == size).all():
        return False
    held = np.frombuffer(array.buffers()[2] or b"", np.uint8)[ends[0] : ends[-1]]
    return bool((held.reshape(len(array), size) == np.frombuffer(text.encode(), np.uint8)).all())
