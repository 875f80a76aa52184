"""TAR files that are packed by gzip or Zstandard: samples that begin between two points of the stream are an extent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Protocol

import msgspec

from penstock.errors import DataError, TruncatedObject
from penstock.formats.streams import ByteStream, Packing, Part, unpacked
from penstock.formats.streams.lines import check_held
from penstock.formats.streams.packing import MOST_PART_BYTES
from penstock.manifest import Span
from penstock.sources import ObjectInfo
from penstock.units import KIB, MIB, format_bytes

__all__ = ["BLOCK_BYTES", "Forward", "Run", "SampleRuns", "joined_runs", "sample_runs"]

BLOCK_BYTES = 4 * MIB
"""About how many are between two points, unpacked."""
MOST_EXTENT_BYTES = 64 * MIB
"""Of the samples of an extent, unpacked, where it has several."""
MOST_GAP_BYTES = 256 * KIB
"""Between two members of an extent, unpacked, up to which what lies between them is unpacked too."""


class Run(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run of unpacked bytes of an extent; ``packed`` is how many of its bytes it is unpacked from."""

    packed: int
    packing: Packing


class Member(Protocol):
    """A member, of which places and size are known."""

    @property
    def name(self) -> str: ...
    @property
    def start(self) -> int: ...
    @property
    def body(self) -> int: ...
    @property
    def size(self) -> int: ...


class Forward:
    """What a stream unpacks to, read by ranges that never go back; behind its end lie zeros, as behind a TAR file's."""

    def __init__(self, stream: ByteStream, info: ObjectInfo) -> None:
        self._chunks = stream.chunks()
        self._info = info
        self._held, self._begin = bytearray(), 0
        self._is_ended = False

    @property
    def info(self) -> ObjectInfo:
        """What is read, as if it had no end."""
        return msgspec.structs.replace(self._info, size_bytes=1 << 60)

    async def get_range(self, info: ObjectInfo, offset: int, length_bytes: int) -> memoryview:
        """Return bytes from an offset, that is not before the last one."""
        while not self._is_ended and self._begin + len(self._held) < offset + length_bytes:
            self._drop(offset)
            await self._more()
        self._drop(offset)
        found = bytes(self._held[:length_bytes]) if offset == self._begin else b""
        return memoryview(found.ljust(length_bytes, b"\0"))

    async def check_end(self, end: int) -> None:
        """Read what is left, and check that it has as many bytes.

        Raises:
            TruncatedObject: it has fewer.
        """
        while not self._is_ended:
            self._drop(self._begin + len(self._held))
            await self._more()
        size = self._begin + len(self._held)
        if end > size:
            raise TruncatedObject(
                f"{self._info.key} unpacks to {size} bytes and ends within a member that ends at byte {end}",
                fix="the file was cut off before it was packed: write it again, or leave it out",
                about=self._info.key,
            )

    def _drop(self, offset: int) -> None:
        count = min(offset - self._begin, len(self._held))
        del self._held[:count]
        self._begin += count

    async def _more(self) -> None:
        chunk = await anext(self._chunks, None)
        if chunk is None:
            self._is_ended = True
        else:
            self._held += chunk


@dataclass(kw_only=True)
class SampleRuns:
    """Samples that are an extent.

    Attributes:
        keys: of the samples.
        names: of what members are of them, each once.
        args: of each sample, of each of its members the place of its name, of its bytes in the runs, and their number.
    """

    keys: list[str] = field(default_factory=list)
    names: tuple[str, ...] = ()
    args: list[tuple[int, ...]] = field(default_factory=list)
    spans: tuple[Span, ...] = ()
    runs: tuple[Run, ...] = ()


def sample_runs(
    stream: ByteStream, info: ObjectInfo, samples: Sequence[tuple[str, Sequence[Member]]]
) -> Iterator[SampleRuns]:
    """Return the samples of a stream that was read to its end, together those whose bulk lies between two points.

    Args:
        samples: with their members in the order in which they lie.

    Raises:
        DataError: a member cannot be read alone, or is too large.
    """
    bulks = [(max(members, key=lambda member: member.size).start, key, members) for key, members in samples]
    bulks.sort(key=lambda bulk: bulk[0])
    for _, some in groupby(bulks, key=lambda bulk: stream.point_before(bulk[0])):
        together: list[tuple[str, Sequence[Member]]] = []
        num_bytes = 0
        for _, key, members in some:
            more = sum(member.size for member in members)
            if together and num_bytes + more > MOST_EXTENT_BYTES:
                yield _together(stream, info, together)
                together, num_bytes = [], 0
            together.append((key, members))
            num_bytes += more
        yield _together(stream, info, together)


def _together(stream: ByteStream, info: ObjectInfo, samples: Sequence[tuple[str, Sequence[Member]]]) -> SampleRuns:
    members = sorted((member for _, some in samples for member in some), key=lambda member: member.body)
    parts = list(_parts(members))
    for part in parts:
        skip = part.begin - stream.point_before(part.begin)
        check_held(stream, info, skip)
        if skip + part.end - part.begin > MOST_PART_BYTES:
            raise DataError(
                f"{info.key} has a member of more than {format_bytes(MOST_PART_BYTES - skip)}, which would be unpacked "
                "in memory",
                fix="unpack the file, or leave it out",
                about=info.key,
            )
    names = tuple(sorted({member.name for member in members}))
    places = _places(members, parts)
    found = SampleRuns(names=names, keys=[key for key, _ in samples])
    for _, some in samples:
        numbers: list[int] = []
        for member in some:
            numbers += [names.index(member.name), places[member.body], member.size]
        found.args.append(tuple(numbers))
    placed = [(spans, packing) for spans, packing in stream.placed(parts) if packing is not None]
    found.spans = tuple(span for spans, _ in placed for span in spans)
    found.runs = tuple(
        Run(packed=sum(span.length_bytes for span in spans), packing=packing) for spans, packing in placed
    )
    return found


def _parts(members: Sequence[Member]) -> Iterator[Part]:
    """Return the runs of unpacked bytes that members lie in, which are not empty."""
    full = [member for member in members if member.size]
    if not full:
        yield Part(begin=members[0].start, end=members[0].start + 1)
        return
    begin, end = full[0].body, full[0].body + full[0].size
    for member in full[1:]:
        if member.body - end > MOST_GAP_BYTES:
            yield Part(begin=begin, end=end)
            begin = member.body
        end = max(end, member.body + member.size)
    yield Part(begin=begin, end=end)


def _places(members: Sequence[Member], parts: Sequence[Part]) -> Mapping[int, int]:
    """Return where the bytes of each member lie in all runs together, by where they lie in the stream."""
    found: dict[int, int] = {}
    done, number = 0, 0
    for member in members:
        if not member.size:
            found.setdefault(member.body, 0)
            continue
        while member.body >= parts[number].end:
            done += parts[number].end - parts[number].begin
            number += 1
        found[member.body] = done + member.body - parts[number].begin
    return found


def joined_runs(data: bytes, runs: Sequence[Run], *, key: str) -> bytes:
    """Return the unpacked bytes of an extent's runs.

    Raises:
        DataError: they cannot be unpacked.
    """
    found, at = [], 0
    for run in runs:
        found.append(unpacked(data[at : at + run.packed], run.packing, key=key))
        at += run.packed
    return found[0] if len(found) == 1 else b"".join(found)
