"""The job as an Argo workflow, of the templates that the chart installs."""

from __future__ import annotations

import dataclasses
import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.conftest import CHART, chart_options
from e2e.kube import Namespace, Object, run, sidecar_status, sidecars, succeed, wait_until
from e2e.local import Local, run_here
from e2e.workflows import TEMPLATE, Workflow, runs_of
from penstock.records import AttemptsRecord, CostReport, Evaluation, ForecastRecord, RunRecord
from penstock.sources.node import POD_LABELS
from support.cli import Bucket
from support.images import write_class_folders
from support.moto_s3 import REGION
from support.tables import people
from support.xrays import archive_of, make_studies

STEPS = ["list", "prefetch", "train", "evaluate", "report"]
LONG_EPOCHS = 40


@pytest.fixture(scope="module", autouse=True)
def argo(images: dict[str, str]) -> None:
    if not run("kubectl", "get", "crd", "workflows.argoproj.io", "-o", "name").stdout:
        pytest.skip("the cluster has no Argo Workflows")


@pytest.fixture(scope="module")
def templates(ready: tuple[Namespace, Bucket]) -> tuple[Namespace, Bucket]:
    """The chart's template, and a repository for its artifacts."""
    namespace, bucket = ready
    keys = {
        f"{key}Secret": {"name": "reader", "key": name}
        for key, name in (("accessKey", "AWS_ACCESS_KEY_ID"), ("secretKey", "AWS_SECRET_ACCESS_KEY"))
    }
    endpoint = bucket.url.removeprefix("http://")
    repository = {
        "s3": {"bucket": runs_of(bucket), "endpoint": endpoint, "insecure": True, "region": "us-east-2", **keys}
    }
    namespace.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": "artifact-repositories",
                "annotations": {"workflows.argoproj.io/default-artifact-repository": "runs"},
            },
            "data": {"runs": yaml.safe_dump(repository)},
        }
    )
    return namespace, bucket


@pytest.fixture(scope="module")
def local(cluster_bucket: Bucket, tmp_path_factory: pytest.TempPathFactory) -> Local:
    return run_here(cluster_bucket, tmp_path_factory.mktemp("local"), epochs=3)


def started(templates: tuple[Namespace, Bucket], name: str, **parameters: Any) -> Workflow:
    namespace, bucket = templates
    return Workflow(name=name, namespace=namespace, bucket=bucket).submit(**parameters)


def check_results(done: Workflow, local: Local) -> None:
    """Compare a workflow's results with those of this machine, and look at its pods."""
    assert [len(done.attempts(step)) for step in STEPS] == [1] * len(STEPS), done.told()
    assert done.record("records/train.json", RunRecord).weights_sha256 == local.record.weights_sha256
    assert done.record("records/evaluate.json", Evaluation).metrics == local.evaluation.metrics
    bill = done.record("cost.json", CostReport)
    assert bill.total_usd > 0
    page = done.left("report.html")
    assert page is not None
    assert b"Penstock EEG" in page
    (reported,) = done.attempts("report")
    summary = {parameter["name"]: parameter["value"] for parameter in reported["outputs"]["parameters"]}
    assert "**Succeeded**" in summary["summary"]
    for step in ("train", "evaluate"):
        pod = done.namespace.get("pod", done.pod(done.attempts(step)[0]))
        (sidecar,) = sidecars(pod)
        assert sidecar["restartPolicy"] == "Always"
        assert [port["name"] for port in sidecar["ports"]] == ["window-metrics"]
        assert sidecar_status(pod)["state"]["terminated"]["exitCode"] == 0
        assert "session.window" in done.namespace.log(pod["metadata"]["name"], "penstock-prefetch")


TYPE, REGION_OF, ZONE = (POD_LABELS[name] for name in ("instance_type", "region", "zone"))
BOUGHT = "eks.amazonaws.com/capacityType"
CPU_NODE = {TYPE: "m5.large", REGION_OF: "us-east-1", ZONE: "us-east-1b", BOUGHT: "ON_DEMAND"}
GPU_NODE = {TYPE: "g5.xlarge", REGION_OF: "eu-west-1", ZONE: "eu-west-1c", BOUGHT: "SPOT"}


@dataclass(frozen=True, kw_only=True)
class NodeLabels:
    """What the nodes' labels say: of a cloud's nodes always their own, of others what a test says.

    A pod has those of its node from when it is bound to it, so nodes that change are unlike nodes to its steps.
    """

    own: dict[str, str]

    def say(self, given: dict[str, str]) -> dict[str, str]:
        """Give all nodes labels; return those that they have then."""
        if self.own:
            return self.own
        succeed("kubectl", "label", "nodes", "--all", "--overwrite", *(f"{key}={each}" for key, each in given.items()))
        return given


@pytest.fixture
def labels(templates: tuple[Namespace, Bucket]) -> Iterator[NodeLabels]:
    nodes = json.loads(succeed("kubectl", "get", "nodes", "-o", "json"))["items"]
    found = nodes[0]["metadata"]["labels"]
    said = NodeLabels(own=found if TYPE in found else {})
    yield said
    if not said.own:
        succeed("kubectl", "label", "nodes", "--all", *(f"{name}-" for name in CPU_NODE))


def nodes_billed(bill: CostReport, step: str) -> set[tuple[str, str, str]]:
    """Return type, region and lifecycle of the lines of a step's nodes, each of which has a price."""
    what = "Training node" if step == "train" else f"Node of the {step} step"
    lines = [line for line in bill.lines if line.unit == "hour" and line.what.startswith(what)]
    assert all(line.usd for line in lines)
    return {(line.item, line.region, line.lifecycle) for line in lines}


def as_billed(labels: dict[str, str]) -> tuple[str, str, str]:
    return labels[TYPE], labels[REGION_OF], "spot" if "SPOT" in labels.get(BOUGHT, "") else "on-demand"


def began_with_its_pod(done: Workflow, step: str) -> bool:
    """Tell whether an attempt began when its pod did: before the sidecar ran that its trainer waited for."""
    pod = done.namespace.get("pod", done.pod(done.attempts(step)[0]))
    [attempt] = done.record(f"records/{step}-attempts.json", AttemptsRecord).attempts
    sidecar = datetime.fromisoformat(sidecar_status(pod)["state"]["terminated"]["startedAt"])
    began = datetime.fromisoformat(attempt.started_at)
    return datetime.fromisoformat(pod["status"]["startTime"]) <= began < sidecar + timedelta(seconds=1)


def test_five_steps_give_what_one_machine_gives_and_are_billed_each_by_its_node(
    templates: tuple[Namespace, Bucket], local: Local, labels: NodeLabels
) -> None:
    listed_on = labels.say(CPU_NODE)
    done = started(templates, "artifacts", node_type="")
    wait_until(lambda: done.node("list"), what="a node for the listing")
    trained_on = labels.say(GPU_NODE)
    done.succeed()
    check_results(done, local)
    host = done.record("records/train.json", RunRecord).host
    assert (host.instance_type, host.region, host.zone) == tuple(trained_on[kind] for kind in (TYPE, REGION_OF, ZONE))
    bill = done.record("cost.json", CostReport)
    assert nodes_billed(bill, "list") == {as_billed(listed_on)}
    for step in ("train", "evaluate", "report"):
        assert nodes_billed(bill, step) == {as_billed(trained_on)}
    assert began_with_its_pod(done, "train")
    assert began_with_its_pod(done, "evaluate")
    names = {artifact["name"] for artifact in done.attempts("report")[0]["outputs"]["artifacts"]}
    assert {"html", "cost", "markdown"} <= names


def templates_of(text: str) -> dict[str, Object]:
    """Return the templates that the chart renders, by name."""
    return {made["metadata"]["name"]: made for made in yaml.safe_load_all(text) if made}


@pytest.fixture
def volume_template(templates: tuple[Namespace, Bucket]) -> str:
    """The other template, under a name of its own, on a cluster that gives volumes."""
    namespace, _ = templates
    classes = namespace.kubectl("get", "storageclasses", "-o", "json")
    if "is-default-class" not in classes:
        if not (folder := os.environ.get("PENSTOCK_NODE_FOLDER")):
            pytest.skip("no default storage class, and PENSTOCK_NODE_FOLDER names no folder of the node for a volume")
        namespace.apply(volume(folder))
    options = [*chart_options(namespace), "--set", "workflows.files=volume", "--set", "workflows.volume.size=64Mi"]
    options += ["--set", "injection.enabled=false"]
    apis = ["--api-versions", "argoproj.io/v1alpha1/WorkflowTemplate"]
    text = succeed(
        "helm", "template", "penstock", str(CHART), "-s", "templates/workflow-template.yaml", *options, *apis,
        "--namespace", namespace.name,
    )  # fmt: skip
    made: Object = templates_of(text)[TEMPLATE]
    made["metadata"]["name"] = f"{TEMPLATE}-volume"
    namespace.apply(made)
    return f"{TEMPLATE}-volume"


@pytest.mark.parametrize(("port", "words"), [(9100, ["--metrics-port", "9100"]), (0, [])])
def test_chart_says_the_port_of_metrics(images: dict[str, str], port: int, words: list[str]) -> None:
    rendered = ("helm", "template", "penstock", str(CHART), "-s", "templates/workflow-template.yaml")
    apis = ("--kube-version", "1.36.0", "--api-versions", "argoproj.io/v1alpha1/WorkflowTemplate")
    values = ("workflows.enabled=true", "injection.enabled=false", f"prefetch.metricsPort={port}")
    made = templates_of(succeed(*rendered, *apis, *(word for value in values for word in ("--set", value))))
    assert set(made) == {"penstock", TEMPLATE, "penstock-pack"}
    steps = [step for one in made.values() for step in one["spec"]["templates"]]
    found = [sidecar for step in steps for sidecar in step.get("initContainers", [])]
    assert len(found) == 6
    for sidecar in found:
        assert sidecar["args"][sidecar["args"].index("--verbose") + 1 :] == words
        assert [given["containerPort"] for given in sidecar.get("ports", [])] == [port][: len(words)]


def volume(folder: str) -> Object:
    name = f"penstock-e2e-{uuid.uuid4().hex[:8]}"
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "64Mi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Delete",
            "hostPath": {"path": folder, "type": "Directory"},
        },
    }


def test_images_by_the_general_template(templates: tuple[Namespace, Bucket], tmp_path: Path) -> None:
    """A dataset that is no EEG: nothing but parameters says so."""
    namespace, recordings = templates
    pets = dataclasses.replace(recordings, name="pets")
    for name in (pets.name, runs_of(pets)):
        pets.client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    pets.upload(write_class_folders(tmp_path / "pets", 60))
    of_task = {"size": 16, "augment": "none"}
    done = Workflow(name="images", namespace=namespace, bucket=pets).submit(
        template="penstock", data_task="images", data_task_options=json.dumps(of_task), model_epochs=2
    )
    done.succeed()
    words = [word for name, value in of_task.items() for word in ("--option", f"{name}={value}")]
    check_results(done, run_here(pets, tmp_path, epochs=2, task=("--task", "images", *words)))


def test_x_rays_of_one_archive_by_the_general_template(templates: tuple[Namespace, Bucket], tmp_path: Path) -> None:
    """Found in the archive by ranges, learnt from normal ones, and told from those with a finding."""
    namespace, recordings = templates
    nih = dataclasses.replace(recordings, name="nih")
    for name in (nih.name, runs_of(nih)):
        nih.client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    nih.put("archive.zip", archive_of(make_studies(24)))
    of_task = {"size": 32, "archives": "images_00[1-3]"}
    done = Workflow(name="x-rays", namespace=namespace, bucket=nih).submit(
        template="penstock",
        data_task="xray",
        data_task_options=json.dumps(of_task),
        model_name="reversed-autoencoder-small",
        model_epochs=2,
    )
    done.succeed()
    words = [word for name, value in of_task.items() for word in ("--option", f"{name}={value}")]
    model = ("--model", "reversed-autoencoder-small")
    check_results(done, run_here(nih, tmp_path, epochs=2, task=("--task", "xray", *words), model=model))
    page = done.left("report.html")
    assert page is not None
    assert b"Anomaly maps" in page
    assert {"auroc", "auprc"} <= done.record("records/evaluate.json", Evaluation).metrics.keys()


def test_a_dataset_is_packed_in_parts_side_by_side_and_the_shards_are_trained_on(
    templates: tuple[Namespace, Bucket],
) -> None:
    namespace, recordings = templates
    rows, shards = (dataclasses.replace(recordings, name=name) for name in ("rows", "shards"))
    for name in (rows.name, runs_of(rows), shards.name):
        rows.client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    lines = [json.dumps(row) for row in people(240).to_pylist()]
    for number in range(4):
        rows.put(f"{number}.jsonl", "\n".join(lines[number * 60 : number * 60 + 60]).encode())
    packing = {"format": "jsonl", "to": "parquet", "shard_size": "5k"}
    done = Workflow(name="packed", namespace=namespace, bucket=rows).submit(
        template="penstock-pack",
        data_task="table",
        data_task_options=json.dumps({"target": "label"}),
        model_epochs=1,
        pack_into=shards.uri,
        pack_options=json.dumps({**packing, "endpoint_url": rows.url, "into_endpoint_url": rows.url}),
        pack_parts=3,
    )
    done.succeed()
    parts = done.attempts("pack")
    given = [parameter["value"] for part in parts for parameter in part["inputs"]["parameters"]]
    assert sorted(given) == ["1/3", "2/3", "3/3"], done.told()
    keys = [item["Key"] for item in rows.client.list_objects_v2(Bucket=shards.name)["Contents"]]
    assert len([key for key in keys if key.endswith(".parquet")]) == 4
    assert done.record("records/train.json", RunRecord).state == "succeeded"


def test_files_pass_through_a_volume_too(
    templates: tuple[Namespace, Bucket], volume_template: str, local: Local
) -> None:
    done = started(templates, "volume", template=volume_template)
    done.succeed()
    check_results(done, local)
    wait_until(lambda: not done.namespace.kubectl("get", "pvc", "-o", "name").strip() or None, what="end of its volume")


def test_a_trainer_whose_node_is_drained_is_tried_again_goes_on_and_is_billed_by_both_nodes(
    templates: tuple[Namespace, Bucket], tmp_path: Path, labels: NodeLabels
) -> None:
    before = labels.say(GPU_NODE)
    going = started(templates, "drained", model_epochs=LONG_EPOCHS, node_type="", options={"checkpoint_every": 5})

    def under_way() -> Object | None:
        assert going.status.get("phase", "") in ("", "Pending", "Running"), going.told()
        # A pod that Argo has not seen running is made again, with no retry.
        running = [node for node in going.attempts("train") if node["phase"] == "Running"]
        return running[0] if running and going.left("checkpoints/previous.json") else None

    node = wait_until(under_way, what="a checkpoint in the run root", seconds=240)["hostNodeName"]
    of_it = "workflows.argoproj.io/completed=false,workflows.argoproj.io/workflow=drained"
    try:
        succeed("kubectl", "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--pod-selector", of_it)
        after = labels.say({**GPU_NODE, BOUGHT: "ON_DEMAND"})
    finally:
        succeed("kubectl", "uncordon", node)
    going.succeed()
    assert [node["phase"] for node in going.attempts("train")] in (["Error", "Succeeded"], ["Failed", "Succeeded"])
    record = going.record("records/train.json", RunRecord)
    assert record.num_resumes == 1
    alone = run_here(going.bucket, tmp_path, epochs=LONG_EPOCHS, checkpoint_every=5)
    assert record.weights_sha256 == alone.record.weights_sha256
    assert going.record("records/evaluate.json", Evaluation).metrics == alone.evaluation.metrics
    bill = going.record("cost.json", CostReport)
    assert nodes_billed(bill, "train") == {as_billed(before), as_billed(after)}
    first, second = (each for each in bill.attempts if each.step == "train")
    assert (first.ended, second.ended) == ("interrupted", "succeeded")
    between = datetime.fromisoformat(second.started_at) - datetime.fromisoformat(first.ended_at)
    assert bill.idle_seconds is not None
    assert 0 < between.total_seconds() < bill.idle_seconds
    of_both = [line.usd for line in bill.lines if line.what.startswith("Training node") and line.usd]
    assert sum(of_both) == (first.usd or 0) + (second.usd or 0)


def test_a_final_failure_is_the_trainer_s_own_is_not_tried_again_and_is_billed(
    templates: tuple[Namespace, Bucket],
) -> None:
    done = started(templates, "diverges", options={"learning_rate": 1e30})
    assert done.end() == "Failed"
    (attempt,) = done.attempts("train")
    assert "exit code 65" in attempt["message"]
    assert "penstock train: error: " in attempt["message"]
    assert "prefetch" not in attempt["message"]
    assert not done.attempts("evaluate")
    (reported,) = done.attempts("report-exit")
    summary = reported["outputs"]["parameters"][0]["value"].replace("\\", "")
    assert "**Failed**" in summary
    assert "train: TrainingDiverged" in summary
    bill = done.record("cost.json", CostReport)
    assert any(line.what.startswith("Training node") and line.usd > 0 for line in bill.lines)


def test_a_forecast_comes_first_and_a_budget_ends_the_run_for_good_until_another_workflow_goes_on(
    templates: tuple[Namespace, Bucket], local: Local
) -> None:
    done = started(templates, "budget", forecast="true", options={"max_requests": 120})
    assert done.end() == "Failed"
    (forecast,) = done.attempts("forecast")
    (train,) = done.attempts("train")
    assert forecast["finishedAt"] <= train["startedAt"]
    names = {artifact["name"] for artifact in forecast["outputs"]["artifacts"]}
    assert {"html", "markdown", "record"} <= names
    assert done.record("records/forecast.json", ForecastRecord).nodes
    assert "exit code 77" in train["message"]
    assert not done.attempts("evaluate")
    bill = done.record("cost.json", CostReport)
    assert [each.ended for each in bill.attempts if each.step == "train"] == ["interrupted"]
    first = done.uid
    more = started(templates, "budget-more", options={"max_requests": 5000, "continue_run": first})
    more.succeed()
    assert more.left("cost.json") is None, "a folder of its own"
    assert done.record("records/train.json", RunRecord).weights_sha256 == local.record.weights_sha256
    assert done.record("records/evaluate.json", Evaluation).metrics == local.evaluation.metrics
    both = done.record("cost.json", CostReport)
    assert [each.ended for each in both.attempts if each.step == "train"] == ["interrupted", "succeeded"]
    before = [each for each in bill.attempts if each.step != "report"]
    assert list(both.attempts[: len(before)]) == before
    assert [each.step for each in both.attempts].count("list") == 2


def test_options_that_cannot_be_end_the_run_before_anything_costs(templates: tuple[Namespace, Bucket]) -> None:
    done = started(templates, "refused", options={"lerning_rate": 0.1})
    assert done.end() == "Failed"
    (attempt,) = done.attempts("list")
    assert "exit code 2" in attempt["message"]
    assert "did you mean 'learning_rate'?" in attempt["message"]
    assert not done.attempts("prefetch")
    (reported,) = done.attempts("report-exit")
    assert "list: ConfigError" in reported["outputs"]["parameters"][0]["value"].replace("\\", "")


def test_a_step_past_its_time_is_not_tried_again(templates: tuple[Namespace, Bucket]) -> None:
    done = started(templates, "late", model_epochs=100_000, train_timeout_seconds=25)
    assert done.end() == "Failed"
    (attempt,) = done.attempts("train")
    assert "deadline" in attempt["message"], done.told()
    (reported,) = done.attempts("report-exit")
    assert "**Failed**" in reported["outputs"]["parameters"][0]["value"]
    assert done.record("cost.json", CostReport).total_usd > 0
