"""How many extents of several samples are opened together."""

from __future__ import annotations

import pytest

from penstock.plan import choose_mix
from penstock.units import MIB


@pytest.mark.parametrize(
    ("extent_bytes", "mix"),
    [(0, 64), (1000, 64), (MIB, 64), (4 * MIB, 16), (8 * MIB, 8), (32 * MIB, 8), (64 * MIB, 4), (500 * MIB, 2)],
)
def test_few_bytes_are_opened_before_the_first_batch_and_few_extents_never(extent_bytes: int, mix: int) -> None:
    assert choose_mix(max_extent_bytes=extent_bytes) == mix


@pytest.mark.parametrize(("decoded_bytes", "mix"), [(0, 64), (16 * MIB, 64), (64 * MIB, 16), (4096 * MIB, 2)])
def test_what_unpacks_to_much_is_opened_a_few_at_a_time(decoded_bytes: int, mix: int) -> None:
    assert choose_mix(max_extent_bytes=1000, max_decoded_bytes=decoded_bytes) == mix
    assert choose_mix(max_extent_bytes=64 * MIB, max_decoded_bytes=decoded_bytes) == min(mix, 4)
