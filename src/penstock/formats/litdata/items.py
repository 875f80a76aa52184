"""Items of an extent as samples: what they are packed in, where each lies, and what its leaves mean."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from penstock.errors import DataError
from penstock.formats.codec import Codec
from penstock.formats.litdata.trees import Tree, count_leaves, filled, names_of_leaves
from penstock.formats.litdata.values import Value, leaf_of, token_type
from penstock.formats.rows import block_rows
from penstock.formats.unzstd import unzstd
from penstock.formats.whole import bytes_of
from penstock.manifest import Described

__all__ = ["Items", "LitCodec"]


class LitCodec(Codec, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the samples of an extent are read by.

    Attributes:
        packing: "", "chunk", "batch", "sample", "tokens"; or "arrow", with ``rows`` what those are read by.
        unpacked_bytes: of a chunk or a frame that is packed.
        token_count: of each sample of tokens; 0 where ``args`` tell it.
    """

    kind: ClassVar[str] = "chunks of LitData"

    leaves: tuple[str, ...] = ()
    tree: Tree = Tree()
    packing: str = ""
    unpacked_bytes: int = 0
    token_count: int = 0
    rows: str = ""

    @property
    def token_bytes(self) -> int:
        """Bytes of a token."""
        return _item(self.leaves[0])


def _item(leaf: str) -> int:
    dtype = token_type(leaf)
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


class Items:
    """Samples of an extent.

    Args:
        data: its bytes, or the file that holds them.
        most_bytes: that a sample of its own may unpack to.

    Raises:
        DataError: they are damaged.
    """

    def __init__(self, data: Any, codec: LitCodec, about: Described, *, is_raw: bool, most_bytes: int) -> None:
        self._codec, self._about, self._is_raw, self._most = codec, about, is_raw, most_bytes
        self._data = bytes_of(data)

    def some(self, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return the n-th samples.

        Raises:
            DataError: they are damaged; of one alone where it is asked for.
        """
        packing, about = self._codec.packing, self._about
        try:
            if packing in ("tokens", "sample"):
                places = [self._place(int(number)) for number in numbers]
            else:
                rows = block_rows(about, numbers)
                starts = self._starts(None if about.args else about.num_samples)
                places = [(starts[row], starts[row + 1]) for row in rows.tolist()]
            read = self._token_reader() if packing == "tokens" else self._item_reader()
        except (ValueError, IndexError, struct.error) as error:
            raise self._error(0, str(error)) from error
        return _Samples(self._data, places, numbers.tolist(), read, self._error)

    def _place(self, number: int) -> tuple[int, int]:
        if self._about.args:
            begin, end = self._about.args[number]
        else:
            size = self._codec.token_bytes * self._codec.token_count
            begin, end = number * size, (number + 1) * size
        if not 0 <= begin <= end <= len(self._data):
            raise ValueError(f"a sample from byte {begin} to {end} of {len(self._data)}")
        return begin, end

    def _starts(self, count: int | None) -> list[int]:
        """Return where samples begin that lie one behind the other, and where the last ends; they are unpacked."""
        if self._codec.packing:
            self._data = unzstd(self._data, self._codec.unpacked_bytes)
            if len(self._data) != self._codec.unpacked_bytes:
                raise ValueError(f"{len(self._data)} bytes unpacked, not {self._codec.unpacked_bytes}")
        if self._codec.packing == "chunk":
            return self._told_starts(count)
        sizes = struct.Struct(f"<{len(self._codec.leaves)}I")
        starts, at, end = [], 0, len(self._data)
        while at < end:
            starts.append(at)
            at += sizes.size + sum(sizes.unpack_from(self._data, at))
        if at != end or (count is not None and len(starts) != count):
            raise ValueError(f"{len(starts)} samples that end at byte {at}, not {count} that end at {end}")
        return [*starts, end]

    def _told_starts(self, count: int | None) -> list[int]:
        (number,) = struct.unpack_from("<I", self._data)
        first = 4 + 4 * (number + 1)
        offsets = np.frombuffer(self._data, "<u4", number + 1, 4).astype(np.int64)
        if offsets[0] != first or np.any(np.diff(offsets) < 0) or offsets[-1] != len(self._data):
            raise ValueError("offsets of samples that do not lie in it")
        if count is not None and number != count:
            raise ValueError(f"{number} samples, where {count} were listed")
        found: list[int] = offsets.tolist()
        return found

    def _token_reader(self) -> Callable[[bytes], Any]:
        return leaf_of(self._codec.leaves[0], is_raw=True)

    def _item_reader(self) -> Callable[[bytes], Any]:
        codec, most = self._codec, self._most
        if not codec.leaves or count_leaves(codec.tree) != len(codec.leaves):
            raise ValueError("leaves that are none of its tree")
        names = names_of_leaves(codec.tree)
        readers = [leaf_of(kind, is_raw=self._is_raw) for kind in codec.leaves]
        sizes = struct.Struct(f"<{len(readers)}I")

        def read(data: bytes) -> Any:
            held = unzstd(data, most) if codec.packing == "sample" else data
            return filled(codec.tree, _leaves(held, sizes, readers, names))

        return read

    def _error(self, number: int, what: str) -> DataError:
        chunk, _, first = self._about.key.rpartition("/")
        return DataError(
            f"sample {int(first) + number if first.isdecimal() else number} of {chunk} cannot be read: "
            f"{' '.join(what.split())[:200]}",
            fix="the chunk is damaged: write it again, or leave it out",
            about=chunk,
        )


def _leaves(data: bytes, sizes: struct.Struct, readers: Sequence[Value], names: Sequence[str]) -> Iterator[Any]:
    """Return the leaves of an item.

    Raises:
        ValueError: they are not those of their sizes, or one is none of its kind; struct.error where it is too short.
    """
    lengths = sizes.unpack_from(data)
    if sizes.size + sum(lengths) != len(data):
        raise ValueError(f"leaves of {sum(lengths)} bytes, in {len(data)}")
    at = sizes.size
    for length, read, name in zip(lengths, readers, names, strict=True):
        try:
            yield read(data[at : at + length])
        except (ValueError, OverflowError) as error:
            raise ValueError(f"{name!r}: {error}" if name else str(error)) from error
        at += length


class _Samples(Sequence[Any]):
    """Samples, each made when it is asked for."""

    def __init__(
        self,
        data: bytes,
        places: Sequence[tuple[int, int]],
        numbers: Sequence[int],
        read: Callable[[bytes], Any],
        error: Callable[[int, str], DataError],
    ) -> None:
        self._data, self._places, self._numbers, self._read, self._error = data, places, numbers, read, error

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice):
            return [self[each] for each in range(*row.indices(len(self)))]
        begin, end = self._places[row]
        try:
            return self._read(self._data[begin:end])
        except (ValueError, OverflowError, struct.error) as error:
            raise self._error(self._numbers[row], str(error)) from error
