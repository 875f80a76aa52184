"""What pods are told of their nodes, for their bills: by labels, with no right to look at nodes."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping

import pytest

from e2e.kube import Namespace, run, succeed
from e2e.pods import container, pod
from penstock.sources.node import FROM_LABELS, POD_LABELS

TYPE, REGION, ZONE = (POD_LABELS[name] for name in ("instance_type", "region", "zone"))
LIFECYCLE = POD_LABELS["lifecycle"]
WHERE = {TYPE: "m5.large", REGION: "eu-west-1", ZONE: "eu-west-1b"}


@pytest.fixture(scope="module")
def bound(chart: Namespace) -> Iterator[list[str]]:
    """Names of nodes and pods that were made, of no kubelet."""
    made: list[str] = []
    yield made
    for name in made:
        run("kubectl", "--namespace", chart.name, "delete", "pod", name, "--force", "--grace-period=0")
        run("kubectl", "delete", "node", name)


def labels_on(namespace: Namespace, made: list[str], of_node: Mapping[str, str], of_pod: Mapping[str, str]) -> object:
    """Bind a pod to a node that has labels; give its own then."""
    name = f"penstock-e2e-{uuid.uuid4().hex[:8]}"
    made.append(name)
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": dict(of_node)}}
    node["spec"] = {"unschedulable": True}
    succeed("kubectl", "create", "-f", "-", stdin=json.dumps(node))
    waits = container("main", namespace.images["prefetch"], ["true"])
    namespace.apply(pod(name, waits, labels=of_pod, schedulerName="none"))
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}}
    binding["target"] = {"apiVersion": "v1", "kind": "Node", "name": name}
    path = f"/api/v1/namespaces/{namespace.name}/pods/{name}/binding"
    succeed("kubectl", "create", "--raw", path, "-f", "-", stdin=json.dumps(binding))
    return namespace.get("pod", name)["metadata"].get("labels", {})


@pytest.mark.parametrize(
    ("of_node", "lifecycle"),
    [
        ({"eks.amazonaws.com/capacityType": "SPOT"}, "spot"),
        ({"eks.amazonaws.com/capacityType": "ON_DEMAND"}, "on-demand"),
        ({"karpenter.sh/capacity-type": "spot"}, "spot"),
        ({"cloud.google.com/gke-nodepool": "gpus", "cloud.google.com/gke-spot": "true"}, "spot"),
        ({"cloud.google.com/gke-nodepool": "gpus"}, "on-demand"),
        ({"kubernetes.azure.com/cluster": "c", "kubernetes.azure.com/scalesetpriority": "spot"}, "spot"),
        ({"karpenter.sh/capacity-type": "reserved"}, None),
        ({}, None),
    ],
)
def test_a_pod_has_the_labels_of_its_node(
    chart: Namespace, bound: list[str], of_node: dict[str, str], lifecycle: str | None
) -> None:
    expected = WHERE if lifecycle is None else WHERE | {LIFECYCLE: lifecycle}
    assert labels_on(chart, bound, WHERE | of_node, {}) == expected


def test_the_node_s_own_labels_beat_what_a_pod_says(chart: Namespace, bound: list[str]) -> None:
    own = {TYPE: "another", "app": "a"}
    assert labels_on(chart, bound, WHERE, own) == WHERE | {"app": "a"}
    assert labels_on(chart, bound, {}, own) == own


def test_an_injected_pod_asks_for_them(chart: Namespace) -> None:
    given = {"name": FROM_LABELS["region"], "value": "here"}
    made = chart.admitted(pod("asks", container("main", "none", ["true"], env=[given])))
    asked = {one["name"]: one for one in made["spec"]["containers"][0]["env"]}
    assert asked.pop(FROM_LABELS["region"]) == given
    paths = {"name": "spec.nodeName"} | {name: f"metadata.labels['{label}']" for name, label in POD_LABELS.items()}
    del paths["region"]
    found = {name: one["valueFrom"]["fieldRef"]["fieldPath"] for name, one in asked.items()}
    assert found == {FROM_LABELS[name]: path for name, path in paths.items()}
