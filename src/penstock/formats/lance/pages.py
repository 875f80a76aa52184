"""The pages of Lance's data files (2.0 and later): which bytes of a file some rows need.

A file ends with what describes it: its schema (a global buffer), a message of Protocol Buffers for each column
(``lance.file.v2.ColumnMetadata``), tables of where those lie, and 40 bytes that tell where the tables are. A column has
pages, a page some rows in some buffers. Source: protos/file2.proto of Lance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.formats.lance.manifests import message_of, numbers_of
from penstock.formats.protocols import Store
from penstock.sources import ObjectInfo
from penstock.units import KIB, MIB, format_bytes

__all__ = ["Cut", "Pages", "Place", "cut_rows", "pages_of", "read_end"]

Place = tuple[int, int]
"""Where bytes begin in a file, and how many they are."""
GUESS_BYTES: Final = 256 * KIB
MOST_END_BYTES: Final = 32 * MIB
_FOOTER_BYTES: Final = 40
_MAGIC: Final = b"LANC"
_OLDEST: Final = (0, 3)
"""What files of 2.0 call themselves: in those, parts of a list have rows of their own."""
_NEAR_BYTES: Final = 64 * KIB
"""Between two places, that are read along."""
_MOST_ROWS: Final = (1 << 32) - 1
"""Of a page."""
_MOST_WASTE: Final = 4
_MOST_CUTS: Final = 4096
"""Places for a cut that are compared."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pages:
    """The pages of some columns of a file, and what of it every reader needs.

    Attributes:
        file_bytes: of the file.
        always: places of what describes it.
        starts: of each column the row that each page begins with, and the number of rows, shape (pages + 1,).
        ends: of each column the bytes of the pages before each, and those of all, shape (pages + 1,).
        buffers: of each column and page its places.
    """

    file_bytes: int
    always: tuple[Place, ...]
    starts: tuple[NDArray[np.int64], ...]
    ends: tuple[NDArray[np.int64], ...]
    buffers: tuple[tuple[tuple[Place, ...], ...], ...]

    def places(self, first: int, end: int) -> tuple[Place, ...]:
        """Return where in the file lies what some rows need, in its order."""
        found = list(self.always)
        for starts, buffers in zip(self.starts, self.buffers, strict=True):
            low, high = np.searchsorted(starts, first, "right") - 1, np.searchsorted(starts, end, "left")
            found += [place for page in buffers[low:high] for place in page]
        return tuple(_joined(found))


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """Rows of a fragment that are read together; ``places`` are those of each file."""

    first: int
    end: int
    places: tuple[tuple[Place, ...], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _End:
    """The end of a file, from byte ``at`` on."""

    file_bytes: int
    at: int
    data: bytes
    version: tuple[int, int]
    columns: tuple[Place, ...]


async def read_end(source: Store, info: ObjectInfo) -> _End:
    """Read what describes a file.

    Raises:
        ValueError: it is none, or contradicts itself.
        SourceError: it cannot be read.
    """
    at = max(0, info.size_bytes - GUESS_BYTES)
    data = bytes(await source.get_range(info, at, info.size_bytes - at))
    if len(data) < _FOOTER_BYTES or data[-4:] != _MAGIC:
        raise ValueError("it does not end as files do")
    begin, columns_at, globals_at = (int.from_bytes(data[-40 + 8 * n :][:8], "little") for n in range(3))
    num_globals, num_columns = (int.from_bytes(data[-16 + 4 * n :][:4], "little") for n in range(2))
    version = int.from_bytes(data[-8:-6], "little"), int.from_bytes(data[-6:-4], "little")
    tables = [(columns_at, 16 * num_columns), (globals_at, 16 * num_globals)]
    last = info.size_bytes - _FOOTER_BYTES
    for _ in range(2):  # tables tell of what may lie before all that was read
        least = min([begin, *(place for place, _ in tables)])
        if not all(place + length <= last for place, length in tables) or begin > last:
            raise ValueError("its tables do not lie in it")
        if last - least > MOST_END_BYTES:
            raise ValueError(f"what describes it has {format_bytes(last - least)}")
        if least < at:
            data, at = bytes(await source.get_range(info, least, at - least)) + data, least
        found = [[_place(data, place - at + 16 * n) for n in range(length // 16)] for place, length in tables[:2]]
        tables = [*tables[:2], *found[0], *found[1]]
    least = min([begin, *(place for place, _ in tables)])
    return _End(
        file_bytes=info.size_bytes,
        at=least,
        data=data[least - at :],
        version=version,
        columns=tuple(found[0]),
    )


def pages_of(end: _End, columns: Sequence[Sequence[int]], num_rows: int) -> Pages | None:
    """Return the pages of columns, each given by its parts' numbers; None where pages are not told by rows.

    Raises:
        ValueError: what describes them contradicts itself.
    """
    if end.version <= _OLDEST and any(len(parts) != 1 for parts in columns):
        return None
    always = [(end.at, end.file_bytes - end.at)]
    starts, ends, buffers = [], [], []
    for number in (each for parts in columns for each in parts):
        if number >= len(end.columns):
            raise ValueError(f"it has no column {number}")
        place, length = end.columns[number]
        pages = []
        of_column: list[int] = []
        for field, value in message_of(end.data[place - end.at : place - end.at + length]):
            if field == 2:
                pages.append(_page(value, end))
            elif field in (3, 4):
                of_column += numbers_of(value)
        half = len(of_column) // 2
        always += _within(zip(of_column[:half], of_column[half:], strict=True), end.file_bytes)
        starts.append(np.cumsum([0, *(rows for rows, _ in pages)], dtype=np.int64))
        sizes = [sum(length for _, length in places) for _, places in pages]
        ends.append(np.cumsum([0, *sizes], dtype=np.int64))
        buffers.append(tuple(places for _, places in pages))
    if any(each[-1] != num_rows for each in starts):
        return None
    return Pages(
        file_bytes=end.file_bytes,
        always=tuple(always),
        starts=tuple(starts),
        ends=tuple(ends),
        buffers=tuple(buffers),
    )


def cut_rows(files: Sequence[Pages], num_rows: int, *, target_bytes: int) -> Iterator[Cut]:
    """Cut rows at pages' ends into runs of some bytes, where the least is fetched twice.

    A run has about ``target_bytes``, and more where columns' pages are so large that much would be fetched with two.
    """
    starts = [each for file in files for each in file.starts]
    ends = [each for file in files for each in file.ends]
    straddling = sum(int(each[-1]) // max(1, len(each) - 1) for each in ends)
    target = max(target_bytes, _MOST_WASTE * straddling)
    places = np.unique(np.concatenate([*starts, [num_rows]]))
    first = 0
    while first < num_rows:
        at = int(np.searchsorted(places, first, "right"))
        later = places[at : at + _MOST_CUTS]
        sizes, waste = _sizes(starts, ends, first, later)
        good = np.flatnonzero((sizes >= target) & (sizes <= 2 * target))
        if sizes[-1] < target:
            chosen = len(later) - 1
        elif len(good):
            chosen = int(good[np.argmin(waste[good])])
        else:
            chosen = max(0, int(np.searchsorted(sizes, target)) - 1)
        end = int(later[chosen])
        yield Cut(first=first, end=end, places=tuple(file.places(first, end) for file in files))
        first = end


def _sizes(
    starts: Sequence[NDArray[np.int64]], ends: Sequence[NDArray[np.int64]], first: int, later: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the bytes of rows from the first to each later one, and those that the next rows need too."""
    sizes, waste = np.zeros(len(later), np.int64), np.zeros(len(later), np.int64)
    for start, end in zip(starts, ends, strict=True):
        low = end[np.searchsorted(start, first, "right") - 1]
        high = end[np.searchsorted(start, later, "left")]
        sizes += high - low
        waste += high - end[np.searchsorted(start, later, "right") - 1]
    return sizes, np.maximum(waste, 0)


def _page(value: int | bytes, end: _End) -> tuple[int, tuple[Place, ...]]:
    """Return the number of rows of a page, and where its buffers lie."""
    if isinstance(value, int):
        raise ValueError("a page that is a number")  # noqa: TRY004
    offsets: list[int] = []
    sizes: list[int] = []
    rows = 0
    for field, found in message_of(value):
        if field == 1:
            offsets += numbers_of(found)
        elif field == 2:
            sizes += numbers_of(found)
        elif field == 3 and isinstance(found, int):
            rows = found
    if rows > _MOST_ROWS:
        raise ValueError(f"a page of {rows} rows")
    if len(offsets) != len(sizes):
        raise ValueError("a page whose buffers have no sizes")
    return rows, tuple(_within(zip(offsets, sizes, strict=True), end.file_bytes))


def _within(places: Iterator[Place], file_bytes: int) -> Iterator[Place]:
    for place, length in places:
        if place + length > file_bytes:
            raise ValueError(f"a buffer of {length} bytes at byte {place}, beyond its end")
        if length:
            yield place, length


def _place(data: bytes, at: int) -> Place:
    return int.from_bytes(data[at : at + 8], "little"), int.from_bytes(data[at + 8 : at + 16], "little")


def _joined(places: Sequence[Place]) -> Iterator[Place]:
    """Return places in their order, those that touch or nearly do as one."""
    begin = end = -1
    for place, length in sorted(places):
        if begin >= 0 and place <= end + _NEAR_BYTES:
            end = max(end, place + length)
            continue
        if begin >= 0:
            yield begin, end - begin
        begin, end = place, place + length
    if begin >= 0:
        yield begin, end - begin
