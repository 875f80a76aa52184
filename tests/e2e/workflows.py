"""Argo workflows made of the chart's templates, and what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from e2e.kube import Namespace, Object, wait_until
from penstock.errors import ObjectNotFound
from penstock.records import Record, decode_record
from penstock.sources import open_blobs
from support.cli import Bucket

TEMPLATE = "penstock-eeg"
R = TypeVar("R", bound=Record)


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """A workflow of a test's own; its run root is the bucket that has the dataset's name and ``-runs``."""

    name: str
    namespace: Namespace
    bucket: Bucket

    def submit(
        self, *, template: str = TEMPLATE, options: Mapping[str, object] | None = None, **parameters: object
    ) -> Workflow:
        """Start it with parameters, and options, over those of a small run on a CPU."""
        given = dict(small_run(self.bucket, **(options or {})))
        given |= {name: str(value) for name, value in parameters.items()}
        self.namespace.apply(
            {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "Workflow",
                "metadata": {"name": self.name},
                "spec": {
                    "workflowTemplateRef": {"name": template},
                    "arguments": {"parameters": [{"name": name, "value": value} for name, value in given.items()]},
                },
            }
        )
        return self

    @property
    def status(self) -> Object:
        found: Object = self.namespace.get("workflow", self.name).get("status", {})
        return found

    def end(self, *, seconds: float = 420) -> str:
        """Wait for its end, the exit handler's included; give its phase."""

        def ended() -> str | None:
            status = self.status
            return status["phase"] if status.get("finishedAt") else None

        return wait_until(ended, what=f"end of workflow {self.name}", seconds=seconds)

    def succeed(self, **more: Any) -> None:
        assert self.end(**more) == "Succeeded", self.told()

    def attempts(self, step: str) -> list[Object]:
        """Return the pods of a step, as Argo's nodes, the first one first."""
        nodes = self.status.get("nodes", {}).values()
        found = [node for node in nodes if node["type"] == "Pod" and node.get("templateName") == step]
        return sorted(found, key=lambda node: (node["startedAt"] or "", node["name"]))

    def pod(self, attempt: Object) -> str:
        """Return the name of the pod of an attempt."""
        words = ("get", "pods", "-l", f"workflows.argoproj.io/workflow={self.name}", "-o", "json")
        pods = json.loads(self.namespace.kubectl(*words))["items"]
        (name,) = [
            pod["metadata"]["name"]
            for pod in pods
            if pod["metadata"]["annotations"]["workflows.argoproj.io/node-id"] == attempt["id"]
        ]
        return str(name)

    def node(self, step: str) -> str | None:
        """Return the name of the node that a step's pod was given, None until it was."""
        words = ("get", "pods", "-l", f"workflows.argoproj.io/workflow={self.name}", "-o", "json")
        for pod in json.loads(self.namespace.kubectl(*words))["items"]:
            if pod["metadata"]["annotations"]["workflows.argoproj.io/node-name"].startswith(f"{self.name}.{step}"):
                return str(pod["spec"]["nodeName"]) if "nodeName" in pod["spec"] else None
        return None

    @property
    def uid(self) -> str:
        """The id of the run: the name of its folder in the run root."""
        return str(self.namespace.get("workflow", self.name)["metadata"]["uid"])

    def left(self, name: str) -> bytes | None:
        """Return what lies in the run root under a name."""
        try:
            return open_blobs(f"s3://{runs_of(self.bucket)}/{self.uid}", endpoint_url=self.bucket.url).read(name)
        except ObjectNotFound:
            return None

    def record(self, name: str, kind: type[R]) -> R:
        """Read a record in the run root."""
        data = self.left(name)
        assert data is not None, self.told()
        return decode_record(data, kind)

    def told(self) -> str:
        """Return all that is known, for a failed assertion."""
        nodes = self.status.get("nodes", {}).values()
        lines = [f"{node['displayName']} {node['phase']}: {node.get('message', '')}" for node in nodes]
        words = ("logs", "-l", f"workflows.argoproj.io/workflow={self.name}", "-c", "main", "--prefix", "--tail=20")
        return "\n".join([str(self.status.get("message")), *lines, self.namespace.kubectl(*words)])


def runs_of(bucket: Bucket) -> str:
    return f"{bucket.name}-runs"


def small_run(bucket: Bucket, **options: object) -> Mapping[str, str]:
    """Return the parameters of a small run on a CPU.

    Args:
        options: of the run, over those of a small one.
    """
    given = {
        "endpoint_url": bucket.url,
        "run_endpoint_url": bucket.url,
        "split": "0.5,0.25,0.25",
        "batch_size": 8,
        "threads": 1,
        "probe_samples": 16,
        "title": "Penstock EEG",
    }
    return {
        "data_source": bucket.uri,
        "data_region": "us-east-2",
        "data_anonymous": "false",
        "model_epochs": "3",
        "options": json.dumps(given | options),
        "window_size": "2Mi",
        "window_volume_size": "4Mi",
        "shm_size": "64Mi",
        "run_root": f"s3://{runs_of(bucket)}",
        "node_accelerators": "0",
        "node_type": "g5.xlarge",
        "secret": "reader",
        "retry_after": "1s",
    }
