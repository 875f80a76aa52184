"""What a bound that is too small is told to be too small for."""

from __future__ import annotations

import pytest

from penstock.errors import WindowTooSmall
from penstock.window import plan_geometry


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
