"""A loop over ``penstock.Stream`` whose processes end before it does, by whatever signal or code."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock.errors import ProcessLost
from support.forked import Forked
from support.objects import number_of, to_number, write_objects

NUM_OBJECTS = 60
OPTIONS: dict[str, Any] = {"batch_size": 4, "window": "2Mi", "match": "*.bin"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_objects(tmp_path_factory.mktemp("objects") / "o", NUM_OBJECTS)


@pytest.fixture(scope="module")
def order(folder: Path) -> list[int]:
    with penstock.Stream(str(folder), decode=to_number, **OPTIONS) as stream:
        return [number for batch in stream for number in batch.tolist()]


def children() -> list[int]:
    """Return this process's children, whichever of its threads started them."""
    found = []
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended meanwhile
            found += [int(pid) for pid in (thread / "children").read_text().split()]
    return found


def workers_of(before: list[int]) -> list[int]:
    """Return the loading workers: children that were not there before, and that are no other program."""
    mine = Path("/proc/self/cmdline").read_bytes()
    return [pid for pid in children() if pid not in before and Path(f"/proc/{pid}/cmdline").read_bytes() == mine]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_worker_that_ends_is_started_again_and_the_order_is_kept(
    folder: Path, order: list[int], number: signal.Signals
) -> None:
    with penstock.Stream(str(folder), decode=to_number, workers=2, **OPTIONS) as stream:
        before, found = children(), []
        for batch in stream:
            found += batch.tolist()
            if len(found) == 12:
                os.kill(workers_of(before)[0], number)
    assert found == order


NEVER = 7


def collect(stream: penstock.Stream, found: list[int]) -> None:
    for batch in stream:
        found += batch.tolist()


def die_at(how: str, data: memoryview, key: str) -> Any:
    if number_of(data, key) != NEVER:
        return to_number(data, key)
    if how == "exit":
        os._exit(3)
    os.kill(os.getpid(), getattr(signal, how))
    return None


@pytest.mark.parametrize(
    ("how", "told", "todo"),
    [
        (
            "SIGKILL",
            r"killed \(SIGKILL\), as the kernel does where it is out of memory",
            "fewer workers or smaller batches",
        ),
        ("SIGBUS", "SIGBUS: most likely /dev/shm", "make /dev/shm larger"),
        ("SIGSEGV", "ended by SIGSEGV", "run it again to go on"),
        ("exit", "ended with exit code 3", "run it again to go on"),
    ],
)
def test_worker_that_ends_again_and_again_is_told_for_what_it_is(
    folder: Path, order: list[int], how: str, told: str, todo: str
) -> None:
    found: list[int] = []
    decode = partial(die_at, how)
    with penstock.Stream(str(folder), decode=decode, workers=1, **OPTIONS) as stream:
        with pytest.raises(ProcessLost, match=told) as lost:
            collect(stream, found)
        assert stream.state_dict()["next_index"] == len(found)
    assert todo in str(lost.value)
    assert lost.value.retryable
    assert found == order[: len(found)]
    # What was made just before it may die with its maker.
    assert order.index(NEVER) - len(found) < 3 * OPTIONS["batch_size"]


@pytest.mark.parametrize("workers", [0, 2])
def test_interrupted_cell_can_be_run_again(folder: Path, order: list[int], tmp_path: Path, workers: int) -> None:
    """Ctrl-C goes to the kernel's whole group: once while it waits, and once while it begins."""
    script = f"""
        import os, signal, sys
        sys.path.insert(0, {str(Path(__file__).parents[1])!r})
        import penstock
        from support.objects import to_number

        options = dict(batch_size=4, window="2Mi", match="*.bin", workers={workers})
        with penstock.Stream({str(folder)!r}, decode=to_number, **options) as stream:
            for stop_at in (1, 3, None):
                found, state = [], stream.state_dict()
                try:
                    for batch in stream:
                        found += batch.tolist()
                        if len(found) == 4 * (stop_at or 100):
                            os.killpg(os.getpgrp(), signal.SIGINT)
                except KeyboardInterrupt:
                    print("interrupted", flush=True)
                stream.load_state_dict(state)
            print(found)
    """
    (tmp_path / "cell.py").write_text(textwrap.dedent(script))
    process = Forked((), script=tmp_path / "cell.py", session=True)
    assert process.communicate(240)[0].splitlines() == ["interrupted", "interrupted", str(order)], process.output()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_prefetcher_that_ends_is_started_again(folder: Path, order: list[int], number: signal.Signals) -> None:
    with penstock.Stream(str(folder), decode=to_number, **OPTIONS | {"window": "300Ki"}) as stream:
        found: list[int] = []
        before = prefetchers()
        for batch in stream:
            found += batch.tolist()
            if len(found) == 12:
                os.kill(before[0], number)
        assert found == order
        deadline = time.monotonic() + 60
        while prefetchers() in ([], before):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def prefetchers() -> list[int]:
    found = []
    for pid in children():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"prefetch" in words:
            found.append(pid)
    return found


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root, to mount a small /dev/shm")
@pytest.mark.parametrize("shared", [True, False])
def test_full_shared_memory_is_told_with_what_to_do(folder: Path, shared: bool) -> None:
    """Both where torch puts a batch together there, and where it is copied there when it is passed on."""
    script = f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parents[1])!r})
        import torch, penstock
        from penstock.errors import ProcessLost

        def large(data, key):
            return torch.zeros(300_000) if {shared} else 1

        def collate(values):
            return torch.utils.data.default_collate(values) if {shared} else torch.ones(1_200_000)

        try:
            with penstock.Stream({str(folder)!r}, decode=large, collate=collate, batch_size=4, window="2Mi",
                                 match="*.bin", workers=1) as stream:
                list(stream)
        except ProcessLost as error:
            print(error)
    """
    mounted = 'mount -t tmpfs -o size=4M none /dev/shm && exec "$@"'
    words = ["unshare", "--mount", "bash", "-c", mounted, "-", sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "make /dev/shm larger (docker run --shm-size" in done.stdout, done.stderr


@pytest.fixture
def many_files() -> Iterator[None]:
    """Have more files open than select(2) knows numbers of, as a trainer that maps many may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    yield
    for handle in held:
        os.close(handle)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize("workers", [0, 1])
def test_many_open_files_are_nothing_to_a_stream_nor_to_what_it_starts_again(
    folder: Path, order: list[int], workers: int
) -> None:
    with penstock.Stream(str(folder), decode=to_number, workers=workers, **OPTIONS | {"window": "300Ki"}) as stream:
        before, found = children(), []
        for batch in stream:
            found += batch.tolist()
            if len(found) == 12:
                for pid in [*prefetchers(), *workers_of(before)]:
                    os.kill(pid, signal.SIGKILL)
    assert found == order
