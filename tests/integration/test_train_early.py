"""Jobs that train while their listing goes on: the same weights however they are stopped, from parts as they come."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from penstock.manifest import ManifestReader, parts_folder
from penstock.records import RunRecord, read_record
from support.cli import Bucket, command, penstock, succeed
from support.eeg import write_eeg
from support.forked import Forked
from support.gate import gate_before
from support.jobs import all_gone, processes_of, run_until_saved, saved_step

# Windows that overlap: 880 samples of 10 small recordings, which are three parts.
TASK = ("--task", "eeg-c2", "--task-options", '{"window-seconds": 0.4, "stride-seconds": 0.32, "crop-seconds": 0.32}')
SHUFFLE = ("--shuffle", "block", "--shuffle-block", 32)
LISTING = (*TASK, "--split", "0.6,0.2,0.2", *SHUFFLE, "--first-part", 256, "--stream-listing")
BATCH = 16
TRAINING = ("--epochs", 2, "--batch-size", BATCH, "--threads", 1, "--window-size", "8Mi", "--checkpoint-every", 3)
LISTER = " -m penstock list "
LAST = "sub-NDARDEMO010_task-contrastChangeDetection_run-1_eeg.bdf"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_eeg(tmp_path_factory.mktemp("data"), num_trials=8, num_channels=4, num_subjects=10)


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    succeed("run", "--source", data, *LISTING, *TRAINING, "--out", out)
    return read_record(out / "run.json", RunRecord)


def part_steps(manifest: Path) -> list[int]:
    """Return the steps of each part that is there."""
    steps = []
    for path in sorted(parts_folder(manifest).glob("*.parquet")):
        with ManifestReader(path) as reader:
            steps.append(-(-next(s for s in reader.info.splits if s.name == "train").num_samples // BATCH))
    return steps


def learnt(record: RunRecord) -> tuple[object, ...]:
    """Return what must not depend on how a run was stopped, or on where its data lies."""
    epochs = [(e.num_steps, e.num_samples, e.train_loss, e.valid) for e in record.epochs]
    return record.state, record.weights_sha256, record.losses, epochs


def test_every_sample_comes_once_an_epoch_and_places_are_those_of_the_whole(
    data: Path, undisturbed: RunRecord, tmp_path: Path
) -> None:
    listed = ("--manifest", tmp_path / "m.parquet", "--plan", tmp_path / "plan.json")
    succeed("list", "--source", data, *LISTING, *listed)
    steps = part_steps(tmp_path / "m.parquet")
    assert len(steps) == 3
    with ManifestReader(tmp_path / "m.parquet") as reader:
        info = reader.info
    late = ("--manifest", tmp_path / "late.parquet", "--plan", tmp_path / "late.json")
    succeed("list", "--source", data, *LISTING, "false", *late)
    with ManifestReader(tmp_path / "late.parquet") as reader:
        assert reader.info.fingerprint == info.fingerprint
    num_samples = info.split("train").num_samples
    assert [epoch.num_samples for epoch in undisturbed.epochs] == [num_samples] * 2
    # Each part of the first epoch ends with a batch of its own.
    assert [epoch.num_steps for epoch in undisturbed.epochs] == [sum(steps), -(-num_samples // BATCH)]
    assert undisturbed.manifest_fingerprint == info.fingerprint
    places = [point.epoch for point in undisturbed.losses]
    assert places == sorted(places)
    assert 0 < places[0] < 0.1
    assert places[-1] == 2.0
    assert undisturbed.losses[-1].learning_rate < undisturbed.losses[sum(steps)].learning_rate


@pytest.mark.slow
def test_a_job_trains_while_it_lists_and_goes_on_to_the_same_weights_wherever_it_is_killed(
    bucket: Bucket, data: Path, undisturbed: RunRecord, tmp_path: Path
) -> None:
    bucket.upload(data, "eeg/")
    out = tmp_path / "out"
    with gate_before(bucket.url, LAST) as gate:
        source = ("--source", f"{bucket.uri}/eeg", "--endpoint-url", gate.url, "--region", "us-east-2")
        words = ("run", *source, *LISTING, *TRAINING, "--out", out)
        for number, workers, code in ((signal.SIGKILL, 2, -9), (signal.SIGTERM, 0, 75), (signal.SIGKILL, 0, 42)):
            # The second part is there, the third never comes: the last recording's header is kept back.
            before = saved_step(out / "checkpoints")
            process = run_until_saved([*words, "--workers", str(workers)], out, max(before, 0) + 6)
            assert gate.waited.is_set()
            assert not (out / "manifest.parquet").exists()
            lister = next(pid for pid, line in processes_of(out).items() if LISTER in line)
            os.kill(lister if code == 42 else process.pid, number)
            assert process.wait(60) == code
            assert all_gone(out)
            assert not [path for path in out.rglob("*") if ".tmp" in path.name]
        steps = part_steps(out / "manifest.parquet")
        assert saved_step(out / "checkpoints") > steps[0], "one of the kills is to lie in the second part"
        gate.is_open.set()
        process = run_until_saved(words, out, undisturbed.epochs[0].num_steps + 4)
        process.kill()
        process.wait(60)
        done = penstock(*words)
    assert done.returncode == 0, done.stderr
    record = read_record(out / "run.json", RunRecord)
    assert learnt(record) == learnt(undisturbed)
    assert record.num_resumes >= 4
    assert (out / "report.html").exists()
    assert [path.name for path in out.rglob(".penstock-*")] == [".penstock-job"]


@pytest.mark.slow
def test_a_listing_that_fails_fails_the_job_and_what_was_learnt_is_kept(
    bucket: Bucket, data: Path, undisturbed: RunRecord, tmp_path: Path
) -> None:
    bucket.upload(data, "eeg/")
    out = tmp_path / "out"
    with gate_before(bucket.url, LAST) as gate:
        source = ("--source", f"{bucket.uri}/eeg", "--endpoint-url", gate.url, "--region", "us-east-2")
        words = ("run", *source, *LISTING, *TRAINING, "--out", out)
        process = run_until_saved(words, out, 0)
        gate.denies = True
        gate.is_open.set()
        assert process.wait(120) == 26, process.output()
        told = process.output()[1]
        assert "penstock run: error: access to" in told
        assert LAST in told
        assert read_record(out / "run.json", RunRecord).state == "failed"
        assert saved_step(out / "checkpoints") == sum(part_steps(out / "manifest.parquet"))
        gate.denies = False
        succeed(*words)
    assert learnt(read_record(out / "run.json", RunRecord)) == learnt(undisturbed)


@pytest.mark.parametrize("prefetch", ["process", "sidecar"])
def test_a_trainer_waits_for_a_listing_in_another_process(
    data: Path, undisturbed: RunRecord, tmp_path: Path, prefetch: str
) -> None:
    listed = ("--manifest", tmp_path / "m.parquet", "--plan", tmp_path / "plan.json")
    window = ("--window", tmp_path / "window", "--prefetch", prefetch)
    output = ("--checkpoints", tmp_path / "checkpoints", "--record", tmp_path / "run.json")
    sidecar = None
    if prefetch == "sidecar":
        sidecar = subprocess.Popen(command("prefetch", "--window", tmp_path / "window", "--window-size", "8Mi"))
    words = ("train", "--stream-listing", *listed, *TRAINING, *window, *output)
    trainer = Forked(words)
    try:
        assert trainer.poll() is None
        succeed("list", "--source", data, *LISTING, *listed)
        assert trainer.wait(120) == 0
    finally:
        trainer.kill()
        if sidecar is not None:
            sidecar.terminate()
            sidecar.wait(20)
    assert learnt(read_record(tmp_path / "run.json", RunRecord)) == learnt(undisturbed)


@pytest.mark.parametrize(("subject", "told"), [("001", "manifest fingerprint"), ("009", "another manifest finger")])
def test_a_listing_that_gives_something_else_is_refused(
    bucket: Bucket, data: Path, tmp_path: Path, subject: str, told: str
) -> None:
    bucket.upload(data, "eeg/")
    out = tmp_path / "out"
    with gate_before(bucket.url, LAST) as gate:
        source = ("--source", f"{bucket.uri}/eeg", "--endpoint-url", gate.url, "--region", "us-east-2")
        words = ("run", *source, *LISTING, *TRAINING, "--out", out)
        process = run_until_saved(words, out, 0)
        while process.poll() is None and saved_step(out / "checkpoints") <= part_steps(out / "manifest.parquet")[0]:
            time.sleep(0.01)
        process.kill()
        process.wait(60)
        # The first part has the first three recordings, the second goes on to the ninth.
        path = next(data.rglob(f"*{subject}*_eeg.bdf"))
        bucket.put(f"eeg/{path.relative_to(data)}", path.read_bytes()[:-1] + b"\0")
        done = penstock(*words)
    assert done.returncode == 62, done.stderr
    assert told in done.stderr
    assert all_gone(out)


def test_a_trainer_without_a_listing_says_so(tmp_path: Path) -> None:
    listed = ("--manifest", tmp_path / "m.parquet", "--plan", tmp_path / "plan.json")
    output = ("--checkpoints", tmp_path / "checkpoints", "--record", tmp_path / "run.json")
    done = penstock("train", "--stream-listing", *listed, *output, "--prefetch-timeout", "200ms")
    assert done.returncode == 3
    assert "no `penstock list --stream-listing` writes" in done.stderr


def test_a_checkpoint_of_a_run_that_waited_is_not_one_of_a_run_that_did_not(data: Path, tmp_path: Path) -> None:
    listed = ("--manifest", tmp_path / "m.parquet", "--plan", tmp_path / "plan.json")
    output = ("--checkpoints", tmp_path / "checkpoints", "--record", tmp_path / "run.json", "--epochs", 1)
    succeed("list", "--source", data, *LISTING, *listed)
    succeed("train", "--stream-listing", *listed, *TRAINING, *output)
    done = penstock("train", *listed, *TRAINING, *output)
    assert done.returncode == 62
