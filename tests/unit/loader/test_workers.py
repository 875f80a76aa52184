"""The beginning and the end of loading workers."""

from __future__ import annotations

import contextlib
import fcntl
import multiprocessing
import os
import signal
import socket
import termios
import threading
import time
from functools import partial
from multiprocessing.resource_sharer import DupFd
from pathlib import Path
from typing import Any

import pytest
from torch.utils.data import DataLoader, Dataset

from penstock.errors import ProcessLost
from penstock.loader.workers import Workers, _safe_path, begin_worker


def test_ctrl_c_while_workers_begin_ends_them_before_it_is_raised(tmp_path: Path) -> None:
    """Left running they would die later, and torch tell so in the middle of whatever is done then."""

    class Interrupted(DataLoader[Any]):
        def __iter__(self) -> Any:
            batches = super().__iter__()
            os.kill(os.getpid(), signal.SIGINT)
            return batches

    began: list[int] = []
    loader = Interrupted(
        list(range(100)),  # type: ignore[arg-type]
        num_workers=1,
        worker_init_fn=partial(begin_worker, os.getpid(), tmp_path, False),
    )
    with pytest.raises(KeyboardInterrupt), Workers(loader, before_end=lambda: began.append(1)):
        raise AssertionError("it went on")
    assert began
    assert not multiprocessing.active_children()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("before", [None, "1"])
def test_threads_that_start_workers_at_once_leave_the_environment_as_it_was(
    before: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    if before is not None:
        monkeypatch.setenv("PYTHONSAFEPATH", before)
    first, second = _safe_path(), _safe_path()
    with contextlib.ExitStack() as last:
        with first:
            last.enter_context(second)
            assert os.environ["PYTHONSAFEPATH"] == "1"
        assert os.environ["PYTHONSAFEPATH"] == "1"
    assert os.environ.get("PYTHONSAFEPATH") == before


def _hand_over_to_nobody(folder: Path) -> None:
    """In a worker: hand a file over to a trainer that stops as it fetches it."""
    begin_worker(os.getppid(), folder, False, 0)
    address = DupFd(0)._id[0]  # type: ignore[attr-defined]
    for goodbye in (b"", b"\0", b"\0\0\0\7some"):
        with socket.socket(socket.AF_UNIX) as trainer:
            trainer.connect(address)
            trainer.sendall(goodbye)
    with socket.socket(socket.AF_UNIX) as last:  # they are served one after the other
        last.connect(address)
        last.recv(100)


def test_worker_says_nothing_of_a_trainer_that_stopped_as_it_fetched_a_batch(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    worker = multiprocessing.get_context("fork").Process(target=_hand_over_to_nobody, args=(tmp_path,))
    worker.start()
    worker.join(60)
    assert worker.exitcode == 0
    assert capfd.readouterr().err == ""


class _Killed(Dataset[int]):
    """Is killed as torch passes a tensor on: its file in shared memory has a name still."""

    def __getitem__(self, index: int) -> int:
        Path(f"/dev/shm/torch_{os.getpid()}_1_1").touch()
        os.kill(os.getpid(), signal.SIGKILL)
        return index

    def __len__(self) -> int:
        return 1


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="there is no /dev/shm")
def test_a_worker_that_is_killed_leaves_nothing_in_shared_memory(tmp_path: Path) -> None:
    loader = DataLoader(_Killed(), num_workers=1, worker_init_fn=partial(begin_worker, os.getpid(), tmp_path, False))
    with Workers(loader) as batches:
        [worker] = batches._processes()
        with pytest.raises(ProcessLost):
            next(batches)
    assert not list(Path("/dev/shm").glob(f"torch_{worker.pid}_*"))


class _Large(Dataset[bytes]):
    """Samples of more than a pipe holds."""

    def __getitem__(self, index: int) -> bytes:
        return bytes([index]) * 1_000_000

    def __len__(self) -> int:
        return 8


def _only(items: list[bytes]) -> bytes:
    return items[0]


@pytest.mark.parametrize("whom", [slice(0, 1), slice(1, 2), slice(0, 2)], ids=["first", "second", "both"])
def test_workers_that_are_killed_in_the_middle_of_a_batch_are_lost(tmp_path: Path, whom: slice) -> None:
    """What they had sent of it is read, and its rest would be waited for without end."""
    init = partial(begin_worker, os.getpid(), tmp_path, False)
    loader = DataLoader(_Large(), batch_size=1, num_workers=2, collate_fn=_only, worker_init_fn=init)
    with Workers(loader) as batches:
        pipe = batches._batches._worker_result_queue._reader
        while _waiting_bytes(pipe.fileno()) < 60_000:
            time.sleep(0.01)
        for worker in batches._processes()[whom]:
            worker.kill()
        found: list[BaseException] = []
        reading = threading.Thread(target=_note_end_of, args=(batches, found), daemon=True)
        reading.start()
        reading.join(60)
        assert not reading.is_alive()
        assert [type(error) for error in found] == [ProcessLost]
        assert "was killed (SIGKILL)" in str(found[0])
    assert not multiprocessing.active_children()


def _note_end_of(batches: Workers, found: list[BaseException]) -> None:
    try:
        list(batches)
    except ProcessLost as error:
        found.append(error)


def _waiting_bytes(pipe: int) -> int:
    told = bytearray(4)
    fcntl.ioctl(pipe, termios.FIONREAD, told)
    return int.from_bytes(told, "little")


class _Leaves(_Large):
    """Ends its process without a word while an earlier batch is handed over."""

    def __getitem__(self, index: int) -> bytes:
        if index > 1:
            time.sleep(0.3)
            os._exit(0)
        return super().__getitem__(index)


def test_a_worker_that_leaves_as_if_all_was_well_is_lost_too(tmp_path: Path) -> None:
    init = partial(begin_worker, os.getpid(), tmp_path, False)
    loader = DataLoader(_Leaves(), batch_size=1, num_workers=2, collate_fn=_only, worker_init_fn=init)
    with Workers(loader) as batches:
        for worker in batches._processes():
            worker.join(60)
        found: list[BaseException] = []
        reading = threading.Thread(target=_note_end_of, args=(batches, found), daemon=True)
        reading.start()
        reading.join(60)
        assert [str(error) for error in found] == [
            "a loading worker ended with exit code 0: see its log; run it again to go on"
        ]


def test_workers_end_while_those_of_another_loader_that_began_later_go_on(tmp_path: Path) -> None:
    """They were forked from the same process, and hold whatever it had open."""
    init = partial(begin_worker, os.getpid(), tmp_path, False)
    loader = DataLoader(_Large(), batch_size=1, num_workers=1, collate_fn=_only, worker_init_fn=init)
    first = Workers(loader).__enter__()
    with Workers(loader) as second:
        next(first)
        ending = threading.Thread(target=first.__exit__, args=(None, None, None), daemon=True)
        ending.start()
        ending.join(30)
        assert not ending.is_alive()
        assert len(list(second)) == len(_Large())
