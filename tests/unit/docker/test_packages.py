"""Packages for environment and images: torch for CPUs where it can be had, nothing of CUDA unseen, and patience.

The indexes are local folders and servers of small made-up wheels: nothing large is ever asked for.
"""

from __future__ import annotations

import functools
import http.server
import importlib.util
import os
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

# The folder is no package: its name is that of a library.
_SPEC = importlib.util.spec_from_file_location("packages", Path(__file__).parents[3] / "docker/packages.py")
assert _SPEC is not None
assert _SPEC.loader is not None
packages = sys.modules["packages"] = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(packages)
Pip, PipFailed, main = packages.Pip, packages.PipFailed, packages.main
cuda_packages, torch_options = packages.cuda_packages, packages.torch_options

CUDA = "nvidia-cublas-cu13"


@pytest.fixture(autouse=True)
def no_other_index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let pip know what a test gives it, and nothing of this machine's."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")


def put_wheel(index: Path, name: str, version: str, *requires: str) -> None:
    """Make a wheel of nothing, in an index."""
    stem = f"{name.replace('-', '_')}-{version}"
    folder = index / name
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
        info = f"{stem}.dist-info"
        needs = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    links = "".join(f'<a href="{path.name}">{path.name}</a>\n' for path in sorted(folder.glob("*.whl")))
    (folder / "index.html").write_text(f"<html><body>{links}</body></html>")


@pytest.fixture
def public(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index as the public one is: its torch is for CUDA."""
    index = tmp_path / "public"
    put_wheel(index, "torch", "2.13.0", f"{CUDA}==13.0; platform_system == 'Linux'")
    put_wheel(index, CUDA, "13.0")
    put_wheel(index, "thing", "1.0")
    monkeypatch.setenv("PIP_INDEX_URL", index.as_uri())
    return index


@pytest.fixture
def for_cpus(tmp_path: Path) -> str:
    index = tmp_path / "for-cpus"
    put_wheel(index, "torch", "2.13.0+cpu")
    return index.as_uri()


def wheels_in(folder: Path) -> list[str]:
    return sorted(path.name.partition("-py3")[0] for path in folder.iterdir())


def test_wheels_are_of_the_cpu_build_where_an_index_has_it(public: Path, for_cpus: str, tmp_path: Path) -> None:
    (tmp_path / "constraints.txt").write_text("torch==2.13.0\n")
    words = ["wheels", "--into", str(tmp_path / "wheels"), "--torch-index", for_cpus]
    assert main([*words, "--", "--constraint", str(tmp_path / "constraints.txt"), "torch>=2.6", "thing"]) == 0
    assert wheels_in(tmp_path / "wheels") == ["thing-1.0", "torch-2.13.0+cpu"]


@pytest.mark.parametrize("index", ["", "http://127.0.0.1:9/whl/cpu", "file:///nowhere"])
def test_wheels_of_cuda_are_refused_before_they_are_fetched(
    public: Path, tmp_path: Path, index: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (public / CUDA / "index.html").unlink()  # who asks for it fails
    assert main(["wheels", "--into", str(tmp_path / "wheels"), "--torch-index", index, "--", "torch", "thing"]) == 1
    told = capsys.readouterr().err
    assert "the cpu image would hold CUDA" in told
    assert "TORCH_INDEX=URL" in told
    assert index in told
    assert not (tmp_path / "wheels").exists()


def test_what_pip_finds_by_itself_will_do_where_it_is_for_cpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, for_cpus: str
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "for-cpus" / "torch"))
    assert torch_options(Pip(), "", []) == []
    assert torch_options(Pip(), "file:///nowhere", []) == []


def test_a_folder_that_holds_cuda_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "numpy-2.4-py3-none-any.whl").write_bytes(b"")
    assert main(["check", str(tmp_path)]) == 0
    (tmp_path / "nvidia_cublas_cu13-13.0-py3-none-any.whl").write_bytes(bytes(50_000_000))
    assert main(["check", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert "nvidia_cublas_cu13-13.0-py3-none-any.whl" in told
    assert "(0.05 GB)" in told


@pytest.mark.parametrize(
    ("name", "is_cuda"),
    [
        ("nvidia_cudnn_cu13-9.1-py3-none-manylinux1_x86_64.whl", True),
        ("nvidia", True),
        ("cuda_bindings-13.0-cp311-cp311-linux_x86_64.whl", True),
        ("triton-3.5-cp311-cp311-linux_x86_64.whl", True),
        ("torch-2.13.0+cu130-cp311-cp311-linux_x86_64.whl", True),
        ("torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl", False),
        ("torch-2.13.0-cp311-cp311-macosx_11_0_arm64.whl", False),
        ("numpy-2.4.6-cp311-cp311-linux_x86_64.whl", False),
        ("cudatext-1.0-py3-none-any.whl", False),
    ],
)
def test_packages_of_cuda_are_known_by_name(name: str, is_cuda: bool) -> None:
    assert bool(cuda_packages([name])) is is_cuda


class Flaky(http.server.SimpleHTTPRequestHandler):
    """An index whose first answers are failures: a cut connection, a 503, a page of something else."""

    asked = 0
    failures: int

    def do_GET(self) -> None:
        type(self).asked += 1
        if type(self).asked <= type(self).failures:
            if self.asked % 3 == 1:
                self.connection.close()
            elif self.asked % 3 == 2:
                self.send_error(503)
            else:
                self.send_error(404)
            return
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def flaky(public: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Serves the public index, after so many failures."""
    kind: Any = type("Served", (Flaky,), {"asked": 0, "failures": 0})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(kind, directory=str(public)))
    server.handle_error = lambda *_: None  # type: ignore[method-assign,assignment]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}")

    def fail(number: int) -> None:
        kind.failures = number

    yield fail
    server.shutdown()
    server.server_close()


def test_an_index_that_fails_in_passing_is_asked_again(
    flaky: Callable[[int], None], for_cpus: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flaky(3)
    waited: list[float] = []
    words = ["wheels", "--into", str(tmp_path / "wheels"), "--torch-index", for_cpus, "--", "thing"]
    assert main(words, pip=Pip(wait=waited.append)) == 0
    assert wheels_in(tmp_path / "wheels") == ["thing-1.0"]
    assert waited == [2, 4, 8]
    assert "pip failed (1 of 5), again in 2 s" in capsys.readouterr().err


def test_an_index_that_keeps_failing_is_told_by_its_last_error(
    flaky: Callable[[int], None], for_cpus: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flaky(1000)
    words = ["wheels", "--into", str(tmp_path / "wheels"), "--torch-index", for_cpus, "--", "thing"]
    with pytest.raises(PipFailed, match="failed 2 times, the last time with:\n"):
        Pip(wait=lambda _: None).run("download", "--dest", str(tmp_path), "thing", tries=2)
    assert main(words, pip=Pip(words=("false",), wait=lambda _: None)) == 1
    assert "failed 5 times" in capsys.readouterr().err


FAKE_PIP = """
import json, sys
with open({log!r}, "a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
if "--report" in sys.argv:
    print(json.dumps({{"install": [{{"metadata": {metadata}}}]}}))
"""


@pytest.mark.parametrize(
    ("index", "metadata", "options", "warned"),
    [
        ("here", "{}", ["--extra-index-url"], False),
        ("file:///nowhere", '{"version": "2.13.0+cpu"}', [], False),
        ("file:///nowhere", f'{{"version": "2.13.0", "requires_dist": ["{CUDA}==13.0; x"]}}', [], True),
        ("", "{}", [], False),
    ],
    ids=["reached", "by itself", "fallback", "asked for"],
)
def test_installing_takes_the_cpu_build_and_falls_back_with_a_warning(
    tmp_path: Path,
    for_cpus: str,
    index: str,
    metadata: str,
    options: Sequence[str],
    warned: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "pip.py").write_text(FAKE_PIP.format(log=str(tmp_path / "log"), metadata=metadata))
    given = for_cpus if index == "here" else index
    pip = Pip(words=(sys.executable, str(tmp_path / "pip.py")))
    words = ["install", "--torch-index", given, "--", "--constraint", "c.txt", "--editable", ".[dev]"]
    assert main(words, pip=pip) == 0
    ran = [line for line in (tmp_path / "log").read_text().splitlines() if "--report" not in line]
    assert len(ran) == 2
    assert '"torch"' in ran[0]
    assert '"--constraint", "c.txt"' in ran[0]
    assert '".[dev]"' in ran[1]
    assert all(option in line for option in options for line in ran)
    told = capsys.readouterr().err
    assert told.startswith("warning: ") is warned
    assert ("2.7 GB" in told) is warned


def test_an_image_for_cpus_is_not_installed_with_cuda(public: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["install", "--only-cpu", "--torch-index", "file:///nowhere", "--", "thing"]
    # Its dry run is pip's own; whatever it would install, it does not.
    assert main(words) == 1
    assert "the cpu image would hold CUDA" in capsys.readouterr().err
