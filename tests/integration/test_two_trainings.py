"""Two trainings that save their checkpoints to one place in a store, which has no lock that ends with its holder."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.errors import NotOurs
from penstock.records import RunRecord, decode_record
from support.cli import succeed
from support.eeg import write_eeg
from support.forked import Forked
from support.s3_server import own_s3


def test_one_of_them_goes_on_undisturbed_and_the_other_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    data, manifest, plan = write_eeg(tmp_path / "eeg"), tmp_path / "manifest.parquet", tmp_path / "plan.json"
    succeed("list", "--source", data, "--task", "eeg-c1", "--manifest", manifest, "--plan", plan)
    with own_s3({}) as (server, wire):
        words = ["train", "--manifest", manifest, "--plan", plan, "--model", "small", "--epochs", "6"]
        words += [
            "--window-size",
            "8Mi",
            "--run-root",
            "s3://bucket/runs",
            "--run-id",
            "one",
            "--run-endpoint-url",
            wire.url,
        ]
        trainings = [Forked([*words, "--record", tmp_path / f"{number}.json"]) for number in range(2)]
        outputs = [training.communicate() for training in trainings]
        codes = [training.wait() for training in trainings]
        assert sorted(codes) == [0, NotOurs.exit_code], outputs
        ended = outputs[codes.index(NotOurs.exit_code)]
        assert "another training saves its checkpoints to s3://bucket/runs/one/checkpoints" in ended[1], ended
        kept = decode_record(server.objects["runs/one/records/train.json"], RunRecord)
        assert kept.state == "succeeded"
        assert "runs/one/records/train-failure.json" not in server.objects
        succeed(*words, "--record", tmp_path / "again.json")  # finds the whole run of the other
