"""The compiled pipeline for any dataset, run by what stands in for the backend: images in S3, a table of the Hub."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from integration.pipelines.conftest import Bucket, make_backend
from integration.pipelines.executor import Backend, Run
from penstock.manifest import ManifestReader
from penstock.records import CostReport, Evaluation, ForecastRecord, RunRecord, read_record
from pipelines.compile import compile_all
from pipelines.files import GENERAL_PIPELINE
from support.captioned import archives_of
from support.clips import write_pairs
from support.eeg import write_eeg
from support.hub_server import Hub, serve_hub
from support.images import CLASSES, write_class_folders
from support.moto_s3 import connect
from support.tables import people
from support.texts import conversations, jsonl, planted
from support.xrays import archive_of, make_studies

STEPS = ["list", "prefetch", "train", "evaluate", "report", "report-exit"]
IMAGES = 60
WINDOW = 2**20
TOKEN = "hf_" + "aBcDeFgHiJ" * 4


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compiled") / "penstock.yaml"
    path.write_text(compile_all(window_size="1Mi")[GENERAL_PIPELINE])
    return path


@pytest.fixture(scope="module")
def pets(bucket: Bucket, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Images in class folders of a bucket."""
    folder = write_class_folders(tmp_path_factory.mktemp("pets"), IMAGES)
    client = connect(bucket.url)
    client.create_bucket(Bucket="pets", CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
    for path in folder.rglob("*.*"):
        client.put_object(Bucket="pets", Key=str(path.relative_to(folder)), Body=path.read_bytes())
    return "s3://pets"


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with serve_hub() as served:
        served.token = TOKEN
        yield served


def small(bucket: Bucket, *, options: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """Return the parameters of a small run: those of its dataset, over what keeps any run small."""
    few = {"run_endpoint_url": bucket.url, "split": "0.5,0.25,0.25", "probe_samples": 8, "threads": 1}
    return {
        "model_epochs": 1,
        "node_type": "g5.xlarge",
        "options": {**few, **(options or {})},
        "run_root": "s3://runs/general",
        **fields,
    }


def check(run: Run, *, steps: Sequence[str] = STEPS) -> tuple[RunRecord, Evaluation]:
    """Look at what any dataset's run has to show; return what it learnt."""
    assert run.succeeded, "\n".join(done.stderr for done in run.executions.values())
    assert list(run.executions) == list(steps)
    assert all(len(done.attempts) == 1 for done in run.executions.values())
    assert not [word for done in run.executions.values() for word in done.argv if "{{" in word]
    trained = read_record(run.executions["train"].artifacts["record"], RunRecord)
    assert (trained.run_id, trained.state, len(trained.epochs)) == (run.job_id, "succeeded", 1)
    assert 0 < trained.meters.window_high_water_bytes <= WINDOW
    scored = read_record(run.executions["evaluate"].artifacts["metrics"], Evaluation)
    [shown] = run.executions["evaluate"].executor_output["artifacts"]["metrics_ui"]["artifacts"]
    assert shown["metadata"] == {
        key: metric.value for key, metric in scored.metrics.items() if metric.value is not None
    }
    assert read_record(run.executions["report-exit"].artifacts["cost"], CostReport).total_usd > 0
    return trained, scored


def test_images_in_class_folders(bucket: Bucket, compiled: Path, pets: str, tmp_path: Path) -> None:
    given = small(
        bucket,
        data_source=pets,
        data_region="us-east-2",
        data_task="images",
        data_task_options={"size": 16, "augment": "none"},
        forecast=True,
        options={
            "endpoint_url": bucket.url,
            "batch_size": 8,
            "workers": 0,
            "title": "Pets",
            "samples_per_second": 100,
            "max_usd": 5,
        },
    )
    run = make_backend(tmp_path).run(compiled, given, job_id="pets")
    trained, scored = check(run, steps=[*STEPS[:2], "forecast", *STEPS[2:]])
    check_forecast(run, trained, scored)
    with ManifestReader(run.executions["list"].artifacts["manifest"]) as reader:
        assert reader.info.num_samples == IMAGES
    assert {"balanced_accuracy", "accuracy", "auroc"} <= scored.metrics.keys()
    page = run.executions["report"].artifacts["html"].read_text()
    assert "Pets" in page
    assert all(name in page for name in CLASSES)


def check_forecast(run: Run, trained: RunRecord, scored: Evaluation) -> None:
    """Look at what a run shows that was forecast: before it trained in the UI, and after it in its report."""
    made = run.executions["forecast"]
    found = read_record(made.artifacts["record"], ForecastRecord)
    [node] = found.nodes
    way = node.way(found.planned or "")
    assert way is not None
    assert (node.node, node.epochs, found.planned) == ("g5.xlarge", 1, "window")
    with ManifestReader(run.executions["list"].artifacts["manifest"]) as reader:
        scoring = reader.info.split("valid").num_samples / 3  # a third of what training takes
    samples = sum(epoch.num_samples for epoch in trained.epochs)
    assert node.compute_seconds == pytest.approx((samples + scoring) / 100)
    assert way.get_requests == sum(each.meters.count("GET", purpose="data").sent for each in (trained, scored))
    [shown] = made.executor_output["artifacts"]["metrics_ui"]["artifacts"]
    assert shown["metadata"]["usd"] == way.usd.mid
    assert "What it will cost" in made.artifacts["html"].read_text()
    assert "**" in made.artifacts["markdown"].read_text()
    assert "as a probe measured it" in made.attempts[-1].stdout
    assert "Forecast and actual" in run.executions["report-exit"].artifacts["html"].read_text()


def real_or_planted() -> tuple[bytes, dict[str, Any], int]:
    """Return a table in Parquet, what is learnt of it and of how many rows: the first of a real one if there is one."""
    data = os.environ.get("PENSTOCK_TEST_DATA")
    if data:
        about = {"target": "patient_gender", "columns": "patient_age,view_position", "group_column": "patient_id"}
        with pq.ParquetFile(Path(data, "parquet/nih_chestxray14_labels.parquet")) as file:
            table, group_rows = file.read_row_groups([0]), 2500
    else:
        table, about, group_rows = people(200), {"target": "label"}, 50
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=group_rows)
    return sink.getvalue(), about, table.num_rows


def test_a_table_of_a_private_repository(bucket: Bucket, compiled: Path, hub: Hub, tmp_path: Path) -> None:
    table, about, rows = real_or_planted()
    hub.files = {"data/train.parquet": table}
    hub.large = set(hub.files)
    given = small(
        bucket,
        data_source="hf://datasets/org/name",
        data_task="table",
        data_task_options=about,
        options={"endpoint_url": hub.url, "batch_size": 512},
    )
    backend = make_backend(tmp_path / "run", secret={"HF_TOKEN": TOKEN})
    run = backend.run(compiled, given, job_id="table")
    check(run)
    with ManifestReader(run.executions["list"].artifacts["manifest"]) as reader:
        assert reader.info.num_samples == rows
    for done in run.executions.values():
        assert TOKEN not in f"{done.argv}{done.stderr}"
        assert not [path for path in done.artifacts.values() if TOKEN.encode() in path.read_bytes()]


def test_conversations_of_a_private_repository(bucket: Bucket, compiled: Path, hub: Hub, tmp_path: Path) -> None:
    hub.files = {"data/train.jsonl": jsonl(conversations(60))}
    hub.large = set(hub.files)
    given = small(
        bucket,
        data_source="hf://datasets/org/name",
        data_task="chat",
        data_task_options={"length": 72, "tokenizer": "bpe", "vocab_size": 300},
        model_name="tiny",
        options={"endpoint_url": hub.url, "batch_size": 8},
    )
    run = make_backend(tmp_path, secret={"HF_TOKEN": TOKEN}).run(compiled, given, job_id="chats")
    _, scored = check(run)
    assert {"perplexity", "loss", "bits_per_byte", "token_accuracy"} == scored.metrics.keys()
    assert "perplexity" in run.executions["report"].artifacts["html"].read_text()


def test_texts(bucket: Bucket, compiled: Path, tmp_path: Path) -> None:
    connect(bucket.url).put_object(Bucket="runs", Key="texts/a.jsonl", Body=jsonl(planted(40)))
    given = small(
        bucket,
        data_source="s3://runs/texts",
        data_region="us-east-2",
        data_task="text",
        data_task_options={"length": 32},
        model_name="tiny",
        options={"endpoint_url": bucket.url, "batch_size": 8},
    )
    _, scored = check(make_backend(tmp_path).run(compiled, given, job_id="texts"))
    assert scored.score == "perplexity"


def test_externalizing_of_recordings(bucket: Bucket, compiled: Path, tmp_path: Path) -> None:
    """The EEG challenge's second task, by the pipeline for any dataset; its first one has a pipeline of its own."""
    client = connect(bucket.url)
    folder = write_eeg(tmp_path / "eeg", num_trials=6, num_subjects=8)
    for path in folder.rglob("*.*"):
        client.put_object(Bucket="runs", Key=f"eeg/R1_L100_bdf/{path.relative_to(folder)}", Body=path.read_bytes())
    given = small(
        bucket,
        data_source="s3://runs/eeg",
        data_region="us-east-2",
        data_task="eeg-c2",
        model_name="small",
        options={"endpoint_url": bucket.url, "batch_size": 8, "loss": "l1"},
    )
    trained, scored = check(make_backend(tmp_path / "run").run(compiled, given, job_id="eeg-c2"))
    assert trained.config["loss"] == "l1"
    assert scored.score == "nrmse"


def test_clips_of_pictures_and_sound(bucket: Bucket, compiled: Path, tmp_path: Path) -> None:
    client = connect(bucket.url)
    folder = write_pairs(tmp_path / "clips", 24)
    for path in folder.rglob("*.*"):
        client.put_object(Bucket="runs", Key=f"clips/{path.relative_to(folder)}", Body=path.read_bytes())
    given = small(
        bucket,
        data_source="s3://runs/clips",
        data_region="us-east-2",
        data_task="clips",
        data_task_options={"frames": 8, "size": 16, "steps": 20, "coefficients": 16},
        options={"endpoint_url": bucket.url, "batch_size": 6, "workers": 0},
    )
    run = make_backend(tmp_path / "run").run(compiled, given, job_id="clips")
    _, scored = check(run)
    assert {"balanced_accuracy", "auroc", "auprc"} <= scored.metrics.keys()
    assert "Frames of clips" in run.executions["report"].artifacts["html"].read_text()


def test_a_mix_that_a_file_describes(bucket: Bucket, compiled: Path, pets: str, tmp_path: Path) -> None:
    """Its URI is the one parameter that says what the data are; what was drawn is in the report."""
    kind = "format: images, region: us-east-2, size: 16, augment: none, split: {valid: 0.25, test: 0.25, by: sample}"
    text = (
        f"mix:\n  - {{weight: 3, source: {pets}, match: '*.png', {kind}}}\n"
        f"  - {{weight: 1, source: {pets}, match: '*.jpg', {kind}}}\nseed: 1\nstop: all\nbatch: 5\n"
    )
    connect(bucket.url).put_object(Bucket="runs", Key="files/mix.yaml", Body=text.encode())
    options = {"endpoint_url": bucket.url, "workers": 0}
    given = small(bucket, data_file="s3://runs/files/mix.yaml", data_region="us-east-2", options=options)
    run = make_backend(tmp_path).run(compiled, given, job_id="mix")
    trained, _ = check(run)
    assert trained.config["batch_size"] == 5
    assert [round(each.share, 2) for each in trained.mix] == [0.75, 0.25]
    assert sum(each.given for each in trained.mix) == trained.num_trained_samples
    for name in ("html", "markdown"):
        page = run.executions["report"].artifacts[name].read_text()
        assert "75.0%" in page


@pytest.mark.parametrize(
    ("fields", "code", "told"),
    [
        ({"data_task": "imagess"}, 2, "did you mean images?"),
        ({"data_task_options": {"lables": "labels.csv"}}, 2, "images has no option 'lables': did you mean 'labels'?"),
        ({"data_task_options": {"size": "large"}}, 2, "'large' is not an integer for size"),
        ({"options": {"task_options": {"size": 32}}}, 2, "it is a field of its own: give it as data_task_options"),
        ({"data_source": "hf://datasets/org/name"}, 20, "set HF_TOKEN to a token that may read it"),
        ({"data_source": "", "data_file": "{format: parquet}"}, 2, "--dataset:1: source is missing"),
        ({"data_file": "{format: images, source: /a}"}, 2, "--source is given, and --dataset too"),
    ],
    ids=["task", "task option", "its value", "an option of before", "no token", "no source", "a source too much"],
)
def test_what_cannot_be_is_told_by_the_first_step_and_by_the_report(
    bucket: Bucket, compiled: Path, hub: Hub, tmp_path: Path, fields: dict[str, Any], code: int, told: str
) -> None:
    options = {"endpoint_url": hub.url} if "data_source" in fields else {"endpoint_url": bucket.url}
    options |= fields.pop("options", {})
    given = small(bucket, **{"data_source": "s3://pets", "data_task": "images"} | fields, options=options)
    backend: Backend = make_backend(tmp_path, retries=False)
    run = backend.run(compiled, given, job_id=f"wrong-{code}-{abs(hash(str(fields)))}")
    assert list(run.executions) == ["list", "report-exit"]
    listed = run.executions["list"]
    assert (listed.command_code, listed.attempts[0].stderr.count("error:")) == (code, 1), listed.stderr
    assert told in listed.stderr
    assert run.executions["report-exit"].returncode == 0
    assert "**Failed**" in run.executions["report-exit"].artifacts["markdown"].read_text()


def test_what_the_data_are_must_be_given(bucket: Bucket, compiled: Path, tmp_path: Path) -> None:
    run = make_backend(tmp_path, retries=False).run(compiled, small(bucket, data_task="images"), job_id="no-source")
    assert list(run.executions) == ["list", "report-exit"]
    assert run.executions["list"].command_code == 2
    assert "--source is missing or empty: say where the dataset lies, or give --dataset a file" in (
        run.executions["list"].stderr
    )


def test_anomalies_on_x_rays_of_one_archive(bucket: Bucket, compiled: Path, tmp_path: Path) -> None:
    client = connect(bucket.url)
    client.create_bucket(Bucket="nih", CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
    studies = make_studies(24)
    client.put_object(Bucket="nih", Key="archive.zip", Body=archive_of(studies))
    given = small(
        bucket,
        data_source="s3://nih",
        data_region="us-east-2",
        data_task="xray",
        data_task_options={"size": 32, "archives": "images_00[1-3]"},
        model_name="reversed-autoencoder-small",
        options={"endpoint_url": bucket.url, "batch_size": 16, "workers": 0, "learning_rate": 0.003},
    )
    run = make_backend(tmp_path).run(compiled, given, job_id="nih")
    trained, scored = check(run)
    assert trained.model == "reversed-autoencoder-small"
    assert {"auroc", "auprc"} <= scored.metrics.keys()
    assert "Anomaly maps" in run.executions["report"].artifacts["html"].read_text()


def test_videos_and_captions_of_a_hub_part_by_part(bucket: Bucket, compiled: Path, hub: Hub, tmp_path: Path) -> None:
    hub.files = archives_of(6, 8)
    hub.large = {path for path in hub.files if path.endswith(".gz")}
    given = small(
        bucket,
        data_source="hf://datasets/org/name",
        data_task="video-text",
        data_task_options={"frames": 2, "size": 16, "fps": None},
        options={"endpoint_url": hub.url, "batch_size": 8, "workers": 0, "repeat": 2, "repeat_part": "50Ki"},
    )
    backend = make_backend(tmp_path / "run", secret={"HF_TOKEN": TOKEN})
    run = backend.run(compiled, given, job_id="videos")
    trained, scored = check(run)
    with ManifestReader(run.executions["list"].artifacts["manifest"]) as reader:
        assert reader.info.num_samples == 48
        assert trained.epochs[0].num_samples == 2 * reader.info.split("train").num_samples
    assert scored.metrics["recall_at_1"].baseline is not None
    assert "Videos and captions" in run.executions["report"].artifacts["html"].read_text()
