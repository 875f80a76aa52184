"""A namespace of a real cluster with the chart installed, and an S3 server that its pods reach.

Environment:
    KUBECONFIG: the cluster. Without it these tests are skipped.
    PENSTOCK_LOAD_IMAGE: command that brings local images, its arguments, to the cluster's nodes; without it the
        images are taken to be there, or to be pulled.
    PENSTOCK_IMAGE_PREFETCH, PENSTOCK_IMAGE_CPU: the images; those of ``make images`` otherwise.
    PENSTOCK_HOST_ADDRESS: address of this machine as pods reach it.
    PENSTOCK_NODE_FOLDER: folder of the node that any user may write in, for a volume where there is no storage class.
"""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.kube import Namespace, run, sidecars, succeed, wait_until
from e2e.pods import container, pod
from penstock import __version__
from support.cli import Bucket
from support.eeg import write_eeg
from support.moto_s3 import CREDENTIALS, REGION, connect

SECRET = "reader"
CHART = Path(__file__).parents[2] / "charts" / "penstock"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    own = f"{Path(__file__).parent}{os.sep}"
    for item in items:
        if str(item.path).startswith(own):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def images(request: pytest.FixtureRequest) -> dict[str, str]:
    """Names of the images, which the cluster has."""
    if "e2e" not in request.config.option.markexpr:
        pytest.skip("changes the cluster of KUBECONFIG, so only when asked for: pytest -m e2e")
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG names no cluster")
    if missing := [tool for tool in ("kubectl", "helm") if shutil.which(tool) is None]:
        pytest.skip(f"not on the PATH: {', '.join(missing)}")
    found = {
        target: os.environ.get(f"PENSTOCK_IMAGE_{target.upper()}", f"penstock:{__version__}-{target}")
        for target in ("prefetch", "cpu")
    }
    if command := os.environ.get("PENSTOCK_LOAD_IMAGE"):
        succeed(*shlex.split(command), *found.values(), timeout=600)
    return found


@pytest.fixture(scope="session")
def namespace(images: dict[str, str]) -> Iterator[Namespace]:
    """An empty namespace that enforces the restricted level of Pod Security."""
    made = Namespace(name=f"penstock-e2e-{uuid.uuid4().hex[:8]}", images=images)
    succeed("kubectl", "create", "namespace", made.name)
    succeed("kubectl", "label", "namespace", made.name, "pod-security.kubernetes.io/enforce=restricted")
    yield made
    succeed("kubectl", "delete", "namespace", made.name, "--timeout=120s")


def has_argo() -> bool:
    return bool(run("kubectl", "get", "crd", "workflowtemplates.argoproj.io", "-o", "name").stdout)


def chart_options(namespace: Namespace) -> list[str]:
    repository, _, tag = namespace.images["prefetch"].rpartition(":")
    values = {
        "workflows.enabled": str(has_argo()).lower(),
        "workflows.files": "artifacts",
        "workflows.images.cpu": namespace.images["cpu"],
        "workflows.images.gpu": namespace.images["cpu"],
        "injection.namespaces": f"{{{namespace.name}}}",
        "prefetch.image.repository": repository,
        "prefetch.image.tag": tag,
        "prefetch.resources.requests.cpu": "50m",
    }
    return [word for name, value in values.items() for word in ("--set", f"{name}={value}")]


@pytest.fixture(scope="session")
def chart(namespace: Namespace) -> Iterator[Namespace]:
    """The namespace with the chart in it, once its policies are in force."""
    namespace.helm("install", "penstock", str(CHART), "--wait", *chart_options(namespace))
    plain = pod("plain", container("main", namespace.images["prefetch"], ["true"]))
    wait_until(lambda: sidecars(namespace.admitted(plain)) or None, what="injection", seconds=60)
    yield namespace
    namespace.helm("uninstall", "penstock", "--wait")


@pytest.fixture(scope="session")
def cluster_bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """A bucket with a small dataset, on a server that pods reach."""
    if not (address := os.environ.get("PENSTOCK_HOST_ADDRESS")):
        pytest.skip("PENSTOCK_HOST_ADDRESS names no address by which pods reach this machine")
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address=address, port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    made = Bucket(name="recordings", url=url, client=connect(url))
    for name in (made.name, f"{made.name}-runs", "artifacts"):
        made.client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    made.upload(write_eeg(tmp_path_factory.mktemp("data"), num_trials=40, num_subjects=8), "R1_L100_bdf/")
    yield made
    server.stop()


@pytest.fixture(scope="session")
def ready(chart: Namespace, cluster_bucket: Bucket) -> tuple[Namespace, Bucket]:
    """The namespace with the bucket's credentials as a secret, and the bucket."""
    chart.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "stringData": CREDENTIALS})
    return chart, cluster_bucket


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Return this machine the credentials of the bucket."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


def leftovers(namespace: Namespace) -> list[str]:
    """Name what a release may have left, in the whole cluster and in a namespace."""
    kinds = "mutatingadmissionpolicies,mutatingadmissionpolicybindings,validatingadmissionpolicies"
    kinds += ",validatingadmissionpolicybindings,priorityclasses,clusterroles,clusterrolebindings"
    label = "app.kubernetes.io/name=penstock"
    wide = run("kubectl", "get", kinds, "-l", label, "-o", "name").stdout.split()
    kinds = "pods,secrets,configmaps,serviceaccounts,roles,rolebindings,networkpolicies,jobs,persistentvolumeclaims"
    if has_argo():
        kinds += ",workflowtemplates"
    inside = namespace.kubectl("get", kinds, "-o", "name").split()
    given = {"serviceaccount/default", "configmap/kube-root-ca.crt"}
    return [name for name in wide if name.endswith(f".{namespace.name}.penstock.dev")] + sorted({*inside} - given)
