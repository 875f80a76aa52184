"""Samples of a recording out of the bytes of an extent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import DataError
from penstock.formats.bdf import RecordLayout, decode_records
from penstock.formats.recordings.eeglab import unpacked_numbers
from penstock.formats.whole import bytes_of

__all__ = ["decode_runs"]


def decode_runs(
    data: Any, layout: RecordLayout, firsts: Sequence[int], num_samples: int, *, name: str
) -> list[NDArray[np.float64]]:
    """Return runs of samples of an extent, each an array (channels, samples) in volts or the channel's own unit.

    Args:
        firsts: samples before each run.
        num_samples: that each has.
        name: of the extent, for messages.

    Raises:
        DataError: the bytes do not hold them.
    """
    held = memoryview(bytes_of(data)) if not isinstance(data, memoryview) else data
    if layout.packed:
        most = layout.num_records * layout.record_bytes
        held = memoryview(unpacked_numbers(held, layout.packed, most, name=name))
        _check(held, layout, layout.num_records, firsts, num_samples, name)
        width = layout.record_bytes
        return [decode_records(held[first * width : (first + num_samples) * width], layout) for first in firsts]
    decoded = decode_records(held, layout)
    _check(held, layout, decoded.shape[1], firsts, num_samples, name)
    return [decoded[:, first : first + num_samples] for first in firsts]


def _check(
    held: memoryview, layout: RecordLayout, count: int, firsts: Sequence[int], num_samples: int, name: str
) -> None:
    most = max(firsts, default=0) + num_samples
    if min(firsts, default=0) < 0 or most > count or (layout.packed and held.nbytes != count * layout.record_bytes):
        raise DataError(
            f"{held.nbytes} bytes of {name} hold {count} samples, {most} are needed",
            fix="run `penstock list` again: the manifest does not fit the data",
        )
