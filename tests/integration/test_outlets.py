"""Standard output and error, and disks, that cannot be written to."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from penstock.cli import main
from support.cli import command
from support.eeg import write_eeg

FULL, NOWHERE = "/dev/full", "/dev/null"
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


@pytest.fixture(scope="module")
def listing(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    folder = tmp_path_factory.mktemp("outlets")
    words = ("list", "--source", write_eeg(folder / "data"), "--task", "eeg-c1", "--split", "1,0,0")
    return [*words, "--manifest", folder / "m.parquet", "--plan", folder / "p.json"]


@pytest.mark.parametrize("environment", [BUFFERED, {**BUFFERED, "PYTHONUNBUFFERED": "1"}], ids=["buffered", "at-once"])
@pytest.mark.parametrize("words", [["-V"], ["list", "--help"], ["--help"], None])
def test_what_was_asked_for_and_cannot_be_written_is_an_error_in_one_line(
    words: list[object] | None, environment: dict[str, str], listing: list[object]
) -> None:
    with Path(FULL).open("wb") as full:
        done = subprocess.run(
            command(*(words or listing)), stdout=full, stderr=subprocess.PIPE, text=True, env=environment, timeout=60
        )
    assert done.returncode == 51, done.stderr
    [*_, last] = done.stderr.splitlines()
    assert last.startswith("penstock")
    assert last.endswith("error: no space is left for standard output: free some space or choose another folder")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("path", "flags"), [(FULL, os.O_WRONLY), (NOWHERE, os.O_RDONLY)], ids=["full", "read-only"])
def test_a_step_goes_on_where_nothing_can_be_told_of_it(path: str, flags: int, listing: list[object]) -> None:
    handle = os.open(path, flags)
    try:
        done = subprocess.run(
            command(*listing), stdout=subprocess.PIPE, stderr=handle, text=True, env=BUFFERED, timeout=60
        )
    finally:
        os.close(handle)
    assert done.returncode == 0
    assert "samples of shape" in done.stdout
    assert Path(str(listing[-1])).exists()


@pytest.mark.parametrize("path", [FULL, NOWHERE])
def test_an_error_that_nobody_hears_has_its_exit_code(path: str, listing: list[object], tmp_path: Path) -> None:
    words = [tmp_path / "missing" if word == listing[2] else word for word in listing]
    with Path(path).open("wb") as nowhere:
        done = subprocess.run(command(*words), stdout=nowhere, stderr=nowhere, timeout=60)
    assert done.returncode == 20


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root, to mount a small disk")
@pytest.mark.parametrize("words", [["demo", "--size", "30M", "--out"], ["list"]])
def test_a_full_disk_for_temporary_files_is_told(words: list[object], listing: list[object], tmp_path: Path) -> None:
    """Of the demo's dataset, and of a listing's scratch."""
    small = tmp_path / "small"
    small.mkdir()
    asked = [*words, tmp_path / "out"] if words[0] == "demo" else [*listing, "--manifest", small / "m.parquet"]
    mounted = f'mount -t tmpfs -o size=16k none {small} && exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", mounted, "-", *command(*asked)],
        env={**BUFFERED, "TMPDIR": str(small)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 51, done.stderr
    assert f"no space is left for {'the dataset in ' if words[0] == 'demo' else ''}{small}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS])
def test_a_disk_that_nobody_looked_at_is_told_too(
    number: int, listing: list[object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(args: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("penstock.steps.listing.run", fail)
    assert main([str(word) for word in listing]) in (51, 52)
    assert re.fullmatch(r"penstock list: error: .* what is written, as to .*: .*\n", capsys.readouterr().err)
