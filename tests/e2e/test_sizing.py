"""Windows are sized before a pod starts, by the policies; and what the kubelet does where nobody looked."""

from __future__ import annotations

import pytest

from e2e.kube import Namespace, Object, Refused, run, sidecar_status, sidecars, wait_until
from e2e.pods import container, pod

MEMORY_MIB = 512
WINDOW_MIB = int(MEMORY_MIB * 0.85) - 256


def trainer(chart: Namespace, **more: object) -> Object:
    return container("main", chart.images["prefetch"], ["true"], **more)  # type: ignore[arg-type]


def in_memory(wanted: Object, *, memory: str, window: str, limit: str = "2Gi") -> Object:
    wanted["spec"]["volumes"][0]["emptyDir"] = {"medium": "Memory", "sizeLimit": limit}
    wanted["metadata"]["annotations"] |= {"penstock.dev/memory": memory, "penstock.dev/window-size": window}
    return wanted


@pytest.mark.parametrize(("memory", "window"), [("1Gi", "614Mi"), ("2Gi", "1484Mi")])
def test_window_in_memory_that_fits_is_taken(chart: Namespace, memory: str, window: str) -> None:
    (sidecar,) = sidecars(chart.admitted(in_memory(pod("a", trainer(chart)), memory=memory, window=window)))
    assert sidecar["args"][3] == window


@pytest.mark.parametrize(
    ("memory", "window", "reason"),
    [
        ("1Gi", "615Mi", "annotation penstock.dev/memory to 1025Mi"),
        ("2Gi", "1485Mi", "annotation penstock.dev/memory to 2049Mi"),
        ("8Gi", "1900Mi", "a window of 1900Mi is more than 85 % of the sizeLimit"),
    ],
)
def test_window_in_memory_that_does_not_fit_is_refused(chart: Namespace, memory: str, window: str, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        chart.admitted(in_memory(pod("a", trainer(chart)), memory=memory, window=window))
    assert reason in " ".join(refused.value.reason.split())


def limited(chart: Namespace, storage: str) -> Object:
    wanted = pod("a", trainer(chart, resources={"limits": {"ephemeral-storage": storage}}))
    wanted["spec"]["volumes"][0]["emptyDir"] = {"sizeLimit": "1Gi"}
    wanted["metadata"]["annotations"]["penstock.dev/window-size"] = "850Mi"
    return wanted


def test_window_under_the_limits_of_storage_is_taken(chart: Namespace) -> None:
    assert sidecars(chart.admitted(limited(chart, "1Gi")))


def test_window_above_the_limits_of_storage_is_refused(chart: Namespace) -> None:
    with pytest.raises(Refused) as refused:
        chart.admitted(limited(chart, "500Mi"))
    reason = " ".join(refused.value.reason.split())
    assert "more than 85 % of the ephemeral-storage" in reason
    assert f"ask for at most {int(500 * 2**20 * 0.85)}" in reason


def fill(namespace: Namespace, pod: str, mebibytes: int) -> int:
    """Write to the window from the sidecar, whom it is charged to; give the exit code."""
    text = f"head -c {mebibytes}M /dev/zero > /penstock/window/filling"
    words = ("kubectl", "--namespace", namespace.name, "exec", pod, "-c", "penstock-prefetch", "--", "sh", "-c", text)
    return run(*words).returncode


@pytest.mark.slow
def test_largest_window_in_memory_that_is_taken_fits_and_one_past_the_limit_does_not(chart: Namespace) -> None:
    main = container("main", chart.images["prefetch"], ["sleep", "600"])
    size = {"memory": f"{MEMORY_MIB}Mi", "window": f"{WINDOW_MIB}Mi"}
    chart.apply(in_memory(pod("memory", main), **size))

    def restarts() -> int:
        count: int = sidecar_status(chart.get("pod", "memory"))["restartCount"]
        return count

    try:
        chart.kubectl("wait", "pod/memory", "--for=condition=Ready", "--timeout=120s")
        assert fill(chart, "memory", WINDOW_MIB) == 0
        assert restarts() == 0
        fill(chart, "memory", MEMORY_MIB + 64)
        wait_until(lambda: restarts() or None, what="the sidecar's end", seconds=60)
        last = sidecar_status(chart.get("pod", "memory"))["lastState"]["terminated"]
        assert last["reason"] in ("OOMKilled", "Error"), last
        assert last["exitCode"] == 137
    finally:
        chart.kubectl("delete", "pod", "memory", "--grace-period=1", "--wait=false")


@pytest.mark.slow
def test_kubelet_holds_a_pod_to_the_storage_limits_of_any_of_its_containers(chart: Namespace) -> None:
    """Why the policy looks at those limits: volumes count, and a limit of one container is the limit of the pod."""
    writes = ["sh", "-euc", "head -c 96M /dev/zero > /work/x; sleep 600"]
    limits = {"limits": {"ephemeral-storage": "48Mi"}}
    main = container("main", chart.images["prefetch"], writes)
    other = container("other", chart.images["prefetch"], ["sleep", "600"], resources=limits)
    chart.apply(pod("over", main, other, labels={}))
    try:
        assert chart.finish("over", seconds=240) == "Failed"
        status = chart.get("pod", "over")["status"]
    finally:
        chart.kubectl("delete", "pod", "over", "--grace-period=1", "--wait=false")
    assert status["reason"] == "Evicted"
    assert "total limit of containers 48Mi" in status["message"]
