"""Children of ours from the outside: what fails in one is told once, where it can be heard, and without secrets."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import penstock
from penstock.demo.server import BUCKET, serve_s3
from penstock.errors import PenstockError
from support.objects import to_number, write_objects

SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"
BROKEN = f"""
import sys

class Breaks:
    def find_spec(self, name, path=None, target=None):
        if name == {{module!r}} and {{word!r}} in sys.orig_argv:
            raise {{error}}("☃ secret_access_key={SECRET}")

sys.meta_path.insert(0, Breaks())
"""


def break_import(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, module: str, word: str, error: str = "KeyError"
) -> None:
    """Have every process whose command line has a word fail as it imports a module."""
    (folder / "sitecustomize.py").write_text(BROKEN.format(module=module, word=word, error=error))
    monkeypatch.setenv("PYTHONPATH", str(folder))


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_objects(tmp_path_factory.mktemp("objects") / "o", 40)


def words(objects: Path, out: Path) -> list[str]:
    places = ["--manifest", str(out / "m"), "--plan", str(out / "p")]
    return [sys.executable, "-m", "penstock", "list", "--source", str(objects), "--task", "objects", *places]


@pytest.mark.parametrize("stdin", ["closed", "null", "pipe", "terminal"])
def test_where_no_parent_listens_a_person_is_told(objects: Path, tmp_path: Path, stdin: str) -> None:
    argv = [*words(objects, tmp_path), "--until-stdin-closes", "--config", "nowhere.yaml"]
    ours, its = pty.openpty() if stdin == "terminal" else os.pipe()[::-1]
    given = {"closed": None, "null": subprocess.DEVNULL, "pipe": its, "terminal": its}[stdin]
    how = {"preexec_fn": lambda: os.close(0)} if stdin == "closed" else {}
    try:
        done = subprocess.run(argv, stdin=given, capture_output=True, text=True, check=False, **how)  # type: ignore[call-overload]
        if stdin == "terminal":
            os.set_blocking(ours, False)
            with pytest.raises(BlockingIOError):
                os.read(ours, 1000)
    finally:
        os.close(ours)
        os.close(its)
    assert done.returncode == 2, done
    assert done.stderr.startswith("penstock list: error: "), done
    assert "nowhere.yaml" in done.stderr


@pytest.mark.parametrize("word", ["prefetch", "list"])
@pytest.mark.parametrize("module", ["penstock.cli", "penstock.sources.meter_file"])
def test_a_fault_of_the_code_in_a_child_is_the_parents_at_once(
    objects: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, module: str
) -> None:
    """In whichever child it is, and from its first import on: it is not tried again, and its secrets are not told."""
    name = {"prefetch": "the prefetcher", "list": "the listing"}[word]
    break_import(tmp_path, monkeypatch, module=module, word=word)
    with (
        pytest.raises(
            PenstockError, match=rf"^{name} failed in find_spec .*KeyError: '?.?☃ secret_access_key=\[redacted\]"
        ) as told,
        penstock.Stream(objects, decode=to_number, match="*.bin", window="1Mi", batch_size=4) as stream,
    ):
        list(stream)
    assert SECRET not in str(told.value)
    # What a child says is the prefetcher's to show; of the listing a script would see nothing else.
    notes = "".join(getattr(told.value, "__notes__", ()))
    assert ("shows its whole traceback" in told.value.fix) is (word == "prefetch")
    assert ("in its process: " in notes and "find_spec" in notes) is (word == "list")
    assert SECRET not in notes


def test_memory_that_is_short_in_a_child_is_no_fault(
    objects: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_import(tmp_path, monkeypatch, module="penstock.manifest.writer", word="list", error="MemoryError")
    with (
        pytest.raises(penstock.errors.ProcessLost, match="ended with exit code 1, 3 times in a row"),
        penstock.Stream(objects, decode=to_number, match="*.bin", window="1Mi", batch_size=4),
    ):
        pass


def test_a_traceback_tells_no_secret(objects: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    break_import(tmp_path, monkeypatch, module="penstock.steps.listing", word="list")
    done = subprocess.run(words(objects, tmp_path), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "secret_access_key=[redacted]" in done.stderr
    assert SECRET not in done.stderr


def test_a_server_of_the_demos_that_is_killed_is_followed_by_another_at_its_place(objects: Path) -> None:
    key = next(objects.iterdir()).name
    with serve_s3(objects) as url:
        for number in (signal.SIGKILL, signal.SIGTERM):
            before = _child_of("penstock.demo.server")
            os.kill(before, number)
            give_up = time.monotonic() + 60
            while True:
                try:
                    with urllib.request.urlopen(f"{url}/{BUCKET}/{key}") as answer:
                        assert answer.read() == (objects / key).read_bytes()
                    if _child_of("penstock.demo.server") not in (0, before):
                        break
                except (urllib.error.URLError, ConnectionError):
                    assert time.monotonic() < give_up
                    time.sleep(0.05)


def _child_of(word: str) -> int:
    for thread in Path("/proc/self/task").iterdir():
        for pid in (thread / "children").read_text().split():
            if word in Path(f"/proc/{pid}/cmdline").read_text():
                return int(pid)
    return 0


@pytest.mark.parametrize(
    ("asked", "is_there"), [((), False), (("--ready-for", "hf"), True), (("--ready-for", "x"), False)]
)
def test_a_prefetcher_has_what_its_source_needs_before_anything_is_asked_for(
    tmp_path: Path, asked: tuple[str, ...], is_there: bool
) -> None:
    argv = [sys.executable, "-X", "importtime", "-m", "penstock", "prefetch", "--window", str(tmp_path / "window")]
    done = subprocess.run(
        [*argv, "--until-stdin-closes", *asked], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    )
    assert (" penstock.sources.hub.objects\n" in done.stderr) == is_there
