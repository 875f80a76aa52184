"""What is said of a run that waited for its data, or did not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from penstock.cost.bottleneck import bottleneck
from penstock.cost.measured_feed import feed_of
from penstock.records import Meters
from support.runs import make_list_step, make_run

EPOCHS = 4


def said(
    *,
    stall: float,
    compute: float,
    downloaded: int,
    rate: float | None,
    fetching: float = 0.0,
    starved: float = 0.0,
    valid: float = 0.0,
    valid_stall: float = 0.0,
    **config: Any,
) -> str:
    """Return what is said of epochs of so many seconds, that each moved some bytes over a link of a rate."""
    meters = Meters(
        bytes_downloaded=EPOCHS * downloaded,
        sample_bytes=EPOCHS * 1000 * config.get("repeat", 1),
        window_bytes=500,
        fetching_microseconds=round(EPOCHS * 1e6 * fetching),
        starved_microseconds=round(EPOCHS * 1e6 * starved),
    )
    run = make_run(num_epochs=EPOCHS, meters=meters, config=config)
    epochs = tuple(
        msgspec.structs.replace(
            each,
            stall_seconds=stall,
            compute_seconds=compute,
            valid_seconds=valid,
            valid_stall_seconds=valid_stall,
        )
        for each in run.epochs
    )
    run = msgspec.structs.replace(run, epochs=epochs)
    steps = [] if rate is None else [make_list_step(step="prefetch", details={"rate_bytes_per_second": rate})]
    feed = feed_of(run, steps=steps)
    assert feed is not None
    return bottleneck(run, feed)


def test_a_run_that_hardly_waits_is_held_up_by_training() -> None:
    told = said(stall=0.1, compute=9.9, downloaded=1000, rate=500.0)
    assert told.startswith("Training was the bottleneck: 1.0% of the training passes waited")


def test_a_run_of_a_moment_is_not_advised_on_what_beginning_takes() -> None:
    told = said(stall=0.1, compute=0.05, downloaded=1000, rate=100.0)
    assert told == "Nothing held the run up: it waited for data for 400 ms in all, as any does that begins."
    assert said(stall=0.3, compute=0.05, downloaded=1000, rate=100.0).startswith("The download was the bottleneck")


def test_a_slow_link_is_mended_by_a_window_or_by_passes() -> None:
    """1,000 bytes at 100 a second take 10 s; 2 s of compute make up for 200, so 800 must be kept, or 5 passes made."""
    told = said(stall=8.0, compute=2.0, downloaded=1000, rate=100.0)
    assert told.startswith("The download was the bottleneck: 80.0% of the training passes waited")
    assert "a window that keeps 800 B for the next epoch (W*)" in told
    assert "--repeat 5," in told


@pytest.mark.parametrize(
    ("rate", "reason"), [(100.0, "the download: an epoch"), (1e6, "decoding: an epoch"), (None, "data: whether that")]
)
def test_a_run_that_mostly_computed_is_not_said_to_have_been_held_up_by_its_data(
    rate: float | None, reason: str
) -> None:
    told = said(stall=0.9, compute=9.1, downloaded=1000, rate=rate)
    assert told.startswith("Training was the bottleneck, more than data: 9.0% of the training passes waited for data")
    assert "training took the rest, so that feeding faster gains 9.0% at most" in told
    assert f"The wait was for {reason}" in told
    assert "--workers" in told or "--repeat" in told


def test_passes_that_do_not_suffice_are_told_how_many_do() -> None:
    told = said(stall=6.0, compute=4.0, downloaded=1000, rate=100.0, repeat=2)
    assert "--repeat 5," in told
    assert "W*" not in told


def test_a_fast_link_behind_slow_decoding_is_not_blamed() -> None:
    told = said(stall=5.0, compute=5.0, downloaded=1000, rate=1e6)
    assert told.startswith("Decoding was the bottleneck: 50.0% of the training passes waited")
    assert "--workers" in told


def test_a_run_knows_itself_whether_it_waited_for_bytes_and_how_fast_they_came() -> None:
    """1,000 bytes came in 10 s, all of which the run lacked them: as behind a link that was measured beside it."""
    itself = said(stall=8.0, compute=2.0, downloaded=1000, rate=None, fetching=10.0, starved=9.0)
    assert itself == said(stall=8.0, compute=2.0, downloaded=1000, rate=100.0)
    decoded = said(stall=8.0, compute=2.0, downloaded=1000, rate=None, fetching=3.0, starved=1.0)
    assert decoded.startswith(
        "Decoding was the bottleneck: 80.0% of the training passes waited for data, and the bytes"
    )
    assert decoded == said(stall=8.0, compute=2.0, downloaded=1000, rate=100.0, fetching=3.0, starved=1.0)


@pytest.mark.parametrize(("stall", "compute", "valid"), [(2.0, 8.0, 0.0), (4.0, 2.0, 6.0)])
def test_a_link_that_is_fast_enough_for_an_epoch_is_not_what_is_to_be_mended(
    stall: float, compute: float, valid: float
) -> None:
    """It may have been waited for at the start, or between computing and validation that a small window cuts apart."""
    told = said(stall=stall, compute=compute, downloaded=1000, rate=None, fetching=3.0, starved=3.0, valid=valid)
    assert "he download" in told
    assert told.endswith(
        "The link is fast enough for that: what is waited for at the start is less of a longer run, and a larger "
        "window has more there in time later on."
    )


def test_bytes_that_a_validation_waited_for_are_not_what_training_waited_for() -> None:
    """Training waited 4 s for decoding, a validation 6 s, for half of which its bytes were not there."""
    given: dict[str, Any] = {"stall": 4.0, "compute": 2.0, "downloaded": 1000, "rate": None, "fetching": 8.0}
    told = said(**given, starved=3.0, valid=7.0, valid_stall=6.0)
    assert told.startswith("Decoding was the bottleneck")
    assert said(**given, starved=8.0, valid=7.0, valid_stall=6.0).startswith("The download was the bottleneck")


@pytest.mark.parametrize("repeat", [{}, {"repeat": 3}])
def test_what_was_not_measured_is_not_told(repeat: dict[str, int]) -> None:
    told = said(stall=5.0, compute=5.0, downloaded=1000, rate=None, **repeat)
    assert "is not told" in told
    assert "penstock prefetch with a manifest measures" in told
    assert f"--repeat above {repeat.get('repeat', 1)}" in told
