"""Manifests of a listing that is not done: each holds the extents that came after the last one's.

Parts grow: each takes twice as many samples as the one before, so a trainer that reads them one after the other waits
little for the first, and few times for another. Where samples are large, an eighth as many are a part: an archive may
be read whole to be listed. Where one ends depends on the samples alone, never on time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from penstock.manifest.schema import Extent, ManifestInfo
from penstock.manifest.writer import ManifestWriter
from penstock.options.plan import PlanOptions
from penstock.units import MIB

__all__ = ["FIRST_PART_SAMPLES", "ManifestParts"]

FIRST_PART_SAMPLES = PlanOptions.first_part
FIRST_PART_BYTES = 32 * MIB
"""Of the extents of the first part, from which on an eighth of its samples is enough."""
LARGE_SHARE = 8


class ManifestParts:
    """Writes the manifests of a growing listing; a context manager that leaves the finished ones.

    Args:
        folder: where they go, as ``00000.parquet`` and so on.
        finish: finishes a part's writer.
        on_part: called with each part that is whole.
        first_part_samples: samples of the first part, or more by the rest of an extent; an eighth where they are large.

    Raises:
        DiskFull, OutputUnwritable: from any method.
    """

    def __init__(
        self,
        folder: Path,
        *,
        finish: Callable[[ManifestWriter], ManifestInfo],
        on_part: Callable[[Path, ManifestInfo], None],
        first_part_samples: int = FIRST_PART_SAMPLES,
    ) -> None:
        self._folder = folder
        self._finish = finish
        self._on_part = on_part
        self._part_samples, self._part_bytes = first_part_samples, FIRST_PART_BYTES
        self._num_parts = self._num_samples = self._num_bytes = 0
        self._open = contextlib.ExitStack()
        self._writer: ManifestWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def add(self, extent: Extent, *, split: str) -> None:
        """Append an extent to a split of the part that is being written, and finish the part where it is full."""
        if self._writer is None:
            self._writer = self._open.enter_context(ManifestWriter(self._path(self._num_parts)))
        self._writer.add(extent, split=split)
        self._num_samples += extent.num_samples
        self._num_bytes += extent.size_bytes
        if self._is_full():
            self.finish()
            self._part_samples, self._part_bytes = 2 * self._part_samples, 2 * self._part_bytes

    def finish(self) -> None:
        """Finish the part that is being written, if there is one."""
        if self._writer is None:
            return
        path, info = self._path(self._num_parts), self._finish(self._writer)
        self._open.close()
        self._writer = None
        self._num_parts, self._num_samples, self._num_bytes = self._num_parts + 1, 0, 0
        self._on_part(path, info)

    def _is_full(self) -> bool:
        share = LARGE_SHARE if self._num_bytes >= self._part_bytes else 1
        return self._num_samples * share >= self._part_samples

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:05}.parquet"
