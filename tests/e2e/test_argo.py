"""An Argo workflow's step with the injected sidecar, its pod deleted in mid-run: the retry goes on where it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e.conftest import SECRET
from e2e.kube import Namespace, Object, run, sidecar_status, wait_until
from e2e.pods import LABEL, RESTRICTED, container
from e2e.test_training import SOURCE, TRAINING, WORK, here, record_of
from penstock.demo.server import CREDENTIALS
from support.cli import Bucket

EPOCHS = 40
FIRST_FAILED = (["Error", "Succeeded"], ["Failed", "Succeeded"])


@pytest.fixture(scope="module", autouse=True)
def argo(images: dict[str, str]) -> None:
    if not run("kubectl", "get", "crd", "workflows.argoproj.io", "-o", "name").stdout:
        pytest.skip("the cluster has no Argo Workflows")


def workflow(namespace: Namespace, bucket: Bucket) -> Object:
    env = [{"name": key, "valueFrom": {"secretKeyRef": {"name": SECRET, "key": key}}} for key in CREDENTIALS]
    env += [{"name": "AWS_ENDPOINT_URL_S3", "value": bucket.url}]
    made = ["--manifest", "/work/manifest.parquet", "--plan", "/work/plan.json"]
    source = ["--source", bucket.uri, "--endpoint-url", bucket.url, *SOURCE, *made]
    listing = container("list", namespace.images["prefetch"], ["penstock", "list", *source], env=env, volumeMounts=WORK)
    train = ["penstock", "train", *made, *TRAINING, "--epochs", str(EPOCHS), "--checkpoint-every", "5"]
    train += ["--prefetch", "sidecar", "--window", "/penstock/window", "--record", "/work/run.json"]
    train += ["--run-root", f"{bucket.uri}-runs", "--run-id", "{{workflow.uid}}"]
    script = '"$@" >&2\ncat /work/run.json'
    main = container("main", namespace.images["cpu"], ["sh", "-euc", script, "sh", *train], env=env)
    del main["name"]
    retryable = "lastRetry.status == 'Error' || asInt(lastRetry.exitCode) in [3, 41, 75, 137, 143]"
    volumes = {"penstock-window": {"sizeLimit": "64Mi"}, "tmp": {}, "work": {}}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "train"},
        "spec": {
            "entrypoint": "train",
            "serviceAccountName": "penstock",
            "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
            "volumes": [{"name": volume, "emptyDir": made} for volume, made in volumes.items()],
            # Argo's own containers say nothing of their rights, and the restricted level asks.
            "podSpecPatch": json.dumps(
                {
                    "initContainers": [{"name": "init", "securityContext": RESTRICTED}],
                    "containers": [{"name": "wait", "securityContext": RESTRICTED}],
                }
            ),
            "templates": [
                {
                    "name": "train",
                    "metadata": {"labels": LABEL, "annotations": {"penstock.dev/window-size": "2Mi"}},
                    "retryStrategy": {"limit": "2", "retryPolicy": "Always", "expression": retryable},
                    "initContainers": [listing],
                    "container": main,
                }
            ],
        },
    }


def pods(namespace: Namespace) -> list[str]:
    words = ("get", "pods", "-l", "workflows.argoproj.io/workflow=train", "-o", "name")
    return [name.removeprefix("pod/") for name in namespace.kubectl(*words).split()]


def num_checkpoints(bucket: Bucket) -> int:
    return len(bucket.client.list_objects_v2(Bucket=f"{bucket.name}-runs").get("Contents", []))


def test_deleted_step_is_tried_again_and_goes_on(ready: tuple[Namespace, Bucket], tmp_path: Path) -> None:
    namespace, bucket = ready
    bucket.client.create_bucket(
        Bucket=f"{bucket.name}-runs", CreateBucketConfiguration={"LocationConstraint": "us-east-2"}
    )
    namespace.apply(workflow(namespace, bucket))

    def under_way() -> bool | None:
        status = namespace.get("workflow", "train").get("status", {})
        assert status.get("phase", "") in ("", "Pending", "Running"), status
        # A pod that Argo has not seen running is made again, with no retry.
        running = any(node["type"] == "Pod" and node["phase"] == "Running" for node in status.get("nodes", {}).values())
        return (running and num_checkpoints(bucket) >= 4) or None

    wait_until(under_way, what="a checkpoint in the bucket")
    (first,) = pods(namespace)
    namespace.kubectl("delete", "pod", first, "--wait=false")

    def ended() -> str | None:
        phase: str = namespace.get("workflow", "train").get("status", {}).get("phase", "")
        return phase if phase in ("Succeeded", "Failed", "Error") else None

    assert wait_until(ended, what="end of the workflow", seconds=300) == "Succeeded"
    nodes = namespace.get("workflow", "train")["status"]["nodes"]
    assert sorted(node["phase"] for node in nodes.values() if node["type"] == "Pod") in FIRST_FAILED, nodes
    (second,) = [name for name in pods(namespace) if name != first]
    record = record_of(namespace, second)
    assert record.num_resumes == 1
    assert (
        record.weights_sha256
        == here(bucket, tmp_path, epochs=EPOCHS, options=("--checkpoint-every", "5")).weights_sha256
    )
    assert sidecar_status(namespace.get("pod", second))["state"]["terminated"]["exitCode"] == 0
