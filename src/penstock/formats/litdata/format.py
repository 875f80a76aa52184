"""The format of LitData's chunks."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError, DataError
from penstock.formats.arrow import Arrow
from penstock.formats.litdata.chunks import PartOf, lies, read_arrow_end, read_frames, read_offsets
from penstock.formats.litdata.described import INDEX, Chunk, Told, read_index, wrong_index
from penstock.formats.litdata.items import Items, LitCodec
from penstock.formats.litdata.trees import names_of_leaves
from penstock.formats.litdata.values import token_type, why_not
from penstock.formats.options import block_of, size_of
from penstock.formats.protocols import Found, Store
from penstock.manifest import Described, Extent, SkippedObject
from penstock.sources import ObjectInfo
from penstock.units import MIB, format_bytes

__all__ = ["LitData"]

_PICTURES: Final = ("array", "bytes")
_PACKED: Final = ".zstd"
_CHUNK: Final = re.compile(r".*\.bin", re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class LitData:
    """The format of LitData's chunks; values are what was optimised, with arrays for tensors.

    Attributes:
        pictures: what ``jpeg``, ``image`` and ``pil`` are given as: "array"; or "bytes", as they lie.
        tokens: of chunks of tokens, how many are a sample; None is as many as were written as one.
        block: about how many bytes of samples are fetched and decoded as one, like ``"4Mi"``.
        memory: that what is packed as one may take unpacked, like ``"256Mi"``.

    Raises:
        ConfigError: an option cannot be used.
    """

    pictures: Literal["array", "bytes"] = "array"
    tokens: int | None = None
    block: str | int = 4 * MIB
    memory: str | int = 256 * MIB

    def __post_init__(self) -> None:
        object.__setattr__(self, "block", block_of(self.block))
        object.__setattr__(self, "memory", size_of("memory", self.memory))
        if self.pictures not in _PICTURES:
            raise ConfigError(f"pictures {self.pictures!r}", fix=f"choose one of: {', '.join(_PICTURES)}")
        if self.tokens is not None and (type(self.tokens) is not int or self.tokens < 1):
            raise ConfigError(f"tokens {self.tokens!r}", fix="give how many are a sample, or leave it out")

    async def index(self, source: Store, info: ObjectInfo) -> AsyncIterator[Found]:
        """Return runs of samples; what stands before them is read, and once ``index.json``."""
        folder, slash, name = info.key.rpartition("/")
        if name == INDEX:
            await _check_chunks(source, info, folder)
            return
        if not _CHUNK.fullmatch(name):
            yield SkippedObject(object=info.key, reason="is no chunk (.bin)")
            return
        beside = await source.beside(f"{folder}{slash}{INDEX}")
        if beside is None:
            raise lies(info, f"there is no {INDEX} beside it, which tells what its samples are")
        told = read_index(beside[0].key, beside[1])
        chunk = told.chunks.get(name)
        if chunk is None:
            yield SkippedObject(object=info.key, reason=f"{INDEX} does not name it")
            return
        self._check(told, beside[0].key)
        found = (
            _tokens_in(self, told, source, info, chunk)
            if told.is_tokens
            else _items_in(self, told, source, info, chunk)
        )
        async for extent in found:
            yield extent

    def _check(self, told: Told, key: str) -> None:
        if told.is_tokens:
            try:
                token_type(told.leaves[0])
            except ValueError as error:
                raise wrong_index(key, f"tells of tokens, of which each {error}") from error
            return
        if self.tokens is not None:
            raise ConfigError(f"tokens={self.tokens}, where {key} tells of no tokens", fix="leave it out")
        for name, kind in zip(names_of_leaves(told.tree), told.leaves, strict=True):
            why = why_not(kind)
            if why:
                raise DataError(
                    f"{f'the leaf {name!r}' if name else 'each sample'} of {key} ({kind[:40]}) {why}",
                    fix="write the dataset again without it",
                    about=key,
                )

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return samples, each made when it is asked for."""
        told = LitCodec.read(codec)
        if told.packing == "arrow":
            return Arrow(memory=self.memory).decode(data, about, told.rows, numbers)
        items = Items(data, told, about, is_raw=self.pictures == "bytes", most_bytes=size_of("memory", self.memory))
        return items.some(numbers)


async def _check_chunks(source: Store, info: ObjectInfo, folder: str) -> None:
    """See to it that what an index names is there.

    Raises:
        HeaderMismatch: it is no index, or names a chunk that is not there.
    """
    beside = await source.beside(info.key)
    told = read_index(info.key, beside[1] if beside else bytes(await source.get_range(info, 0, info.size_bytes)))
    missing = dict.fromkeys(told.chunks)
    async for page in source.list_objects(folder):
        for each in page:
            missing.pop(each.key.rpartition("/")[2], None)
    if missing:
        raise wrong_index(
            info.key, f"names {next(iter(missing))}, which does not lie beside it ({len(missing)} in all)"
        )


async def _items_in(kind: LitData, told: Told, source: Store, info: ObjectInfo, chunk: Chunk) -> AsyncIterator[Found]:
    codec = LitCodec(leaves=told.leaves, tree=told.tree, packing=told.packing)
    if told.packing == "chunk":
        # Nested rows are packed by Arrow alone, in chunks that are named so.
        if _PACKED in chunk.filename:
            _check_memory(kind, info, chunk.chunk_bytes)
            codec = LitCodec(leaves=told.leaves, tree=told.tree, packing="chunk", unpacked_bytes=chunk.chunk_bytes)
            if chunk.chunk_size:
                yield _extent(info, codec, 0, chunk.chunk_size, 0, info.size_bytes, decoded=chunk.chunk_bytes)
            return
        codec = LitCodec(leaves=told.leaves, tree=told.tree)
    if codec.packing == "batch":
        frames = await read_frames(source, info)
        _check_count(info, sum(frame.count for frame in frames), chunk)
        for frame in frames:
            _check_memory(kind, info, frame.unpacked_bytes)
            own = LitCodec(leaves=told.leaves, tree=told.tree, packing="batch", unpacked_bytes=frame.unpacked_bytes)
            yield _extent(
                info, own, frame.first, frame.count, frame.offset, frame.packed_bytes, decoded=frame.unpacked_bytes
            )
        return
    offsets = await read_offsets(source, info)
    _check_count(info, len(offsets) - 1, chunk)
    if int(offsets[-1]) != info.size_bytes:
        async for extent in _rows_in(kind, source, info, int(offsets[-1]), chunk):
            yield extent
        return
    for first, last in _runs(offsets, block_of(kind.block)):
        begin = int(offsets[first])
        places = (offsets[first : last + 1] - begin).tolist()
        args = tuple(pairwise(places)) if codec.packing == "sample" else ()
        yield _extent(info, codec, first, last - first, begin, places[-1], args=args)


async def _rows_in(kind: LitData, source: Store, info: ObjectInfo, behind: int, chunk: Chunk) -> AsyncIterator[Found]:
    """Return the rows of the Arrow file that a chunk of nested rows ends with."""
    begin, end = await read_arrow_end(source, info, behind)
    inner = PartOf(source, info, begin, end - begin)
    count = 0
    async for found in Arrow(memory=kind.memory).index(inner, inner.info):
        if isinstance(found, Extent):
            spans = tuple(info.span(begin + span.offset, span.length_bytes) for span in found.spans)
            codec = LitCodec(packing="arrow", rows=found.codec).encode()
            yield msgspec.structs.replace(found, key=f"{info.key}/{count}", spans=spans, codec=codec)
            count += found.num_samples
    _check_count(info, count, chunk)


async def _tokens_in(kind: LitData, told: Told, source: Store, info: ObjectInfo, chunk: Chunk) -> AsyncIterator[Found]:
    if told.packing:
        raise lies(info, "its tokens are packed")
    offsets = await read_offsets(source, info)
    _check_count(info, len(offsets) - 1, chunk)
    if int(offsets[-1]) != info.size_bytes:
        raise lies(info, f"its tokens end at byte {offsets[-1]} of {info.size_bytes}")
    codec = LitCodec(leaves=told.leaves[:1], packing="tokens")
    if kind.tokens is not None:
        item = codec.token_bytes * kind.tokens
        count = int(offsets[-1] - offsets[0]) // item
        if not count:
            yield SkippedObject(object=info.key, reason=f"has fewer than {kind.tokens} tokens")
        offsets = offsets[0] + item * np.arange(count + 1, dtype=np.int64)
    for first, last in _runs(offsets, block_of(kind.block)):
        begin = int(offsets[first])
        places = (offsets[first : last + 1] - begin).tolist()
        if kind.tokens is not None:
            own = LitCodec(leaves=told.leaves[:1], packing="tokens", token_count=kind.tokens)
            yield _extent(info, own, first, last - first, begin, places[-1])
        else:
            args = tuple(pairwise(places))
            yield _extent(info, codec, first, last - first, begin, places[-1], args=args)


def _runs(offsets: NDArray[np.int64], block: int) -> Iterator[tuple[int, int]]:
    """Return the first sample of each run that has bytes, and the one behind its last."""
    first, count = 0, len(offsets) - 1
    while first < count:
        last = int(np.searchsorted(offsets, offsets[first] + block))
        last = min(max(last, first + 1), count)
        if offsets[last] > offsets[first]:
            yield first, last
        first = last


def _extent(
    info: ObjectInfo,
    codec: LitCodec,
    first: int,
    count: int,
    begin: int,
    length: int,
    *,
    args: tuple[tuple[int, ...], ...] = (),
    decoded: int = 0,
) -> Extent:
    return Extent(
        key=f"{info.key}/{first}",
        group=info.key,
        spans=(info.span(begin, length),),
        codec=codec.encode(),
        num_samples=count,
        args=args,
        decoded_bytes=decoded,
    )


def _check_count(info: ObjectInfo, count: int, chunk: Chunk) -> None:
    if count != chunk.chunk_size:
        raise lies(info, f"it has {count} items, where {INDEX} tells of {chunk.chunk_size}")


def _check_memory(kind: LitData, info: ObjectInfo, size: int) -> None:
    memory = size_of("memory", kind.memory)
    if size > memory:
        raise DataError(
            f"what is packed as one in {info.key} takes {format_bytes(size)}, more than memory={format_bytes(memory)}",
            fix="give more memory, or write the dataset again in smaller chunks",
            about=info.key,
        )
