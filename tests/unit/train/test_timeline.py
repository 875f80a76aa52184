"""What a run did with its time, in its record: all of it, over attempts, and no more than a bound."""

from __future__ import annotations

import dataclasses
import itertools
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from penstock.errors import SourceUnavailable
from penstock.records import Timeline
from penstock.records.timeline import MAX_INTERVALS
from penstock.train.activity import Activity
from penstock.train.gpu_usage import nvml_reader
from penstock.train.recorder import Recorder
from penstock.train.result import TrainResult, make_run_record
from penstock.window.look import WindowLook

from .runs import CONFIG, run


def _timeline(result: TrainResult) -> Timeline:
    timeline = make_run_record(result, run_id="r").timeline
    assert timeline is not None
    return timeline


def test_its_parts_are_those_of_the_epochs(tmp_path: Path) -> None:
    def slow(epoch: int, position: int) -> None:
        time.sleep(0.01)

    result = run(tmp_path, before_batch=slow)
    timeline, epochs = _timeline(result), result.journal.epochs
    intervals = timeline.intervals
    stall = sum(each.stall_seconds for each in intervals)
    assert stall == pytest.approx(sum(each.stall_seconds for each in epochs), rel=0.05, abs=0.02)
    assert sum(each.samples for each in intervals) == sum(each.num_samples for each in epochs)
    assert sum(each.valid_seconds for each in intervals) > 0
    assert sum(each.save_seconds for each in intervals) > 0
    for each in intervals:
        named = each.busy_seconds + each.stall_seconds + each.valid_seconds + each.save_seconds
        assert named <= each.seconds + 0.01
    assert intervals[-1].end_seconds == pytest.approx(result.journal.wall_seconds, abs=0.1)


def test_it_goes_on_over_attempts_with_what_lay_between(tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, checkpoint_every_steps=2)
    failed: list[TrainResult] = []

    def fail(epoch: int, position: int) -> None:
        if epoch == 1:
            raise SourceUnavailable("gone", fix="wait")

    with pytest.raises(SourceUnavailable):
        run(tmp_path, config=config, before_batch=fail, results=failed)
    time.sleep(0.3)
    timeline = _timeline(run(tmp_path, config=config))
    assert {each.attempt for each in timeline.intervals} == {0, 1}
    first = [each for each in timeline.intervals if each.attempt == 0]
    second = [each for each in timeline.intervals if each.attempt == 1]
    assert second[0].start_seconds - first[-1].end_seconds > 0.2
    assert all(one.end_seconds <= two.start_seconds for one, two in itertools.pairwise(first + second))
    assert timeline.started_at == _timeline(failed[0]).started_at


def test_a_run_however_long_has_few_intervals() -> None:
    looked = [WindowLook(used_bytes=5, kept_bytes=2, limit_bytes=9, downloaded_bytes=0, sample_bytes=0)]

    def look() -> WindowLook:
        last = looked[-1]
        looked.append(dataclasses.replace(last, downloaded_bytes=last.downloaded_bytes + 7))
        return last

    started = time.monotonic() - 1e6
    at = datetime.now(UTC) - timedelta(seconds=1e6)
    recorder = Recorder(Activity(), started_seconds=started, started_at=at, look=look, gpu=lambda: None)
    recorder._told = Timeline(started_at=recorder._told.started_at, stride_seconds=1e-9)
    for _ in range(3 * MAX_INTERVALS):
        recorder.count(1)
        found = recorder.timeline()
    assert len(found.intervals) <= MAX_INTERVALS
    assert sum(each.samples for each in found.intervals) == 3 * MAX_INTERVALS
    assert sum(each.downloaded_bytes for each in found.intervals) == 7 * 3 * MAX_INTERVALS
    assert found.window_limit_bytes == 9
    assert not [each for each in threading.enumerate() if each.name.startswith("penstock-timeline")]


def test_an_activity_is_whole_however_it_ends() -> None:
    seconds = iter(range(100))
    activity = Activity(lambda: float(next(seconds)))  # a second passes each time that it is asked
    activity.now("busy")
    with pytest.raises(ValueError, match="no"), activity.during("stall"):
        raise ValueError("no")
    assert dict(activity.spent()) == {"other": 1.0, "busy": 2.0, "stall": 1.0}


class _NvmlError(Exception):
    pass


def _nvml(**changes: Any) -> SimpleNamespace:
    """Return what stands for NVIDIA's module, which needs a driver."""

    def handle(uuid: str) -> str:
        if uuid != "GPU-1":
            raise _NvmlError
        return uuid

    made = SimpleNamespace(
        NVMLError=_NvmlError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=handle,
        nvmlDeviceGetMemoryInfo=lambda handle: SimpleNamespace(used=3, total=8),
        nvmlDeviceGetUtilizationRates=lambda handle: SimpleNamespace(gpu=40),
    )
    return SimpleNamespace(**(vars(made) | changes))


def _refuses(handle: str) -> Any:
    raise _NvmlError


def test_a_gpu_tells_what_it_can() -> None:
    read = nvml_reader(_nvml(), "1")
    assert read is not None
    found = read()
    assert found is not None
    assert (found.share, found.memory_bytes, found.limit_bytes) == (0.4, 3, 8)
    part = nvml_reader(_nvml(nvmlDeviceGetUtilizationRates=_refuses), "1")
    assert part is not None
    found = part()
    assert found is not None
    assert found.share is None
    lost = nvml_reader(_nvml(nvmlDeviceGetMemoryInfo=_refuses), "1")
    assert lost is not None
    assert lost() is None
    assert nvml_reader(_nvml(), "2") is None
