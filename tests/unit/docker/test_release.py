"""`make release`: images are pushed before anything names them, and what is written names them by digest."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
REGISTRY = "registry.example:5000/team"

# A Docker client that keeps a list of what it was told, and fails at what it is told to fail at.
DOCKER = """#!{python}
import hashlib, json, sys
words = sys.argv[1:]
with open({log!r}, "a") as log:
    log.write(json.dumps(words) + "\\n")
if {fails!r} and {fails!r} in words:
    sys.exit("denied: requested access to the resource is denied")
if words[:2] == ["image", "inspect"]:
    repository = words[2].rpartition(":")[0]
    digest = "sha256:" + hashlib.sha256(words[2].encode()).hexdigest()
    print(json.dumps([{{"RepoDigests": ["elsewhere/penstock@sha256:00", f"{{repository}}@{{digest}}"]}}]))
"""


def release(folder: Path, *more: str, fails: str = "", registry: str = REGISTRY) -> subprocess.CompletedProcess[str]:
    docker = folder / "docker"
    docker.write_text(DOCKER.format(python=sys.executable, log=str(folder / "log"), fails=fails))
    docker.chmod(0o755)
    given = ["--registry", registry, "--version", "0.1.0", "--tag", "2", "--docker", str(docker)]
    words = [sys.executable, str(ROOT / "docker/release.py"), *given, "--out", str(folder / "out"), *more]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def told(folder: Path) -> list[list[str]]:
    return [json.loads(line) for line in (folder / "log").read_text().splitlines()]


def test_everything_names_what_was_pushed(tmp_path: Path) -> None:
    done = release(tmp_path, "--", "--secret", "s3-reader", "--window-size", "8Gi")
    assert done.returncode == 0, done.stderr
    pushed = [words[-1] for words in told(tmp_path) if words[0] == "push"]
    assert pushed == [f"{REGISTRY}/penstock:2-{target}" for target in ("prefetch", "cpu", "gpu")]
    spec, platform = yaml.safe_load_all((tmp_path / "out/pipelines/compiled/penstock-eeg.yaml").read_text())
    fields = spec["root"]["inputDefinitions"]["parameters"]
    images = {kind: fields[f"image_{kind}"]["defaultValue"] for kind in ("cpu", "gpu")}
    for kind, image in images.items():
        assert image.startswith(f"{REGISTRY}/penstock@sha256:"), kind
        assert image in done.stdout
    assert images["cpu"] != images["gpu"]
    assert platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-list"]["secretAsEnv"]
    for step in ("list", "train"):
        alone = next(iter(yaml.safe_load_all((tmp_path / f"out/components/{step}/component.yaml").read_text())))
        [executor] = alone["deploymentSpec"]["executors"].values()
        assert executor["container"]["image"] == images["gpu" if step == "train" else "cpu"]
    values = yaml.safe_load((tmp_path / "out/values.yaml").read_text())
    assert values["workflows"]["images"] == images
    assert values["prefetch"]["image"]["repository"] == f"{REGISTRY}/penstock"
    assert values["prefetch"]["image"]["digest"].startswith("sha256:")
    everything = "".join(path.read_text() for path in (tmp_path / "out/pipelines").rglob("*.yaml"))
    assert "penstock:0.1.0" not in everything, "no name that lies in no registry is left"


def test_without_a_gpu_image_train_runs_in_the_other(tmp_path: Path) -> None:
    assert release(tmp_path, "--no-gpu").returncode == 0
    values = yaml.safe_load((tmp_path / "out/values.yaml").read_text())["workflows"]["images"]
    assert values["cpu"] == values["gpu"]


@pytest.mark.parametrize(
    ("fails", "fix"), [("tag", "make images"), ("push", "docker login registry.example:5000"), ("inspect", "engine")]
)
def test_nothing_is_written_where_something_was_not_pushed(tmp_path: Path, fails: str, fix: str) -> None:
    done = release(tmp_path, fails=fails)
    assert done.returncode == 1
    assert done.stderr.startswith("not released: `")
    assert fix in done.stderr
    assert "denied: requested access" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("registry", ["https://registry.example", "registry.example/", "Registry.Example/Team", ""])
def test_what_is_no_registry_is_refused_before_anything_is_tagged(tmp_path: Path, registry: str) -> None:
    done = release(tmp_path, registry=registry)
    assert done.returncode == 1
    assert "is no registry" in done.stderr
    assert not (tmp_path / "log").exists()


def test_make_asks_for_a_registry_before_it_builds() -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "release"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode
    assert "REGISTRY=ghcr.io/team" in done.stderr
    assert "docker build" not in done.stdout
