"""Runs a KFP pipeline's commands in pods, each as the backend makes them: the launcher inside the container named main.

Artifacts come from and go to a bucket, by the launcher, at the paths that the backend gives them. A pod has the labels,
annotations, volumes, secrets, nodes and time that the pipeline asks for; what a cluster does to it, such as injecting a
sidecar, is the cluster's affair.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from botocore.exceptions import ClientError

from e2e.kube import Namespace, Object, run, wait_until
from e2e.pods import RESTRICTED
from integration.pipelines.executor import Outcome, Step, Store, substitute
from support.cli import Bucket

ARTIFACTS = "artifacts"
OUTPUT_FILE = "/tmp/kfp_outputs/output_metadata.json"

# As the backend's own: it downloads, runs, uploads if that succeeded, and ends with 1 whatever the command's code was.
# It dies of SIGTERM, and the container with it: the command is told nothing.
LAUNCHER = """
import json, os, pathlib, signal, subprocess, sys, boto3
signal.signal(signal.SIGTERM, lambda *_: os._exit(2))
told = json.loads(sys.argv[1])
s3 = boto3.client("s3", endpoint_url=told["url"], aws_access_key_id="any", aws_secret_access_key="any")
for key, path in told["inputs"].items():
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    s3.download_file(told["bucket"], key, path)
if subprocess.run(told["argv"]).returncode:
    sys.exit(1)
for path, key in told["outputs"].items():
    if pathlib.Path(path).exists():
        s3.upload_file(path, told["bucket"], key)
"""


@dataclass(frozen=True, kw_only=True)
class Pods:
    """Launches pods.

    Attributes:
        names: pods made so far, by task, the first attempt first.
        ends: when the first pod of a task is terminated: once what is called gives true.
    """

    namespace: Namespace
    bucket: Bucket
    output_file: str = OUTPUT_FILE
    names: dict[str, list[str]] = field(default_factory=dict)
    ends: Mapping[str, Callable[[], bool]] = field(default_factory=dict)

    def launch(self, step: Step, store: Store) -> Outcome:
        argv = substitute(step.words, step.executor_input, local)
        for uri in step.inputs:
            self.bucket.client.upload_file(str(store.path(uri)), ARTIFACTS, key_of(uri))
        metadata = f"{step.job_id}/{step.task}-{step.attempt}.json"
        told = {
            "url": self.bucket.url,
            "bucket": ARTIFACTS,
            "inputs": {key_of(uri): local(uri) for uri in step.inputs},
            "argv": argv,
            "outputs": {local(uri): key_of(uri) for uri in step.outputs.values()} | {OUTPUT_FILE: metadata},
        }
        name = f"{step.job_id}-{step.task}-{step.attempt}"
        self.names.setdefault(step.task, []).append(name)
        self.namespace.apply(pod_of(step, name, ["python", "-c", LAUNCHER, json.dumps(told)]))
        if step.task in self.ends and step.attempt == 0:
            wait_until(lambda: self.ends[step.task]() or None, what=f"time to end {name}", seconds=240)
            # As the kubelet does where a pod is deleted, evicted or preempted; the pod itself stays to be looked at.
            # The exec may die with the container.
            ending = ("exec", name, "-c", "main", "--", "python", "-c", "import os; os.kill(1, 15)")
            run("kubectl", "--namespace", self.namespace.name, *ending)
        phase = self.namespace.finish(name)
        if phase == "Succeeded":
            for uri in step.outputs.values():
                self._fetch(key_of(uri), store, uri)
        output = self._fetch(metadata, store, f"s3://{ARTIFACTS}/{metadata}") if phase == "Succeeded" else None
        return Outcome(
            argv=argv,
            returncode=int(phase != "Succeeded"),
            stdout="",
            stderr=self.namespace.log(name, "main"),
            executor_output=None if output is None else json.loads(output),
        )

    def _fetch(self, key: str, store: Store, uri: str) -> bytes | None:
        try:
            data = self.bucket.client.get_object(Bucket=ARTIFACTS, Key=key)["Body"].read()
        except ClientError:  # nothing was written
            return None
        store.path(uri).parent.mkdir(parents=True, exist_ok=True)
        store.path(uri).write_bytes(data)
        return data


def local(uri: str) -> str:
    """Return the path of an artifact in a step's container."""
    return f"/{uri.replace('://', '/')}"


def key_of(uri: str) -> str:
    return uri.partition("://")[2]


def pod_of(step: Step, name: str, command: list[str]) -> Object:
    asked = step.kubernetes
    mounts = {"s3": "/s3", "tmp": "/tmp"} | {
        mount["volumeName"]: mount["mountPath"] for mount in asked.get("emptyDirMounts", [])
    }
    limits = {
        mount["volumeName"]: {key: mount[key] for key in ("medium", "sizeLimit") if key in mount}
        for mount in asked.get("emptyDirMounts", [])
    }
    metadata = asked.get("podMetadata", {})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": metadata.get("labels", {}),
            "annotations": metadata.get("annotations", {}),
        },
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "activeDeadlineSeconds": int(asked["activeDeadlineSeconds"]),
            "nodeSelector": asked.get("nodeSelector", {}).get("nodeSelectorJson", {}),
            "tolerations": [one for some in asked.get("tolerations", []) for one in some["tolerationJson"]],
            "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "main",
                    "image": step.image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": command,
                    "env": list(secrets(asked)),
                    "resources": {"limits": {kind: count for kind, count in step.accelerators.items() if count}},
                    "securityContext": RESTRICTED,
                    "volumeMounts": [{"name": volume, "mountPath": path} for volume, path in mounts.items()],
                }
            ],
            "volumes": [{"name": volume, "emptyDir": limits.get(volume, {})} for volume in mounts],
        },
    }


def secrets(asked: Object) -> list[Object]:
    return [
        {
            "name": entry["envVar"],
            "valueFrom": {
                "secretKeyRef": {
                    "name": secret["secretName"],
                    "key": entry["secretKey"],
                    "optional": secret.get("optional", False),
                }
            },
        }
        for secret in asked.get("secretAsEnv", [])
        for entry in secret["keyToEnv"]
    ] + [
        {"name": entry["name"], "valueFrom": {"fieldRef": {"fieldPath": entry["fieldPath"]}}}
        for entry in asked.get("fieldPathAsEnv", [])
    ]
