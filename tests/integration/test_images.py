"""The task `images`, as a user runs it: by class folders and by a table, from a disk and from S3, and killed."""

from __future__ import annotations

import signal
from pathlib import Path

from penstock.records import Evaluation, RunRecord, read_record
from support.cli import Bucket, penstock, succeed
from support.images import planted, write_class_folders, write_labelled
from support.jobs import run_until_saved

COUNT = 150
SPLIT = ("--split", "0.6,0.2,0.2")
TRAINING = ("--epochs", 10, "--batch-size", 12, "--learning-rate", 0.003, "--threads", 1, "--window-size", "1Mi")


def words(source: object, out: Path, *options: str) -> list[object]:
    given = [word for option in ("size=32", *options) for word in ("--option", option)]
    return ["run", "--source", source, "--task", "images", *given, *SPLIT, *TRAINING, "--out", out]


def scored(out: Path) -> Evaluation:
    return read_record(out / "evaluation.json", Evaluation)


def value(out: Path, metric: str) -> float:
    found = scored(out).metrics[metric]
    return float(getattr(found, "value", found) or 0)


def test_class_folders_are_learnt(tmp_path: Path) -> None:
    source, out = write_class_folders(tmp_path / "data", COUNT), tmp_path / "out"
    succeed(*words(source, out))
    found = scored(out)
    assert found.classes == ("across", "down", "plain")
    assert value(out, "balanced_accuracy") > 0.8
    assert sum(map(sum, found.confusion)) == found.num_samples
    assert "confusion" in (out / "report.html").read_text().lower()


def test_shuffled_labels_are_not(tmp_path: Path) -> None:
    source, out = write_class_folders(tmp_path / "data", COUNT, shuffled=True), tmp_path / "out"
    succeed(*words(source, out), "--epochs", 4)
    assert value(out, "balanced_accuracy") < 0.6


def test_a_table_on_s3_is_learnt_and_a_killed_run_goes_on_to_the_same_weights(bucket: Bucket, tmp_path: Path) -> None:
    bucket.upload(write_labelled(tmp_path / "data", COUNT), "set/")
    asked = ("labels=labels.tsv", "group-column=patient")
    source, out, killed = f"{bucket.uri}/set", tmp_path / "out", tmp_path / "killed"
    succeed(*words(source, out, *asked), *bucket.options)
    assert value(out, "balanced_accuracy") > 0.8
    again = [*words(source, killed, *asked), *bucket.options, "--checkpoint-every", 7]
    process = run_until_saved(again, killed, 20)
    process.send_signal(signal.SIGKILL)
    process.wait()
    succeed(*again)
    ran = read_record(killed / "run.json", RunRecord)
    assert ran.weights_sha256 == read_record(out / "run.json", RunRecord).weights_sha256


def test_an_image_that_cannot_be_used_is_named_or_left_out(tmp_path: Path) -> None:
    source = write_class_folders(tmp_path / "data", 60)
    (source / "down" / "0001.png").write_bytes(planted(1)[1][:300])
    done = penstock(*words(source, tmp_path / "out"))
    assert done.returncode == 31, done.stderr
    lines = [line for line in done.stderr.splitlines() if ": error: " in line]
    assert len(lines) == 1
    assert "down/0001.png: an image that was cut off" in lines[0]
    assert "Warning" not in done.stderr
    out = tmp_path / "skipped"
    succeed(*words(source, out), "--on-bad-sample", "skip", "--epochs", 1)
    bad = read_record(out / "run.json", RunRecord).meters.skipped
    assert [item.key for item in bad] == ["down/0001.png"]
    assert bad[0].reason.startswith("an image that was cut off")
