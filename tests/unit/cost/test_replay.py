"""A run gone through before it is made: what it reads and takes, by what must hold whatever is gone through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from penstock.cost.forecasting import Demand, Link, Places
from penstock.cost.forecasting.course import MOST_LISTED, Course
from penstock.cost.forecasting.foreseen import Foreseen, foresee
from penstock.cost.forecasting.prolonging import prolonged, streamed_like
from penstock.cost.forecasting.replay import Replayed, Terms, replay
from penstock.cost.forecasting.streaming import keeping_in
from penstock.cost.forecasting.wire import Wire
from penstock.manifest import Extent, ManifestWriter, SourceSpec
from penstock.plan import make_order
from penstock.records import Plan
from penstock.sources import ObjectInfo
from penstock.window.concurrency import START
from penstock.window.geometry import KEPT_SHARE

KB, MB = 10**3, 10**6
EVEN = [64 * KB] * 320
"""20.48 MB."""
UNEVEN = np.random.default_rng(0).integers(4 * KB, 400 * KB, 120).tolist()
RATE = 10.0 * MB


def course_of(path: Path, sizes: Sequence[int], *, batch_samples: int = 8, seed: int = 0) -> Course:
    """Return the course of a manifest of samples of such sizes."""
    with ManifestWriter(path) as writer:
        for number, size in enumerate(sizes):
            info = ObjectInfo(key=f"{number:08}.bin", size_bytes=size, version=str(number))
            writer.add(Extent(key=info.key, group=info.key, spans=(info.span(0, size),)), split="train")
        made = writer.finish(
            task="objects",
            task_options={},
            source=SourceSpec(uri="s3://bucket/data"),
            seed=0,
            shape=(),
            classes=(),
            skipped=(),
            created_at="2026-11-28T00:00:00Z",
            created_by="test",
        )
    plan = Plan(manifest_fingerprint=made.fingerprint, seed=seed, num_lanes=8, shuffle="full", mix=1)
    return Course(
        manifest=path,
        order=make_order(made, plan, [("train", True)]),
        batch_samples=batch_samples,
        weights=(1.0,),
        epoch_bytes=float(sum(sizes)),
        epoch_requests=float(len(sizes)),
    )


@pytest.fixture(name="even")
def fixture_even(tmp_path: Path) -> Course:
    return course_of(tmp_path / "even.parquet", EVEN)


@pytest.fixture(name="uneven")
def fixture_uneven(tmp_path: Path) -> Course:
    return course_of(tmp_path / "uneven.parquet", UNEVEN)


def terms_of(
    window_bytes: int, *, epochs: int, compute: float = 1.0, late: float = 0.0, rate: float = RATE, **more: int
) -> Terms:
    """Return what a course is gone through on: a sample is a batch."""
    return Terms(
        window_bytes=window_bytes,
        epochs=epochs,
        compute_seconds=compute,
        bytes_per_second=rate,
        latency_seconds=late,
        head_bytes=0.0,
        batch_extents=1,
        most_in_flight=512,
        **more,
    )


def gone(
    course: Course, *, share: float, epochs: int = 3, compute: float = 0.5, late: float = 0.0, rate: float = RATE
) -> Replayed:
    """Go through a course with a window of a share of it."""
    window_bytes = int(share * course.epoch_bytes)
    found = replay(course, terms_of(window_bytes, epochs=epochs, compute=compute, late=late, rate=rate))
    assert found is not None
    return found


@pytest.mark.parametrize("name", ["even", "uneven"])
def test_a_window_that_holds_everything_reads_each_sample_once(name: str, request: pytest.FixtureRequest) -> None:
    course: Course = request.getfixturevalue(name)
    found = gone(course, share=1.5, epochs=4)
    assert (found.read_bytes, found.requests) == (course.epoch_bytes, course.epoch_requests)
    assert found.kept_bytes == course.epoch_bytes
    assert gone(course, share=1.5, epochs=1).kept_bytes == 0


@pytest.mark.parametrize("share", [0.15, 0.5, 1.0])
@pytest.mark.parametrize("name", ["even", "uneven"])
def test_what_is_kept_is_read_once_and_the_rest_in_each_epoch(
    name: str, share: float, request: pytest.FixtureRequest
) -> None:
    """Of a source that answers at once and is fast, all of it is kept in the third epoch at the latest."""
    course: Course = request.getfixturevalue(name)
    found = gone(course, share=share, epochs=6, compute=0.02, rate=1000.0 * MB)
    whole = 6 * course.epoch_bytes
    assert whole - 5 * found.kept_bytes <= found.read_bytes <= whole - 3 * found.kept_bytes
    assert 0 < found.kept_bytes <= share * course.epoch_bytes


def test_a_run_takes_no_less_than_its_bytes_and_its_computing_and_the_wait_for_its_first(even: Course) -> None:
    for compute in (0.0, 0.5, 2.0, 5.0):
        found = gone(even, share=0.15, compute=compute, late=0.05)
        least = max(found.read_bytes / RATE, 3 * compute) + 0.05
        assert least <= found.seconds <= 1.1 * least + compute / len(EVEN) * 64


def test_the_last_samples_are_computed_when_they_are_there(even: Course) -> None:
    """A link that is the limit leaves the last pack's computing behind its last byte; of a sample, next to nothing."""
    read = even.epoch_bytes / RATE
    found = gone(even, share=1.5, epochs=1, compute=read)
    assert read + read / len(EVEN) < found.seconds < 1.3 * read
    assert gone(even, share=1.5, epochs=1, compute=0.0).seconds == pytest.approx(read)


@pytest.mark.parametrize("share", [0.2, 1.5])
@pytest.mark.parametrize("compute", [0.0, 1.0, 3.0])
def test_it_is_no_quicker_from_further_away(even: Course, share: float, compute: float) -> None:
    """Of a window that keeps nothing by then or everything: what is kept in between depends on what is seen."""
    found = [gone(even, share=share, epochs=2, compute=compute, late=late).seconds for late in (0, 0.01, 0.1, 0.4)]
    assert found == sorted(found)
    assert found[-1] >= found[0] + 0.3


def test_a_faster_link_and_less_computing_take_less(uneven: Course) -> None:
    by_rate = [gone(uneven, share=1.5, rate=rate * MB).seconds for rate in (40.0, 20.0, 10.0, 5.0)]
    by_compute = [gone(uneven, share=1.5, compute=seconds).seconds for seconds in (0.0, 1.0, 2.0, 4.0)]
    assert by_rate == sorted(by_rate)
    assert by_compute == sorted(by_compute)


def test_a_window_too_small_for_a_batch_is_gone_through_by_nothing(uneven: Course) -> None:
    terms = Terms(
        window_bytes=int(1.5 * MB),
        epochs=2,
        compute_seconds=1.0,
        bytes_per_second=RATE,
        latency_seconds=0.0,
        head_bytes=0.0,
        batch_extents=16,
        most_in_flight=512,
    )
    assert replay(uneven, terms) is None


def demand_of(course: Course | None, epochs: int) -> Demand:
    size, number = float(sum(EVEN)), len(EVEN)
    return Demand(
        epoch_bytes=size,
        epoch_requests=number,
        pages=1,
        num_objects=number,
        epochs=epochs,
        compute_seconds=1.0,
        largest_bytes=max(EVEN),
        course=course,
    )


def test_a_run_whose_order_is_not_known_is_forecast_by_formula(even: Course) -> None:
    """Both say much the same of a run that is long beside its first fill."""
    link, places = Link(bytes_per_second=RATE), Places(window_bytes=5 * MB)

    def foreseen(course: Course | None, epochs: int, demand_places: Places = places) -> Foreseen:
        return foresee(demand_of(course, epochs), link, demand_places, window_bytes=5 * MB)

    found, formula = foreseen(even, 60), foreseen(None, 60)
    assert found != formula
    assert found.seconds == pytest.approx(formula.seconds, rel=0.05)
    assert found.times == pytest.approx(formula.times, rel=0.05)
    cached = replace(places, keeps_at_once=True)
    assert foreseen(even, 3, cached) == foreseen(None, 3, cached)


@pytest.mark.parametrize(
    ("share", "late", "rate", "compute"),
    [
        (0.1, 0.2, 100, 0.02),  # a small window far away, whose room is the limit
        (0.1, 0.05, 10, 2.2),  # one that the trainer is the limit of, by little
        (0.5, 0.05, 20, 0.3),  # kept from the second epoch on
        (0.5, 0.001, 20, 0.3),  # kept from nearby
        (0.3, 0.05, 200, 0.0),  # over before it is known how the window is to be divided
    ],
)
@pytest.mark.parametrize("name", ["even", "uneven"])
def test_a_long_run_is_like_the_part_of_it_that_was_gone_through(
    name: str, share: float, late: float, rate: float, compute: float, request: pytest.FixtureRequest
) -> None:
    course: Course = request.getfixturevalue(name)
    check_part(
        course, share=share, epochs=20, late=late, rate=rate * MB, compute=compute, most=course.order.num_extents * 8
    )


@pytest.mark.parametrize(
    ("share", "late", "rate"), [(0.02, 0.05, 50), (0.05, 0.3, 100), (0.3, 0.02, 10), (0.6, 0.002, 50)]
)
@pytest.mark.parametrize("epochs", [1, 3])
def test_a_long_epoch_is_like_its_beginning(
    tmp_path: Path, share: float, late: float, rate: float, epochs: int
) -> None:
    sizes = np.random.default_rng(1).integers(4 * KB, 60 * KB, 4000).tolist()
    course = course_of(tmp_path / "many.parquet", sizes)
    check_part(
        course, share=share, epochs=epochs, late=late, rate=rate * MB, compute=0.5, most=5000 if epochs > 1 else 2500
    )


def check_part(
    course: Course, *, share: float, epochs: int, late: float, rate: float, compute: float, most: int
) -> None:
    """Check what is found of a run by a part of it against all of it."""
    window_bytes, requests = int(share * course.epoch_bytes), 10 * most * epochs
    terms = terms_of(window_bytes, epochs=epochs, compute=compute, late=late, rate=rate, most_requests=requests)
    demand = replace(
        demand_of(course, epochs),
        epoch_bytes=course.epoch_bytes,
        epoch_requests=course.epoch_requests,
        compute_seconds=compute,
        largest_bytes=float(400 * KB),
    )
    whole, part = replay(course, terms), replay(course, replace(terms, most_requests=most))
    assert whole is not None
    assert part is not None
    assert whole.is_whole
    assert not part.is_whole
    keeping = keeping_in(terms.window_bytes, demand, rate=rate, latency_seconds=late, kept_share=KEPT_SHARE)
    found = prolonged(part, demand) or streamed_like(part, demand, part.keeping or keeping, rate=rate)
    assert found.seconds == pytest.approx(whole.seconds, rel=0.05)
    assert found.times == pytest.approx(whole.read_bytes / course.epoch_bytes, rel=0.02)
    assert found.request_times == pytest.approx(whole.requests / course.epoch_requests, rel=0.02)


def test_samples_by_the_million_are_forecast_by_formula(even: Course) -> None:
    """To look up their order takes longer than is waited for."""
    link, places = Link(bytes_per_second=RATE, latency_seconds=0.1), Places(window_bytes=5 * MB)
    times = MOST_LISTED // len(EVEN) + 1
    order = msgspec.structs.replace(even.order, segments=even.order.segments * times)
    found, formula = (
        foresee(demand_of(course, 2), link, places, window_bytes=5 * MB)
        for course in (replace(even, order=order), None)
    )
    assert found == formula


def test_a_window_asks_a_source_far_away_for_no_more_than_it_has_room_for(even: Course) -> None:
    """5 MB twice a second, and not the link's 100 MB: by formula at most, and less where packs are waited for."""
    link, places = Link(bytes_per_second=10 * RATE, latency_seconds=0.5), Places(window_bytes=5 * MB)
    found, formula = (
        foresee(demand_of(course, 10), link, places, window_bytes=5 * MB).seconds for course in (even, None)
    )
    assert formula == pytest.approx(10 * even.epoch_bytes / (10 * MB), rel=0.05)
    assert formula <= found <= 1.4 * formula


def test_many_samples_in_few_requests_are_a_long_run_too(even: Course) -> None:
    """As of shards that are read in order: a sample takes its time however few requests there are."""
    found = replay(even, terms_of(5 * MB, epochs=1000, most_samples=1000))
    assert found is not None
    assert not found.is_whole
    assert len(found.epochs) == 1000 // len(EVEN)


def test_what_is_read_once_behind_a_run_is_gone_through_too(even: Course) -> None:
    link, places = Link(bytes_per_second=RATE, latency_seconds=0.1), Places(window_bytes=5 * MB)

    def once_seconds(once: Course | None) -> float:
        demand = replace(demand_of(even, 2), once_bytes=float(sum(EVEN)), once=once)
        return foresee(demand, link, places, window_bytes=5 * MB).once_seconds

    assert once_seconds(even) > once_seconds(None)


def pass_all(wire: Wire, sizes: Sequence[int]) -> list[tuple[float, int]]:
    """Ask for answers, and return when each was there."""
    came: list[tuple[float, int]] = []
    for number, size in enumerate(sizes):
        wire.ask(size, lambda number=number: came.append((wire.now, number)))  # type: ignore[misc]
    wire.employ()
    while len(came) < len(sizes):
        wire.move(wire.next_seconds)
    return came


def test_a_link_gives_its_rate_after_a_latency_to_as_many_requests_as_pay() -> None:
    wire = Wire(bytes_per_second=RATE, latency_seconds=0.02, head_bytes=0.0, most_in_flight=512)
    came = pass_all(wire, [64 * KB] * 1000)
    assert came[0][0] == pytest.approx(0.02 + 0.0064)
    assert came[-1][0] == pytest.approx(0.02 + 6.4, rel=1e-3)
    assert [number for _, number in came] == list(range(1000))
    assert (wire.read_bytes, wire.num_requests) == (64 * MB, 1000)


def test_heads_pass_beside_bodies_and_large_answers_beside_one_another() -> None:
    wire = Wire(bytes_per_second=RATE, latency_seconds=0.0, head_bytes=1000.0, most_in_flight=512)
    came = pass_all(wire, [MB] * 4)
    assert came[-1][0] == pytest.approx(4 * (MB + 1000) / RATE)
    assert came[0][0] > 0.8 * came[-1][0]


def test_a_link_that_is_far_away_is_waited_for_by_no_more_requests_than_there_may_be() -> None:
    """Of 4 at a time, each brings its bytes after a latency."""
    wire = Wire(bytes_per_second=1000.0 * MB, latency_seconds=0.5, head_bytes=0.0, most_in_flight=4)
    assert pass_all(wire, [10 * KB] * 40)[-1][0] == pytest.approx(5.0, rel=0.01)
    more = Wire(bytes_per_second=1000.0 * MB, latency_seconds=0.5, head_bytes=0.0, most_in_flight=512)
    assert pass_all(more, [10 * KB] * (4 * START))[-1][0] < 4 * 0.5 * 1.01
