"""How much of an order can be fetched in one request."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.order.orders import epoch_rows
from penstock.records import Shuffle

__all__ = ["OBJECT_BYTES", "PACK_BYTES", "Locality", "measure_locality", "merge"]

PACK_BYTES = 8 << 20
OBJECT_BYTES = 64 << 20
NUM_PACKS = 64


@dataclass(frozen=True, kw_only=True)
class Locality:
    """Figures of one order.

    Attributes:
        range_bytes: mean bytes of samples that one range brings.
        ranges_per_mib: ranges that a MiB of samples takes.
        extra: bytes fetched and thrown away, as part of the samples' bytes.
    """

    range_bytes: float
    ranges_per_mib: float
    extra: float


def measure_locality(
    shuffle: Shuffle, *, sample_bytes: int, dataset_bytes: int, max_extra: float, seed: int
) -> Locality:
    """Merge the spans of packs of 8 MiB, of samples that lie side by side in objects of 64 MiB."""
    num_samples = dataset_bytes // sample_bytes
    rows = epoch_rows(shuffle, num_samples, seed=seed, epoch=0)
    per_pack = PACK_BYTES // sample_bytes
    # Packs begin anywhere: what a slot holds besides samples moves them against the groups.
    starts = np.random.default_rng(seed).integers(0, len(rows) - per_pack + 1, NUM_PACKS)
    chosen = rows[starts[:, None] + np.arange(per_pack)]
    merged = [merge(pack, samples_per_object=OBJECT_BYTES // sample_bytes, max_extra=max_extra) for pack in chosen]
    num_ranges, thrown_away = (sum(parts) for parts in zip(*merged, strict=True))
    wanted_bytes = chosen.size * sample_bytes
    return Locality(
        range_bytes=wanted_bytes / num_ranges,
        ranges_per_mib=num_ranges / (wanted_bytes / (1 << 20)),
        extra=thrown_away * sample_bytes / wanted_bytes,
    )


def merge(rows: NDArray[np.int64], *, samples_per_object: int, max_extra: float) -> tuple[int, int]:
    """Return how many ranges a pack's rows take, and how many samples in between are thrown away.

    A range goes on over a gap for as long as what is thrown away is at most ``max_extra`` of what is wanted.
    """
    num_ranges = thrown_away = wanted = wasted = 0
    last = -1
    for row in np.sort(rows).tolist():
        gap = row - last - 1
        same_object = num_ranges > 0 and row // samples_per_object == last // samples_per_object
        if same_object and wasted + gap <= max_extra * (wanted + 1):
            wanted, wasted = wanted + 1, wasted + gap
        else:
            num_ranges, thrown_away, wanted, wasted = num_ranges + 1, thrown_away + wasted, 1, 0
        last = row
    return num_ranges, thrown_away + wasted
