"""All checks of a cluster, with what they ask the API server for; what cannot be asked is told, and no more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from penstock.doctor import cluster, findings, nodes, permissions
from penstock.doctor.kubectl import Kubectl
from penstock.doctor.needs import Need
from penstock.errors import ClusterError
from penstock.records import Finding

__all__ = ["CONNECTION", "Wanted", "current_namespace", "examine_cluster"]

CONNECTION = "connection"
NUM_PROCESSES = 4
"""Of kubectl at a time."""
_POLICY_GROUP = "admissionregistration.k8s.io"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What a cluster is looked at for.

    Attributes:
        needs: what is essential beside what always is.
        window_bytes: bound of the window, None where it is not known yet.
        in_memory: whether the window's volume is to be in memory.
    """

    namespace: str
    needs: frozenset[Need]
    window_bytes: int | None
    in_memory: bool


def current_namespace(kubectl: Kubectl) -> str:
    """Return the namespace of kubectl's context.

    Raises:
        ClusterError: there is no such context.
    """
    contexts = kubectl.ask("config", "view", "--minify", "--output", "json").get("contexts") or [{}]
    return str(contexts[0].get("context", {}).get("namespace") or "default")


def examine_cluster(kubectl: Kubectl, wanted: Wanted) -> list[Finding]:
    """Look at all that a cluster should have."""
    try:
        version = kubectl.ask("version", "--output", "json")
        groups = _versions(kubectl.ask("get", "--raw", "/apis"))
    except ClusterError as error:
        return [findings.missing(cluster.PLACE, CONNECTION, error.what, fix=error.fix)]
    questions: list[tuple[str, str, Callable[[], Iterable[Finding]]]] = [
        (cluster.PLACE, "policy API", lambda: _policies(kubectl, wanted, groups)),
        (cluster.PLACE, "other projects", lambda: cluster.check_kinds(_kinds(kubectl, groups), wanted.needs)),
        ("namespace", "namespace", lambda: [_namespace(kubectl, wanted)]),
        ("namespace", "permissions", lambda: _permissions(kubectl, wanted)),
        (nodes.PLACE, "nodes", lambda: _nodes(kubectl, wanted)),
        ("namespace", "default limits", lambda: _limits(kubectl, wanted)),
    ]
    with ThreadPoolExecutor(NUM_PROCESSES, thread_name_prefix="penstock-doctor") as threads:
        answers = threads.map(lambda asked: _guarded(*asked), questions)
        return [*cluster.check_version(version), *(finding for answer in answers for finding in answer)]


def _guarded(place: str, check: str, ask: Callable[[], Iterable[Finding]]) -> list[Finding]:
    try:
        return list(ask())
    except ClusterError as error:
        return [findings.unknown(place, check, error.what, fix="ask somebody who may look, or ignore it")]


def _versions(groups: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the versions of API groups, the preferred one first."""
    return {
        group["name"]: [
            group["preferredVersion"]["version"],
            *(made["version"] for made in group["versions"] if made != group["preferredVersion"]),
        ]
        for group in groups.get("groups", [])
    }


def _resources(kubectl: Kubectl, group: str, version: str) -> list[str]:
    return [made["name"] for made in kubectl.ask("get", "--raw", f"/apis/{group}/{version}").get("resources", [])]


def _kinds(kubectl: Kubectl, groups: Mapping[str, list[str]]) -> dict[str, set[str]]:
    """Return the resources, of all versions, of the groups that are looked for."""
    return {
        kind.group: {name for version in groups[kind.group] for name in _resources(kubectl, kind.group, version)}
        for kind in cluster.KINDS
        if kind.group in groups
    }


def _policies(kubectl: Kubectl, wanted: Wanted, groups: Mapping[str, list[str]]) -> Iterable[Finding]:
    served = {version: _resources(kubectl, _POLICY_GROUP, version) for version in groups.get(_POLICY_GROUP, [])}
    api = cluster.check_policies(served, wanted.needs)
    yield api
    if api.state == "ok":
        label = "app.kubernetes.io/name=penstock"
        bindings = kubectl.items("mutatingadmissionpolicybindings", "--selector", label)
        yield cluster.check_chart(bindings, wanted.namespace, wanted.needs)


def _namespace(kubectl: Kubectl, wanted: Wanted) -> Finding:
    return cluster.check_namespace(kubectl.find("namespace", wanted.namespace), wanted.namespace)


def _permissions(kubectl: Kubectl, wanted: Wanted) -> list[Finding]:
    asked = permissions.reviews(wanted.namespace)
    answers = kubectl.ask_all("create", "--filename", "-", "--output", "json", given=asked)
    return permissions.check_permissions(answers)


def _nodes(kubectl: Kubectl, wanted: Wanted) -> list[Finding]:
    items = kubectl.items("nodes")
    usable = nodes.nodes_of(items)
    fit = nodes.check_memory if wanted.in_memory else nodes.check_disk
    return [
        nodes.check_nodes(items),
        nodes.check_gpus(usable, is_needed=Need.GPU in wanted.needs),
        fit(usable, wanted.window_bytes),
    ]


def _limits(kubectl: Kubectl, wanted: Wanted) -> Iterable[Finding]:
    if wanted.in_memory:
        return []
    return nodes.check_limits(kubectl.items("limitranges", "--namespace", wanted.namespace), wanted.window_bytes)
