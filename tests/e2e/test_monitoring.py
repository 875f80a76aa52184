"""Metrics of an injected sidecar, and what the policies make of sizes and ports, on the real API server."""

from __future__ import annotations

import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from e2e.conftest import CHART, chart_options
from e2e.kube import Namespace, Object, Refused, run, sidecar_status, sidecars, wait_until
from e2e.pods import container, pod

PORT = 9477


def trainer(chart: Namespace, **more: object) -> Object:
    return container("main", chart.images["prefetch"], ["true"], **more)  # type: ignore[arg-type]


def test_sidecar_names_its_port_and_serves_there(chart: Namespace) -> None:
    (sidecar,) = sidecars(chart.admitted(pod("a", trainer(chart))))
    assert sidecar["args"][-2:] == ["--metrics-port", str(PORT)]
    assert sidecar["ports"] == [{"containerPort": PORT, "name": "window-metrics", "protocol": "TCP"}]


@pytest.mark.parametrize(("asked", "given"), [("9100", [9100]), ("0", [])])
def test_annotation_overrides_the_port(chart: Namespace, asked: str, given: list[int]) -> None:
    wanted = pod("a", trainer(chart), annotations={"penstock.dev/metrics-port": asked})
    (sidecar,) = sidecars(chart.admitted(wanted))
    assert [port["containerPort"] for port in sidecar.get("ports", [])] == given
    assert ("--metrics-port" in sidecar["args"]) == bool(given)


@pytest.mark.parametrize("asked", ["80", "http", "70000", "-1", ""])
def test_port_that_cannot_be_is_refused(chart: Namespace, asked: str) -> None:
    with pytest.raises(Refused) as refused:
        chart.admitted(pod("a", trainer(chart), annotations={"penstock.dev/metrics-port": asked}))
    assert "penstock.dev/metrics-port" in refused.value.reason


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


def test_policies_compile_without_a_warning(chart: Namespace) -> None:
    name = f"penstock.{chart.name}.penstock.dev"

    def checked() -> Object | None:
        status: Object = chart.get("validatingadmissionpolicy", name).get("status", {})
        return status.get("typeChecking")

    assert wait_until(checked, what="type checking") == {}


@pytest.mark.slow
def test_metrics_are_scraped_from_a_pod(chart: Namespace) -> None:
    """The machine of this test stands for Prometheus: it reaches pods, as the README of the cluster says."""
    main = container("main", chart.images["prefetch"], ["sh", "-c", "sleep 600"])
    chart.apply(pod("scraped", main))
    try:

        def address() -> str | None:
            found = chart.get("pod", "scraped")
            served = found["status"].get("initContainerStatuses") and sidecar_status(found).get("started")
            ip: str | None = found["status"].get("podIP")
            return ip if served else None

        url = f"http://{wait_until(address, what='a sidecar that serves')}:{PORT}/metrics"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                text = answer.read().decode()
        except OSError as error:
            pytest.skip(f"pods cannot be reached from this machine ({error})")
    finally:
        chart.kubectl("delete", "pod", "scraped", "--grace-period=1", "--wait=false")
    found = {family.name: family.samples for family in text_string_to_metric_families(text)}
    assert found["penstock_window_bytes"][0].value == int(64 * 2**20 * 0.85)
    assert {sample.labels["state"]: sample.value for sample in found["penstock_prefetch_state"]}["waiting"] == 1


@pytest.mark.parametrize(("switch", "kind"), [("podMonitor", "PodMonitor"), ("rules", "PrometheusRule")])
def test_chart_says_what_to_do_where_the_operator_is_missing(chart: Namespace, switch: str, kind: str) -> None:
    served = run("kubectl", "get", "crd", f"{kind.lower()}s.monitoring.coreos.com", "-o", "name")
    if served.returncode == 0:
        pytest.skip("this cluster has the Prometheus operator")
    words = ("helm", "--namespace", chart.name, "upgrade", "penstock", str(CHART), "--dry-run=server")
    done = run(*words, *chart_options(chart), "--set", f"monitoring.{switch}.enabled=true")
    assert done.returncode != 0
    assert f"serves no {kind} (monitoring.coreos.com/v1)" in done.stderr
