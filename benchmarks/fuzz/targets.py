"""What is fuzzed, by name: every format of the registry, listed and decoded, and the other parsers of outside bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.fuzz.formats import examples_of
from benchmarks.fuzz.parsers import PARSERS, Made
from penstock.formats.registry import open_format, own_format_names
from penstock.manifest import Extent

__all__ = ["NEEDS", "TARGETS", "values_of"]

NEEDS = {"format hdf5": "h5py", "format lance": "lance", "format video": "av", "format audio": "av"}
"""Modules that some are read by; without them all inputs are refused alike."""

MOST_SAMPLES = 2000
"""Of an extent, that are decoded."""


def values_of(source: Any, kind: Any, loop: asyncio.AbstractEventLoop) -> int:
    """Index a source's objects and decode what is found; return how many samples that are."""

    async def index() -> list[Extent]:
        infos = source.infos() if hasattr(source, "infos") else [source.info]
        found = [each for info in infos if info.size_bytes async for each in kind.index(source, info)]
        return [each for each in found if isinstance(each, Extent)]

    count = 0
    for extent in loop.run_until_complete(index()):
        numbers = np.arange(min(extent.num_samples, MOST_SAMPLES))
        values = kind.decode(memoryview(source.joined(extent)), extent, extent.codec, numbers)
        count += sum(1 for _ in (values[number] for number in range(len(values))))
    return count


def of_format(name: str) -> Made:
    """Return what feeds a format: an input's first byte chooses an example, its second one options."""
    loop = asyncio.new_event_loop()
    if name in ("hdf5", "recordings"):
        from penstock.formats.hdf5.readers import kept_readers

        async def keep() -> None:
            await kept_readers().__aenter__()

        loop.run_until_complete(keep())
    examples = examples_of(name)
    kinds = [[open_format(name, options) for options in example[2]] for example in examples]
    seeds = [
        bytes([number, how]) + example[1]
        for number, example in enumerate(examples)
        for how in range(len(kinds[number]))
    ]

    def feed(data: bytes) -> None:
        if len(data) < 3:
            return
        number = data[0] % len(examples)
        values_of(examples[number][3](data[2:]), kinds[number][data[1] % len(kinds[number])], loop)

    return seeds, feed


TARGETS: dict[str, Callable[[], Made]] = {
    **PARSERS,
    **{f"format {name}": partial(of_format, name) for name in own_format_names()},
}
