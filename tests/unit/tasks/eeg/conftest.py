"""Small BIDS datasets on disk, served as sources."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from penstock.manifest import Extent
from penstock.tasks.protocols import Limits, OptionValue, SampleSet
from penstock.tasks.registry import get_task
from support.bids import CCD, Bids, trial

__all__ = ["CCD", "Bids", "Make", "trial"]


@pytest.fixture
def bids(tmp_path: Path) -> Bids:
    return Bids(folder=tmp_path)


Make = Callable[..., tuple[SampleSet, list[Extent]]]


@pytest.fixture
def make() -> Make:
    """Makes all samples of a task."""

    def run(
        bids: Bids, task: str, options: Mapping[str, OptionValue] | None = None, limits: Limits | None = None
    ) -> tuple[SampleSet, list[Extent]]:
        async def work() -> tuple[SampleSet, list[Extent]]:
            made = await get_task(task).make_samples(bids.source, limits=limits or Limits(), options=options or {})
            return made, [sample async for sample in made.rows]

        return asyncio.run(work())

    return run
