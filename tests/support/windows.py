"""Parts of tests that read through a window."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from penstock.errors import PenstockError
from penstock.manifest import ManifestReader, SourceSpec
from penstock.plan import make_order, stream_rows
from penstock.records import Plan, StreamSpec
from penstock.sources import ObjectSource, open_source
from penstock.window import Filler, Prefetcher, WindowReader, is_served
from penstock.window.folder import CONTROL
from support.raw import RawDataset


def make_spec(
    data: RawDataset,
    *,
    epochs: int = 1,
    first_index: int = 0,
    batch_extents: int = 1,
    num_ranks: int = 1,
    manifest: str | None = None,
    plan: Plan | None = None,
) -> StreamSpec:
    plan = plan or data.plan
    order = make_order(data.info, plan, [("train", True)])
    return StreamSpec(
        session=uuid.uuid4().hex,
        manifest=manifest or str(data.manifest),
        manifest_fingerprint=data.info.fingerprint,
        plan_fingerprint=plan.fingerprint,
        order=order,
        first_index=first_index,
        end_index=order.num_samples * epochs,
        num_ranks=num_ranks,
        batch_extents=batch_extents,
        num_files=0,
        on_bad_sample="fail",
        owner=uuid.uuid4().hex,
        purpose="data",
        patience_seconds=300.0,
    )


def planned_keys(data: RawDataset, spec: StreamSpec) -> list[str]:
    with ManifestReader(data.manifest) as manifest:
        return [manifest.row(row).key for _, row in stream_rows(spec.order, spec.first_index, spec.end_index)]


def take(reader: WindowReader, data: RawDataset, index: int) -> str:
    """Read one sample, check its bytes, free it, and give its key."""
    sample = reader.get(index)
    assert hashlib.sha256(sample.data).hexdigest() == data.digests[sample.meta.key]
    reader.advance(index + 1)
    return sample.meta.key


def take_all(reader: WindowReader, data: RawDataset, first: int, end: int) -> list[str]:
    return [take(reader, data, index) for index in range(first, end)]


def read_lane(folder: Path, data: RawDataset, rank: int, told: Any, *, epochs: int = 1) -> None:
    """Read every second sample, as a rank of two does with as many lanes."""
    try:
        spec = make_spec(data, num_ranks=2, epochs=epochs)
        if rank:
            spec = msgspec.structs.replace(spec, session="")
        reader = WindowReader(folder, spec, rank=rank, timeout_seconds=20).begin()
        for index in range(rank, spec.end_index, 2):
            reader.advance(index)
            told.put((rank, index, take(reader, data, index)))
        told.put((rank, None, reader.spec.session))
        reader.close()
    except PenstockError as error:
        told.put((rank, None, error))


@contextlib.contextmanager
def serving(folder: Path, window_bytes: int, opener: Callable[..., Any] = open_source) -> Iterator[threading.Thread]:
    """Serve a window from a thread of this process."""
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    filler = Filler(folder, window_bytes=window_bytes, opener=opener)
    thread = threading.Thread(target=lambda: loop.run_until_complete(filler.serve(stop)), name="test-filler")
    thread.start()
    try:
        while thread.is_alive() and not (is_served(folder) and (folder / CONTROL).exists()):
            thread.join(0.01)
        yield thread
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


class SlowSource:
    """A local folder whose answers take their time beside the event loop, or whose first one blocks it."""

    def __init__(self, spec: SourceSpec, *, seconds: float, blocking: bool = False, **counted: Any) -> None:
        self._source: ObjectSource = open_source(spec, **counted)
        self._seconds, self._blocking = seconds, blocking
        self.meter = self._source.meter

    async def get_range(self, info: Any, offset: int, length_bytes: int) -> memoryview:
        if self._blocking:
            self._seconds, seconds = 0.0, self._seconds
            threading.Event().wait(seconds)
        else:
            await asyncio.sleep(self._seconds)
        return await self._source.get_range(info, offset, length_bytes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    async def read_into(self, info: Any, offset: int, place: memoryview) -> None:
        place[:] = await self.get_range(info, offset, len(place))


@contextlib.contextmanager
def small_tmpfs(folder: Path, size_bytes: int) -> Iterator[Path]:
    """Mount a tmpfs of that size: what is unlinked but mapped still takes its room, as it does in a pod."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        pytest.skip("mounting a tmpfs needs root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "penstock-test", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a tmpfs ({mounted.stderr.decode().strip()})")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def mount_used_bytes(folder: Path) -> int:
    """Return what a whole file system holds, files included that nobody can see any more."""
    found = os.statvfs(folder)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def kill_serving(prefetcher: Prefetcher, number: int = signal.SIGKILL, *, seconds: float = 60) -> None:
    """Send a signal to the child that serves: once there is one, where the last has ended already."""
    deadline = time.monotonic() + seconds
    while not is_running(pid := prefetcher.pid):
        assert prefetcher.error() is None, prefetcher.error()
        assert time.monotonic() < deadline, f"process {pid} has ended and none took its place in {seconds:g} s"
        time.sleep(0.005)
    os.kill(pid, number)


def is_running(pid: int) -> bool:
    """Tell whether a process is there and has not ended: who started it may not have asked for its exit code yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")
