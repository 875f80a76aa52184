"""What a run spent, as anybody may read it beside the window: only as long as it trains."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from penstock.records import Meters
from penstock.sources import MeterFile, read_meter_files, read_spent, sum_meters
from penstock.steps._shared.prefetch_metrics import prefetch_metrics
from penstock.steps._shared.shown_training import ShownTraining
from penstock.train.limits import Spending
from penstock.train.progress import StepUpdate
from penstock.window import WindowGauges


def update(spending: Spending | None) -> StepUpdate:
    return StepUpdate(
        step=1, num_steps=2, epoch=0, num_epochs=1, epoch_samples=8, num_samples=16, loss=0.5, learning_rate=0.1,
        stall_seconds=1.0, compute_seconds=1.0, spending=spending,
    )  # fmt: skip


def test_what_a_run_spent_is_there_while_it_trains(tmp_path: Path) -> None:
    with MeterFile.open(tmp_path, "spent") as spent:
        with ShownTraining(16, score="x", meter=spent.meter) as shown:
            shown.on_begin(step=0, epoch=0, epoch_samples=0, num_samples=16)
            assert read_spent(tmp_path) is None
            shown.on_step(update(None))
            shown.on_step(update(Spending(hours=1, requests=5)))  # no price
            assert read_spent(tmp_path) is None
            shown.on_step(update(Spending(hours=0.5, requests=5, usd=1.25)))
            assert read_spent(tmp_path) == (1.25, 2.5)
        assert sum_meters(read_meter_files(tmp_path)).count().sent == 0
    assert read_spent(tmp_path) is None


_TRAINER = """
import os, sys
from pathlib import Path
from penstock.sources import MeterFile
spent = MeterFile.open(Path(sys.argv[1]), "spent", is_own=True)
spent.meter.tell_spent(1.25, 2.5)
if os.fork() == 0:  # such as a loading worker, which lives on for a while
    spent.meter.tell_spent(9.0, 9.0)
os.write(1, b"told\\n")
sys.stdin.read()
"""


def test_nothing_is_spent_any_more_by_a_trainer_that_was_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _TRAINER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as trainer:
        assert trainer.stdin is not None
        assert trainer.stdout is not None
        assert [trainer.stdout.readline() for _ in range(2)] == ["told\n", "told\n"]
        assert read_spent(tmp_path) == (1.25, 2.5)
        trainer.kill()
        trainer.wait()
        assert read_spent(tmp_path) is None
        with MeterFile.open(tmp_path, "spent", is_own=True):  # the next attempt, which has said nothing yet
            assert read_spent(tmp_path) is None
            assert len(list(tmp_path.iterdir())) == 1
        trainer.stdin.close()  # ends the forked one


def test_a_gauge_has_no_value_where_nothing_is_known() -> None:
    def told(spent: tuple[float, float] | None) -> dict[str, list[float]]:
        gauges = WindowGauges(
            state="running", beats=1, meters=Meters(), used_bytes=0, num_slots={}, in_flight_limit=1, fetched_index=0,
            end_index=None, cursors={}, volume_bytes=1, volume_free_bytes=1, spent=spent,
        )  # fmt: skip
        found = {each.name: [reading.value for reading in each.readings] for each in prefetch_metrics(gauges)}
        return {name: values for name, values in found.items() if name.startswith("penstock_run_")}

    assert told(None) == {"penstock_run_spent_usd": [], "penstock_run_usd_per_hour": []}
    assert told((1.5, 3.0)) == {"penstock_run_spent_usd": [1.5], "penstock_run_usd_per_hour": [3.0]}
