"""The format of MDS shards."""

from __future__ import annotations

import struct
from array import array
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError, DataError
from penstock.formats.codec import Codec
from penstock.formats.magic import kind_of
from penstock.formats.mds.described import INDEX, check_shards
from penstock.formats.mds.shards import BEGIN_BYTES, Column, Shard, lies, read_packed, read_plain
from penstock.formats.mds.values import Value, value_of, why_not
from penstock.formats.options import block_of, names_of
from penstock.formats.protocols import Found, Store
from penstock.formats.rows import block_rows
from penstock.formats.streams import ByteStream, Packing, Part, open_stream, unpacked
from penstock.formats.streams.lines import check_held
from penstock.formats.whole import bytes_of
from penstock.manifest import Described, Extent, SkippedObject, Span
from penstock.sources import GetRange, ObjectInfo
from penstock.texts import did_you_mean
from penstock.units import MIB

__all__ = ["Mds"]

_PICTURES: Final = ("array", "bytes")
_OTHER_PACKING: Final = (".br", ".bz2", ".snappy")
"""By which shards may be packed, whose first bytes do not tell it."""
_SHOWN: Final = 20


class _Codec(Codec, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the samples of an extent are read by."""

    kind: ClassVar[str] = "MDS shards"

    columns: tuple[Column, ...]
    packing: Packing | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Mds:
    """The format of MDS shards; values are dictionaries by column.

    Attributes:
        columns: names of those that are given; None is all.
        pictures: what ``jpeg``, ``png`` and ``pil`` are given as: "array"; or "bytes", as they lie.
        block: about how many bytes of samples are fetched and decoded as one, like ``"4Mi"``.

    Raises:
        ConfigError: an option cannot be used.
    """

    columns: Sequence[str] | None = None
    pictures: Literal["array", "bytes"] = "array"
    block: str | int = 4 * MIB

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", names_of("columns", self.columns))
        object.__setattr__(self, "block", block_of(self.block))
        if self.pictures not in _PICTURES:
            raise ConfigError(f"pictures {self.pictures!r}", fix=f"choose one of: {', '.join(_PICTURES)}")

    async def index(self, source: Store, info: ObjectInfo) -> AsyncIterator[Found]:
        """Return runs of samples; what stands before them is read, and all of a shard that is packed."""
        if info.key.rpartition("/")[2] == INDEX:  # which tells of shards what they tell of themselves
            why = await check_shards(source, info)
            if why:
                yield SkippedObject(object=info.key, reason=why)
            return
        shard, stream = await self._read(source, info)
        self._check(shard.columns, info)
        if len(shard.offsets) == 1:
            yield SkippedObject(object=info.key, reason="has no samples")
            return
        for first, last in self._runs(shard, stream):
            begin, end = int(shard.offsets[first]), int(shard.offsets[last])
            spans: tuple[Span, ...] = (info.span(begin, end - begin),)
            packing = None
            if stream is not None:
                check_held(stream, info, end - stream.point_before(begin))
                ((spans, packing),) = stream.placed([Part(begin=begin, end=end)])
            yield Extent(
                key=f"{info.key}/{first}",
                group=info.key,
                spans=spans,
                codec=_Codec(columns=shard.columns, packing=packing).encode(),
                num_samples=last - first,
            )

    async def _read(self, source: GetRange, info: ObjectInfo) -> tuple[Shard, ByteStream | None]:
        other = next((each for each in _OTHER_PACKING if info.key.endswith(each)), None)
        if other is not None:
            raise lies(info, f"it is packed as {other} tells; those packed by Zstandard and gzip are read")
        begin = bytes(await source.get_range(info, 0, min(BEGIN_BYTES, info.size_bytes)))
        # What begins as gzip does may be the number of samples of a shard that is not packed.
        if kind_of(begin) == "Zstandard" or (kind_of(begin) == "gzip" and not info.key.endswith(".mds")):
            stream = await open_stream(source, info, block_bytes=block_of(self.block), what="MDS shard")
            return await read_packed(stream, info), stream
        return await read_plain(source, info, begin), None

    def _check(self, columns: Sequence[Column], info: ObjectInfo) -> None:
        """Refuse columns that are asked for and not there, or that cannot be read."""
        names = [column.name for column in columns]
        missing = next((name for name in self.columns or () if name not in names), None)
        if missing is not None:
            raise ConfigError(
                f"{info.key} has no column {missing!r}",
                fix=f"{did_you_mean(missing, names)}its columns are: {', '.join(names[:_SHOWN])}",
            )
        for column in columns:
            why = why_not(column.encoding) if self.columns is None or column.name in self.columns else ""
            if why:
                raise DataError(
                    f"the column {column.name!r} of {info.key} ({column.encoding[:40]}) {why}",
                    fix="choose other columns with columns, or write it again with another encoding",
                    about=info.key,
                )

    def _runs(self, shard: Shard, stream: ByteStream | None) -> Iterator[tuple[int, int]]:
        """Return the first sample of each run, and the one behind its last."""
        first, count, block = 0, len(shard.offsets) - 1, block_of(self.block)
        while first < count:
            begin = int(shard.offsets[first])
            cut = begin + block if stream is None else stream.cut_after(begin)
            last = count if cut is None else int(np.searchsorted(shard.offsets, cut))
            last = min(max(last, first + 1), count)
            yield first, last
            first = last

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return samples as dictionaries by column, each made when it is asked for."""
        told = _Codec.read(codec)
        held = unpacked(bytes_of(data), told.packing, key=about.key)
        chosen = [column.name for column in told.columns] if self.columns is None else list(self.columns)
        samples = _Samples(held, told.columns, about.key)
        samples.walk(None if about.args else about.num_samples)
        encodings = {column.name: column.encoding for column in told.columns}
        is_raw = self.pictures == "bytes"
        try:
            readers = [(name, value_of(encodings[name], is_raw=is_raw)) for name in chosen]
        except (KeyError, ValueError) as error:
            raise samples.error(0, f"a column {error}") from error
        return _Rows(samples, block_rows(about, numbers).tolist(), readers)


class _Samples:
    """The bytes of a run of samples, and where each begins, which the samples tell themselves."""

    def __init__(self, data: bytes, columns: Sequence[Column], key: str) -> None:
        self.data, self.key = data, key
        self.starts = array("Q")
        self._columns = columns
        self._sizes = struct.Struct(f"<{sum(not column.size for column in columns)}I")
        self._fixed = sum(column.size for column in columns)

    def walk(self, count: int | None) -> None:
        """Find where samples begin.

        Raises:
            DataError: they do not fill the run, or are not as many.
        """
        at, size = 0, len(self.data)
        while at < size:
            self.starts.append(at)
            if at + self._sizes.size > size:
                raise self.error(len(self.starts) - 1, "it ends within what tells the sizes of its columns")
            at += self._sizes.size + self._fixed + sum(self._sizes.unpack_from(self.data, at))
        if at != size:
            raise self.error(len(self.starts) - 1, f"its columns end {at - size} bytes behind where it should")
        if count is not None and len(self.starts) != count:
            raise self.error(0, f"there are {len(self.starts)} samples from here, where {count} were listed")

    def columns_of(self, number: int) -> dict[str, tuple[int, int]]:
        """Return where the bytes of each column of a sample lie."""
        start = self.starts[number]
        own = iter(self._sizes.unpack_from(self.data, start))
        at, found = start + self._sizes.size, {}
        for column in self._columns:
            end = at + (column.size or next(own))
            found[column.name] = at, end
            at = end
        return found

    def error(self, number: int, what: str, at: int | None = None) -> DataError:
        """Make the error of a sample of the run."""
        shard, _, first = self.key.rpartition("/")
        place = self.starts[number] if at is None and number < len(self.starts) else at or 0
        return DataError(
            f"sample {int(first) + number if first.isdigit() else number} of {shard} cannot be read, at byte {place} "
            f"from sample {first} on: {' '.join(what.split())[:200]}",
            fix="the file is damaged: write it again, or leave it out",
            about=shard,
        )


class _Rows(Sequence[dict[str, Any]]):
    """Samples, each made when it is asked for."""

    def __init__(self, samples: _Samples, numbers: Sequence[int], readers: Sequence[tuple[str, Value]]) -> None:
        self._samples, self._numbers, self._readers = samples, numbers, readers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice):
            return [self[each] for each in range(*row.indices(len(self)))]
        number = self._numbers[row]
        places = self._samples.columns_of(number)
        found = {}
        for name, read in self._readers:
            begin, end = places[name]
            try:
                found[name] = read(self._samples.data[begin:end])
            except (ValueError, OverflowError) as error:
                raise self._samples.error(number, f"{name!r}: {error}", begin) from error
        return found
