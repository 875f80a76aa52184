"""`penstock doctor` on the real cluster: what it has, what it lacks, and a bucket from inside."""

from __future__ import annotations

import signal
import subprocess

import pytest

from e2e.conftest import SECRET
from e2e.kube import Namespace, run, succeed, wait_until
from penstock.errors import Interrupted, NotReady
from penstock.records import Finding, Readiness, decode_record
from support.cli import Bucket, command, penstock


def words(namespace: Namespace, *more: object) -> tuple[object, ...]:
    return ("doctor", "--json", "--namespace", namespace.name, "--image", namespace.images["prefetch"], *more)


def from_inside(bucket: Bucket, prefix: str = "") -> list[object]:
    return ["--source", f"{bucket.uri}{prefix}", *bucket.options]


def looked(done: subprocess.CompletedProcess[str]) -> dict[str, Finding]:
    return {finding.check: finding for finding in decode_record(done.stdout, Readiness).findings}


def probes(namespace: Namespace) -> str:
    return namespace.kubectl("get", "jobs,pods", "-l", "app.kubernetes.io/name=penstock-doctor", "-o", "name")


def nothing_left(namespace: Namespace) -> None:
    wait_until(lambda: None if probes(namespace) else True, what="removal of the pod", seconds=60)


def test_cluster_with_the_chart_is_ready(ready: tuple[Namespace, Bucket]) -> None:
    namespace, bucket = ready
    options = ("--need", "injection", "--window-size", "64Mi", "--secret", SECRET)
    done = penstock(*words(namespace, *options, *from_inside(bucket)))
    assert done.returncode == 0, done.stdout + done.stderr
    found = looked(done)
    assert found["sidecar by label"].found == f"injected by penstock.{namespace.name}.penstock.dev"
    assert found[f"namespace {namespace.name}"].found == "Pod Security enforced: restricted"
    assert found["access from here"].state == found["access from inside"].state == "ok"
    assert {found[check].state for check in ("Kubernetes", "policy API", "may run pods", "nodes")} == {"ok"}
    assert "sizeLimit 76Mi" in found["window on disk"].found
    nothing_left(namespace)


def test_secret_that_is_missing_is_named(ready: tuple[Namespace, Bucket]) -> None:
    namespace, bucket = ready
    done = penstock(*words(namespace, "--secret", "none-such", *from_inside(bucket)))
    found = looked(done)
    assert (done.returncode, found["access from here"].state) == (NotReady.exit_code, "ok"), done.stdout
    assert "none-such" in found["access from inside"].found
    assert "--secret" in found["access from inside"].fix
    nothing_left(namespace)


def test_bucket_that_only_the_inside_cannot_read_is_told(ready: tuple[Namespace, Bucket]) -> None:
    namespace, bucket = ready
    done = penstock(*words(namespace, *from_inside(bucket)))
    found = looked(done)
    assert (done.returncode, found["access from here"].state) == (NotReady.exit_code, "ok"), done.stdout
    assert found["access from inside"].state == "missing"
    assert "credentials" in found["access from inside"].fix
    nothing_left(namespace)


def test_pod_that_never_starts_is_given_up_and_removed(ready: tuple[Namespace, Bucket]) -> None:
    namespace, bucket = ready
    image = ("--image", "penstock:none-such", "--pod-timeout", "60s")
    done = penstock(*words(namespace, *image, *from_inside(bucket)))
    assert done.returncode == NotReady.exit_code
    assert looked(done)["access from inside"].state == "missing"
    nothing_left(namespace)


def test_pod_is_removed_when_the_doctor_is_stopped(ready: tuple[Namespace, Bucket]) -> None:
    namespace, bucket = ready
    asked = words(namespace, "--image", "penstock:none-such", *from_inside(bucket))
    process = subprocess.Popen(command(*asked), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: probes(namespace) or None, what="the doctor's pod", seconds=60)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == Interrupted.exit_code
    nothing_left(namespace)


def test_window_and_needs_that_the_cluster_cannot_meet(chart: Namespace) -> None:
    done = penstock(*words(chart, "--window-size", "900Ti", "--need", "gpu"))
    found = looked(done)
    assert done.returncode == NotReady.exit_code
    assert found["window on disk"].state == "missing"
    assert "ask for a window of at most" in found["window on disk"].fix
    if not run("kubectl", "get", "nodes", "-o", "jsonpath={.items[*].status.allocatable.nvidia\\.com/gpu}").stdout:
        assert found["GPUs"].state == "missing"


def test_namespace_that_is_not_there(images: dict[str, str]) -> None:
    done = penstock("doctor", "--json", "--namespace", "penstock-none-such")
    found = looked(done)["namespace penstock-none-such"]
    assert (done.returncode, found.state) == (NotReady.exit_code, "missing")


@pytest.mark.parametrize("context", ["none-such"])
def test_context_that_is_not_there(images: dict[str, str], context: str) -> None:
    done = penstock("doctor", "--json", "--context", context)
    found = looked(done)["connection"]
    assert (done.returncode, found.state) == (NotReady.exit_code, "missing")
    assert context in found.found


def test_users_rights_are_their_own(chart: Namespace, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A service account that may only view, by its own token."""
    chart.kubectl("create", "serviceaccount", "viewer")
    binding = ("--clusterrole=view", f"--serviceaccount={chart.name}:viewer")
    chart.kubectl("create", "rolebinding", "viewer", *binding)
    try:
        token = chart.kubectl("create", "token", "viewer", "--duration=10m").strip()
        path = tmp_path_factory.mktemp("viewer") / "kubeconfig"
        path.write_text(succeed("kubectl", "config", "view", "--raw", "--minify", "--flatten"))
        own = ("kubectl", "config", "--kubeconfig", str(path))
        succeed(*own, "set-credentials", "viewer", f"--token={token}")
        succeed(*own, "set-context", "--current", "--user=viewer")
        done = penstock(*words(chart, "--kubeconfig", path))
    finally:
        chart.kubectl("delete", "rolebinding,serviceaccount", "viewer")
    found = looked(done)
    assert done.returncode == NotReady.exit_code
    assert found["may run pods"].found == "may not create pods"
    assert found["nodes"].state == "unknown"
    assert "Forbidden" in found["nodes"].found
