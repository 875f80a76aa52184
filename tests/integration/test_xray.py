"""The task `xray`, as a user runs it: from Kaggle's archive by range and from a folder, planted and not, and killed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.records import Evaluation, PictureFigure, RunRecord, read_record
from support.cli import penstock, succeed
from support.gcs_server import serve_gcs
from support.jobs import run_until_saved
from support.kaggle_server import Kaggle, serve_kaggle
from support.xrays import files_of, make_studies, write_folder

STUDIES = make_studies(60)
TRAINING = (
    "--split", "0.5,0.2,0.3", "--option", "size=32", "--epochs", 4, "--batch-size", 16, "--learning-rate", 0.003,
    "--threads", 1, "--window-size", "4Mi",
)  # fmt: skip
AT_LEAST = 0.9
"""AUROC of planted findings, by every model."""
CHANCE = 0.35, 0.65
"""Bounds of the AUROC of findings that are not to be seen, of more than 250 test images."""


def words(source: object, out: Path, model: str, *more: object) -> list[object]:
    return ["run", "--source", source, "--task", "xray", "--model", model, *TRAINING, "--out", out, *more]


def scored(out: Path) -> Evaluation:
    return read_record(out / "evaluation.json", Evaluation)


def value(out: Path, name: str) -> float:
    found = scored(out).metrics[name].value
    assert found is not None
    return found


@pytest.fixture(scope="module", name="kaggle")
def _kaggle() -> Iterator[Kaggle]:
    with serve_kaggle() as served:
        served.files = {1: files_of(STUDIES)}
        yield served


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("nih") / "x", STUDIES)


def test_what_is_planted_is_found_in_the_archive_of_kaggle(kaggle: Kaggle, tmp_path: Path) -> None:
    archive = ("--endpoint-url", kaggle.url, "--source-option", "archive=true")
    told = succeed(*words("kaggle://datasets/owner/name", tmp_path, "reversed-autoencoder-small", *archive))
    assert "auroc" in told
    assert value(tmp_path, "auroc") >= AT_LEAST
    assert value(tmp_path, "pointing") > 0.5
    found = scored(tmp_path)
    assert found.metrics["auroc"].interval is not None
    assert [type(figure).__name__ for figure in found.figures] == [
        "LineFigure", "LineFigure", "TableFigure", "PictureFigure",
    ]  # fmt: skip
    pictures = found.figures[-1]
    assert isinstance(pictures, PictureFigure)
    assert len(pictures.rows) > 8
    assert all(len(row.pictures) == 3 for row in pictures.rows)
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 3 * len(pictures.rows)
    assert "In brackets" in page or "in brackets" in page
    # Members were read by range, and never the whole archive.
    assert all("range" in asked.headers for asked in kaggle.store.requests)


@pytest.mark.parametrize("model", ["unet-small"])
def test_what_is_planted_is_found(folder: Path, tmp_path: Path, model: str) -> None:
    succeed(*words(folder, tmp_path, model, "--epochs", 6))
    assert value(tmp_path, "auroc") >= AT_LEAST
    assert value(tmp_path, "iou") > 0.2


@pytest.mark.parametrize("model", ["unet-small", "reversed-autoencoder-small"])
def test_what_is_not_there_is_not_found(tmp_path: Path, model: str) -> None:
    source = write_folder(tmp_path / "x", make_studies(120, planted=False))
    succeed(*words(source, tmp_path / "out", model, "--epochs", 2, "--split", "0.25,0.1,0.65"))
    assert scored(tmp_path / "out").num_samples > 250
    assert CHANCE[0] < value(tmp_path / "out", "auroc") < CHANCE[1]


@pytest.mark.parametrize("model", ["unet-small", "reversed-autoencoder-small"])
def test_a_killed_run_goes_on_to_the_same_weights(folder: Path, tmp_path: Path, model: str) -> None:
    out, killed = tmp_path / "out", tmp_path / "killed"
    succeed(*words(folder, out, model), "--epochs", 2)
    again = [*words(folder, killed, model), "--epochs", 2, "--checkpoint-every", 2]
    process = run_until_saved(again, killed, 4)
    process.send_signal(signal.SIGKILL)
    process.wait()
    succeed(*again)
    ran = read_record(killed / "run.json", RunRecord)
    assert ran.num_resumes == 1
    assert ran.weights_sha256 == read_record(out / "run.json", RunRecord).weights_sha256
    assert scored(killed).metrics == scored(out).metrics


def _weights(out: Path, stage: int) -> str | None:
    return read_record(out / f"stage-{stage:02}" / "run.json", RunRecord).weights_sha256


def test_stages_stop_where_one_fails_and_go_on_in_their_middle_to_the_same_weights(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "x", STUDIES)
    options = ("--stages", "images_001,images_002,images_*", "--epochs", 2, "--checkpoint-every", 2)
    out, killed = tmp_path / "out", tmp_path / "killed"
    told = succeed(*words(source, out, "unet-small", *options))
    assert [line.split()[0] for line in told.splitlines()[-3:]] == ["images_001", "images_002", "images_*"]
    trained = [
        read_record(out / f"stage-{stage:02}" / "run.json", RunRecord).num_trained_samples for stage in (1, 2, 3)
    ]
    assert trained[0] < trained[1] < trained[2]
    tested = [scored(out / f"stage-{stage:02}").num_samples for stage in (1, 2, 3)]
    assert len(set(tested)) == 1
    again = words(source, killed, "unet-small", *options)
    process = run_until_saved(again, killed / "stage-02", 3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    away = source.rename(tmp_path / "away")
    failed = penstock(*again)
    assert failed.returncode != 0
    assert "later ones are not begun" in failed.stderr
    assert not (killed / "stage-03").exists()
    away.rename(source)
    succeed(*again)
    assert [_weights(killed, stage) for stage in (1, 2, 3)] == [_weights(out, stage) for stage in (1, 2, 3)]
    assert read_record(killed / "stage-02" / "run.json", RunRecord).num_resumes >= 1


def test_checkpoints_in_google_cloud_storage_are_gone_on_from(folder: Path, tmp_path: Path) -> None:
    files = ("--manifest", tmp_path / "m.parquet", "--plan", tmp_path / "plan.json")
    options = ("--option", "size=32", "--split", "0.5,0.2,0.3")
    succeed("list", "--source", folder, "--task", "xray", *options, *files)
    with serve_gcs() as gcs:
        gcs.token = "ya29.of-the-test"

        def train(run_id: str, epochs: int) -> RunRecord:
            record = tmp_path / f"{run_id}-{epochs}.json"
            words = (
                "train", *files, "--model", "unet-small", "--epochs", epochs, "--schedule", "constant", "--warmup", 0,
                "--threads", 1, "--window", tmp_path / f"{run_id}-{epochs}", "--window-size", "4Mi", "--record", record,
                "--run-root", f"{gcs.uri}/runs", "--run-id", run_id, "--run-endpoint-url", gcs.url,
            )  # fmt: skip
            done = penstock(*words, environment={"GOOGLE_OAUTH_ACCESS_TOKEN": gcs.token or ""})
            assert done.returncode == 0, done.stderr
            return read_record(record, RunRecord)

        train("parts", 1)
        went_on, whole = train("parts", 2), train("whole", 2)
    assert (went_on.num_resumes, whole.num_resumes) == (1, 0)
    assert went_on.weights_sha256 == whole.weights_sha256
