"""A run record."""

from __future__ import annotations

import pytest

from penstock.records import Host, Meters, RunRecord, Saves


@pytest.fixture
def run_record() -> RunRecord:
    return RunRecord(
        run_id="run",
        task="raw",
        model="small",
        score="nrmse",
        num_parameters=1,
        config={"seed": 1},
        manifest_fingerprint="m",
        plan_fingerprint="p",
        state="succeeded",
        error=None,
        started_at="2026-01-01T00:00:00Z",
        ended_at="2026-01-01T00:01:00Z",
        wall_seconds=60.0,
        seconds_to_first_batch=1.0,
        num_resumes=0,
        best_epoch=0,
        checkpoint=None,
        weights_sha256=None,
        host=Host(num_cpus=2, device="cpu", num_devices=0),
        losses=(),
        epochs=(),
        meters=Meters(),
        saves=Saves(),
        unfinished_samples=0,
    )
