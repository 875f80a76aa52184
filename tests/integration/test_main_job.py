"""The whole job, as a user runs it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import mne
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from penstock.loader import Batch
from penstock.manifest import Extent, ManifestReader
from penstock.plan import make_order, stream_rows
from penstock.recipes.eeg.models import build_model
from penstock.recipes.objectives import make_objective, predict
from penstock.records import Evaluation, Meters, Plan, RunRecord, read_record
from penstock.sources import open_blobs
from penstock.tasks.registry import get_task
from penstock.train.checkpoint import Checkpoints
from penstock.train.checkpoint_file import Identity
from penstock.train.config import TrainConfig
from penstock.train.determinism import seed_everything, weights_sha256
from penstock.train.loop import train
from support.cli import Bucket, penstock, succeed
from support.eeg import write_eeg
from support.jobs import all_gone, run_until_saved

EPOCHS, BATCH, SEED = 4, 8, 5
TRAINING = ("--epochs", EPOCHS, "--batch-size", BATCH, "--threads", 1)


@pytest.fixture
def real_bucket(bucket: Bucket, real_data: Path) -> Bucket:
    bucket.upload(real_data / "eeg", "eeg/")
    return bucket


def test_real_recording_from_s3_gives_what_training_on_mne_arrays_gives(
    real_bucket: Bucket, real_data: Path, tmp_path: Path
) -> None:
    words = ("--source", f"{real_bucket.uri}/eeg", *real_bucket.options, "--task", "eeg-events")
    splitting = ("--split-by", "sample", "--split", "0.6,0.2,0.2", "--seed", SEED)
    out = tmp_path / "out"
    printed = succeed("run", *words, *splitting, *TRAINING, "--window-size", "1Mi", "--out", out)
    assert "27 in 1 object (" in printed
    for name in ("manifest.parquet", "plan.json", "run.json", "evaluation.json", "report.html", "cost.json"):
        assert (out / name).stat().st_size > 100

    from_s3 = read_record(out / "run.json", RunRecord)
    scored = read_record(out / "evaluation.json", Evaluation)
    by_mne = _train_on_mne_arrays(out, real_data / "eeg", tmp_path / "mne")
    assert from_s3.weights_sha256 == by_mne[0]
    assert [epoch.train_loss for epoch in from_s3.epochs] == by_mne[1]
    assert scored.metrics == by_mne[2]


def _train_on_mne_arrays(out: Path, folder: Path, checkpoints: Path) -> tuple[str, list[float], dict[str, float]]:
    """Train as `penstock train` does, but on epochs cut by MNE from the local file."""
    task = get_task("eeg-events")
    plan = read_record(out / "plan.json", Plan)
    with ManifestReader(out / "manifest.parquet") as manifest:
        info = manifest.info
        rows = [manifest.row(number) for number in range(info.num_samples)]
    raw = mne.io.read_raw_bdf(folder / rows[0].spans[0].object, preload=True, verbose="error")
    table = np.genfromtxt(folder / "sub-01_task-audiovisual_events.tsv", skip_header=1)
    volts = raw.get_data()

    def epoch_of(sample: Extent) -> NDArray[np.float32]:
        onset = table[int(sample.key.rsplit("-", 1)[1]), 0]
        first = round(onset * 100) - 10
        cut = volts[:, first : first + 70]
        return ((cut - cut.mean(axis=1, keepdims=True)) / cut.std(axis=1, keepdims=True)).astype(np.float32)

    arrays = [epoch_of(sample) for sample in rows]

    class MneLoader:
        """Batches of MNE's epochs in the plan's order."""

        def __init__(self, split: str, training: bool, batch_size: int) -> None:
            self.order = make_order(info, plan, [(split, training)])
            self.num_samples = self.order.num_samples
            self.batch_size = batch_size
            self.place = 0

        def epoch(self, epoch: int) -> Iterator[Batch]:
            first = epoch * self.num_samples
            chosen = [row for _, row in stream_rows(self.order, first, first + self.num_samples)]
            for start in range(0, len(chosen), self.batch_size):
                part = chosen[start : start + self.batch_size]
                inputs = torch.from_numpy(np.stack([arrays[row] for row in part]))
                targets = torch.tensor([rows[row].targets[0] for row in part], dtype=torch.float64)
                yield Batch(
                    data={"inputs": inputs, "targets": targets},
                    keys=tuple(rows[row].key for row in part),
                    groups=tuple(rows[row].group for row in part),
                )

        def state_dict(self) -> dict[str, int | str]:
            return {"place": self.place}

        def load_state_dict(self, state: dict[str, int | str]) -> None:
            raise AssertionError(state)

        def traffic(self) -> dict[str, Meters]:
            return {}

        def meters(self) -> Meters:
            return Meters()

        def close(self) -> None:
            return

    config = TrainConfig(
        task="eeg-events", model="small", num_epochs=EPOCHS, batch_size=BATCH, seed=SEED, num_threads=1
    )
    objective = make_objective(info)
    seed_everything(SEED)
    model = build_model("small", shape=info.shape, num_outputs=objective.num_outputs)
    identity = Identity(
        task="eeg-events",
        model="small",
        shape=info.shape,
        num_outputs=objective.num_outputs,
        manifest_fingerprint=info.fingerprint,
        plan_fingerprint=plan.fingerprint,
        config={},
    )
    saved = Checkpoints(open_blobs(str(checkpoints)))
    result = train(
        config,
        task=task,
        objective=objective,
        model=model,
        train_loader=MneLoader("train", True, BATCH),
        valid_loader=MneLoader("valid", False, BATCH),
        checkpoints=saved,
        identity=identity,
    )
    digest = weights_sha256(model)
    model.load_state_dict(saved.load_best().model)
    found = predict(model, objective, MneLoader("test", False, 128))
    return (
        digest,
        [epoch.train_loss for epoch in result.journal.epochs],
        task.metrics(found.truth, found.predicted, found.groups),
    )


def job_words(data: Path, out: Path) -> list[object]:
    words = ["run", "--source", data, "--task", "eeg-c1", "--split", "0.5,0.25,0.25", "--out", out, "--epochs", 3]
    return [*words, "--batch-size", 8, "--threads", 1, "--checkpoint-every", 2, "--window-size", "2Mi"]


@pytest.fixture(scope="module")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_eeg(tmp_path_factory.mktemp("data"), num_trials=40, num_subjects=8)


@pytest.fixture(scope="module")
def undisturbed(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    succeed(*job_words(small_data, out))
    return read_record(out / "run.json", RunRecord)


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGKILL, 0), (signal.SIGTERM, 0), (signal.SIGKILL, 2)])
def test_stopped_job_goes_on_to_the_same_weights(
    small_data: Path, undisturbed: RunRecord, tmp_path: Path, number: signal.Signals, workers: int
) -> None:
    out = tmp_path / "out"
    words = [*job_words(small_data, out), "--workers", str(workers)]
    for step in (2, 20, 40):
        process = run_until_saved(words, out, step)
        process.send_signal(number)
        code = process.wait(60)
        # Unless it had just ended, SIGTERM saves and says "run me again".
        assert code == -signal.SIGKILL if number is signal.SIGKILL else code in (75, 0)
    succeed(*words)
    record = read_record(out / "run.json", RunRecord)
    assert record.weights_sha256 == undisturbed.weights_sha256
    assert record.losses == undisturbed.losses
    assert [epoch.valid for epoch in record.epochs] == [epoch.valid for epoch in undisturbed.epochs]
    assert record.num_resumes >= 3
    assert (out / "report.html").exists()
    assert not (out / "window").exists()


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_job_leaves_no_process_behind(small_data: Path, tmp_path: Path, workers: int) -> None:
    out = tmp_path / "out"
    process = run_until_saved([*job_words(small_data, out), "--workers", str(workers)], out, 2)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(60)
    assert all_gone(out)


def test_job_with_other_options_is_refused(small_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = run_until_saved(job_words(small_data, out), out, 2)
    process.kill()
    process.wait()
    done = penstock(*job_words(small_data, out), "--learning-rate", "0.5")
    assert done.returncode == 2
    assert "--learning-rate 0.001, and now 0.5" in done.stderr


def test_s3_keeps_checkpoints_too(small_data: Path, bucket: Bucket, tmp_path: Path, undisturbed: RunRecord) -> None:
    made = ("--manifest", tmp_path / "m.parquet", "--plan", tmp_path / "plan.json")
    succeed("list", "--source", small_data, "--task", "eeg-c1", "--split", "0.5,0.25,0.25", *made)
    os.environ["AWS_ENDPOINT_URL_S3"] = bucket.url
    try:
        training = ("--epochs", 3, "--batch-size", 8, "--threads", 1, "--window-size", "2Mi")
        where = f"{bucket.uri}/runs/a"
        succeed("train", *made, *training, "--checkpoints", where, "--record", tmp_path / "run.json")
        succeed("evaluate", *made, "--checkpoint", where, "--metrics", tmp_path / "e.json")
    finally:
        del os.environ["AWS_ENDPOINT_URL_S3"]
    assert read_record(tmp_path / "run.json", RunRecord).weights_sha256 == undisturbed.weights_sha256
    keys = [item["Key"] for item in bucket.client.list_objects_v2(Bucket=bucket.name)["Contents"]]
    assert any(key.startswith("runs/a/best-") for key in keys)
