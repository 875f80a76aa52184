"""Whether a bucket can be read from inside a cluster: a pod of the prefetch image looks, and is removed.

The pod is a Job's, with a deadline and a time to live, so that it goes also where this process is killed before it
can remove it. It is as restricted as Pod Security knows, has no token, and gets credentials by the name of a secret
or of a service account only.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from penstock.doctor import findings
from penstock.doctor.kubectl import Kubectl
from penstock.errors import ClusterError, RecordError
from penstock.manifest import SourceSpec
from penstock.observe import redact
from penstock.records import Finding, Readiness, decode_record
from penstock.sources.asking import source_options

__all__ = ["Probe", "check_from_inside", "findings_of_log", "job_of", "trouble_of"]

Json = Mapping[str, Any]

CHECK = "access from inside"
PLACE = "bucket"
KEPT_SECONDS = 60
"""A Job that nobody removed goes after this long."""
STARTING_SECONDS = 30
LOG_SECONDS, LOG_POLL_SECONDS = 10, 0.5
_SHOWN_CHARACTERS = 200
_HOPELESS = {
    "CreateContainerConfigError": "check the name of the --secret",
    "CreateContainerError": "see kubectl describe pod",
    "ErrImageNeverPull": "load the image to the nodes, or name another --image",
    "ImagePullBackOff": "push the image where the nodes can pull it, or name another --image",
    "InvalidImageName": "write --image like registry/name:tag",
    "RunContainerError": "name an --image that holds penstock",
    "StartError": "name an --image that holds penstock",
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """What is looked at from inside, and how.

    Attributes:
        source: that is listed and read.
        namespace: that the pod runs in.
        image: with penstock in it.
        secret: whose keys become the pod's environment, None for none.
        service_account: of the pod, None for the namespace's default.
        timeout_seconds: for all of it.
    """

    source: SourceSpec
    namespace: str
    image: str
    secret: str | None
    service_account: str | None
    timeout_seconds: float


def check_from_inside(kubectl: Kubectl, probe: Probe) -> list[Finding]:
    """Run a pod that looks at the source, and remove it whatever happens."""
    name = f"penstock-doctor-{uuid.uuid4().hex[:8]}"
    job = job_of(probe, name)
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": job["spec"]["template"]["spec"]}
    where = ("--namespace", probe.namespace)
    try:
        # A Job's pod that is refused says so in an event, sooner or later; a dry run says it at once.
        kubectl.text("create", "--dry-run=server", "--filename", "-", *where, given=pod)
        kubectl.text("create", "--filename", "-", *where, given=job)
    except ClusterError as error:
        return [
            findings.missing(PLACE, CHECK, f"the pod was refused: {error.what}", fix="change what the reason names")
        ]
    try:
        return _outcome(kubectl, probe, name)
    except ClusterError as error:
        return [findings.unknown(PLACE, CHECK, error.what, fix=error.fix)]
    finally:
        _remove(kubectl, probe, name)


def job_of(probe: Probe, name: str) -> dict[str, Any]:
    """Return the Job that looks at a source from inside."""
    container: dict[str, Any] = {
        "name": "doctor",
        "image": probe.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["penstock", "doctor", "--here", "true", "--json", "true", *source_options(probe.source).to_argv()],
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - of the pod
    }
    if probe.secret:
        container["envFrom"] = [{"secretRef": {"name": probe.secret}}]
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
    }
    if probe.service_account:
        spec["serviceAccountName"] = probe.service_account
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": "penstock-doctor"}},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": int(probe.timeout_seconds) + STARTING_SECONDS,
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "template": {"metadata": {"labels": {"app.kubernetes.io/name": "penstock-doctor"}}, "spec": spec},
        },
    }


def trouble_of(pod: Json) -> Finding | None:
    """Return why a pod will not come to run, None where it may yet, or has."""
    for status in pod.get("status", {}).get("containerStatuses", []):
        waiting = status.get("state", {}).get("waiting", {})
        reason = waiting.get("reason", "")
        if reason in _HOPELESS:
            told = f"{reason}: {waiting.get('message', '')}".strip(": ")
            return findings.missing(PLACE, CHECK, f"the pod cannot start ({told})", fix=_HOPELESS[reason])
    return None


def findings_of_log(log: str) -> list[Finding]:
    """Return what the pod found of the bucket, from all that it wrote."""
    try:
        start = log.index("{")
        _, length = json.JSONDecoder().raw_decode(log[start:])
        found = decode_record(log[start : start + length], Readiness, origin="the pod's answer")
    except ValueError:
        told = redact(" ".join(log.split()))[:_SHOWN_CHARACTERS] or "nothing"
        return [findings.unknown(PLACE, CHECK, f"the pod wrote {told!r}", fix="name an --image of this release")]
    except RecordError as error:
        return [findings.unknown(PLACE, CHECK, error.what, fix="name an --image of this release")]
    return [
        Finding(place=PLACE, check=CHECK, state=item.state, found=item.found, fix=item.fix)
        for item in found.findings
        if item.place == PLACE
    ]


def _outcome(kubectl: Kubectl, probe: Probe, name: str) -> list[Finding]:
    where = ("--namespace", probe.namespace)
    last: Json = {}
    asked = ("get", "pods", *where, "--selector", f"batch.kubernetes.io/job-name={name}")
    for pod in kubectl.watch(*asked, timeout_seconds=probe.timeout_seconds):
        last = pod
        if trouble := trouble_of(pod):
            return [trouble]
        if pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            return findings_of_log(_log_of(kubectl, "logs", f"job/{name}", *where))
    return [
        findings.missing(
            PLACE,
            CHECK,
            f"no answer for {probe.timeout_seconds:.0f} s ({_standing(last)})",
            fix="see whether pods are scheduled here, and whether a network policy keeps them from the bucket",
        )
    ]


def _log_of(kubectl: Kubectl, *words: str) -> str:
    """Return the log of a pod that has ended: it may come a moment behind the end."""
    give_up = time.monotonic() + LOG_SECONDS
    while "{" not in (log := kubectl.text(*words)) and time.monotonic() < give_up:
        time.sleep(LOG_POLL_SECONDS)
    return log


def _standing(pod: Json) -> str:
    """Tell in a few words how far a pod came."""
    status = pod.get("status", {})
    for condition in status.get("conditions", []):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return str(condition.get("message", "not scheduled"))
    return f"the pod is {status.get('phase', 'not there')}"


def _remove(kubectl: Kubectl, probe: Probe, name: str) -> None:
    words = ("delete", "job", name, "--namespace", probe.namespace, "--cascade=background", "--wait=false")
    try:
        kubectl.text(*words)
    except ClusterError as error:
        _log.warning("doctor.not_removed job=%s error=%s", name, error)
