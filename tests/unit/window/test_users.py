"""Prefetcher and trainer as two users of one group, as a pod's security context makes them."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.raw import make_raw_dataset

PREFETCHER, TRAINER, GROUP = 65532, 1000, 2000

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")


ROLE = """
import asyncio, concurrent.futures.thread, os, pickle, signal, sys
from pathlib import Path
from penstock.manifest import ManifestReader
from penstock.window import Filler, WindowReader, hand_over
from penstock.window.folder import used_bytes
from support.windows import make_spec, planned_keys, take_all

role, uid, gid, umask, folder, data, first, end = sys.argv[1:]
folder, first, end = Path(folder), int(first), int(end)
data = pickle.loads(Path(data).read_bytes())
with ManifestReader(data.manifest) as manifest:
    manifest.row(0)  # what is imported late is imported now: the interpreter may lie in a home of root's
os.setgroups([int(gid)])
os.setgid(int(gid))
os.setuid(int(uid))
os.umask(int(umask))


async def serve():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await Filler(folder, window_bytes=1 << 20).serve(stop)


if role == "prefetcher":
    asyncio.run(serve())
else:
    path = hand_over(data.manifest, folder, timeout_seconds=10)
    spec = make_spec(data, first_index=first, manifest=str(path))
    reader = WindowReader(folder, spec, timeout_seconds=10).begin()
    assert take_all(reader, data, first, end) == planned_keys(data, spec)[: end - first]
    assert used_bytes(folder) <= 1 << 20
    reader.close()
os._exit(0)
"""


def run_as(role: str, uid: int, umask: int, folder: Path, data: Path, first: int = 0) -> subprocess.Popen[bytes]:
    words = (role, uid, GROUP, umask, folder, data, first, first + 100)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, "-c", ROLE, *map(str, words)], env=environment)


@pytest.fixture(scope="module")
def dataset() -> Iterator[Path]:
    """A folder that all may read; pytest's own are closed to others again whenever another run of it begins."""
    with tempfile.TemporaryDirectory(prefix="penstock-users-") as name:
        root = Path(name)
        root.chmod(0o755)
        data = make_raw_dataset(root, sizes=[5_000] * 300)
        (root / "pickled").write_bytes(pickle.dumps(data))
        yield root


def open_to_the_group(folder: Path) -> Path:
    folder.mkdir()
    os.chown(folder, 0, GROUP)
    folder.chmod(0o2770)
    return folder


@pytest.mark.parametrize("umask", [0o007, 0o022, 0o077])
def test_two_users_of_one_group_share_a_window(dataset: Path, umask: int) -> None:
    folder = open_to_the_group(dataset / f"window-{umask:o}")
    # In the last round both come back as other users than those that made the files.
    rounds = [
        (PREFETCHER, TRAINER, signal.SIGKILL),
        (PREFETCHER, TRAINER, signal.SIGTERM),
        (1002, 1003, signal.SIGTERM),
    ]
    for number, (prefetcher_uid, trainer_uid, end) in enumerate(rounds):
        prefetcher = run_as("prefetcher", prefetcher_uid, umask, folder, dataset / "pickled")
        try:
            trainer = run_as("trainer", trainer_uid, umask, folder, dataset / "pickled", 100 * number)
            assert trainer.wait(40) == 0
        finally:
            prefetcher.send_signal(end)
            code = prefetcher.wait(20)
        assert code == (0 if end is signal.SIGTERM else -signal.SIGKILL)


def test_folder_that_a_trainer_made_is_the_groups(dataset: Path) -> None:
    folder = open_to_the_group(dataset / "volume") / "window"
    trainer = run_as("trainer", TRAINER, 0o022, folder, dataset / "pickled")
    while not folder.exists():
        os.sched_yield()
    prefetcher = run_as("prefetcher", PREFETCHER, 0o022, folder, dataset / "pickled")
    try:
        assert trainer.wait(40) == 0
    finally:
        prefetcher.send_signal(signal.SIGTERM)
        assert prefetcher.wait(20) == 0
