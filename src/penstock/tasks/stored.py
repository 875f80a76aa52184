"""Samples as they are stored between decoding and training: trees of arrays, in bytes that name their own shapes.

What an extent decodes to is stored as far as chance takes no part in it. Samples that chance has no part in are stored
*finished*, as they go into a batch; of others what is decoded is stored *opened*, and chance makes of it, each epoch,
what it would have made of the original. What is neither a tree of arrays nor a task's own to store stays as it was.

The bytes are 16 that tell the length of the head and a checksum (XXH3) of all behind them, msgpack of the tree and its
leaves, and the arrays, each at a multiple of 64 bytes. Arrays of equal shape of an extent's samples lie in one. The
same values give the same bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast, runtime_checkable

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from penstock.errors import DataError
from penstock.formats.codec import STORED
from penstock.manifest import Described
from penstock.tasks.protocols import Task, Transforms

__all__ = ["Finished", "How", "StoredDecode", "StoredValues", "Stores", "codec_of", "encode_values", "is_stored"]

How = Literal["finished", "opened"]
ALIGNMENT_BYTES = 64
_FRONT = struct.Struct("<QQ")
_PLAIN = (type(None), bool, int, float, str)


@runtime_checkable
class Stores(Protocol):
    """A task whose decoded values are no plain trees of arrays, and can be stored nevertheless."""

    def to_store(self, value: Any) -> Any:
        """Return a decoded value as a tree of dictionaries with names, tuples, lists, arrays, numbers and texts.

        What is none, like the value itself, has the extent's bytes stored as they are.
        """
        ...

    def from_store(self, tree: Any, codec: str) -> Any:
        """Return the decoded value again, of the codec that its extent had."""
        ...


@dataclass(frozen=True, slots=True)
class Finished:
    """A sample that no transform of the task's is to be applied to any more."""

    value: Any


class StoredValues(list[Any]):
    """Values of an extent that know what people call each."""

    def __init__(self, values: Sequence[Any], names: Sequence[str]) -> None:
        super().__init__(values)
        self._names = names

    def key_of(self, at: int) -> str:
        """Return the name of one; the empty text where nothing is known."""
        return self._names[at] if self._names else ""


@dataclass(frozen=True, slots=True)
class StoredDecode:
    """A task's decoder that takes extents of a store too."""

    task: Task

    def __call__(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return the values of some samples of an extent.

        Raises:
            DataError: the bytes do not mean what they should.
        """
        if not is_stored(codec):
            return self.task.decode(data, about, codec, numbers)
        _check_whole(memoryview(data), about.key)
        how, _, original = codec.removeprefix(STORED).partition(":")
        values, names = _decode_values(data, numbers, name=about.key)
        if how == "finished" and isinstance(self.task, Transforms):
            values = [Finished(value) for value in values]
        elif how == "opened" and isinstance(self.task, Stores):
            values = [self.task.from_store(value, original) for value in values]
        return StoredValues(values, names)


def is_stored(codec: str) -> bool:
    """Tell whether an extent of that codec is one of a store."""
    return codec.startswith(STORED)


def codec_of(how: How, original: str) -> str:
    """Return the codec of a stored extent."""
    return f"{STORED}{how}:{original}"


class _Leaf(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """A leaf of all samples' trees.

    Attributes:
        kind: plain values, one array of all samples, or one array each, behind one another.
        dtype: of arrays.
        shapes: of one sample's array, or of each.
        offset: of the first byte behind the head.
        values: plain ones, one a sample.
    """

    kind: Literal["plain", "stacked", "each"]
    dtype: str = ""
    shapes: list[list[int]] = []
    offset: int = 0
    values: list[Any] = []


class _Head(msgspec.Struct, frozen=True, array_like=True):
    """What lies before the arrays; ``tree`` names the leaves by their numbers."""

    num_samples: int
    tree: Any
    leaves: list[_Leaf]
    names: list[str]


def encode_values(values: Sequence[Any], names: Sequence[str] = ()) -> bytes | None:
    """Return the samples of an extent as bytes; None where they are no trees of arrays, or no equal ones.

    Args:
        names: what people call each, where that is not the sample's key.
    """
    leaves: list[list[Any]] = []
    trees = []
    for value in values:
        found: list[Any] = []
        tree = _tree(value, found)
        if tree is None:
            return None
        trees.append(tree)
        leaves.append(found)
    if not trees or any(tree != trees[0] for tree in trees):
        return None
    parts, columns, end = [], [], 0
    for column in zip(*leaves, strict=True):
        made = _column(column, end)
        if made is None:
            return None
        leaf, data = made
        columns.append(leaf)
        if data:
            padding = -(-len(data) // ALIGNMENT_BYTES) * ALIGNMENT_BYTES - len(data)
            parts += [data, bytes(padding)]
            end += len(data) + padding
    try:
        head = msgspec.msgpack.encode(_Head(len(values), trees[0], columns, list(names)))
    except (OverflowError, UnicodeEncodeError):
        return None
    padding = -(_FRONT.size + len(head)) % ALIGNMENT_BYTES
    behind = b"".join([head, bytes(padding), *parts])
    return _FRONT.pack(len(head), xxhash.xxh3_64_intdigest(behind)) + behind


def _tree(value: Any, leaves: list[Any]) -> Any:
    """Return a value's structure, having appended its leaves; None where it is not to be stored."""
    if type(value) is dict:
        if not all(type(name) is str for name in value):
            return None
        inner = [_tree(each, leaves) for each in value.values()]
        return None if None in inner else ["d", list(value), inner]
    if type(value) in (tuple, list):
        inner = [_tree(each, leaves) for each in value]
        return None if None in inner else ["t" if type(value) is tuple else "l", inner]
    if type(value) is np.ndarray or isinstance(value, np.generic):
        if value.dtype.hasobject or value.dtype.names is not None:
            return None
    elif type(value) not in _PLAIN:
        return None
    leaves.append(value)
    return len(leaves) - 1


def _column(column: Sequence[Any], offset: int) -> tuple[_Leaf, bytes] | None:
    """Return a leaf of all samples, and its bytes."""
    first = column[0]
    if not isinstance(first, np.ndarray | np.generic):
        is_plain = all(type(each) in _PLAIN for each in column)
        return (_Leaf("plain", values=list(column)), b"") if is_plain else None
    if any(type(each) is not type(first) or each.dtype != first.dtype for each in column):
        return None
    dtype = first.dtype.str
    shapes = [list(each.shape) for each in column]
    data = b"".join(np.ascontiguousarray(each).tobytes() for each in column)
    is_stacked = all(shape == shapes[0] for shape in shapes)
    if is_stacked and (shapes[0] or isinstance(first, np.generic)):  # a part of a stack of numbers is no array
        return _Leaf("stacked", dtype, shapes[:1], offset), data
    return _Leaf("each", dtype, shapes, offset), data


def _check_whole(data: memoryview, name: str) -> None:
    """Compare an extent's bytes with their checksum.

    Raises:
        DataError: it is another.
    """
    front = data[: _FRONT.size]
    if len(front) < _FRONT.size or xxhash.xxh3_64_intdigest(data[_FRONT.size :]) != _FRONT.unpack(front)[1]:
        raise DataError(
            f"{name} is no whole stored sample (its checksum is another)",
            fix="remove the store, and run it again",
            about=name,
        )


def _decode_values(data: Any, numbers: NDArray[np.int64], *, name: str) -> tuple[list[Any], list[str]]:
    """Return some samples of an extent, and what people call them; arrays are views of the bytes."""
    whole = memoryview(data)
    try:
        size, _ = _FRONT.unpack(whole[: _FRONT.size])
        head = msgspec.msgpack.decode(whole[_FRONT.size : _FRONT.size + size], type=_Head)
        body = whole[-(-(_FRONT.size + size) // ALIGNMENT_BYTES) * ALIGNMENT_BYTES :]
        columns = [_values_of(leaf, body, head.num_samples) for leaf in head.leaves]
        wanted = numbers.tolist()
        values = [_filled(head.tree, [column[number] for column in columns]) for number in wanted]
        names = [head.names[number] for number in wanted] if head.names else []
    except (msgspec.MsgspecError, struct.error, ValueError, TypeError, LookupError) as error:
        raise DataError(
            f"{name} is no whole stored sample ({' '.join(str(error).split())[:200]})",
            fix="remove the store, and run it again",
            about=name,
        ) from error
    return values, names


def _values_of(leaf: _Leaf, body: memoryview, num_samples: int) -> Sequence[Any]:
    if leaf.kind == "plain":
        return leaf.values
    dtype = np.dtype(leaf.dtype)
    sizes = [int(np.prod(shape, dtype=np.int64)) for shape in leaf.shapes]
    count = num_samples * sizes[0] if leaf.kind == "stacked" else sum(sizes)
    flat = np.frombuffer(body, dtype, count, leaf.offset) if count else np.empty(0, dtype)
    if leaf.kind == "stacked":
        return cast("Sequence[Any]", flat.reshape(num_samples, *leaf.shapes[0]))
    parts = np.split(flat, np.cumsum(sizes)[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, leaf.shapes, strict=True)]


def _filled(tree: Any, leaves: Sequence[Any]) -> Any:
    if isinstance(tree, int):
        return leaves[tree]
    kind = tree[0]
    if kind == "d":
        return {name: _filled(each, leaves) for name, each in zip(tree[1], tree[2], strict=True)}
    inner = [_filled(each, leaves) for each in tree[1]]
    return tuple(inner) if kind == "t" else inner
