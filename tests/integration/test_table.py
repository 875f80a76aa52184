"""The task `table`, as a user runs it: Parquet and CSV, from a disk and from S3, classes and numbers, and killed."""

from __future__ import annotations

import gzip
import json
import os
import signal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from penstock.records import Evaluation, RunRecord, read_record
from support.cli import Bucket, penstock, succeed
from support.jobs import run_until_saved
from support.tables import people, write_csv, write_parquet

SPLIT = ("--split", "0.6,0.2,0.2")
TRAINING = ("--epochs", 12, "--batch-size", 40, "--learning-rate", 0.01, "--threads", 1, "--window-size", "1Mi")
NET = """from torch import nn
def factory(*, shape, num_outputs):
    return nn.Sequential(nn.Linear(shape[0], 32), nn.Tanh(), nn.Linear(32, num_outputs))
"""


def words(source: object, out: Path, *options: str) -> list[object]:
    given = [word for option in options for word in ("--option", option)]
    return ["run", "--source", source, "--task", "table", *given, *SPLIT, *TRAINING, "--out", out]


def value(out: Path, metric: str) -> float:
    return float(read_record(out / "evaluation.json", Evaluation).metrics[metric].value or 0)


def test_classes_of_parquet_on_s3_are_learnt_and_a_killed_run_goes_on_to_the_same_weights(
    bucket: Bucket, tmp_path: Path
) -> None:
    bucket.upload(write_parquet(tmp_path / "data", people(1200)), "set/")
    asked = ("target=label", "columns=age,city,noise,member", "group-column=patient")
    source, out, killed = f"{bucket.uri}/set", tmp_path / "out", tmp_path / "killed"
    told = succeed(*words(source, out, *asked), *bucket.options)
    assert "test score  skill" in told
    assert value(out, "accuracy") > 0.88
    found = read_record(out / "evaluation.json", Evaluation)
    assert found.classes == ("no", "yes")
    assert sum(map(sum, found.confusion)) == found.num_samples
    assert "skill" in (out / "report.html").read_text()
    again = [*words(source, killed, *asked), *bucket.options, "--checkpoint-every", 7]
    process = run_until_saved(again, killed, 20)
    process.send_signal(signal.SIGKILL)
    process.wait()
    succeed(*again)
    ran = read_record(killed / "run.json", RunRecord)
    assert ran.weights_sha256 == read_record(out / "run.json", RunRecord).weights_sha256


def test_one_column_of_eleven_is_read_for_its_bytes(bucket: Bucket, tmp_path: Path) -> None:
    data = os.environ.get("PENSTOCK_TEST_DATA")
    if not data:
        pytest.skip("PENSTOCK_TEST_DATA names no folder of real tables")
    (path,) = (Path(data) / "parquet").glob("*.parquet")
    bucket.put("set/real.parquet", path.read_bytes())
    meta = pq.read_metadata(path)
    chunks = [meta.row_group(group).column(place) for group in range(meta.num_row_groups) for place in range(11)]
    own = sum(chunk.total_compressed_size for chunk in chunks if chunk.path_in_schema == "patient_age")
    files = ["--manifest", tmp_path / "m.parquet", "--plan", tmp_path / "p.json"]
    options = ["--option", "target=patient_gender", "--option", "columns=patient_age", "--split", "1,0,0"]
    succeed("list", "--source", f"{bucket.uri}/set", "--task", "table", *options, *bucket.options, *files)
    training = ["--epochs", 1, "--batch-size", 4096, "--window-size", "2Mi", "--model", "linear", "--threads", 1]
    succeed("train", *files, *training, "--checkpoints", tmp_path / "saved", "--record", tmp_path / "run.json")
    meters = read_record(tmp_path / "run.json", RunRecord).meters
    assert own <= meters.bytes_downloaded <= 1.1 * own


def test_numbers_of_csv_are_learnt_by_a_network_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "own_net.py").write_text(NET)
    source, out = write_csv(tmp_path / "data", people(1200)), tmp_path / "out"
    asked = words(source, out, "target=price", "columns=age,city,noise", "split-column=part", "block=20Ki")
    environment = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    done = penstock(*asked, "--model", "own_net:factory", environment=environment)
    assert done.returncode == 0, done.stderr
    assert value(out, "skill") == value(out, "r2") > 0.8
    assert value(out, "nrmse") < 0.45
    found = read_record(out / "evaluation.json", Evaluation)
    assert found.num_samples == 120
    prices = people(1200)["price"].to_pylist()
    for each in found.predictions:  # named by its row in its file, as Pandas counts them
        file, row = each.key.split("#")
        assert each.truth == pytest.approx(prices[600 * int(file.removesuffix(".csv")) + int(row)], rel=1e-5)


def test_shuffled_labels_are_not_learnt(tmp_path: Path) -> None:
    source, out = write_parquet(tmp_path / "data", people(1200, shuffled=True)), tmp_path / "out"
    succeed(*words(source, out, "target=label", "columns=age,city,noise"), "--epochs", 3, "--model", "linear")
    assert value(out, "balanced_accuracy") < 0.6


def test_a_checkpoint_is_scored_on_other_tables_that_are_listed_like_its_own(tmp_path: Path) -> None:
    source, out = write_parquet(tmp_path / "data", people(600)), tmp_path / "out"
    new = write_csv(tmp_path / "new", people(300, seed=7))
    succeed(*words(source, out, "target=label", "columns=age,city,noise"))
    listing = ["list", "--source", new, "--task", "table", "--option", "target=label", "--split", "1,0,0"]
    scoring = ["evaluate", "--checkpoint", out / "checkpoints", "--split", "train", "--other-data"]
    for name, options in (("own", ["columns=age,city,noise"]), ("like", [f"like={out / 'manifest.parquet'}"])):
        files = ["--manifest", tmp_path / f"{name}.parquet", "--plan", tmp_path / f"{name}.json"]
        succeed(*listing, *(word for option in options for word in ("--option", option)), *files)
        done = penstock(*scoring, *files, "--window-size", "1Mi", "--metrics", tmp_path / f"{name}.metrics.json")
        if name == "own":
            assert done.returncode == 62
            assert "whose numbers mean another thing" in done.stderr
            assert "--option like=" in done.stderr
        else:
            assert done.returncode == 0, done.stderr
    found = read_record(tmp_path / "like.metrics.json", Evaluation)
    assert found.num_samples == 300
    assert float(found.metrics["accuracy"].value or 0) > 0.8


def test_a_target_that_is_not_there_is_one_line_with_the_nearest(tmp_path: Path) -> None:
    done = penstock(*words(write_csv(tmp_path / "data", people(20)), tmp_path / "out", "target=lable"))
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if ": error: " in line]
    assert len(lines) == 1
    assert "0.csv has no column 'lable'" in lines[0]
    assert "did you mean 'label'?" in lines[0]


def test_rows_of_packed_json_lines_are_learnt(tmp_path: Path) -> None:
    source, out = tmp_path / "data", tmp_path / "out"
    source.mkdir()
    for number in range(2):
        rows = people(1200).slice(number * 600, 600).to_pylist()
        lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
        (source / f"{number}.jsonl.gz").write_bytes(gzip.compress(lines))
    succeed(*words(source, out, "target=label", "columns=age,city,noise,member", "block=20Ki"), "--workers", 1)
    assert value(out, "accuracy") > 0.85
