"""Tables of samples (``stbl``) of MP4 and MOV: where packets lie, how long they are, and when they are seen.

Counts are held against the bytes that they stand in before anything is made of them.
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.formats.media.boxes import Box, boxes, room
from penstock.formats.media.tables import Packets

__all__ = ["MOST_PACKETS", "Unindexed", "even_samples", "packets_of"]

MOST_PACKETS: Final = 1 << 24
"""Of a track: 38 hours of 120 frames a second."""

Ints = NDArray[np.int64]


class Unindexed(Exception):
    """A file has an index that its clips cannot be taken by."""


def packets_of(table: memoryview) -> Packets:
    """Return the packets of a table of samples."""
    found = {each.kind: each for each in boxes(table)}
    sizes = _sizes(found)
    count = len(sizes)
    steps = _run_lengths(found.get(b"stts"), count)
    if len(steps) != count:
        raise ValueError(f"{count} packets of which {len(steps)} have a time")
    dts = np.concatenate([np.zeros(min(1, count), np.int64), np.cumsum(steps)[:-1]])
    shifts = _run_lengths(found[b"ctts"], count, signed=True) if b"ctts" in found else np.zeros(count, np.int64)
    if len(shifts) < count:
        shifts = np.concatenate([shifts, np.zeros(count - len(shifts), np.int64)])
    keys = np.ones(count, np.bool_)
    if b"stss" in found:
        numbers = _numbers(found[b"stss"], ">u4") - 1
        if len(numbers) and not 0 <= numbers.min() <= numbers.max() < max(1, count):
            raise ValueError(f"a key packet {int(numbers.max()) + 1} of {count}")
        keys[:] = False
        keys[numbers] = True
    offsets = _offsets(found, sizes)
    made = Packets(offsets=offsets, sizes=sizes, dts=dts, pts=dts + shifts, durations=steps, keys=keys)
    return made if (sizes > 0).all() else made.chosen(sizes > 0)


def even_samples(table: memoryview, kind: str, scale: int) -> tuple[Packets, int] | None:
    """Return runs of samples of sound that is not packed, some to each tenth of a second, and the bytes of a sample.

    None where samples are of several sizes or lengths.

    Raises:
        Unindexed: samples are told of in a way of their own.
    """
    found = {each.kind: each for each in boxes(table)}
    if kind != "audio" or b"stsz" not in found or b"stts" not in found:
        return None
    size, count = struct.unpack_from(">2I", room(found[b"stsz"].full()[2], 8, b"stsz"))
    runs, _, length = struct.unpack_from(">3I", room(found[b"stts"].full()[2], 4, b"stts").tobytes() + bytes(12))
    if not size or runs != 1 or not length or not count:
        return None
    entry = next(boxes(found[b"stsd"].full()[2][4:])).body
    if (
        len(entry) >= 36
        and entry[8:10].tobytes() == b"\x00\x01"
        and entry[28:32].tobytes() not in (bytes(4), b"\x00\x00\x00\x01")
    ):
        raise Unindexed
    chunks, each = _chunks(found)
    most = max(1, scale // 10)
    pieces = -(-each // most)
    if int(pieces.sum()) > MOST_PACKETS or int(each.sum()) < count:
        raise ValueError(f"{count} packets in chunks of {int(each.sum())}")
    chunk = np.repeat(np.arange(len(chunks)), pieces)
    first = (np.arange(len(chunk)) - np.repeat(np.cumsum(pieces) - pieces, pieces)) * most
    samples = np.minimum(most, each[chunk] - first)
    since = (np.cumsum(each) - each)[chunk] + first
    made = Packets(
        offsets=chunks[chunk] + first * size,
        sizes=samples * size,
        dts=since * length,
        pts=since * length,
        durations=samples * length,
        keys=np.ones(len(chunk), np.bool_),
    )
    return made.chosen(since + samples <= count), size


def _chunks(found: dict[bytes, Box]) -> tuple[Ints, Ints]:
    """Return where chunks lie, and how many packets each has."""
    if b"co64" in found:
        chunks = _numbers(found[b"co64"], ">u8")
    elif b"stco" in found:
        chunks = _numbers(found[b"stco"], ">u4")
    else:
        raise ValueError("a track whose packets lie nowhere (stco)")
    if b"stsc" not in found:
        raise ValueError("a track whose packets are in no chunks (stsc)")
    _, _, rest = found[b"stsc"].full()
    (count,) = struct.unpack_from(">I", room(rest, 4, b"stsc"))
    table = np.frombuffer(room(rest, 4 + 12 * count, b"stsc"), ">u4", 3 * count, 4).astype(np.int64).reshape(count, 3)
    if not len(chunks):
        return chunks, np.zeros(0, np.int64)
    firsts = np.minimum(table[:, 0], len(chunks) + 1)
    if not count or firsts[0] != 1 or (np.diff(table[:, 0]) <= 0).any():
        raise ValueError("chunks that do not come in order")
    return chunks, np.repeat(table[:, 1], np.diff(np.concatenate([firsts, [len(chunks) + 1]])))


def _sizes(found: dict[bytes, Box]) -> Ints:
    if b"stsz" in found:
        _, _, rest = found[b"stsz"].full()
        size, count = struct.unpack_from(">2I", room(rest, 8, b"stsz"))
        _check_count(count)
        if size:
            return np.full(count, size, np.int64)
        return np.frombuffer(room(rest, 8 + 4 * count, b"stsz"), ">u4", count, 8).astype(np.int64)
    if b"stz2" in found:
        raise Unindexed
    raise ValueError("a track whose packets have no sizes (stsz)")


def _offsets(found: dict[bytes, Box], sizes: Ints) -> Ints:
    """Return where packets lie: chunks have offsets, and packets lie one behind the other in them."""
    chunks, each = _chunks(found)
    if not len(sizes):
        return np.zeros(0, np.int64)
    ends = np.cumsum(np.minimum(each, len(sizes)))
    if not len(ends) or ends[-1] < len(sizes):
        raise ValueError(f"{len(sizes)} packets in chunks of {int(ends[-1]) if len(ends) else 0}")
    begins = ends - np.minimum(each, len(sizes))
    chunk = np.searchsorted(ends, np.arange(len(sizes)), "right")
    before = np.concatenate([[0], np.cumsum(sizes)])
    starts = before[np.minimum(begins, len(sizes))]
    found_at: Ints = chunks[chunk] + before[:-1] - starts[chunk]
    return found_at


def _run_lengths(table: Box | None, most: int, *, signed: bool = False) -> Ints:
    """Return values of runs, as times are told, as many as there are packets at most."""
    if table is None:
        return np.zeros(0, np.int64)
    _, _, rest = table.full()
    (count,) = struct.unpack_from(">I", room(rest, 4, table.kind))
    pairs = np.frombuffer(room(rest, 4 + 8 * count, table.kind), ">u4", 2 * count, 4).reshape(count, 2)
    counts = pairs[:, 0].astype(np.int64)
    values = pairs[:, 1].astype(np.uint32)
    if int(counts.sum()) > most:
        raise ValueError(f"times of {int(counts.sum())} packets, of {most}")
    # Files of version 0 have shifts below zero too.
    return np.repeat(values.view(np.int32).astype(np.int64) if signed else values.astype(np.int64), counts)


def _numbers(table: Box, dtype: str) -> Ints:
    _, _, rest = table.full()
    (count,) = struct.unpack_from(">I", room(rest, 4, table.kind))
    size = np.dtype(dtype).itemsize
    found = np.frombuffer(room(rest, 4 + size * count, table.kind), dtype, count, 4)
    if size == 8 and len(found) and int(found.max()) >= 1 << 62:
        raise ValueError(f"an offset of {int(found.max())}")
    return found.astype(np.int64)


def _check_count(count: int) -> None:
    if count > MOST_PACKETS:
        raise ValueError(f"{count} packets in a track, more than {MOST_PACKETS}")
