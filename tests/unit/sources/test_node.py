"""Which node this is: as labels say, and as each cloud's metadata service answers (recorded)."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from penstock.sources import node as of_node
from penstock.sources.node import Node, find_node
from support.recorded import Answer, Asked, serve_recorded

DOCUMENT = {
    "accountId": "1", "architecture": "x86_64", "availabilityZone": "eu-central-1b", "instanceId": "i-1",
    "instanceType": "g5.xlarge", "region": "eu-central-1",
}  # fmt: skip


def aws(asked: Asked, *, life: Answer = (200, b"spot")) -> Answer:
    if asked.path == "/latest/api/token":
        has_ttl = asked.headers.get("x-aws-ec2-metadata-token-ttl-seconds")
        return (200, b"a-token") if asked.method == "PUT" and has_ttl else (400, b"")
    if asked.headers.get("x-aws-ec2-metadata-token") != "a-token":
        return 401, b""
    if asked.path == "/latest/dynamic/instance-identity/document":
        return 200, json.dumps(DOCUMENT).encode()
    return life if asked.path == "/latest/meta-data/instance-life-cycle" else (404, b"")


@pytest.fixture
def dmi(tmp_path: Path) -> Path:
    return tmp_path / "dmi"


def firmware(folder: Path, vendor: str, tag: str = "") -> Path:
    folder.mkdir()
    (folder / "sys_vendor").write_text(f"{vendor}\n")
    (folder / "chassis_asset_tag").write_text(f"{tag}\n")
    return folder


@pytest.mark.parametrize(
    ("life", "lifecycle"),
    [
        ((200, b"spot"), "spot"),
        ((200, b"on-demand"), "on-demand"),
        ((200, b"capacity-block"), None),
        ((404, b""), None),
    ],
)
def test_ec2_is_asked_with_a_token(dmi: Path, life: Answer, lifecycle: str | None) -> None:
    with serve_recorded(lambda asked: aws(asked, life=life)) as server:
        found = find_node({"AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{server.url}/"}, dmi=dmi)
    assert found == Node(
        provider="aws", instance_type="g5.xlarge", region="eu-central-1", zone="eu-central-1b", lifecycle=lifecycle
    )  # type: ignore[arg-type]


@pytest.mark.parametrize(("preemptible", "lifecycle"), [("TRUE", "spot"), ("FALSE", "on-demand")])
def test_google_is_asked(dmi: Path, preemptible: str, lifecycle: str) -> None:
    told = {
        "machineType": "projects/12/machineTypes/a2-highgpu-1g",
        "zone": "projects/12/zones/us-central1-c",
        "scheduling": {"automaticRestart": "FALSE", "preemptible": preemptible},
    }

    def answer(asked: Asked) -> Answer:
        is_ours = asked.headers.get("metadata-flavor") == "Google" and asked.path.endswith("/instance/?recursive=true")
        return (200, json.dumps(told).encode()) if is_ours else (403, b"")

    with serve_recorded(answer) as server:
        found = find_node({"GCE_METADATA_HOST": server.url.removeprefix("http://")}, dmi=dmi)
    assert (found.provider, found.instance_type, found.region) == ("gcp", "a2-highgpu-1g", "us-central1")
    assert (found.zone, found.lifecycle) == ("us-central1-c", lifecycle)


@pytest.mark.parametrize(("priority", "lifecycle"), [("Spot", "spot"), ("Regular", "on-demand"), ("", "on-demand")])
def test_azure_is_asked_where_the_firmware_says_azure(dmi: Path, priority: str, lifecycle: str) -> None:
    told = {"vmSize": "Standard_NC24ads_A100_v4", "location": "eastus", "zone": "2", "priority": priority}

    def answer(asked: Asked) -> Answer:
        return (200, json.dumps(told).encode()) if asked.headers.get("metadata") == "true" else (400, b"")

    firmware(dmi, "Microsoft Corporation", "7783-7084-3265-9085-8269-3286-77")
    with serve_recorded(answer) as server:
        found = find_node({}, dmi=dmi, azure=server.url)
    assert (found.provider, found.instance_type, found.region) == ("azure", "Standard_NC24ads_A100_v4", "eastus")
    assert (found.zone, found.lifecycle) == ("eastus-2", lifecycle)


@pytest.mark.parametrize("vendor", ["", "QEMU", "Dell Inc.", "Microsoft Corporation"])
def test_nobody_is_asked_off_cloud(dmi: Path, vendor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_node, "_request", lambda *_, **__: pytest.fail("asked"))
    assert find_node({}, dmi=firmware(dmi, vendor, "of-nobody") if vendor else dmi) == Node()


@pytest.mark.parametrize(
    ("variable", "value"),
    [("PENSTOCK_NODE_METADATA", "off"), ("PENSTOCK_NODE_METADATA", "No"), ("AWS_EC2_METADATA_DISABLED", "true")],
)
def test_nobody_is_asked_where_that_is_switched_off(dmi: Path, variable: str, value: str) -> None:
    with serve_recorded(aws) as server:
        found = find_node({"AWS_EC2_METADATA_SERVICE_ENDPOINT": server.url, variable: value}, dmi=dmi)
    assert found == Node()
    assert server.asked == []


@pytest.mark.parametrize(
    "answer",
    [
        (200, b"<html>a captive portal</html>"), (200, b"[]"), (200, b"{}"), (200, b"\xff\xfe"), (500, b""), (302, b""),
        (200, json.dumps({"instanceType": "\x1b[31mred", "region": 7, "availabilityZone": "z" * 999}).encode()),
    ],
)  # fmt: skip
def test_an_answer_that_makes_no_sense_is_none(dmi: Path, answer: Answer) -> None:
    with serve_recorded(lambda asked: answer) as server:
        assert find_node({"AWS_EC2_METADATA_SERVICE_ENDPOINT": server.url}, dmi=dmi) == Node(provider="aws")
        host = server.url.removeprefix("http://")
        assert find_node({"GCE_METADATA_HOST": host}, dmi=dmi) == Node(provider="gcp")


def test_a_service_that_never_answers_is_given_up(dmi: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As IMDSv2 does for a container that is a hop too far away."""
    monkeypatch.setattr(of_node, "PATIENCE_SECONDS", 0.05)
    over = threading.Event()

    def silent(asked: Asked) -> Answer:
        over.wait(60)
        return 200, b""

    with serve_recorded(silent) as server:
        found = find_node({"AWS_EC2_METADATA_SERVICE_ENDPOINT": server.url}, dmi=dmi)
        over.set()
    assert found == Node(provider="aws")
    assert len(server.asked) == 1


def test_labels_come_first_and_are_enough(dmi: Path) -> None:
    labels = {
        "PENSTOCK_NODE_PROVIDER": "aws",
        "PENSTOCK_NODE_INSTANCE_TYPE": "g6.xlarge",
        "PENSTOCK_NODE_REGION": "us-west-2",
        "PENSTOCK_NODE_ZONE": "us-west-2a",
        "PENSTOCK_NODE_LIFECYCLE": "SPOT",
    }
    with serve_recorded(aws) as server:
        at = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": server.url}
        found = find_node({**at, **labels}, dmi=dmi)
        assert server.asked == []
        assert found == Node(
            provider="aws", instance_type="g6.xlarge", region="us-west-2", zone="us-west-2a", lifecycle="spot"
        )
        mixed = find_node({**at, "PENSTOCK_NODE_REGION": "us-west-2", "PENSTOCK_NODE_LIFECYCLE": ""}, dmi=dmi)
    assert (mixed.instance_type, mixed.region, mixed.lifecycle) == ("g5.xlarge", "us-west-2", "spot")


@pytest.mark.parametrize("word", ["on-demand", "ON_DEMAND", "regular", "standard"])
def test_how_labels_say_on_demand(dmi: Path, word: str) -> None:
    assert find_node({"PENSTOCK_NODE_LIFECYCLE": word}, dmi=dmi).lifecycle == "on-demand"
