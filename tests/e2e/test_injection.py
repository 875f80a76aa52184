"""Injection by label alone: what the API server makes of a pod."""

from __future__ import annotations

import pytest

from e2e.conftest import CHART, chart_options, leftovers
from e2e.kube import Namespace, Object, Refused, run, sidecars, succeed, wait_until
from e2e.pods import container, pod


def trainer(chart: Namespace, **more: object) -> Object:
    return container("main", chart.images["prefetch"], ["true"], **more)  # type: ignore[arg-type]


def test_label_alone_brings_a_native_sidecar(chart: Namespace) -> None:
    made = chart.admitted(pod("a", trainer(chart)))
    (sidecar,) = sidecars(made)
    assert sidecar["restartPolicy"] == "Always"
    assert sidecar["image"] == chart.images["prefetch"]
    assert sidecar["args"][:4] == ["--window", "/penstock/window", "--window-size", str(int(64 * 2**20 * 0.85))]
    assert made["spec"]["securityContext"]["fsGroup"] == 65532


def test_no_label_no_sidecar(chart: Namespace) -> None:
    assert not sidecars(chart.admitted(pod("a", trainer(chart), labels={})))
    assert not sidecars(chart.admitted(pod("a", trainer(chart), labels={"penstock.dev/prefetch": "false"})))


def test_injected_pod_is_left_as_it_is(chart: Namespace) -> None:
    made = chart.admitted(pod("a", trainer(chart)))
    again = chart.admitted({**made, "metadata": {"name": "b", "labels": made["metadata"]["labels"]}})
    assert sidecars(again) == sidecars(made)


def test_group_and_init_containers_of_the_pod_stay(chart: Namespace) -> None:
    wanted = pod("a", trainer(chart), init=[container("list", chart.images["prefetch"], ["true"])])
    wanted["spec"]["securityContext"]["fsGroup"] = 4000
    made = chart.admitted(wanted)
    assert made["spec"]["securityContext"]["fsGroup"] == 4000
    assert [init["name"] for init in made["spec"]["initContainers"]] == ["list", "penstock-prefetch"]


def test_credentials_are_carried_over_as_references(chart: Namespace) -> None:
    secret = {"secretKeyRef": {"name": "reader", "key": "id"}}
    env = [
        {"name": "AWS_ACCESS_KEY_ID", "valueFrom": secret},
        {"name": "HF_TOKEN", "value": "x"},
        {"name": "WANDB_API_KEY", "value": "y"},
        {"name": "NOT_AWS_EITHER", "value": "z"},
    ]
    (sidecar,) = sidecars(chart.admitted(pod("a", trainer(chart, env=env))))
    assert sidecar["env"] == env[:2]


def test_annotations_override_the_values(chart: Namespace) -> None:
    asked = {
        "penstock.dev/window-size": "32Mi",
        "penstock.dev/image": "registry.example/other:1",
        "penstock.dev/memory": "300Mi",
        "penstock.dev/container": "node",
    }
    env = [{"name": "AWS_REGION", "value": "eu-central-1"}]
    node = {**trainer(chart, env=env), "name": "node"}
    (sidecar,) = sidecars(chart.admitted(pod("a", node, annotations=asked)))
    assert sidecar["args"][3] == "32Mi"
    assert sidecar["image"] == "registry.example/other:1"
    assert sidecar["resources"]["limits"]["memory"] == sidecar["resources"]["requests"]["memory"] == "300Mi"
    assert sidecar["env"] == env


def test_window_without_a_limit_has_the_default_size(chart: Namespace) -> None:
    wanted = pod("a", trainer(chart))
    wanted["spec"]["volumes"][0]["emptyDir"] = {}
    (sidecar,) = sidecars(chart.admitted(wanted))
    assert sidecar["args"][3] == "2Gi"


def no_window(made: Object) -> Object:
    made["spec"]["volumes"] = [{**volume, "name": "other"} for volume in made["spec"]["volumes"][:1]]
    made["spec"]["containers"][0]["volumeMounts"] = []
    return made


def no_mount(made: Object) -> Object:
    made["spec"]["containers"][0]["volumeMounts"] = []
    return made


def no_main(made: Object) -> Object:
    made["spec"]["containers"][0]["name"] = "trainer"
    return made


def sized(size: str) -> object:
    def change(made: Object) -> Object:
        made["metadata"]["annotations"]["penstock.dev/window-size"] = size
        return made

    return change


def in_memory(made: Object) -> Object:
    made["spec"]["volumes"][0]["emptyDir"] = {"medium": "Memory", "sizeLimit": "1Gi"}
    return made


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (no_main, "no container named main that it would serve (there are: trainer)"),
        (no_window, "no volume named penstock-window"),
        (no_mount, "main does not mount the volume penstock-window"),
        (sized("60Mi"), "a window of 60Mi is more than 85 % of the sizeLimit"),
        (sized("much"), "the window size much is not a size like 512Mi"),
        (sized("500m"), "the window size 500m is not a size like 512Mi"),
        (sized("0"), "the window size 0 is not a size like 512Mi"),
        (sized("-1"), "the window size -1 is not a size like 512Mi"),
        (in_memory, "85 % of its memory limit of 1Gi must hold it and 256Mi more"),
    ],
)
def test_pod_that_cannot_work_is_refused_with_the_reason(chart: Namespace, change: object, reason: str) -> None:
    assert callable(change)
    with pytest.raises(Refused) as refused:
        chart.admitted(change(pod("a", trainer(chart))))
    assert reason in " ".join(refused.value.reason.split())


def test_helm_test_passes(chart: Namespace) -> None:
    assert "Succeeded" in chart.helm("test", "penstock", "--timeout", "2m")


def test_install_test_upgrade_and_uninstall_leave_nothing(namespace: Namespace) -> None:
    other = Namespace(name=f"{namespace.name}-b", images=namespace.images)
    succeed("kubectl", "create", "namespace", other.name)
    options = chart_options(other)

    def args() -> list[str]:
        found = sidecars(other.admitted(pod("a", trainer(other))))
        return found[0]["args"] if found else []

    def has(kind: str, name: str) -> bool:
        return bool(run("kubectl", "--namespace", other.name, "get", kind, name, "-o", "name").stdout)

    try:
        other.helm("install", "brief", str(CHART), *options)
        wait_until(lambda: args() or None, what="injection", seconds=60)
        assert "Succeeded" in other.helm("test", "brief", "--timeout", "2m")
        assert not has("pod", "brief-test")

        more = ["--set", "priorityClass.create=true", "--set", "networkPolicy.enabled=true"]
        more += ["--set", "prefetch.windowSize=48Mi", "--set", "workflows.enabled=false"]
        other.helm("upgrade", "brief", str(CHART), *options, *more)
        wait_until(lambda: args()[3:4] == ["48Mi"] or None, what="a sidecar by the new values", seconds=60)
        assert has("priorityclass", f"brief-{other.name}")
        assert has("networkpolicy", "brief")
        assert "workflowtemplate" not in " ".join(leftovers(other)), "an upgrade takes away what is switched off"
        assert "Succeeded" in other.helm("test", "brief", "--timeout", "2m")

        other.helm("uninstall", "brief", "--wait")
        assert leftovers(other) == []
        assert not has("priorityclass", f"brief-{other.name}")
        wait_until(lambda: None if args() else True, what="end of injection", seconds=60)
    finally:
        run("helm", "--namespace", other.name, "uninstall", "brief")
        succeed("kubectl", "delete", "namespace", other.name, "--timeout=120s")
