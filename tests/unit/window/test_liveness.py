"""Who waits for whom, for how long, and who ends when another dies."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from penstock.children.step import Restarts
from penstock.errors import ConfigError, PrefetcherLost
from penstock.loader import WindowStream
from penstock.options.window import ServingOptions
from penstock.window import WindowReader, is_served, start_prefetcher
from penstock.window import child as child_module
from penstock.window import session as session_module
from penstock.window.slots import Slots
from support.raw import RawDataset, make_raw_dataset
from support.samples import array_decoding
from support.windows import SlowSource, is_running, kill_serving, make_spec, planned_keys, serving, take_all

WINDOW_BYTES = 1 << 20
OWN = ServingOptions(prefetch="process", window_size=WINDOW_BYTES)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> RawDataset:
    return make_raw_dataset(tmp_path_factory.mktemp("raw"), sizes=[5_000] * 300)


@pytest.mark.parametrize("blocking", [False, True])
def test_source_slower_than_the_timeout_is_waited_for(dataset: RawDataset, tmp_path: Path, blocking: bool) -> None:
    """Blocking stands for long work in the event loop, such as reading a row group of the manifest."""
    opener = partial(SlowSource, seconds=2.5, blocking=blocking)
    with serving(tmp_path / "window", WINDOW_BYTES // 4, opener):
        reader = WindowReader(tmp_path / "window", make_spec(dataset), timeout_seconds=1).begin()
        assert reader.get(0).index == 0


def test_long_verification_of_a_window_is_waited_for(
    dataset: RawDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, spec = tmp_path / "window", make_spec(dataset)
    with serving(folder, WINDOW_BYTES):
        take_all(WindowReader(folder, spec).begin(), dataset, 0, 10)
    verify = Slots.verify

    def verify_slowly(self: Slots, held: session_module.SlotRange) -> session_module.SlotRange | None:
        time.sleep(0.2)
        return verify(self, held)

    monkeypatch.setattr(Slots, "verify", verify_slowly)
    again = make_spec(dataset, first_index=10)
    with serving(folder, WINDOW_BYTES):
        reader = WindowReader(folder, again, timeout_seconds=1).begin()
        assert take_all(reader, dataset, 10, 300) == planned_keys(dataset, again)


def test_prefetcher_that_stops_beating_is_lost(dataset: RawDataset, tmp_path: Path) -> None:
    folder = tmp_path / "window"
    child = start_prefetcher(folder, OWN)
    assert child is not None
    with child:
        spec = make_spec(dataset)
        WindowReader(folder, spec).begin().get(0)
        reader = WindowReader(folder, spec, timeout_seconds=1).attach()
        kill_serving(child, signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(PrefetcherLost, match="no prefetcher served"):
            reader.get(299)
        assert 0.9 < time.monotonic() - began < 5
        os.kill(child.pid, signal.SIGCONT)


def wait_for(what: str, condition: object, seconds: float = 20) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen within {seconds} s"
        time.sleep(0.02)


@pytest.mark.parametrize("stdin", ["</dev/null", "<&-", ""])
def test_sidecar_without_standard_input_serves_on(dataset: RawDataset, tmp_path: Path, stdin: str) -> None:
    folder = tmp_path / "window"
    command = f"exec {sys.executable} -m penstock prefetch --window {folder} --window-size 1Mi {stdin}"
    with subprocess.Popen(command, shell=True, stdin=subprocess.DEVNULL) as sidecar:
        wait_for("serving", lambda: is_served(folder))
        assert start_prefetcher(folder, ServingOptions(window_size=WINDOW_BYTES)) is None
        spec = make_spec(dataset)
        reader = WindowReader(folder, spec).begin()
        assert take_all(reader, dataset, 0, 300) == planned_keys(dataset, spec)
        assert sidecar.poll() is None
        sidecar.send_signal(signal.SIGTERM)
        assert sidecar.wait(10) == 0
    assert not is_served(folder)


@pytest.mark.parametrize("are_stopped", [False, True])
def test_killed_trainer_leaves_no_process(dataset: RawDataset, tmp_path: Path, are_stopped: bool) -> None:
    """Its workers wait for a window that is full, and hold what they inherited: both once kept the child alive."""
    code = """
        import os, pickle, sys, time
        from pathlib import Path
        from penstock.loader import WindowStream
        from penstock.options.window import ServingOptions
        from penstock.window import Prefetcher
        import numpy as np
        from support.samples import array_decoding

        def decode(data, *, decode, args, rng):
            return np.zeros(1, dtype=np.float32)

        data, folder = pickle.loads(Path(sys.argv[1]).read_bytes()), Path(sys.argv[2])
        prefetcher = Prefetcher(folder, ServingOptions(window_size=360_000))
        stream = WindowStream(folder=folder, manifest=data.manifest, info=data.info, plan=data.plan,
            splits=[("train", True)], decoding=array_decoding(decode), batch_size=8, num_epochs=1, num_workers=3)
        next(stream.segment(0).epoch(0))
        time.sleep(1)
        print(prefetcher.pid, *(child for child in os.popen(f"pgrep -P {os.getpid()}").read().split()), flush=True)
        sys.stdin.read()
    """
    (tmp_path / "data").write_bytes(pickle.dumps(dataset))
    argv = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "data"), str(tmp_path / "window")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as trainer:
        assert trainer.stdout is not None
        pids = [int(word) for word in trainer.stdout.readline().split()]
        assert len(set(pids)) >= 4
        for pid in pids if are_stopped else ():
            os.kill(pid, signal.SIGSTOP)
        trainer.kill()
        trainer.wait()
        wait_for("the end of all", lambda: not any(is_running(pid) for pid in pids))
    assert not is_served(tmp_path / "window")


def test_forked_process_does_not_keep_the_child_alive(tmp_path: Path) -> None:
    child = start_prefetcher(tmp_path / "window", OWN)
    assert child is not None
    wait_for("serving", lambda: is_served(tmp_path / "window"))
    forked = os.fork()
    if not forked:
        signal.pause()
        os._exit(0)
    try:
        began = time.monotonic()
        child.close()
        assert time.monotonic() - began < 5
    finally:
        os.kill(forked, signal.SIGKILL)
        os.waitpid(forked, 0)


def test_child_that_gets_nothing_done_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "RESTARTS", Restarts(deaths=3))
    child = start_prefetcher(tmp_path / "window", OWN)
    assert child is not None
    with child:
        for restarts in range(3):
            wait_for("its restart", lambda restarts=restarts: child.num_restarts == restarts)  # type: ignore[misc]
            wait_for("serving", lambda: is_served(tmp_path / "window"))
            kill_serving(child)
        wait_for("its end", lambda: not is_served(tmp_path / "window"))
        time.sleep(0.5)
        assert child.num_restarts == 2
        assert not is_running(child.pid)


def test_error_of_the_prefetchers_own_is_the_trainers_at_once(dataset: RawDataset, tmp_path: Path) -> None:
    """One that another prefetcher would meet as well: no time is spent on waiting for a better one."""
    folder = tmp_path / "window"
    child = start_prefetcher(folder, OWN.but(in_flight=0))
    assert child is not None
    with child, pytest.raises(ConfigError, match="--in-flight"):
        WindowReader(folder, make_spec(dataset), timeout_seconds=600, lost=child.error).begin()
    assert child.num_restarts == 0


@pytest.mark.parametrize("workers", [0, 1])
def test_prefetcher_that_only_fails_is_given_up_soon(
    dataset: RawDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    folder = tmp_path / "window"
    child = start_prefetcher(folder, OWN.but(window_size=400_000))
    assert child is not None
    with child:
        stream = WindowStream(
            folder=folder,
            manifest=dataset.manifest,
            info=dataset.info,
            plan=dataset.plan,
            splits=[("train", True)],
            decoding=array_decoding(_decode),
            batch_size=2,
            num_epochs=1,
            num_workers=workers,
            timeout_seconds=600,
            prefetcher=child,
        )
        batches = stream.segment(0).epoch(0)
        next(batches)
        monkeypatch.setattr(child, "_program", replace(child._program, words=("penstock.there_is_no_such_module",)))
        kill_serving(child)
        with pytest.raises(PrefetcherLost, match="ended with exit code 1, 3 times in a row"):
            list(batches)
        stream.close()


def _decode(data: memoryview, *, decode: str, args: object, rng: object) -> NDArray[np.float32]:
    return np.zeros(1, dtype=np.float32)
