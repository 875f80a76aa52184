"""`make release`'s push, to a real registry, by the real Docker client."""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from e2e.kube import run, succeed, wait_until

ROOT = Path(__file__).parents[2]
DOCKER = os.environ.get("DOCKER", "/usr/bin/docker" if Path("/usr/bin/docker").exists() else "docker")
CONFIG = """
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """A registry of this machine's own, as HOST:PORT."""
    if shutil.which("docker-registry") is None:
        pytest.skip("docker-registry is not on the PATH (Debian: apt-get install docker-registry)")
    if run(DOCKER, "info").returncode:
        pytest.skip("no Docker engine answers")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "config.yml").write_text(CONFIG.format(folder=tmp_path / "registry", port=port))
    server = subprocess.Popen(
        ["docker-registry", "serve", str(tmp_path / "config.yml")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/v2/") or None, what="the registry", seconds=60)
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def answers(url: str, *, accept: str = "*/*") -> bool:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=5):
            return True
    except (urllib.error.URLError, ConnectionError):
        return False


@pytest.fixture
def version() -> Iterator[str]:
    """Small images of nothing, that were built under a version of the test's own."""
    if run(DOCKER, "info").returncode:
        pytest.skip("no Docker engine answers")
    made = f"test-{uuid.uuid4().hex[:8]}"
    names = [f"penstock:{made}-{target}" for target in ("prefetch", "cpu", "gpu")]
    for name in names:
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode="w") as archive:
            archive.addfile(tarfile.TarInfo(name.replace(":", "-")))
        subprocess.run([DOCKER, "import", "-", name], input=layer.getvalue(), capture_output=True, check=True)
    yield made
    run(DOCKER, "rmi", "--force", *names)


def test_what_is_compiled_lies_in_the_registry(registry: str, version: str, tmp_path: Path) -> None:
    words = [sys.executable, str(ROOT / "docker/release.py"), "--registry", f"{registry}/team", "--docker", DOCKER]
    told = succeed(*words, "--version", version, "--tag", "1", "--out", str(tmp_path / "out"))
    spec = next(iter(yaml.safe_load_all((tmp_path / "out/pipelines/compiled/penstock-eeg.yaml").read_text())))
    fields = spec["root"]["inputDefinitions"]["parameters"]
    images = [fields[name]["defaultValue"] for name in ("image_cpu", "image_gpu")]
    assert len(set(images)) == 2
    for image in images:
        assert image in told
        name, _, digest = image.removeprefix(f"{registry}/").partition("@")
        accept = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
        assert answers(f"http://{registry}/v2/{name}/manifests/{digest}", accept=accept), image
    for target in ("prefetch", "cpu", "gpu"):
        run(DOCKER, "rmi", "--force", f"{registry}/team/penstock:1-{target}")


def test_a_registry_that_does_not_answer_is_told(version: str, tmp_path: Path) -> None:
    words = [sys.executable, str(ROOT / "docker/release.py"), "--registry", "127.0.0.1:9/team", "--docker", DOCKER]
    done = run(*words, "--version", version, "--tag", "1", "--out", str(tmp_path / "out"))
    assert done.returncode == 1
    assert "not released: `" in done.stderr
    assert "docker login 127.0.0.1:9" in done.stderr
    assert not (tmp_path / "out").exists()
