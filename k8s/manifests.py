"""Every Kubernetes object that the repository describes, as a cluster of a given version would get it.

These are: the chart, as Helm renders it with each of ``charts/penstock/ci``; what lies in ``k8s/``; and the pods and
claims that Argo makes of the compiled WorkflowTemplates. A pod is put together as Argo's controller does it: of a
template's container and sidecars, the workflow's volumes and rights, and the patches, with the defaults of the
parameters in them. Argo's own two containers are left out, and what Argo adds to the container named main.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "charts" / "penstock"
POLICY_APIS = {"1.33": None, "1.34": "v1beta1", "1.35": "v1beta1", "1.36": "v1", "1.37": "v1"}
"""Version of Kubernetes, and that of the MutatingAdmissionPolicy that it serves, if any."""

_OTHER_APIS = (
    "monitoring.coreos.com/v1/PodMonitor",
    "monitoring.coreos.com/v1/PrometheusRule",
    "argoproj.io/v1alpha1/WorkflowTemplate",
)
_OF_ARGO = ("init", "wait")
_ACCEPTED = {
    "CKV_K8S_8": "a step ends by itself",
    "CKV_K8S_9": "a step serves nothing",
    "CKV_K8S_10": "what a step needs of a CPU depends on dataset and model: the namespace's LimitRange says it",
    "CKV_K8S_11": "a limit of CPU only slows a step",
    "CKV_K8S_12": "what a step needs of memory depends on dataset and model: the namespace's LimitRange says it",
    "CKV_K8S_13": "what a step needs of memory depends on dataset and model: the namespace's LimitRange says it",
    "CKV_K8S_15": "the images of a version do not change",
    "CKV_K8S_35": "the AWS SDKs read environment variables; a service account's role needs no secret at all",
    "CKV_K8S_38": "Argo's executor reports results by the token",
    "CKV_K8S_40": "checkpoints and reports are of uid 1000, as outside of a cluster",
    "CKV_K8S_43": "the chart's values give digests",
    "CKV2_K8S_6": "the chart's networkPolicy.enabled gives one to pods with the label",
}
"""What checkov finds in pods of workflows, and why it stays so."""


def manifests(version: str, *, helm: str = "helm") -> Iterator[tuple[str, Object]]:
    """Give all objects with the name of their origin.

    Args:
        version: of Kubernetes, one of ``POLICY_APIS``.
        helm: the program.

    Raises:
        subprocess.CalledProcessError: the chart cannot be rendered.
    """
    for values in sorted((CHART / "ci").glob("*.yaml")):
        for found in _rendered(values, version, helm):
            yield f"chart-{values.stem}", found
            yield from _of_workflow(f"chart-{values.stem}", found)
    for path in sorted((CHART / "workflows").glob("*.yaml")):
        for found in _documents(path.read_text()):
            yield path.stem, found
            yield from _of_workflow(path.stem, found)
    for path in sorted((ROOT / "k8s").rglob("*.yaml")):
        for found in _documents(path.read_text()):
            yield "-".join(path.relative_to(ROOT).with_suffix("").parts), found


def _rendered(values: Path, version: str, helm: str) -> Iterator[Object]:
    words = [helm, "template", "penstock", str(CHART), "--namespace", "training", "--values", str(values)]
    words += ["--kube-version", f"{version}.0"]
    policy = POLICY_APIS[version]
    if policy is None:
        words += ["--set", "injection.enabled=false"]
    else:
        words += ["--api-versions", f"admissionregistration.k8s.io/{policy}/MutatingAdmissionPolicy"]
    for api in _OTHER_APIS:
        words += ["--api-versions", api]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - words of our own
    return _documents(done.stdout)


def _documents(text: str) -> Iterator[Object]:
    return (found for found in yaml.safe_load_all(text) if found)


def _of_workflow(origin: str, found: Object) -> Iterator[tuple[str, Object]]:
    if found["kind"] == "WorkflowTemplate":
        for made in argo_objects(found):
            yield f"{origin}-argo", made


def argo_objects(workflow: Object) -> Iterator[Object]:
    """Give the claims and pods that Argo makes of a WorkflowTemplate, with its parameters' defaults."""
    spec = _filled(workflow["spec"], _defaults(workflow["spec"]))
    name, namespace = workflow["metadata"]["name"], workflow["metadata"].get("namespace", "training")
    for claim in spec.get("volumeClaimTemplates", []):
        about = {"name": f"{name}-{claim['metadata']['name']}", "namespace": namespace}
        yield {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": about, "spec": claim["spec"]}
    for template in spec["templates"]:
        if "container" in template:
            pod = _pod(spec, template)
            given = template.get("metadata", {})
            skips = {f"checkov.io/skip{i}": f"{check}={why}" for i, (check, why) in enumerate(_ACCEPTED.items(), 1)}
            pod["metadata"] = {
                "name": f"{name}-{template['name']}",
                "namespace": namespace,
                "labels": given.get("labels", {}),
                "annotations": given.get("annotations", {}) | skips,
            }
            yield pod


def _pod(spec: Object, template: Object) -> Object:
    claims = [claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", [])]
    made: Object = {
        "restartPolicy": "Never",
        "serviceAccountName": spec["serviceAccountName"],
        "securityContext": spec["securityContext"],
        "activeDeadlineSeconds": int(template["activeDeadlineSeconds"]),
        "initContainers": template.get("initContainers", []),
        "containers": [{"name": "main", **template["container"]}],
        "volumes": [
            *spec["volumes"],
            *({"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claims),
        ],
    }
    for patch in (spec.get("podSpecPatch"), template.get("podSpecPatch")):
        if patch is not None:
            made = merged(made, _without_argo(json.loads(patch)))
    return {"apiVersion": "v1", "kind": "Pod", "spec": made}


def _without_argo(patch: Object) -> Object:
    return {
        key: [item for item in value if item.get("name") not in _OF_ARGO]
        if key.lower().endswith("containers")
        else value
        for key, value in patch.items()
    }


def merged(old: Any, new: Any) -> Any:
    """Merge a patch as Kubernetes does: maps by key, lists of named things by name; all else is replaced."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old | {key: merged(old.get(key), value) for key, value in new.items()}
    if isinstance(old, list) and isinstance(new, list) and all("name" in item for item in (*old, *new)):
        patches = {item["name"]: item for item in new}
        kept = [merged(item, patches.pop(item["name"], {})) for item in old]
        return [*kept, *patches.values()]
    return new


def _defaults(spec: Object) -> dict[str, str]:
    # What a run must give has no default.
    named = {item["name"]: item.get("value", "given") for item in spec["arguments"]["parameters"]}
    given = {f"workflow.parameters.{name}": value for name, value in named.items()}
    return {"workflow.uid": "6f0c2e5e", "workflow.status": "Succeeded"} | given


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, values) for item in value]
    if isinstance(value, str):
        return re.sub(r"\{\{([\w.]+)\}\}", lambda found: values.get(found[1], found[0]), value)
    return value
