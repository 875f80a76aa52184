"""What a cluster serves: its version, the policy API, the kinds of other projects, the chart, a namespace.

Pure functions on what the API server gave. What is asked for by name (``needs``) is essential, and the rest is not:
without injection, for one, a step starts its prefetcher itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.doctor import findings
from penstock.doctor.needs import Need
from penstock.records import Finding

__all__ = ["KINDS", "Kind", "check_chart", "check_kinds", "check_namespace", "check_policies", "check_version"]

Json = Mapping[str, Any]

PLACE = "cluster"
SIDECARS_SINCE = (1, 33)
INJECTION_SINCE = (1, 36)
_VERSION = re.compile(r"v?(\d+)\.(\d+)")
_NAME_LABEL = "kubernetes.io/metadata.name"


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """Kinds that another project adds to a cluster.

    Attributes:
        need: by which one asks for it.
        project: that adds it.
        group: of the API.
        resources: that are looked for.
        use: what it is good for.
    """

    need: Need
    project: str
    group: str
    resources: frozenset[str]
    use: str


KINDS = (
    Kind(
        need=Need.ARGO,
        project="Argo Workflows",
        group="argoproj.io",
        resources=frozenset({"workflows", "workflowtemplates"}),
        use="workflows",
    ),
    Kind(
        need=Need.KUBEFLOW,
        project="Kubeflow Pipelines",
        group="kubeflow.org",
        resources=frozenset({"scheduledworkflows"}),
        use="pipelines from its page",
    ),
    Kind(
        need=Need.TRAINER,
        project="Kubeflow Trainer",
        group="trainer.kubeflow.org",
        resources=frozenset({"trainjobs"}),
        use="training on many nodes",
    ),
    Kind(
        need=Need.JOBSET,
        project="JobSet",
        group="jobset.x-k8s.io",
        resources=frozenset({"jobsets"}),
        use="training on many nodes where Trainer is missing",
    ),
    Kind(
        need=Need.MONITORING,
        project="Prometheus operator",
        group="monitoring.coreos.com",
        resources=frozenset({"podmonitors", "prometheusrules"}),
        use="the chart's PodMonitor and alerts",
    ),
)


def check_version(version: Json) -> list[Finding]:
    """Check what ``kubectl version`` gave: native sidecars are stable from 1.33 on."""
    told = str(version.get("serverVersion", {}).get("gitVersion", ""))
    found = _VERSION.match(told)
    if found is None:
        return [findings.unknown(PLACE, "Kubernetes", f"version {told!r}", fix="use Kubernetes 1.33 or newer")]
    number = int(found[1]), int(found[2])
    if number < SIDECARS_SINCE:
        return [
            findings.missing(
                PLACE,
                "Kubernetes",
                f"{told}: native sidecars are stable from 1.33 on",
                fix="upgrade the cluster; until then steps start their prefetcher themselves (--prefetch process)",
            )
        ]
    return [findings.ok(PLACE, "Kubernetes", told)]


def check_policies(served: Mapping[str, Collection[str]], needs: Collection[Need] = ()) -> Finding:
    """Check whether the API server puts the sidecar into pods.

    Args:
        served: resources of ``admissionregistration.k8s.io`` by version.
        needs: what is essential.
    """
    check = "policy API"
    versions = [version for version in ("v1", "v1beta1") if "mutatingadmissionpolicies" in served.get(version, ())]
    if versions:
        return findings.ok(PLACE, check, f"MutatingAdmissionPolicy {versions[0]}")
    say = findings.missing if Need.INJECTION in needs else findings.note
    return say(
        PLACE,
        check,
        "no MutatingAdmissionPolicy: no injection by label",
        fix="upgrade to Kubernetes 1.36; or install the chart with --set injection.enabled=false: steps then start "
        "their prefetcher themselves, or a pod states the sidecar",
    )


def check_kinds(served: Mapping[str, Collection[str]], needs: Collection[Need] = ()) -> Iterator[Finding]:
    """Check what other projects are there.

    Args:
        served: resources by API group, of the groups that are there.
        needs: what is essential.
    """
    for kind in KINDS:
        lacking = sorted(kind.resources - set(served.get(kind.group, ())))
        if not lacking:
            yield findings.ok(PLACE, kind.project, f"{kind.group}: {', '.join(sorted(kind.resources))}")
            continue
        say = findings.missing if kind.need in needs else findings.note
        yield say(
            PLACE,
            kind.project,
            f"no {', '.join(lacking)} ({kind.group})",
            fix=f"install {kind.project}, for {kind.use}",
        )


def check_namespace(namespace: Json | None, name: str) -> Finding:
    """Check a namespace, None where there is none of that name."""
    check = f"namespace {name}"
    if namespace is None:
        return findings.missing("namespace", check, "there is none", fix=f"kubectl create namespace {name}")
    metadata = namespace.get("metadata", {})
    if namespace.get("status", {}).get("phase") == "Terminating":
        return findings.missing("namespace", check, "it is being removed", fix="wait, or choose another --namespace")
    level = metadata.get("labels", {}).get("pod-security.kubernetes.io/enforce", "none")
    return findings.ok("namespace", check, f"Pod Security enforced: {level}")


def check_chart(bindings: Sequence[Json], name: str, needs: Collection[Need] = ()) -> Finding:
    """Check whether a release of the chart injects in a namespace.

    Args:
        bindings: of the chart's mutating policies.
        name: of the namespace.
        needs: what is essential.
    """
    check = "sidecar by label"
    here = [str(binding["metadata"]["name"]) for binding in bindings if _selects(binding, name)]
    if len(here) == 1:
        return findings.ok("namespace", check, f"injected by {here[0]}")
    if here:
        return findings.note(
            "namespace", check, f"{len(here)} releases inject here: {', '.join(here)}", fix="uninstall all but one"
        )
    say = findings.missing if Need.INJECTION in needs else findings.note
    return say(
        "namespace",
        check,
        "no release of the chart injects here",
        fix=f"helm install penstock charts/penstock --namespace {name}",
    )


def _selects(binding: Json, name: str) -> bool:
    """Tell whether a binding injects in a namespace, of those that the chart makes: one with parameters labels pods."""
    if "paramRef" in binding.get("spec", {}):
        return False
    selector = binding.get("spec", {}).get("matchResources", {}).get("namespaceSelector", {})
    expressions = [item for item in selector.get("matchExpressions", []) if item.get("key") == _NAME_LABEL]
    return all((name in item.get("values", [])) == (item.get("operator") == "In") for item in expressions)
