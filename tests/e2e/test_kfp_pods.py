"""The compiled KFP pipeline in pods of a cluster: commands as the backend gives them, pods as the pipeline asks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from e2e.conftest import SECRET
from e2e.kfp_pods import Pods
from e2e.kube import Namespace, sidecar_status, sidecars
from e2e.local import run_here
from e2e.workflows import runs_of, small_run
from integration.pipelines.executor import Backend, Store, load_compiled
from penstock.records import CostReport, Evaluation, RunRecord, read_record
from pipelines.compile import EEG_PIPELINE, compile_all
from support.cli import Bucket

STEPS = ["list", "prefetch", "train", "evaluate", "report"]
EXIT = "report-exit"


@pytest.fixture(scope="module")
def compiled(ready: tuple[Namespace, Bucket], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pipeline as someone compiles it for a cluster: images, secret, window."""
    image = ready[0].images["cpu"]
    # That of train and evaluate is a run's to say.
    images = {"PENSTOCK_IMAGE_CPU": image, "PENSTOCK_IMAGE_GPU": "registry.invalid/penstock:none"}
    path = tmp_path_factory.mktemp("compiled") / "pipeline.yaml"
    path.write_text(compile_all(images=images, secret=SECRET, window_size="2Mi", shm_size="64Mi")[EEG_PIPELINE])
    return path


def parameters(
    bucket: Bucket, compiled: Path, *, options: Mapping[str, object] | None = None, **more: Any
) -> dict[str, Any]:
    """Return the values of a small run with the types that the pipeline declares."""
    declared = load_compiled(compiled)[0]["root"]["inputDefinitions"]["parameters"]
    read: dict[str, Callable[[str], Any]] = {
        "NUMBER_INTEGER": int,
        "NUMBER_DOUBLE": float,
        "BOOLEAN": lambda text: text == "true",
        "STRING": str,
    }
    read["STRUCT"] = json.loads
    given = {name: value for name, value in small_run(bucket, **(options or {})).items() if name in declared}
    return {name: read[declared[name]["parameterType"]](value) for name, value in given.items()} | more


def test_the_compiled_pipeline_gives_what_one_machine_gives(
    ready: tuple[Namespace, Bucket], compiled: Path, tmp_path: Path
) -> None:
    namespace, bucket = ready
    pods = Pods(namespace=namespace, bucket=bucket)
    run = Backend(store=Store(folder=tmp_path / "store"), launcher=pods).run(
        compiled, parameters(bucket, compiled, image_gpu=namespace.images["cpu"]), job_id="kfp"
    )
    assert run.succeeded, "\n".join(done.stderr for done in run.executions.values())
    assert list(run.executions) == [*STEPS, EXIT]
    artifacts = {step: done.artifacts for step, done in run.executions.items()}
    alone = run_here(bucket, tmp_path, epochs=3)
    assert read_record(artifacts["train"]["record"], RunRecord).weights_sha256 == alone.record.weights_sha256
    scored = read_record(artifacts["evaluate"]["metrics"], Evaluation)
    assert scored.metrics == alone.evaluation.metrics
    [shown] = run.executions["evaluate"].executor_output["artifacts"]["metrics_ui"]["artifacts"]
    assert shown["metadata"]["nrmse"] == scored.metrics["nrmse"].value
    assert "Penstock EEG" in artifacts["report"]["html"].read_text()
    assert read_record(artifacts[EXIT]["cost"], CostReport).total_usd > 0
    for step in run.executions:
        [name] = pods.names[step]
        made = namespace.get("pod", name)
        assert len(sidecars(made)) == (step in ("train", "evaluate")), step
    for step in ("train", "evaluate"):
        made = namespace.get("pod", pods.names[step][0])
        assert sidecars(made)[0]["args"][:4] == ["--window", "/penstock/window", "--window-size", "2Mi"]
        assert sidecar_status(made)["state"]["terminated"]["exitCode"] == 0
        assert "session.window" in namespace.log(pods.names[step][0], "penstock-prefetch")


def test_a_failed_run_is_reported_by_its_exit_task(
    ready: tuple[Namespace, Bucket], compiled: Path, tmp_path: Path
) -> None:
    namespace, bucket = ready
    pods = Pods(namespace=namespace, bucket=bucket)
    given = parameters(bucket, compiled, data_source="s3://recordings/nothing-here")
    run = Backend(store=Store(folder=tmp_path / "store"), launcher=pods).run(compiled, given, job_id="kfp-failed")
    assert list(run.executions) == ["list", EXIT]
    first, *others = run.executions["list"].attempts
    assert (first.returncode, [again.returncode for again in others]) == (1, [1])
    assert "an earlier attempt failed for good" in others[0].stderr
    told = run.executions[EXIT].artifacts["markdown"].read_text().replace("\\", "")
    assert "**Failed**" in told
    assert "list: EmptyListing" in told


def test_a_terminated_trainer_goes_on_in_mid_epoch(
    ready: tuple[Namespace, Bucket], compiled: Path, tmp_path: Path
) -> None:
    """The launcher dies of the SIGTERM and the container with it: what was saved by then is what is kept."""
    namespace, bucket = ready

    def saved() -> Any:
        try:
            found = bucket.client.get_object(Bucket=runs_of(bucket), Key="kfp-ended/checkpoints/latest.json")
        except ClientError:  # nothing is saved yet
            return None
        return json.loads(found["Body"].read())

    kept: list[Any] = []

    def in_mid_epoch() -> bool:
        kept.append(saved())
        return kept[-1] is not None and kept[-1]["epoch"] == 0 and kept[-1]["step"] > 1

    pods = Pods(namespace=namespace, bucket=bucket, ends={"train": in_mid_epoch})
    # So short a time that it is over after each step: the one epoch, of about 20 slow steps, is saved in its midst.
    given = parameters(
        bucket,
        compiled,
        image_gpu=namespace.images["cpu"],
        model_name="eegnex",
        model_epochs=1,
        run_checkpoint_minutes=1e-6,
    )
    run = Backend(store=Store(folder=tmp_path / "store"), launcher=pods).run(compiled, given, job_id="kfp-ended")
    assert run.succeeded, "\n".join(done.stderr for done in run.executions.values())
    first, second = run.executions["train"].attempts
    assert (first.returncode, second.returncode) == (1, 0)
    ended = namespace.get("pod", pods.names["train"][0])
    [main] = [status for status in ended["status"]["containerStatuses"] if status["name"] == "main"]
    assert main["state"]["terminated"]["exitCode"] == 2, "the launcher's, at once"
    record = read_record(run.executions["train"].artifacts["record"], RunRecord)
    assert record.num_resumes == 1
    steps = [point.step for point in record.losses]
    assert steps == sorted(set(steps)), "no step was done twice"
    assert record.saves.count > kept[-1]["step"]
