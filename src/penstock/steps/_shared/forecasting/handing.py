"""What handing samples over takes in a loop's own process, as it is measured on this machine.

Between two batches a sample is read out of the window's file, described, checked, given chance of its own, and copied:
here by the same calls, for some hundredths of a second. A real loop, whose caches are used by other things too, takes
more for small samples and less for those of megabytes. What a decoder of one's own does is part of one's computing.
"""

from __future__ import annotations

import os
import random
import time

import msgspec
import numpy as np

from penstock.formats.whole import bytes_of
from penstock.temporary import TemporaryFolder
from penstock.units import MIB
from penstock.window.extents import WindowExtent
from penstock.window.folder import SLOTS
from penstock.window.layout import ExtentMeta, checksum
from penstock.window.slots_file import SlotsFile

__all__ = ["handing_seconds"]

MEASURED_SECONDS = 0.03
"""Of CPU: what else the machine does is no part of it."""
FILE_BYTES = 32 * MIB
"""As much as most CPUs have caches."""
LARGEST_BYTES = 16 * MIB
"""Of a sample that is measured; larger ones take as much longer as they are larger."""
BATCH_SAMPLES = 8
"""That are held together, and let go of together."""
_META = msgspec.msgpack.encode(
    ExtentMeta(key="folder/00000000.bin", group="folder", num_samples=1, keys=(), groups=(), targets=(), args=())
)


def handing_seconds(sample_bytes: float) -> float:
    """Return the seconds that handing a sample of such a size over takes."""
    size = max(1, min(LARGEST_BYTES, round(sample_bytes)))
    with TemporaryFolder("penstock-handing-") as folder:
        (folder / SLOTS).write_bytes(os.urandom(MIB) * (FILE_BYTES // MIB))
        seconds = _measured(SlotsFile(folder, FILE_BYTES), size)
    return seconds * max(1.0, sample_bytes / size)


def _measured(slots: SlotsFile, size: int) -> float:
    chance, values = _Chance(), list[bytes]()
    number, began = 0, time.thread_time()
    while number < BATCH_SAMPLES or time.thread_time() < began + MEASURED_SECONDS:
        data = slots.read(number * size % (FILE_BYTES - size + 1), size)
        meta = msgspec.msgpack.decode(_META, type=ExtentMeta)
        extent = WindowExtent(index=number, meta=meta, codec="", data=data, incarnation=0)
        chance.seed(f"{checksum(data)} {number} {meta.key}")
        values.append(bytes_of(extent.data))
        number += 1
        if len(values) == BATCH_SAMPLES:
            values.clear()
    return (time.thread_time() - began) / number


class _Chance:
    """Seeded as that of ``penstock.loader.chance`` is, but for torch, whose import takes a second."""

    def __init__(self) -> None:
        self._own, self._numpy, self._bits = random.Random(), np.random.RandomState(), np.random.Philox(key=0)  # noqa: S311 - no secret
        self._start = self._bits.state

    def seed(self, text: str) -> None:
        number = checksum(text.encode())
        self._own.seed(number)
        self._numpy.seed(number % 2**32)
        self._bits.state = self._start
