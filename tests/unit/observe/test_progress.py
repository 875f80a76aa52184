from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from penstock.observe import NoProgress, PlainProgress, ProgressReporter, StageProgress, open_progress
from penstock.observe.bars import BarProgress
from penstock.observe.progress import format_figures, split_figures


class _Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _break_after(stage: StageProgress, count: int) -> None:
    stage.advance(count)
    raise TypeError


def _train(reporter: ProgressReporter, clock: _Clock, *, epochs: int, steps: int, step_seconds: float) -> None:
    with reporter.stage("train", epochs * steps, "steps") as stage:
        for epoch in range(1, epochs + 1):
            for step in range(steps):
                clock.seconds += step_seconds
                stage.advance(epoch=epoch, epochs=epochs, loss=1 / (step + 1 + epoch), stall_percent=2.5)


def test_plain_lines_come_at_both_ends_and_after_each_epoch() -> None:
    stream, clock = io.StringIO(), _Clock()
    _train(PlainProgress(stream, clock=clock), clock, epochs=3, steps=10, step_seconds=0.01)
    assert stream.getvalue().splitlines() == [
        "train: started, 0/30 steps",
        "train: 10/30 steps  epoch 1/3  loss 0.09091  stall 2.5 %",
        "train: 20/30 steps  epoch 2/3  loss 0.08333  stall 2.5 %",
        "train: done after 300 ms, 30/30 steps  epoch 3/3  loss 0.07692  stall 2.5 %",
    ]


def test_a_score_is_told_with_its_own_epoch_alone() -> None:
    stream, clock = io.StringIO(), _Clock()
    with PlainProgress(stream, clock=clock, every_seconds=1).stage("train", 40) as stage:
        for epoch in (1, 2):
            for _ in range(2):
                clock.seconds += 2
                stage.advance(10, epoch=epoch)
            stage.advance(0, valid_nrmse=epoch / 10)
    told = stream.getvalue().splitlines()
    assert len(told) == len(set(told))
    scored = [line for line in told if "nrmse" in line]
    assert scored == [
        "train: 20/40 samples  epoch 1  valid nrmse 0.1000",
        "train: done after 8.0 s, 40/40 samples  epoch 2  valid nrmse 0.2000",
    ]


def test_plain_lines_come_every_few_seconds() -> None:
    stream, clock = io.StringIO(), _Clock()
    _train(PlainProgress(stream, clock=clock, every_seconds=5), clock, epochs=1, steps=100, step_seconds=0.3)
    assert len(stream.getvalue().splitlines()) == 2 + 5  # 30 s: after each 17 steps of 0.3 s


def test_no_line_is_said_twice() -> None:
    stream, clock = io.StringIO(), _Clock()
    with PlainProgress(stream, clock=clock, every_seconds=1).stage("train", 40) as stage:
        for epoch in (1, 2):
            clock.seconds += 2
            stage.advance(20, epoch=epoch)
            clock.seconds += 2
            stage.advance(0, valid_nrmse=epoch / 10)
    told = stream.getvalue().splitlines()
    assert len(told) == len(set(told))
    assert "train: 20/40 samples  epoch 1  valid nrmse 0.1000" in told


def test_stage_that_fails_says_how_far_it_got() -> None:
    stream = io.StringIO()
    with pytest.raises(TypeError), PlainProgress(stream, clock=_Clock()).stage("list", None, "objects") as stage:
        _break_after(stage, 1234)
    assert stream.getvalue().splitlines()[-1] == "list: stopped after 0 ms, 1,234 objects"


def test_bytes_are_written_as_sizes() -> None:
    stream = io.StringIO()
    with PlainProgress(stream, clock=_Clock()).stage("prefetch", 64 << 20, "bytes") as stage:
        stage.advance(16 << 20, bytes_per_second=float(8 << 20))
    assert stream.getvalue().splitlines()[-1].endswith("16.0 MiB of 64.0 MiB  8.0 MiB/s")


def test_bars_show_what_was_told_and_brackets_as_they_are() -> None:
    stream, clock = _Terminal(), _Clock()
    console = Console(file=stream, force_terminal=True, width=140, color_system=None)
    reporter = BarProgress(console, clock=clock)
    with reporter.stage("[red]list", None, "objects") as outer, reporter.stage("train", 20, "steps") as inner:
        outer.advance(7)
        clock.seconds += 1
        inner.advance(20, epoch=2, epochs=2, loss=0.5)
    shown = stream.getvalue()
    for told in ("[red]list", "7 objects", "20/20 steps", "epoch 2/2  loss 0.5000"):
        assert told in shown


def _last_line(width: int, **figures: float) -> str:
    stream, clock = _Terminal(), _Clock()
    console = Console(file=stream, force_terminal=True, width=width, color_system=None)
    with BarProgress(console, clock=clock).stage("train", 8000) as stage:
        stage.advance(5952, **figures)
    return stream.getvalue().splitlines()[-2].rpartition("\x1b[2K")[2].rstrip()


FIGURES = {"epoch": 4, "epochs": 5, "loss": 0.25, "stall_percent": 12.5, "valid_nrmse": 0.4975}


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (120, "━━╸ 5,952/8,000 samples 0:00:00  epoch 4/5  loss 0.2500  stall 12.5 %  valid nrmse 0.4975"),
        (80, "train 5,952/8,000  epoch 4/5  loss 0.2500  stall 12.5 %  valid nrmse 0.4975"),
        (62, "train 5,952/8,000  epoch 4/5  loss 0.2500  valid nrmse 0.4975"),
        (60, "train 5,952/8,000  epoch 4/5  loss 0.2500  stall 12.5 %"),
        (50, "train 5,952/8,000 0:00:00  epoch 4/5  loss 0.2500"),
        (20, "train 5,952/8,000"),
    ],
)
def test_a_narrow_terminal_shows_less_and_cuts_nothing(width: int, shown: str) -> None:
    line = _last_line(width, **FIGURES)
    assert line.endswith(shown), line
    assert ("━" in line) == (width == 120)
    assert len(line) <= width


@given(width=st.integers(6, 140), loss=st.floats(1e-6, 1e6), rate=st.floats(0, 1e9))
def test_every_part_of_a_line_is_whole_at_any_width(width: int, loss: float, rate: float) -> None:
    figures = {**FIGURES, "loss": loss, "bytes_per_second": rate}
    parts = ["train", "5,952/8,000", "samples", "0:00:00", *(text for _, text in split_figures(figures))]
    left = _last_line(width, **figures)
    assert len(left) <= width
    for part in sorted(parts, key=len, reverse=True):
        left = left.replace(part, "", 1)
    assert not left.strip(" ━╸╺"), left


def test_terminal_gets_bars_and_a_pipe_gets_lines() -> None:
    assert isinstance(open_progress(_Terminal()), BarProgress)
    assert isinstance(open_progress(io.StringIO()), PlainProgress)


def test_silence() -> None:
    with NoProgress().stage("train", 3, "steps") as stage:
        stage.advance(loss=1.0)


@pytest.mark.parametrize(
    ("figures", "written"),
    [
        ({"epoch": 3, "epochs": 40, "step": 1234}, "epoch 3/40  step 1,234"),
        ({"samples_per_second": 812.4}, "812 samples/s"),
        ({"peak_window_bytes": 1 << 20, "wait_seconds": 0.25}, "peak window 1.0 MiB  wait 250 ms"),
        ({"loss": float("nan")}, "loss nan"),
        ({"loss": float("inf")}, "loss inf"),
        ({}, ""),
    ],
)
def test_figures_are_written_for_people(figures: dict[str, float], written: str) -> None:
    assert format_figures(figures) == written


@pytest.mark.parametrize(("total", "told"), [(4480, "960/4,480 samples"), (None, "960 samples")])
def test_a_stage_says_where_it_goes_on_from(total: int | None, told: str) -> None:
    stream = io.StringIO()
    with PlainProgress(stream, clock=_Clock()).stage("train", total, done=960) as stage:
        stage.advance(40)
    first, last = stream.getvalue().splitlines()
    assert first == f"train: goes on from {told}"
    assert last == f"train: done after 0 ms, {told.replace('960', '1,000')}"


def test_a_bar_begins_where_it_goes_on_from() -> None:
    stream = io.StringIO()
    with BarProgress(Console(file=stream, force_terminal=True, width=100)).stage("train", 4480, done=960):
        pass
    assert "960/4,480" in stream.getvalue()
    assert "0/4,480" not in stream.getvalue().replace("960/4,480", "")
