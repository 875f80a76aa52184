"""Training and evaluating by the command line on extents that hold many samples each."""

from __future__ import annotations

import json
import os
import re
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from penstock.manifest import ManifestReader
from penstock.records import Evaluation, RunRecord, StepRecord, read_record
from support.cli import penstock
from support.jobs import run_until_saved
from support.toyrows import install, write_rows, write_shards


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy") / "rows"
    write_rows(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    site = tmp_path_factory.mktemp("site")
    install(site)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")])))
        yield


@pytest.fixture(scope="module")
def listed(data: Path) -> list[object]:
    """Options of a manifest and its plan."""
    manifest, plan = data.parent / "m.parquet", data.parent / "p.json"
    words = ["list", "--source", data, "--task", "toy-rows", "--split", "0.5,0.25,0.25", "--split-by", "sample"]
    done = penstock(*words, "--seed", 5, "--manifest", manifest, "--plan", plan)
    assert done.returncode == 0, done.stderr
    return ["--manifest", manifest, "--plan", plan]


def train_words(listed: list[object], out: Path, num_workers: int) -> list[object]:
    told = ["train", *listed, "--epochs", 2, "--batch-size", 16, "--learning-rate", 0.1, "--window-size", "1Mi"]
    told += ["--workers", num_workers, "--threads", 1, "--checkpoints", out / "checkpoints", "--checkpoint-every", 1]
    return [*told, "--record", out / "run.json"]


@pytest.fixture(scope="module")
def undisturbed(listed: list[object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run whose decoder wrote down what it decoded."""
    out = tmp_path_factory.mktemp("undisturbed")
    done = penstock(*train_words(listed, out, 0), environment={"TOY_LOG": str(out / "log")})
    assert done.returncode == 0, done.stderr
    return out


def extents_of(listed: list[object], *splits: str) -> set[str]:
    with ManifestReader(Path(str(listed[1]))) as reader:
        return {extent.key for split in splits for extent in reader.rows(split)}


def test_each_row_group_is_decoded_once_an_epoch(listed: list[object], undisturbed: Path) -> None:
    record = read_record(undisturbed / "run.json", RunRecord)
    best = max(epoch.valid["r2"].value or 0 for epoch in record.epochs)
    assert best > 0.9
    decoded = Counter((undisturbed / "log").read_text().splitlines())
    assert decoded == dict.fromkeys(extents_of(listed, "train", "valid"), 2)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_run_that_is_killed_within_an_epoch_ends_with_the_same_weights(
    listed: list[object], undisturbed: Path, tmp_path: Path, num_workers: int
) -> None:
    words = train_words(listed, tmp_path, num_workers)
    process = run_until_saved(words, tmp_path, 13)  # of 42, 21 an epoch, within a group
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = penstock(*words)
    assert done.returncode == 0, done.stderr
    record, expected = (read_record(folder / "run.json", RunRecord) for folder in (tmp_path, undisturbed))
    assert record.num_resumes >= 1
    assert record.weights_sha256 == expected.weights_sha256
    assert record.losses == expected.losses


@pytest.mark.parametrize("num_workers", [0, 2])
def test_an_evaluation_names_each_row(
    data: Path, listed: list[object], undisturbed: Path, tmp_path: Path, num_workers: int
) -> None:
    words = ["evaluate", *listed, "--checkpoint", undisturbed / "checkpoints", "--window-size", "1Mi"]
    done = penstock(*words, "--workers", num_workers, "--metrics", tmp_path / "e.json")
    assert done.returncode == 0, done.stderr
    found = read_record(tmp_path / "e.json", Evaluation)
    with ManifestReader(Path(str(listed[1]))) as reader:
        assert found.num_samples == reader.info.split("test").num_samples == len(found.predictions)
    for each in found.predictions:
        name, group, row = re.fullmatch(r"(.+)/(\d+)#(\d+)", each.key).groups()  # type: ignore[union-attr]
        table = pq.ParquetFile(data / name).read_row_group(int(group))
        assert each.truth == table["y"][int(row)].as_py()
        assert abs(each.predicted - each.truth) < 1


def test_a_probe_streams_as_many_samples_as_asked_for_and_counts_them(listed: list[object], tmp_path: Path) -> None:
    words = ["prefetch", *listed, "--samples", 70, "--window-size", "1Mi", "--record", tmp_path / "probe.json"]
    done = penstock(*words, "--batch-size", 16)
    assert done.returncode == 0, done.stderr
    record = read_record(tmp_path / "probe.json", StepRecord)
    with ManifestReader(Path(str(listed[1]))) as reader:
        extents = list(reader.rows("train"))
    assert 70 <= record.details["samples"] < 70 + max(extent.num_samples for extent in extents)
    assert record.meters.sample_bytes < sum(extent.size_bytes for extent in extents) / 2


def test_a_window_too_small_for_a_batch_of_workers_is_told_before_anything_begins(
    listed: list[object], tmp_path: Path
) -> None:
    words = train_words(listed, tmp_path, 2)
    words[words.index("1Mi")] = "90Ki"
    done = penstock(*words)
    assert done.returncode == 4, done.stderr
    assert re.search(r"WindowTooSmall|--window-size of at least", done.stderr)
    assert not (tmp_path / "checkpoints").exists()


def test_a_whole_job_of_a_network_of_ones_own_that_sees_no_target(data: Path, tmp_path: Path) -> None:
    """Its inputs are a dictionary of float64, and its loss and its score are of the batch itself."""
    words = ["run", "--source", data, "--task", "toy-auto", "--split", "0.5,0.25,0.25", "--split-by", "sample"]
    words += ["--epochs", 4, "--batch-size", 16, "--learning-rate", 0.05, "--window-size", "1Mi", "--threads", 1]
    done = penstock(*words, "--model", "toyrows.networks:make_wide", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    found = read_record(tmp_path / "out" / "evaluation.json", Evaluation)
    record = read_record(tmp_path / "out" / "run.json", RunRecord)
    assert found.metrics["error"].value is not None
    assert found.metrics["error"].value < 0.3  # of three axes with variance 1
    assert found.num_samples > 100
    assert record.epochs[-1].train_loss < record.epochs[0].train_loss
    assert json.loads((tmp_path / "out" / "run.json").read_text())


def test_a_whole_job_of_targets_that_the_manifest_does_not_know(tmp_path: Path) -> None:
    write_shards(tmp_path / "shards")
    words = ["run", "--source", tmp_path / "shards", "--task", "toy-tar", "--split", "0.6,0.2,0.2"]
    words += ["--epochs", 3, "--batch-size", 8, "--learning-rate", 0.1, "--window-size", "1Mi", "--threads", 1]
    done = penstock(*words, "--split-by", "sample", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    found = read_record(tmp_path / "out" / "evaluation.json", Evaluation)
    assert found.metrics["accuracy"].value is not None
    assert found.metrics["accuracy"].value > 0.85
    assert {each.truth for each in found.predictions} == {0.0, 1.0}
