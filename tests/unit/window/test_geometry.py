"""What a bound that is too small is told to be too small for."""

from __future__ import annotations

import re

import pytest

from penstock.errors import WindowTooSmall
from penstock.units import MIB
from penstock.window import Geometry, plan_geometry


@pytest.mark.parametrize(
    ("holds_many", "batch_extents", "told"),
    [
        (False, 1, "cannot hold one sample of 1.9 MiB"),
        (True, 1, "cannot hold one extent of 1.9 MiB (what is fetched as one and has many samples"),
        (False, 8, "cannot hold 8 samples of up to 1.9 MiB at once"),
        (True, 8, "cannot hold 8 extents of up to 1.9 MiB at once (what is fetched as one and has many samples"),
    ],
)
def test_extents_of_many_samples_are_not_called_samples(holds_many: bool, batch_extents: int, told: str) -> None:
    size = 3_000_000 if batch_extents > 1 else 1_000_000
    with pytest.raises(WindowTooSmall) as caught:
        plan_geometry(window_bytes=size, max_extent_bytes=2_000_000, batch_extents=batch_extents, holds_many=holds_many)
    assert told in caught.value.what


@pytest.mark.parametrize("batch_extents", [1, 8, 28, 128, 300])
@pytest.mark.parametrize("extent_bytes", [1_000, 20_000, 52_300, 300_000, 1_000_000, 17_000_000])
def test_the_window_that_is_advised_is_the_least_that_holds_what_is_needed(
    extent_bytes: int, batch_extents: int
) -> None:
    def plan(window_bytes: int) -> Geometry:
        return plan_geometry(
            window_bytes=window_bytes, max_extent_bytes=extent_bytes, batch_extents=batch_extents, holds_many=True
        )

    for window_bytes in (60_000, 3 * MIB):
        try:
            plan(window_bytes)
        except WindowTooSmall as refused:
            [advised] = map(int, re.findall(r"--window-size of at least (\d+)Mi", refused.fix))
            plan(advised * MIB)
            if advised > window_bytes / MIB + 1:
                with pytest.raises(WindowTooSmall):
                    plan((advised - 1) * MIB)


def test_what_helps_extents_of_many_samples_that_are_opened_together_is_no_smaller_batch() -> None:
    with pytest.raises(WindowTooSmall) as caught:
        plan_geometry(window_bytes=MIB, max_extent_bytes=50_000, batch_extents=128, num_ranks=2, holds_many=True)
    assert caught.value.what.endswith("which workers and ranks share")
    assert caught.value.fix.endswith("Mi, or --workers 0 with one rank on a node")
