"""Pods that tests make: restricted, with a window, as a pipeline would make them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from e2e.kube import Object

RESTRICTED: Object = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
LABEL = {"penstock.dev/prefetch": "true"}


def container(name: str, image: str, command: Sequence[str], *, env: Sequence[Object] = (), **more: Any) -> Object:
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(command),
        "env": list(env),
        "securityContext": RESTRICTED,
        "volumeMounts": [
            {"name": "penstock-window", "mountPath": "/penstock/window"},
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "work", "mountPath": "/work"},
        ],
        **more,
    }


def pod(
    name: str,
    *containers: Object,
    init: Sequence[Object] = (),
    labels: Mapping[str, str] = LABEL,
    annotations: Mapping[str, str] | None = None,
    window: Object | None = None,
    **spec: Any,
) -> Object:
    volumes = {"penstock-window": window or {"sizeLimit": "64Mi"}, "tmp": {}, "work": {}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": dict(labels), "annotations": dict(annotations or {})},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 5,
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
            "initContainers": list(init),
            "containers": list(containers),
            "volumes": [{"name": volume, "emptyDir": made} for volume, made in volumes.items()],
            **spec,
        },
    }
