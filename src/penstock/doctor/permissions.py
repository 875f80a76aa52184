"""What the current user may do, by SelfSubjectAccessReview: the API server's own answer, nothing is tried out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.doctor import findings
from penstock.records import Finding

__all__ = ["PURPOSES", "Access", "Purpose", "check_permissions", "reviews"]

Json = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """One thing that one may be allowed to do, in the namespace or, where ``cluster_wide``, in all of the cluster."""

    verb: str
    resource: str
    group: str = ""
    subresource: str = ""
    cluster_wide: bool = False

    def __str__(self) -> str:
        resource = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {resource}{'/' if self.subresource else ''}{self.subresource}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Purpose:
    """What a set of permissions is for; ``fix`` says who else may do it, or whom to ask."""

    check: str
    accesses: tuple[Access, ...]
    is_essential: bool
    fix: str


_SHOWN = 3
"""Permissions that are named where all are there."""
_POLICIES = (
    "mutatingadmissionpolicies",
    "mutatingadmissionpolicybindings",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
)

PURPOSES = (
    Purpose(
        check="may run pods",
        accesses=(
            Access(verb="create", resource="pods"),
            Access(verb="get", resource="pods"),
            Access(verb="get", resource="pods", subresource="log"),
        ),
        is_essential=True,
        fix="ask for the role edit in this namespace",
    ),
    Purpose(
        check="may run workflows",
        accesses=(Access(verb="create", resource="workflows", group="argoproj.io"),),
        is_essential=False,
        fix="ask for it, or submit from the page of Argo or Kubeflow Pipelines",
    ),
    Purpose(
        check="may install the chart",
        accesses=(
            Access(verb="create", resource="secrets"),
            Access(verb="create", resource="serviceaccounts"),
            Access(verb="create", resource="roles", group="rbac.authorization.k8s.io"),
            Access(verb="create", resource="rolebindings", group="rbac.authorization.k8s.io"),
            *(
                Access(verb="create", resource=name, group="admissionregistration.k8s.io", cluster_wide=True)
                for name in _POLICIES
            ),
        ),
        is_essential=False,
        fix="an administrator installs it once; --set injection.enabled=false needs no rights outside the namespace",
    ),
)


def reviews(namespace: str, purposes: Sequence[Purpose] = PURPOSES) -> dict[str, Any]:
    """Return the questions to the API server, as a list that kubectl creates, in the order of the purposes."""
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [_review(access, namespace) for purpose in purposes for access in purpose.accesses],
    }


def check_permissions(answers: Sequence[Json], purposes: Sequence[Purpose] = PURPOSES) -> list[Finding]:
    """Check the answers, which are in the order of the questions.

    Raises:
        ValueError: there are fewer answers than questions, or more.
    """
    allowed = [bool(answer.get("status", {}).get("allowed")) for answer in answers]
    asked = [access for purpose in purposes for access in purpose.accesses]
    denied = {access for access, may in zip(asked, allowed, strict=True) if not may}
    return [_judge(purpose, [str(access) for access in purpose.accesses if access in denied]) for purpose in purposes]


def _judge(purpose: Purpose, denied: Sequence[str]) -> Finding:
    if not denied:
        told = [str(access) for access in purpose.accesses]
        more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
        return findings.ok("namespace", purpose.check, ", ".join(told[:_SHOWN]) + more)
    say = findings.missing if purpose.is_essential else findings.note
    return say("namespace", purpose.check, f"may not {', '.join(denied)}", fix=purpose.fix)


def _review(access: Access, namespace: str) -> dict[str, Any]:
    asked = {
        "verb": access.verb,
        "group": access.group,
        "resource": access.resource,
        "subresource": access.subresource,
        "namespace": "" if access.cluster_wide else namespace,
    }
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {name: value for name, value in asked.items() if value}},
    }
