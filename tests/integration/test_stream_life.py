"""A stream lives as long as somebody reads it, and leaves nothing: no process, no thread, no folder."""

from __future__ import annotations

import gc
import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import penstock
from penstock.errors import PenstockError, StreamMisused
from support import dropped_streams
from support.dropped_streams import OPTIONS, children, threads
from support.forked import run_forked
from support.objects import write_objects

NUM_OBJECTS = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_objects(tmp_path_factory.mktemp("objects"), NUM_OBJECTS)


@pytest.fixture
def own_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files that holds nothing of another test's."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def wait_for(done: Callable[[], object], seconds: float = 30) -> None:
    give_up = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < give_up
        time.sleep(0.05)


@pytest.fixture(autouse=True)
def nothing_is_left(own_temporary: Path) -> Iterator[None]:
    gc.collect()
    before, threads_before, workers_before = children(), threads(), {*multiprocessing.active_children()}
    yield
    gc.collect()
    assert children() <= before
    assert threads() <= threads_before
    assert list(own_temporary.glob("*penstock*")) == []
    assert {*multiprocessing.active_children()} <= workers_before


def test_a_stream_without_a_name_lives_as_long_as_its_loop(folder: Path) -> None:
    seen: list[int] = []
    for batch in penstock.Stream(folder, timeout_seconds=5, **OPTIONS):
        seen += batch.tolist()
        gc.collect()
    assert sorted(seen) == list(range(NUM_OBJECTS))


@pytest.mark.parametrize("workers", [0, 1])
def test_what_nobody_refers_to_any_more_ends(folder: Path, workers: int) -> None:
    done = run_forked((folder, workers), script=Path(dropped_streams.__file__), environment=with_tests())
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.splitlines() == [
        f"{use} 0 0" for use in ("dropped", "left_early", "iterator_alone", "in_a_cycle", "after_an_error")
    ]


SCRIPT = """
import os, signal, sys
import penstock
from support.forked import run_forked
from support.objects import to_number

def go(folder, how, workers):
    stream = penstock.Stream(folder, decode=to_number, batch_size=4, window="1Mi", workers=workers)
    batches = iter(stream)
    next(batches)
    print("ready", flush=True)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "raise":
        raise SystemExit(3)
    if how == "fork":
        if os.fork() == 0:
            sys.exit(0)  # runs what a process has to run at its end
        os.wait()
        assert len(list(batches)) == 5
        print("went on", flush=True)
    if how == "hold":
        sys.modules["held"] = stream, batches

if __name__ == "__main__":
    go(sys.argv[1], sys.argv[2], int(sys.argv[3]))
"""


def run(folder: Path, how: str, workers: int, own_temporary: Path) -> subprocess.CompletedProcess[str]:
    script = own_temporary / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    return run_forked((folder, how, workers), script=script, environment=with_tests())


def with_tests() -> dict[str, str]:
    """Return the environment of a process that finds what supports tests."""
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    return {**os.environ, "PYTHONPATH": paths}


@pytest.mark.parametrize(("how", "workers"), [("hold", 1), ("raise", 0), ("fork", 0)])
def test_the_end_of_the_process_leaves_nothing(folder: Path, own_temporary: Path, how: str, workers: int) -> None:
    done = run(folder, how, workers, own_temporary)
    assert done.returncode == (3 if how == "raise" else 0), done.stderr
    assert ("went on" in done.stdout) == (how == "fork")
    assert "Traceback" not in done.stderr
    assert list(own_temporary.glob("penstock*")) == []


def test_the_next_stream_removes_what_a_killed_one_left_and_nothing_else(folder: Path, own_temporary: Path) -> None:
    others = [own_temporary / "penstock-stream-of-another", own_temporary / "penstock-stream-linked"]
    others[0].mkdir()
    (others[0] / "precious").write_text("not ours")
    outside = own_temporary / "outside"
    outside.mkdir()
    (outside / "precious").write_text("not ours")
    others[1].symlink_to(outside)
    with penstock.Stream(folder, **OPTIONS) as living:
        next(iter(living))
        mine = set(own_temporary.glob("penstock-stream-*"))
        done = run(folder, "kill", 0, own_temporary)
        assert done.returncode == -signal.SIGKILL
        left = set(own_temporary.glob("penstock-stream-*")) - mine
        assert len(left) == 1
        (left.pop() / "link").symlink_to(outside)
        # Its prefetcher ends when it has seen that its parent is gone, and holds the window till then.
        wait_for(lambda: penstock.Stream(folder, **OPTIONS).close() or set(own_temporary.glob("penstock-s*")) == mine)
        assert sorted(number for batch in living for number in batch.tolist()) == list(range(NUM_OBJECTS))
    assert (outside / "precious").read_text() == (others[0] / "precious").read_text() == "not ours"
    (others[0] / "precious").unlink()
    others[0].rmdir()
    others[1].unlink()


def test_closing_from_another_thread_or_from_a_decoder_ends_a_wait(folder: Path) -> None:
    started = threading.Event()

    def slow(data: memoryview, key: str) -> int:
        started.set()
        time.sleep(0.05)
        return 0

    stream = penstock.Stream(folder, **(OPTIONS | {"decode": slow}))
    ender = threading.Thread(target=lambda: (started.wait(), stream.close()))
    ender.start()
    with pytest.raises(PenstockError):
        list(itertools.chain.from_iterable(stream for _ in range(9)))
    ender.join()
    with pytest.raises(StreamMisused, match="closed"):
        len(stream)

    held: list[penstock.Stream] = []

    def closes(data: memoryview, key: str) -> int:
        held[0].close()
        return 0

    held.append(penstock.Stream(folder, **(OPTIONS | {"decode": closes})))
    with pytest.raises(PenstockError):
        list(held[0])
    held[0].close()
