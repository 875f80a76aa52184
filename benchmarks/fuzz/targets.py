"""What is fuzzed, by name: every format of the registry, listed and decoded, and the other parsers of outside bytes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from unittest import mock

from benchmarks.fuzz.aside import Aside, loop_of_one_thread
from benchmarks.fuzz.formats import examples_of
from benchmarks.fuzz.parsers import PARSERS, Made
from benchmarks.fuzz.values import values_of
from penstock.formats.hdf5 import format as hdf5
from penstock.formats.registry import open_format, own_format_names

__all__ = ["NEEDS", "TARGETS"]

NEEDS = {
    "format audio": "av",
    "format hdf5": "h5py",
    "format lance": "lance",
    "format video": "av",
    "messages on HDF5": "h5py",
}
"""Modules that some are read by; without them all inputs are refused alike."""


def of_format(name: str) -> Made:
    """Return what feeds a format: an input's first byte chooses an example, its second one options."""
    loop, aside = loop_of_one_thread(), Aside()
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
        beside = mock.patch.object(hdf5, "read_contents", aside.read_contents)
        with beside if name == "hdf5" else contextlib.nullcontext():
            values_of(examples[number][3](data[2:]), kinds[number][data[1] % len(kinds[number])], loop)

    return seeds, feed


TARGETS: dict[str, Callable[[], Made]] = {
    **PARSERS,
    **{f"format {name}": partial(of_format, name) for name in own_format_names()},
}
