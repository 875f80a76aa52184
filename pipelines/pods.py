"""What the pods of a KFP pipeline's steps need: window, sidecar, accelerators, nodes, secret, time, retries.

What KFP takes from a run's parameters is a parameter of the pipeline; what it takes as static text alone is in
``Settings``, fixed when compiling. The size of the window is one of those: the annotation that tells it to an
injected sidecar is static, so the steps, the annotation and the volume's limit all have it from here.
"""

# No `from __future__ import annotations` here: KFP reads the annotations as they are.
import math
import re
from dataclasses import dataclass

from kfp import dsl, kubernetes

from penstock.sources.node import FROM_LABELS, POD_LABELS
from penstock.sources.registry import credential_variables
from pipelines.declared import IMAGES

WINDOW_FOLDER = "/penstock/window"
WINDOW_VOLUME = "penstock-window"
WINDOW_SHARE = 0.85
"""Part of its volume that a window may fill: the kubelet evicts the whole pod past the volume's limit."""

PREFETCH_LABEL = "penstock.dev/prefetch"
WINDOW_ANNOTATION = "penstock.dev/window-size"
SECRET_KEYS = credential_variables()
"""Keys that a secret may have; each is a variable of the environment by the same name."""

LIGHT_TIMEOUT_SECONDS = 6 * 3600
"""Of the steps without an accelerator."""

_UNITS = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3, "T": 1000**4}
_UNITS |= {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


Channel = dsl.pipeline_channel.PipelineParameterChannel
"""A parameter of the pipeline, as its body sees it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What is fixed when compiling.

    Attributes:
        secret: name of a secret with some of ``SECRET_KEYS``, in the namespace that the pipeline runs in; None leaves
            credentials to the pods' service account.
        window_size: bound of the window, of a sidecar's too.
        shm_size: limit of the shared memory of train and evaluate, which workers pass samples through.
        train_timeout_seconds: of one attempt of train or evaluate.
        image_cpu: that lists, probes and reports, unless a run names another.
        image_gpu: that trains and evaluates, unless a run names another.
    """

    secret: str | None = None
    window_size: str = "2Gi"
    shm_size: str = "1Gi"
    train_timeout_seconds: int = 72 * 3600
    image_cpu: str = IMAGES["cpu"]
    image_gpu: str = IMAGES["gpu"]

    def __post_init__(self) -> None:
        """Refuse what a cluster would refuse once the pipeline runs.

        Raises:
            ValueError: a value cannot be one.
        """
        if self.secret is not None and not _NAME.fullmatch(self.secret):
            raise ValueError(f"{self.secret!r} is no name of a secret: write it like s3-reader")
        for size in (self.window_size, self.shm_size):
            _size_bytes(size)
        if self.train_timeout_seconds < 1:
            raise ValueError(f"{self.train_timeout_seconds} seconds are no time to train in: give 1 or more")
        for image in (self.image_cpu, self.image_gpu):
            if not _IMAGE.fullmatch(image):
                raise ValueError(f"{image!r} is no name of an image: write it like registry.example/penstock:1-cpu")


_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
"""DNS subdomains of RFC 1123, as Kubernetes names secrets."""

_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@\[\]-]*")


def _size_bytes(text: str) -> float:
    """Read a size, as Kubernetes writes it."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]i?)?", text)
    if not found or float(found[1]) == 0:
        raise ValueError(f"{text!r} is not a size: write it like 512Mi or 8.5Gi")
    return float(found[1]) * _UNITS[found[2] or ""]


def volume_limit(window_size: str) -> str:
    """Return the limit of a volume of which a window is 85 %, in whole MiB.

    Raises:
        ValueError: it is not a size.
    """
    return f"{math.ceil(_size_bytes(window_size) / WINDOW_SHARE / 2**20)}Mi"


def with_window(task: dsl.PipelineTask, settings: Settings) -> dsl.PipelineTask:
    """Mount the volume of the window."""
    limit = volume_limit(settings.window_size)
    return kubernetes.empty_dir_mount(task, volume_name=WINDOW_VOLUME, mount_path=WINDOW_FOLDER, size_limit=limit)


def with_sidecar(task: dsl.PipelineTask, settings: Settings) -> dsl.PipelineTask:
    """Ask for a prefetch sidecar; where nothing injects one, the step starts a prefetcher of its own."""
    kubernetes.add_pod_annotation(task, WINDOW_ANNOTATION, settings.window_size)
    return kubernetes.add_pod_label(with_window(task, settings), PREFETCH_LABEL, "true")


def with_secret(task: dsl.PipelineTask, settings: Settings) -> dsl.PipelineTask:
    """Take credentials from the secret, by its name; it has those keys that the source asks for."""
    if settings.secret is None:
        return task
    keys = {key: key for key in SECRET_KEYS}
    return kubernetes.use_secret_as_env(task, secret_name=settings.secret, secret_key_to_env=keys, optional=True)


def with_node(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """Tell a step its node's type, region, zone and lifecycle, as far as its pod has labels of them."""
    kubernetes.use_field_path_as_env(task, env_name=FROM_LABELS["name"], field_path="spec.nodeName")
    for name, label in POD_LABELS.items():
        path = f"metadata.labels['{label}']"
        kubernetes.use_field_path_as_env(task, env_name=FROM_LABELS[name], field_path=path)
    return task


def as_light(task: dsl.PipelineTask, *, retries: int = 0) -> dsl.PipelineTask:
    """Run a step once for each run of the pipeline, on any node, for some hours at most.

    Nothing is cached: what lies in the source may change, and a step's record belongs to its run.
    """
    kubernetes.set_timeout(task.set_caching_options(False), LIGHT_TIMEOUT_SECONDS)
    return _with_retries(task, retries)


def as_trainer(
    task: dsl.PipelineTask,
    settings: Settings,
    *,
    kind: Channel,
    count: Channel,
    selector: Channel,
    tolerations: Channel,
    retries: int,
) -> dsl.PipelineTask:
    """Run a step with a window, its sidecar and accelerators, on the nodes that the run's parameters name."""
    with_secret(with_sidecar(task, settings), settings).set_caching_options(False)
    kubernetes.empty_dir_mount(
        task,
        volume_name="shm",
        mount_path="/dev/shm",  # noqa: S108
        medium="Memory",
        size_limit=settings.shm_size,
    )
    kubernetes.add_node_selector_json(task, selector)
    kubernetes.add_toleration_json(task, tolerations)
    kubernetes.set_timeout(task, settings.train_timeout_seconds)
    # Nothing else takes these two into an exit handler's inputs: kfp 2.17 registers no channel for a resource.
    task.register_pipeline_channels([kind, count])
    return _with_retries(task.set_accelerator_type(kind).set_accelerator_limit(count), retries)


def _with_retries(task: dsl.PipelineTask, retries: int) -> dsl.PipelineTask:
    """Try a step again, for what may pass: a step that has failed for good says so at once (``--fail-fast``)."""
    with_node(task)
    if not retries:
        return task
    return task.set_retry(retries, backoff_duration="30s", backoff_factor=2, backoff_max_duration="600s")
