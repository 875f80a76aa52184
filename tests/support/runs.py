"""Records to make bills and reports from."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np

from penstock.records import (
    EpochRecord,
    Evaluation,
    Host,
    LossPoint,
    Meters,
    Prediction,
    RequestCount,
    RequestKind,
    RunRecord,
    Saves,
    StepRecord,
    Timeline,
    TimelineInterval,
)
from penstock.tasks.metrics import metric_value
from support.metrics import nrmse

LOWER: dict[str, Any] = {"higher_is_better": False}
HIGHER: dict[str, Any] = {"higher_is_better": True, "baseline": 0.0}

MIB = 1 << 20


def sent(**counts: int) -> tuple[RequestCount, ...]:
    """Return requests by kind, all answered well."""
    lines = (
        RequestCount(kind=cast("RequestKind", kind), purpose="data", sent=count, answers_2xx=count)
        for kind, count in sorted(counts.items())
    )
    return tuple(line for line in lines if line.sent)


def _epochs(count: int, steps: int) -> tuple[EpochRecord, ...]:
    rng = np.random.default_rng(7)
    return tuple(
        EpochRecord(
            epoch=epoch,
            num_steps=steps,
            num_samples=steps * 32,
            train_loss=0.35 + 0.7 * math.exp(-epoch / 9) + rng.normal(0, 0.008),
            valid={
                "nrmse": nrmse(0.84 + 0.2 * math.exp(-epoch / 7) + max(0, epoch - 25) * 0.002 + rng.normal(0, 0.006)),
                "loss": metric_value("loss", 0.5 + 0.55 * math.exp(-epoch / 7) + rng.normal(0, 0.01), **LOWER),
                "r2": metric_value("R²", 0.29 - 0.33 * math.exp(-epoch / 7), **HIGHER),
            },
            stall_seconds=2.4 if epoch == 0 else 0.25 + 0.2 * abs(math.sin(epoch)),
            compute_seconds=5.1 + 0.4 * abs(math.cos(epoch)),
            valid_seconds=0.9,
        )
        for epoch in range(count)
    )


def make_run(*, num_epochs: int = 40, steps_per_epoch: int = 90, **changes: Any) -> RunRecord:
    rng = np.random.default_rng(3)
    points = num_epochs * steps_per_epoch
    fields: dict[str, Any] = {
        "run_id": "20261121-101512-c1-small",
        "task": "eeg-c1",
        "model": "small",
        "score": "nrmse",
        "num_parameters": 62_144,
        "config": {
            "source": "s3://nmdatasets/NeurIPS25/R5_mini_L100_bdf",
            "batch-size": 32,
            "learning-rate": 0.001,
            "amp": False,
            "endpoint-url": None,
            "seed": 2026,
        },
        "manifest_fingerprint": "4f6c" * 16,
        "plan_fingerprint": "a1b2" * 16,
        "state": "succeeded",
        "error": None,
        "started_at": "2026-11-21T10:15:12Z",
        "ended_at": "2026-11-21T10:20:03Z",
        "wall_seconds": 291.4,
        "seconds_to_first_batch": 0.84,
        "num_resumes": 1,
        "best_epoch": 26 if num_epochs > 26 else (num_epochs - 1 if num_epochs else None),
        "checkpoint": "runs/20261121-101512-c1-small/checkpoint-best.pt",
        "weights_sha256": "9e0d" * 16,
        "host": Host(num_cpus=4, device="NVIDIA A10G", num_devices=1, instance_type="g5.xlarge"),
        "losses": tuple(
            LossPoint(
                step=step,
                epoch=step / steps_per_epoch,
                loss=0.35 + 0.7 * math.exp(-step / steps_per_epoch / 9) + rng.normal(0, 0.09),
                learning_rate=0.001,
            )
            for step in range(points)
        ),
        "epochs": _epochs(num_epochs, steps_per_epoch),
        "meters": Meters(
            bytes_downloaded=11_847 * MIB,
            sample_bytes=12_900 * MIB,
            requests=sent(GET=105_920),
            failed_requests=3,
            refetched_bytes=6 * MIB,
            window_bytes=32 * MIB,
            window_high_water_bytes=int(31.6 * MIB),
        ),
        "saves": Saves(),
        "unfinished_samples": 0,
    }
    return RunRecord(**(fields | changes))


def make_evaluation(*, num_samples: int = 3120, **changes: Any) -> Evaluation:
    rng = np.random.default_rng(11)
    truth = rng.gamma(9, 0.12, num_samples) + 0.3
    answer = truth.mean() + 0.45 * (truth - truth.mean()) + rng.normal(0, 0.16, num_samples)
    fields: dict[str, Any] = {
        "task": "eeg-c1",
        "model": "small",
        "split": "test",
        "manifest_fingerprint": "4f6c" * 16,
        "checkpoint_sha256": "77aa" * 16,
        "num_samples": num_samples,
        "num_groups": 18,
        "score": "nrmse",
        "metrics": {
            "nrmse": nrmse(0.8412),
            "rmse": metric_value("RMSE", 0.3021, **LOWER),
            "mae": metric_value("MAE", 0.2311, **LOWER),
            "r2": metric_value("R²", 0.2924, **HIGHER),
        },
        "trained_fingerprint": "4f6c" * 16,
        "seen_groups": 0,
        "notes": (),
        "classes": (),
        "confusion": (),
        "predictions": tuple(
            Prediction(key=f"s{index}", group=f"sub-{index % 18:02d}", truth=float(t), predicted=float(p))
            for index, (t, p) in enumerate(zip(truth, answer, strict=True))
        ),
        "wall_seconds": 6.2,
        "meters": Meters(
            bytes_downloaded=340 * MIB,
            sample_bytes=340 * MIB,
            requests=sent(GET=3_120),
            window_bytes=32 * MIB,
            window_high_water_bytes=20 * MIB,
        ),
    }
    return Evaluation(**(fields | changes))


def make_list_step(**changes: Any) -> StepRecord:
    fields: dict[str, Any] = {
        "step": "list",
        "started_at": "2026-11-21T10:14:58Z",
        "wall_seconds": 8.6,
        "host": Host(num_cpus=4, device="cpu", num_devices=0),
        "meters": Meters(bytes_downloaded=3 * MIB, requests=sent(GET=421, LIST=7)),
        "details": {"num_samples": 6000.0},
    }
    return StepRecord(**(fields | changes))


def make_timeline(*, attempts: int = 2, each: int = 30, gpu: bool = True) -> Timeline:
    """Return a run's timeline: attempts of so many intervals of 5 s, a minute apart, that stall less and less."""
    intervals = []
    for attempt in range(attempts):
        for number in range(each):
            start = attempt * (5.0 * each + 60) + 5.0 * number
            stall = 4.0 / (1 + number / 4)
            intervals.append(
                TimelineInterval(
                    attempt=attempt,
                    start_seconds=start,
                    end_seconds=start + 5,
                    busy_seconds=4.0 - stall,
                    stall_seconds=stall,
                    valid_seconds=0.5,
                    save_seconds=0.1,
                    samples=40 * number,
                    sample_bytes=12 * MIB,
                    downloaded_bytes=int((10 - number / 5) * MIB),
                    window_bytes=(24 + number % 7) * MIB,
                    kept_bytes=number * MIB // 3,
                    cpu_seconds=6.0 + number % 5,
                    memory_bytes=(900 + 10 * number) * MIB,
                    gpu_share=1 - stall / 5 if gpu else None,
                    gpu_memory_bytes=8000 * MIB if gpu else None,
                )
            )
    return Timeline(
        started_at="2026-11-21T10:15:12.000+00:00",
        stride_seconds=5.0,
        intervals=tuple(intervals),
        window_limit_bytes=32 * MIB,
        memory_limit_bytes=2000 * MIB,
        gpu_memory_limit_bytes=24000 * MIB if gpu else None,
        is_container=True,
    )
