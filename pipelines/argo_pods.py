"""Pods of the steps of an Argo workflow: environment, window, sidecar, volumes, rights, and what comes from parameters.

The sidecar is the one that the chart's policy injects, stated in full: the same name, port, mounts and rights.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from hera.workflows import models as m

from penstock.sources.node import FROM_LABELS, POD_LABELS
from pipelines.pods import SECRET_KEYS, WINDOW_FOLDER, WINDOW_VOLUME

Files = Literal["volume", "artifacts"]
FILES: tuple[Files, ...] = ("volume", "artifacts")
"""How manifests, plans, records, checkpoints and reports pass from step to step."""

RUN_FOLDER = "/penstock/run"
SIDECAR = "penstock-prefetch"
FED_STEPS = ("train", "evaluate")
WINDOW_STEPS = ("prefetch", *FED_STEPS)
GROUP = 65532
METRICS_PORT = 9477
METRICS_PORT_NAME = "window-metrics"
"""By which the chart's PodMonitor finds the port, in pods that have the prefetch label."""

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}


def env() -> list[m.EnvVar]:
    """Return the credentials' variables, of the secret that the run names, and the node's, of labels."""
    secret = "{{workflow.parameters.secret}}"  # noqa: S105 - its name
    paths = {"name": "spec.nodeName", **{name: f"metadata.labels['{label}']" for name, label in POD_LABELS.items()}}
    return [
        m.EnvVar(
            name=key,
            value_from=m.EnvVarSource(secret_key_ref=m.SecretKeySelector(name=secret, key=key, optional=True)),
        )
        for key in SECRET_KEYS
    ] + [
        m.EnvVar(
            name=FROM_LABELS[name],
            value_from=m.EnvVarSource(field_ref=m.ObjectFieldSelector(field_path=path)),
        )
        for name, path in paths.items()
    ]


def sidecar() -> m.UserContainer:
    """Return the native sidecar that fills the window."""
    # `hera.workflows.UserContainer` would leave restartPolicy out.
    return m.UserContainer(
        name=SIDECAR,
        image="{{workflow.parameters.image_prefetch}}",
        image_pull_policy="IfNotPresent",
        restart_policy="Always",
        command=["penstock", "prefetch"],
        args=[
            *("--window", WINDOW_FOLDER, "--window-size", "{{workflow.parameters.window_size}}"),
            *("--options", "{{workflow.parameters.options}}", "--verbose"),
            *("--metrics-port", str(METRICS_PORT)),
        ],
        ports=[m.ContainerPort(name=METRICS_PORT_NAME, container_port=METRICS_PORT, protocol="TCP")],
        env=env(),
        resources=m.ResourceRequirements(requests={"cpu": "250m", "memory": "256Mi"}, limits={"memory": "1Gi"}),
        security_context=m.SecurityContext(**snake(RESTRICTED), run_as_user=GROUP, run_as_group=GROUP),
        startup_probe=m.Probe(
            exec=m.ExecAction(command=["test", "-S", f"{WINDOW_FOLDER}/socket"]), period_seconds=1, failure_threshold=60
        ),
        volume_mounts=[m.VolumeMount(name=WINDOW_VOLUME, mount_path=WINDOW_FOLDER)],
    )


def mounts(step: str) -> Iterator[m.VolumeMount]:
    """Return what a step's container mounts."""
    if step != "pack":  # whose pods run on many nodes at a time, where a volume is on one, and pass no files on
        yield m.VolumeMount(name="run", mount_path=RUN_FOLDER)
    yield m.VolumeMount(name="tmp", mount_path="/tmp")  # noqa: S108
    if step in WINDOW_STEPS:
        yield m.VolumeMount(name=WINDOW_VOLUME, mount_path=WINDOW_FOLDER)
    if step in FED_STEPS:
        yield m.VolumeMount(name="shm", mount_path="/dev/shm")  # noqa: S108


def volumes(files: Files) -> Iterator[m.Volume]:
    """Return the volumes; those with a limit get it from a parameter, by the patch of the steps that mount them."""
    names = ("tmp", WINDOW_VOLUME, *(("run",) if files == "artifacts" else ()))
    for name in names:
        yield m.Volume(name=name, empty_dir=m.EmptyDirVolumeSource())
    yield m.Volume(name="shm", empty_dir=m.EmptyDirVolumeSource(medium="Memory"))


def claim() -> m.PersistentVolumeClaim:
    """Return the volume of a run, through which its files pass."""
    return m.PersistentVolumeClaim(
        metadata=m.ObjectMeta(name="run"),
        spec=m.PersistentVolumeClaimSpec(
            access_modes=["ReadWriteOnce"], resources=m.VolumeResourceRequirements(requests={"storage": "10Gi"})
        ),
    )


OF_ARGO: dict[str, Any] = {
    "initContainers": [{"name": "init", "securityContext": RESTRICTED}],
    "containers": [{"name": "wait", "securityContext": RESTRICTED}],
}
"""Rights of Argo's own containers, which say nothing of them, though the restricted level of Pod Security asks."""


def step_patch(step: str) -> str | None:
    """Return the patch that takes from parameters what a template's own fields do not."""
    if step not in WINDOW_STEPS:
        return None
    limited = [{"name": WINDOW_VOLUME, "emptyDir": {"sizeLimit": "{{workflow.parameters.window_volume_size}}"}}]
    if step not in FED_STEPS:
        return patch_text({"volumes": limited})
    shm = {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "{{workflow.parameters.shm_size}}"}}
    accelerators = {"{{workflow.parameters.node_accelerator_type}}": "{{workflow.parameters.node_accelerators}}"}
    patch = {
        "containers": [{"name": "main", "resources": {"limits": accelerators}}],
        "volumes": [*limited, shm],
        "nodeSelector": "{{workflow.parameters.node_selector}}",
        "tolerations": "{{workflow.parameters.node_tolerations}}",
    }
    return patch_text(patch, bare=("node_selector", "node_tolerations"))


def patch_text(patch: Mapping[str, Any], *, bare: Sequence[str] = ()) -> str:
    """Write a patch; the parameters that are JSON themselves stand in it without quotes."""
    text = json.dumps(patch)
    for name in bare:
        text = text.replace(f'"{{{{workflow.parameters.{name}}}}}"', f"{{{{workflow.parameters.{name}}}}}")
    return text


def snake(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields by the names that Hera's models have for them."""
    return {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): value for name, value in fields.items()}
