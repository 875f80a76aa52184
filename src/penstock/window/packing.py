"""Packing samples into slots, in plan order: small samples go many to a slot.

A slot holds a table (an entry a sample), the samples' descriptions, then their bytes, each at a multiple of
64 bytes. Of a sample that is kept it holds the entry and the description alone; the bytes lie in the kept part.
Greedy: a sample that does not fit any more begins the next slot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import WindowTooSmall
from penstock.records import Sample
from penstock.units import format_bytes
from penstock.window.geometry import SLOT_TAIL_BYTES
from penstock.window.layout import SAMPLE_ENTRY, SampleMeta, SampleStatus

__all__ = ["Pack", "pack_samples"]

ALIGNMENT_BYTES = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Pack:
    """What one slot is filled with.

    Attributes:
        first_index: stream index of the first sample; the others follow without a gap.
        table: an entry a sample, checksums still 0, shape (samples,).
        metas: the samples' descriptions, joined.
        length_bytes: end of the last sample's bytes in the slot.
    """

    first_index: int
    samples: tuple[Sample, ...]
    table: NDArray[np.void]
    metas: bytes
    length_bytes: int

    @property
    def end_index(self) -> int:
        """Stream index after the last sample."""
        return self.first_index + len(self.samples)


def _align(size: int) -> int:
    return -(-size // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


def _encode_meta(sample: Sample) -> bytes:
    return msgspec.msgpack.encode(
        SampleMeta(key=sample.key, group=sample.group, target=sample.target, decode=sample.decode, args=sample.args)
    )


def _lay_out(first_index: int, samples: list[Sample], metas: list[bytes], kept: list[int | None]) -> Pack:
    meta_at = len(samples) * SAMPLE_ENTRY.itemsize
    data_at = _align(meta_at + sum(map(len, metas)))
    rows = []
    for sample, meta, kept_at in zip(samples, metas, kept, strict=True):
        size = sample.size_bytes
        offset, status = (data_at, SampleStatus.DATA) if kept_at is None else (kept_at, SampleStatus.KEPT)
        rows.append((offset, size, meta_at, len(meta), 0, status.value))
        meta_at += len(meta)
        if kept_at is None:
            data_at = _align(data_at + size)
    return Pack(
        first_index=first_index,
        samples=tuple(samples),
        table=np.array(rows, dtype=SAMPLE_ENTRY),
        metas=b"".join(metas),
        length_bytes=data_at,
    )


def _streamed(index: int) -> int | None:
    return None


def pack_samples(
    samples: Iterable[tuple[int, Sample]], *, slot_bytes: int, kept_at: Callable[[int], int | None] = _streamed
) -> Iterator[Pack]:
    """Cut an ordered stream of ``(stream index, sample)`` into packs that each fit one slot.

    Args:
        samples: the stream.
        slot_bytes: size of a slot.
        kept_at: tells where in the file the sample of an index is kept, None where it is streamed.

    Raises:
        WindowTooSmall: a sample with its description is larger than a slot.
    """
    room = slot_bytes - SLOT_TAIL_BYTES
    held: list[Sample] = []
    metas: list[bytes] = []
    kept: list[int | None] = []
    first_index = fixed = data = 0
    for index, sample in samples:
        meta = _encode_meta(sample)
        place = kept_at(index)
        add_fixed = SAMPLE_ENTRY.itemsize + len(meta)
        add_data = _align(sample.size_bytes) if place is None else 0
        if held and _align(fixed + add_fixed) + data + add_data > room:
            yield _lay_out(first_index, held, metas, kept)
            held, metas, kept, fixed, data = [], [], [], 0, 0
        if not held:
            first_index = index
            if _align(add_fixed) + add_data > room:
                raise WindowTooSmall(
                    f"{sample.key} needs {format_bytes(add_fixed + add_data)} of a slot of {format_bytes(room)}",
                    fix="pass a larger --window-size",
                    about=sample.key,
                )
        held.append(sample)
        metas.append(meta)
        kept.append(place)
        fixed += add_fixed
        data += add_data
    if held:
        yield _lay_out(first_index, held, metas, kept)
