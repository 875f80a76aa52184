"""Signals to a step: to its group, as a terminal sends them, and to single processes."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from penstock.records import RunRecord, read_record
from support.cli import command, succeed
from support.eeg import write_eeg
from support.forked import Forked
from support.jobs import all_gone, processes_of, saved_step

Process = TypeVar("Process", "subprocess.Popen[str]", Forked)
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("listed")
    data = write_eeg(folder / "data", num_trials=40, num_subjects=8)
    words = ("list", "--source", data, "--task", "eeg-c1", "--split", "0.5,0.25,0.25")
    succeed(*words, "--manifest", folder / "m.parquet", "--plan", folder / "p.json")
    return folder


@contextlib.contextmanager
def started(words: list[str], **options: object) -> Iterator[subprocess.Popen[str]]:
    """Start a process in a group of its own; whatever is left of the group is killed at the end."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with _ended(
        subprocess.Popen(words, start_new_session=True, env=environment, **pipes, **options)  # type: ignore[call-overload]
    ) as process:
        yield process


@contextlib.contextmanager
def started_with_torch(words: Sequence[object]) -> Iterator[Forked]:
    """Start a step that has torch imported, in a group of its own."""
    with _ended(Forked(words, session=True)) as process:
        yield process


@contextlib.contextmanager
def _ended(process: Process) -> Iterator[Process]:
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str] | Forked, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def handles_signals(pid: int) -> bool:
    """Tell whether a process handles SIGTERM by now."""
    found = re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text())
    return found is not None and bool(int(found[1], 16) >> (signal.SIGTERM - 1) & 1)


def train_words(listed: Path, out: Path, *more: object) -> list[object]:
    given = ("--manifest", listed / "m.parquet", "--plan", listed / "p.json", "--window", out / "window")
    written = ("--checkpoints", out / "checkpoints", "--record", out / "run.json")
    training = ("--epochs", 3, "--batch-size", 8, "--threads", 1, "--checkpoint-every", 2, "--window-size", "2Mi")
    return ["train", *given, *written, *training, *more]


@pytest.fixture(scope="module")
def undisturbed(listed: Path, tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    out = tmp_path_factory.mktemp("undisturbed")
    succeed(*train_words(listed, out))
    return read_record(out / "run.json", RunRecord)


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, 2), (signal.SIGHUP, 1), (signal.SIGTERM, 2)])
def test_signal_to_the_group_saves_and_a_rerun_ends_with_the_same_weights(
    listed: Path, undisturbed: RunRecord, tmp_path: Path, number: signal.Signals, workers: int
) -> None:
    words = train_words(listed, tmp_path, "--workers", workers)
    with started_with_torch(words) as process:
        wait_for(lambda: saved_step(tmp_path / "checkpoints") >= 4, process)
        os.killpg(process.pid, number)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 75, told
    assert "Traceback" not in told
    found = re.search(rf"{number.name} stopped the run after step (\d+), saved as", told)
    assert found, told
    assert saved_step(tmp_path / "checkpoints") == int(found[1])
    assert all_gone(tmp_path)
    succeed(*words)
    record = read_record(tmp_path / "run.json", RunRecord)
    assert record.weights_sha256 == undisturbed.weights_sha256
    assert record.losses == undisturbed.losses


@pytest.mark.parametrize("step", ["list", "prefetch", "train", "evaluate", "report", "run", "demo", "doctor"])
def test_signal_while_a_step_begins_is_75_in_one_line(step: str, listed: Path, tmp_path: Path) -> None:
    """As soon as it handles signals at all, which is before anything that takes time is imported."""
    given = {"--manifest": listed / "m.parquet", "--plan": listed / "p.json"}
    options: dict[str, dict[str, object]] = {
        "list": {
            "--source": listed / "data",
            "--task": "eeg-c1",
            "--manifest": tmp_path / "m",
            "--plan": tmp_path / "p",
        },
        "prefetch": given,
        "train": {**given, "--checkpoints": tmp_path / "c", "--record": tmp_path / "r"},
        "evaluate": {**given, "--checkpoint": tmp_path / "c", "--metrics": tmp_path / "m"},
        "report": {"--run-record": tmp_path / "r", "--html": tmp_path / "h"},
        "run": {"--source": listed / "data", "--task": "eeg-c1", "--out": tmp_path / "out"},
        "demo": {"--out": tmp_path / "out"},
        "doctor": {"--here": "true"},
    }
    number = STOPS[len(step) % 3]
    with started(command(step, *(word for pair in options[step].items() for word in pair))) as process:
        wait_for(lambda: handles_signals(process.pid), process)
        os.killpg(process.pid, number)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 75, told
    then = ": the demo begins anew" if step == "demo" else " to go on"
    assert told.splitlines()[-1] == f"penstock {step}: stopped by {number.name}: run the same command again{then}"
    assert "Traceback" not in told
    assert all_gone(tmp_path)


@pytest.mark.parametrize("number", STOPS)
def test_serving_prefetcher_ends_well(number: signal.Signals, tmp_path: Path) -> None:
    for moment in ("begins", "serves"):
        folder = tmp_path / moment
        with started(command("prefetch", "--window", folder, "--window-size", "1Mi")) as process:
            wait_for(lambda: handles_signals(process.pid), process)
            if moment == "serves":
                wait_for((folder / "control").exists, process)
            process.send_signal(number)
            process.communicate(timeout=60)
        assert process.returncode == 0


def test_second_signal_while_it_saves_changes_nothing_and_the_third_ends_it(listed: Path, tmp_path: Path) -> None:
    words = train_words(listed, tmp_path, "--workers", 1)
    with started_with_torch(words) as process:
        wait_for(lambda: saved_step(tmp_path / "checkpoints") >= 2, process)
        os.killpg(process.pid, signal.SIGINT)
        os.killpg(process.pid, signal.SIGTERM)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 75, told
    with started(command(*words)) as process:
        wait_for(lambda: handles_signals(process.pid), process)
        process.send_signal(signal.SIGSTOP)
        for number in STOPS:  # all are there when it goes on
            process.send_signal(number)
        process.send_signal(signal.SIGCONT)
        process.communicate(timeout=60)
    assert process.returncode < 0
    assert all_gone(tmp_path)


def test_killed_run_takes_its_listing_along(listed: Path, tmp_path: Path) -> None:
    words = command("run", "--source", listed / "data", "--task", "eeg-c1", "--out", tmp_path / "out")
    with started(words) as process:
        wait_for(lambda: any(" list " in line for line in processes_of(tmp_path).values()), process)
        process.kill()
        process.wait()
        assert all_gone(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root, to make a pid namespace")
@pytest.mark.parametrize("serves", [True, False])
def test_process_one_ends_on_sigterm(serves: bool, listed: Path, tmp_path: Path) -> None:
    """As in a container, where the kernel keeps from process 1 what it does not handle."""
    if serves:
        words, code = command("prefetch", "--window", tmp_path / "window", "--window-size", "1Mi"), 0
    else:
        words, code = command(*train_words(listed, tmp_path, "--epochs", 500, "--workers", 1)), 75
    with started(["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *words]) as process:
        ready = (
            (tmp_path / "window" / "control").exists if serves else lambda: saved_step(tmp_path / "checkpoints") >= 2
        )
        wait_for(ready, process)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGTERM)
        _, told = process.communicate(timeout=60)
    assert process.returncode == code, told
    assert all_gone(tmp_path)


@pytest.mark.parametrize("how", ["| head -c 0", ">&-", "2>&-", ">&- 2>&-", "<&-"])
def test_output_that_nobody_reads_is_no_error(how: str, listed: Path, tmp_path: Path) -> None:
    words = [
        "list",
        "--source",
        listed / "data",
        "--task",
        "eeg-c1",
        "--manifest",
        tmp_path / "m",
        "--plan",
        tmp_path / "p",
    ]
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {' '.join(command(*words))} {how}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "p").exists()


def test_hang_up_is_ignored_under_nohup(listed: Path, tmp_path: Path) -> None:
    def ignore() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    words = command(
        "list", "--source", listed / "data", "--task", "eeg-c1", "--manifest", tmp_path / "m", "--plan", tmp_path / "p"
    )
    with started(words, preexec_fn=ignore) as process:
        wait_for(lambda: handles_signals(process.pid), process)
        os.killpg(process.pid, signal.SIGHUP)
        process.communicate(timeout=60)
    assert process.returncode == 0


MODULES = ("signal", "msgspec", "json", "random", "penstock", "selectors")
"""Names that a file of one's own may have, and that Python's or our own modules have."""


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder with modules of such names, which tell that they were imported."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    for name in MODULES:
        (folder / f"{name}.py").write_text(
            f"open({str(folder / 'imported')!r}, 'a').write('{name} ')\nraise SystemExit(9)\n"
        )
    return folder


def test_modules_in_the_current_folder_are_not_imported(hostile: Path, listed: Path, tmp_path: Path) -> None:
    """By the console's script, which lies elsewhere, and by all that it starts."""
    script = Path(sys.executable).with_name("penstock")
    if not script.exists():
        pytest.skip("penstock is not installed as a script")
    words = [
        "run",
        "--source",
        listed / "data",
        "--task",
        "eeg-c1",
        "--split",
        "0.5,0.25,0.25",
        "--out",
        tmp_path / "out",
    ]
    done = subprocess.run(
        [script, *map(str, words), "--epochs", "1", "--workers", "1"],
        cwd=hostile,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not (hostile / "imported").exists()


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers_of_any_kind_import_nothing_of_the_current_folder_but_what_is_the_callers(
    method: str, hostile: Path, tmp_path: Path
) -> None:
    (tmp_path / "objects").mkdir()
    for number in range(6):
        (tmp_path / "objects" / f"{number}.bin").write_bytes(b"x" * 1000)
    (tmp_path / "own.py").write_text("def decode(data, key):\n    return len(data)\n")
    (tmp_path / "script.py").write_text(
        "import os, sys, multiprocessing, penstock, own\n"
        "if __name__ == '__main__':\n"
        f"    multiprocessing.set_start_method({method!r})\n"
        "    with penstock.Stream(sys.argv[1], decode=own.decode, batch_size=2, window='2Mi', workers=1) as stream:\n"
        "        print(sum(int(batch.sum()) for batch in stream), os.environ.get('PYTHONSAFEPATH'))\n"
    )
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py", tmp_path / "objects"],
        cwd=hostile,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "6000 None\n", done.stderr
    assert not (hostile / "imported").exists()


KILLS_AT_IMPORT = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.argv = ["penstock", "doctor", "--here"]
from penstock.entry import entry
sys.meta_path.insert(0, Finder())
for gone in ("contextlib", "threading", {name!r}):
    sys.modules.pop(gone, None)
entry()
"""


@pytest.mark.parametrize(
    "name", ["os", "penstock.pid_one", "contextlib", "penstock.stopping", "penstock.cli", "argparse"]
)
def test_a_signal_during_any_of_its_first_imports_is_no_traceback(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLS_AT_IMPORT.format(name=name)], check=False, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == 75
    assert "stopped by SIGINT: run the same command again" in done.stderr


def test_the_entry_imports_nothing_before_signals_wait() -> None:
    code = "import sys; before = set(sys.modules); import penstock.entry; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["__future__", "penstock", "penstock.entry"]
