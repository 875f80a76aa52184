"""Manifests that are checked: the pods that Argo would make of the compiled WorkflowTemplates."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s.manifests import argo_objects, merged

WORKFLOWS = Path(__file__).parents[3] / "charts" / "penstock" / "workflows"
STEPS = {"list", "prefetch", "forecast", "train", "evaluate", "report", "report-exit"}


@cache
def objects(files: str) -> dict[str, Any]:
    made = argo_objects(yaml.safe_load((WORKFLOWS / f"penstock-{files}.yaml").read_text()))
    return {f"{item['kind']} {item['metadata']['name']}": item for item in made}


@pytest.mark.parametrize("files", ["volume", "artifacts"])
def test_every_step_is_a_pod_and_no_placeholder_of_a_parameter_is_left(files: str) -> None:
    assert {f"Pod penstock-{step}" for step in STEPS} <= objects(files).keys()
    assert "{{workflow." not in yaml.safe_dump(objects(files))


def test_patches_give_a_trainer_its_limits() -> None:
    spec = objects("volume")["Pod penstock-train"]["spec"]
    assert [container["name"] for container in spec["containers"]] == ["main"]
    assert [container["name"] for container in spec["initContainers"]] == ["penstock-prefetch"]
    assert spec["containers"][0]["resources"] == {"limits": {"nvidia.com/gpu": "1"}}
    assert spec["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert volumes["penstock-window"]["emptyDir"] == {"sizeLimit": "2410Mi"}
    assert volumes["shm"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "1Gi"}
    assert volumes["run"]["persistentVolumeClaim"] == {"claimName": "run"}


def test_the_volume_of_a_run_is_a_claim() -> None:
    assert objects("volume")["PersistentVolumeClaim penstock-run"]["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert not any(name.startswith("PersistentVolumeClaim") for name in objects("artifacts"))


@pytest.mark.parametrize(
    ("old", "new", "both"),
    [
        ({"a": 1, "b": {"c": 2}}, {"b": {"d": 3}}, {"a": 1, "b": {"c": 2, "d": 3}}),
        (
            [{"name": "x", "a": 1}],
            [{"name": "x", "b": 2}, {"name": "y"}],
            [{"name": "x", "a": 1, "b": 2}, {"name": "y"}],
        ),
        (["a"], ["b"], ["b"]),
    ],
)
def test_patch(old: object, new: object, both: object) -> None:
    assert merged(old, new) == both


NEEDED = ("AWS_ACCESS_KEY_ID", "AWS_CA_BUNDLE", "AWS_ENDPOINT_URL", "AZURE_CLIENT_ID", "GOOGLE_APPLICATION_CREDENTIALS")
NEEDED += ("HF_TOKEN", "KAGGLE_KEY", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "https_proxy", "http_proxy")
NEEDED += ("all_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
OTHERS = ("PATH", "HOME", "OMP_NUM_THREADS", "KFP_POD_NAME", "MY_HTTPS_PROXY", "HTTPS_PROXY_PASSWORD", "WANDB_API_KEY")


def test_the_sidecar_is_given_all_that_reaching_a_store_takes_and_nothing_else() -> None:
    values = yaml.safe_load((WORKFLOWS.parent / "values.yaml").read_text())
    pattern = values["prefetch"]["environmentPattern"]
    assert [name for name in (*NEEDED, *OTHERS) if re.search(pattern, name)] == list(NEEDED)
    shown = pattern.replace("|", "\\|")
    assert f'`"{shown}"`' in (WORKFLOWS.parent / "README.md").read_text()
