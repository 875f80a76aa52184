"""Metrics of an injected sidecar, and what the policies make of ports, on the real API server."""

from __future__ import annotations

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


def test_policies_compile_without_a_warning(chart: Namespace) -> None:
    name = f"penstock.{chart.name}.penstock.dev"

    def checked() -> Object | None:
        status: Object = chart.get("validatingadmissionpolicy", name).get("status", {})
        return status.get("typeChecking")

    assert wait_until(checked, what="type checking") == {}


@pytest.mark.slow
def test_metrics_are_scraped_from_a_pod(chart: Namespace) -> None:
    """The API server's proxy stands for Prometheus: it reaches the pod's port by its address."""
    main = container("main", chart.images["prefetch"], ["sh", "-c", "sleep 600"])
    chart.apply(pod("scraped", main))
    try:

        def serves() -> bool | None:
            found = chart.get("pod", "scraped")
            return (found["status"].get("initContainerStatuses") and sidecar_status(found).get("started")) or None

        wait_until(serves, what="a sidecar that serves")
        text = chart.kubectl("get", "--raw", f"/api/v1/namespaces/{chart.name}/pods/scraped:{PORT}/proxy/metrics")
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
