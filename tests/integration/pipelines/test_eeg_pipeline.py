"""The compiled pipeline, run by what stands in for the backend, on a dataset in S3."""

from __future__ import annotations

import csv
import json
import re
import signal
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

from integration.pipelines.conftest import Bucket, make_backend
from integration.pipelines.executor import (
    Backend,
    DriverError,
    Outcome,
    Run,
    Step,
    Store,
    as_text,
    drive,
    load_compiled,
    substitute,
)
from penstock.manifest import ManifestReader
from penstock.records import CostReport, Evaluation, RunRecord, StepRecord, read_record
from pipelines.compile import EEG_PIPELINE, compile_all
from support.moto_s3 import connect

STEPS = ["list", "prefetch", "train", "evaluate", "report"]
EXIT = "report-exit"
WRITTEN = {
    "list": ["manifest", "plan", "record"],
    "prefetch": ["record"],
    "train": ["checkpoint", "record"],
    "evaluate": ["metrics", "plot"],
    "report": ["cost", "focus", "html", "markdown"],
    EXIT: ["cost", "focus", "html", "markdown"],
}
JOB_ID = "8f14e45f-ceea-467f-9575-6d1d7c2f8a11"
ARTIFACT_LIMIT_BYTES = 2_000_000


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pipeline with a window that is smaller than the dataset."""
    return compile_to(tmp_path_factory.mktemp("compiled") / "pipeline.yaml", window_size="4Mi")


def compile_to(path: Path, **settings: Any) -> Path:
    path.write_text(compile_all(**settings)[EEG_PIPELINE])
    return path


OPTIONS = {
    "mini": False,
    "split": "0.34,0.33,0.33",
    "probe_samples": 16,
    "batch_size": 4,
    "title": "Penstock EEG",
    "on_bad_object": "skip",
}


def over_defaults(bucket: Bucket, *, options: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Return a small run's parameters.

    Args:
        options: over those of a small run.
    """
    servers = {"endpoint_url": bucket.url, "run_endpoint_url": bucket.url}
    return {
        "data_source": "s3://eeg/demo",
        "data_region": "us-east-1",
        "data_anonymous": False,
        "data_task_options": {"epoch-seconds": 2},
        "model_epochs": 2,
        "node_type": "g5.xlarge",
        "options": {**OPTIONS, **servers, **(options or {})},
        "run_root": "s3://runs/penstock",
    } | more


@pytest.fixture(scope="module")
def whole_run(bucket: Bucket, compiled: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that nothing disturbs."""
    return make_backend(tmp_path_factory.mktemp("whole")).run(compiled, over_defaults(bucket), job_id=JOB_ID)


def test_all_five_steps_run(whole_run: Run, bucket: Bucket) -> None:
    run = whole_run
    assert [done.task for done in run.executions.values()] == [*STEPS, EXIT]
    assert run.succeeded, "\n".join(done.stderr for done in run.executions.values())
    assert all(len(done.attempts) == 1 for done in run.executions.values())
    for done in run.executions.values():
        assert not [word for word in done.argv if re.search(r"\{\{\$", word)]

    artifacts = {
        f"{step}.{name}": path for step in run.executions for name, path in run.executions[step].artifacts.items()
    }
    assert {key: sorted(done.artifacts) for key, done in run.executions.items()} == WRITTEN
    assert sum(path.stat().st_size for path in artifacts.values()) < ARTIFACT_LIMIT_BYTES < bucket.dataset.size_bytes

    with ManifestReader(artifacts["list.manifest"]) as reader:
        assert reader.info.num_samples == bucket.dataset.num_trials
    probed = read_record(artifacts["prefetch.record"], StepRecord)
    assert probed.details["samples"] == 16
    trained = read_record(artifacts["train.record"], RunRecord)
    assert (trained.run_id, trained.state, len(trained.epochs)) == (JOB_ID, "succeeded", 2)
    assert trained.host.instance_type == "g5.xlarge"
    assert trained.meters.window_high_water_bytes <= 4 * 2**20 < trained.meters.sample_bytes

    scored = read_record(artifacts["evaluate.metrics"], Evaluation)
    [shown] = run.executions["evaluate"].executor_output["artifacts"]["metrics_ui"]["artifacts"]
    assert shown["metadata"] == {
        name: metric.value for name, metric in scored.metrics.items() if metric.value is not None
    }
    assert "nrmse" in shown["metadata"]
    assert shown["name"] == "metrics_ui"
    assert shown["uri"].endswith(f"/{JOB_ID}/evaluate/metrics_ui")
    assert artifacts["evaluate.plot"].read_text().startswith("<svg")

    page = artifacts["report.html"].read_text()
    assert "Penstock EEG" in page
    assert "<svg" in page
    assert not re.findall(r"""(?:src|href)=["'](?!\#|data:)""", page)
    assert artifacts["report.markdown"].read_text().strip()
    bill = read_record(artifacts["report.cost"], CostReport)
    assert bill.total_usd > 0
    rows = list(csv.DictReader(artifacts["report.focus"].open(newline="")))
    assert sum(Decimal(row["BilledCost"]) for row in rows) == bill.total_usd
    assert {json.loads(row["Tags"])["penstock_run_id"] for row in rows} == {JOB_ID}

    at_exit = read_record(artifacts[f"{EXIT}.cost"], CostReport)
    assert [line.what for line in at_exit.lines] == [line.what for line in bill.lines]
    for late, early in zip(at_exit.lines, bill.lines, strict=True):
        # The report's pod has the steps' records alone; the run root tells when their processes began and ended, and is
        # asked for it, which the bill has too.
        is_more = "hour" in late.unit or late.what.endswith("(records)")
        assert late.quantity > early.quantity if is_more else late.quantity == early.quantity, late.what
    hours = sum(line.quantity for line in at_exit.lines if line.unit == "hour")
    assert float(hours) * 3600 == pytest.approx(float(sum(each.seconds for each in at_exit.attempts)), abs=1e-6)
    assert "Failed" not in artifacts[f"{EXIT}.markdown"].read_text()

    keys = {item["Key"] for item in connect(bucket.url).list_objects_v2(Bucket="runs")["Contents"]}
    assert f"penstock/{JOB_ID}/focus.csv" in keys
    assert {f"penstock/{JOB_ID}/checkpoints/{name}.json" for name in ("latest", "best")} <= keys
    records = {
        f"penstock/{JOB_ID}/records/{step}{kind}.json"
        for step in STEPS
        if step != "report"
        for kind in ("", "-attempts")
    }
    assert {key for key in keys if f"{JOB_ID}/records" in key} == records


def test_a_task_that_fails_ends_the_run_and_is_reported(backend: Backend, bucket: Bucket, compiled: Path) -> None:
    run = backend.run(compiled, over_defaults(bucket, data_source="s3://eeg/nothing-here"), job_id="wrong-prefix")
    assert not run.succeeded
    assert list(run.executions) == ["list", EXIT]
    listed = run.executions["list"]
    assert (listed.returncode, listed.command_code) == (1, 22)
    assert "nothing-here" in listed.attempts[0].stderr
    assert listed.artifacts == {}
    told = run.executions[EXIT].artifacts["markdown"].read_text()
    assert "**Failed**" in told
    assert "list: EmptyListing" in told.replace("\\", "")
    assert "nothing-here" in told
    rows = list(csv.DictReader(run.executions[EXIT].artifacts["focus"].open(newline="")))
    assert {row["ResourceId"] for row in rows} == {
        read_record(run.executions[EXIT].artifacts["cost"], CostReport).run_id
    }


def test_a_step_that_has_failed_for_good_fails_at_once_when_tried_again(
    backend: Backend, bucket: Bucket, compiled: Path
) -> None:
    # Nothing reads the bucket again: it answers differently by then.
    given = over_defaults(bucket, data_source="s3://eeg/nothing-here")
    first, *others = backend.run(compiled, given, job_id="final").executions["list"].attempts
    assert others, "the pipeline does not try again"
    for again in others:
        assert again.command_code == first.command_code == 22, f"{first.stderr}\n{again.stderr}"
        assert "an earlier attempt failed for good" in again.stderr
        assert "nothing-here" in again.stderr
    run = backend.run(compiled, given | {"run_root": ""}, job_id="no-root")
    assert all("an earlier attempt" not in attempt.stderr for attempt in run.executions["list"].attempts)
    assert run.executions[EXIT].returncode == 0, run.executions[EXIT].stderr
    told = run.executions[EXIT].artifacts["markdown"].read_text()
    assert "the pipeline ended as FAILED and no step left a reason" in told


def test_a_window_too_small_is_found_before_training(backend: Backend, bucket: Bucket, tmp_path: Path) -> None:
    small = compile_to(tmp_path / "small.yaml", window_size="20Ki")
    run = backend.run(small, over_defaults(bucket), job_id="small-window")
    assert list(run.executions) == ["list", "prefetch", EXIT]
    assert run.executions["prefetch"].command_code == 4


def test_a_failed_training_is_billed(backend: Backend, bucket: Bucket, compiled: Path) -> None:
    # So high a rate diverges after some steps, for good.
    run = backend.run(
        compiled, over_defaults(bucket, options={"learning_rate": 1e30}, model_epochs=4), job_id="diverges"
    )
    assert list(run.executions) == ["list", "prefetch", "train", EXIT]
    first, *others = run.executions["train"].attempts
    assert (first.returncode, first.command_code) == (1, 65)
    assert all("an earlier attempt failed for good" in again.stderr for again in others)
    assert len(others) == 3
    bill = read_record(run.executions[EXIT].artifacts["cost"], CostReport)
    [hours] = [line for line in bill.lines if line.what.startswith("Training node")]
    assert hours.usd > 0
    assert sum(line.quantity for line in bill.lines if line.item == "s3-get") > 0
    told = run.executions[EXIT].artifacts["markdown"].read_text().replace("\\", "")
    assert "train: TrainingDiverged" in told


def test_a_run_that_its_budget_ended_is_continued_by_another_of_the_pipeline_in_one_bill(
    backend: Backend, bucket: Bucket, compiled: Path
) -> None:
    small = over_defaults(bucket, options={"max_requests": 160}, model_epochs=3)
    ended = backend.run(compiled, small, job_id="ended")
    assert list(ended.executions) == ["list", "prefetch", "train", EXIT]
    first, *others = ended.executions["train"].attempts
    assert (first.returncode, first.command_code) == (1, 77)
    assert all("an earlier attempt failed for good" in again.stderr for again in others)

    larger = over_defaults(bucket, options={"max_requests": 2000, "continue_run": "ended"}, model_epochs=3)
    whole = backend.run(compiled, larger, job_id="another")
    assert whole.succeeded, "\n".join(done.stderr for done in whole.executions.values())
    record = read_record(whole.executions["train"].artifacts["record"], RunRecord)
    steps = [point.step for point in record.losses]
    assert (record.num_resumes, steps) == (1, sorted(set(steps)))
    bills = [read_record(run.executions[EXIT].artifacts["cost"], CostReport) for run in (ended, whole)]
    assert bills[0].run_id == bills[1].run_id
    assert [attempt.ended for attempt in bills[1].attempts if attempt.step == "train"] == ["interrupted", "succeeded"]
    listed = [read_record(run.executions["list"].artifacts["record"], StepRecord).meters for run in (ended, whole)]
    listing = sum(line.quantity for line in bills[1].lines if line.item == "s3-list" and "(listing)" in line.what)
    assert listing * 1000 == sum(meters.count("LIST", purpose="listing").sent for meters in listed), "both were paid"
    assert not connect(bucket.url).list_objects_v2(Bucket="runs", Prefix="penstock/another/").get("Contents")


def altered(compiled: Path, path: Path, alter: Callable[[Any], None]) -> Path:
    """Return a pipeline of which each task was altered."""
    spec, platform = yaml.safe_load_all(compiled.read_text())
    for component in (spec["root"], *spec["components"].values()):
        for task in component.get("dag", {}).get("tasks", {}).values():
            alter(task)
    path.write_text(yaml.safe_dump_all([spec, platform]))
    return path


def test_a_run_root_needs_the_name_of_the_run(backend: Backend, bucket: Bucket, compiled: Path, tmp_path: Path) -> None:
    def forget(task: Any) -> None:
        given = task.get("inputs", {}).get("parameters", {})
        given.update({"run_id": {"runtimeValue": {"constant": ""}}} if "run_id" in given else {})

    run = backend.run(altered(compiled, tmp_path / "nameless.yaml", forget), over_defaults(bucket), job_id="nameless")
    assert list(run.executions) == ["list", EXIT]
    assert run.executions["list"].command_code == 2
    assert "--run-id" in run.executions["list"].stderr


def test_a_terminated_trainer_loses_what_was_not_saved_and_no_more(
    bucket: Bucket, compiled: Path, tmp_path: Path, whole_run: Run
) -> None:
    """Checkpoints by time are what a run keeps: the trainer gets no time to save when it is terminated."""
    seen: list[int] = []

    def saved(job_id: str) -> Any:
        found = connect(bucket.url).get_object(Bucket="runs", Key=f"penstock/{job_id}/checkpoints/latest.json")
        return json.loads(found["Body"].read())

    def in_mid_epoch(step: Step) -> bool:
        try:
            seen.append(saved(step.job_id)["step"])
        except ClientError:  # nothing is saved yet
            return False
        return seen[-1] > 1

    # So short a time is over after each step: the first epoch is saved in its midst.
    given = over_defaults(bucket, run_checkpoint_minutes=1e-6)
    ended = make_backend(tmp_path / "ended", retries=False, ends={"train": in_mid_epoch})
    first = ended.run(compiled, given, job_id="terminated")
    [attempt] = first.executions["train"].attempts
    assert (attempt.returncode, attempt.command_code) == (1, -signal.SIGKILL)
    kept = saved("terminated")
    assert kept["epoch"] == 0
    assert 1 < seen[-1] <= kept["step"], "the epoch in progress was saved, step by step"
    assert list(first.executions) == ["list", "prefetch", "train", EXIT]
    told = first.executions[EXIT].artifacts["markdown"].read_text()
    assert "**Failed**" in told
    bill = read_record(first.executions[EXIT].artifacts["cost"], CostReport)
    assert next(line for line in bill.lines if line.what.startswith("Training node")).usd

    # The same run again, as it is retried in the UI: a new pod with an empty window.
    again = make_backend(tmp_path / "again").run(compiled, given, job_id="terminated")
    assert again.succeeded, again.executions["train"].stderr
    trained, undisturbed = (
        read_record(run.executions["train"].artifacts["record"], RunRecord) for run in (again, whole_run)
    )
    assert trained.num_resumes == 1
    assert trained.losses == undisturbed.losses, "no step is missing, and none was done twice"
    assert trained.weights_sha256 == undisturbed.weights_sha256


@pytest.mark.parametrize("name", ["fail_fast", "options", "source"])
def test_a_parameter_that_a_task_leaves_out_ends_it_before_there_is_a_pod(
    backend: Backend, bucket: Bucket, compiled: Path, tmp_path: Path, name: str
) -> None:
    def leave_out(task: Any) -> None:
        task.get("inputs", {}).get("parameters", {}).pop(name, None)

    run = backend.run(
        altered(compiled, tmp_path / "left-out.yaml", leave_out), over_defaults(bucket), job_id="left-out"
    )
    listed = run.executions["list"]
    assert (listed.returncode, listed.command_code, len(listed.attempts)) == (1, None, 1)
    assert (
        f'failed to resolve container args: failed to resolve input parameters: parameter "{name}" not found in '
        in (listed.stderr)
    )
    assert list(run.executions) == ["list", EXIT]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"lerning_rate": 0.1}, "did you mean 'learning_rate'?"),
        ({"transfer": "by mail"}, "join with +: same-region"),
    ],
)
def test_an_option_of_any_step_that_cannot_be_ends_the_first_one(
    backend: Backend, bucket: Bucket, compiled: Path, options: dict[str, Any], told: str
) -> None:
    job_id = f"option-{next(iter(options))}"
    run = backend.run(compiled, over_defaults(bucket, options=options), job_id=job_id)
    assert list(run.executions) == ["list", EXIT]
    listed = run.executions["list"]
    assert [attempt.command_code for attempt in listed.attempts] == [2] * len(listed.attempts)
    assert told in listed.stderr
    at_exit = run.executions[EXIT]
    assert at_exit.returncode == 0, at_exit.stderr
    page = at_exit.artifacts["markdown"].read_text().replace("\\", "")
    assert "list: ConfigError" in page
    assert next(iter(options)) in page


def test_a_run_names_other_images(backend: Backend, compiled: Path) -> None:
    spec, platform = load_compiled(compiled)
    containers = {label: item["container"]["image"] for label, item in spec["deploymentSpec"]["executors"].items()}
    seen: dict[str, str] = {}

    class Looks:
        output_file = "/tmp/none"

        def launch(self, step: Step, store: Store) -> Outcome:
            seen[step.task] = step.image
            return Outcome(argv=[], returncode=0, stdout="", stderr="", executor_output=None)

    images = {"image_cpu": "registry.example/penstock:2-cpu", "image_gpu": "registry.example/penstock:2-gpu"}
    Backend(store=backend.store, launcher=Looks()).run(compiled, images, job_id="images")
    assert set(containers) == set(platform) | {"exec-report"}
    gpu = {"train", "evaluate"}
    assert seen == {task: images["image_gpu" if task in gpu else "image_cpu"] for task in (*STEPS, EXIT)}


def test_checkpoints_stay_in_the_pod_without_a_run_root(backend: Backend, bucket: Bucket, compiled: Path) -> None:
    run = backend.run(compiled, over_defaults(bucket, run_root="", model_epochs=1), job_id="local")
    assert run.succeeded
    assert run.executions[EXIT].artifacts["markdown"].read_text()


EXECUTOR_INPUT = {
    "inputs": {
        "parameterValues": {"epochs": 3.0, "mini": True, "options": {"b": [1, None], "a": "<"}, "title": "it's"},
        "artifacts": {"plan": {"artifacts": [{"uri": "s3://b/run/list/plan"}]}},
    },
    "outputs": {
        "artifacts": {"html": {"artifacts": [{"uri": "s3://b/run/report/html"}]}},
        "outputFile": "/tmp/out.json",
    },
}


def test_only_known_placeholders_are_replaced() -> None:
    words = [
        "{{$.inputs.parameters['epochs']}}",
        "--mini={{$.inputs.parameters['mini']}}",
        "{{$.inputs.parameters['options']}}",
        "{{$.inputs.artifacts['plan'].path}}",
        "{{$.inputs.artifacts['plan'].uri}}",
        "{{$.inputs.parameters['absent']}} and {{$.outputs.artifacts['html'].uri}}",
        '{"IfPresent": {"InputName": "absent", "Then": ["--absent", "1"], "Else": ["--none"]}}',
        '{"IfPresent": {"InputName": "title", "Then": ["--title", "{{$.inputs.parameters[\'title\']}}"]}}',
    ]
    driven = drive(words, EXECUTOR_INPUT)
    found = substitute(driven, EXECUTOR_INPUT, lambda uri: Path("/pod", uri.removeprefix("s3://")))
    assert found == [
        *("3", "--mini=true", '{"a":"\\u003c","b":[1,null]}', "/pod/b/run/list/plan", "s3://b/run/list/plan"),
        *("{{$.inputs.parameters['absent']}} and s3://b/run/report/html", "--none", "--title", "it's"),
    ]
    kept = ["{{$.outputs.output_file}}", "{{$.inputs.artifacts['plan'].metadata}}", "{{$.pipeline_job_uuid}}"]
    assert substitute(drive(kept, EXECUTOR_INPUT), EXECUTOR_INPUT, Path) == kept
    assert json.loads(substitute(["{{$}}"], EXECUTOR_INPUT, Path)[0]) == EXECUTOR_INPUT


def test_a_parameter_that_is_not_there_is_the_driver_s_error() -> None:
    with pytest.raises(DriverError, match='parameter "absent" not found in executor input'):
        drive(["--absent={{$.inputs.parameters['absent']}}"], EXECUTOR_INPUT)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (3.0, "3"),
        (0.5, "0.5"),
        (0.001, "0.001"),
        (1e-5, "1e-05"),
        (1234567.5, "1.2345675e+06"),
        (1e18, "1000000000000000000"),
        (1e22, "1e+22"),
        (False, "false"),
        (None, ""),
        ("", ""),
    ],
)
def test_parameters_arrive_as_the_backend_writes_them(value: Any, text: str) -> None:
    assert as_text(value) == text
