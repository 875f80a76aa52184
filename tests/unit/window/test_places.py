"""The window on a tmpfs and on a disk, and what becomes of one that its file system cannot hold."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.errors import DiskFull
from penstock.options.window import ServingOptions
from penstock.window import Prefetcher, WindowReader
from penstock.window.folder import used_bytes
from support.raw import RawDataset, make_raw_dataset
from support.windows import kill_serving, make_spec, planned_keys, small_tmpfs, take_all

WINDOW_BYTES = 2 << 20
SHARED_MEMORY = Path("/dev/shm")
DISK_KINDS = {"ext2", "ext3", "ext4", "xfs", "btrfs", "overlay", "zfs", "f2fs"}


def kind_of(folder: Path) -> str:
    """Name the file system that a folder lies on, as the kernel does."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    holding = [(len(words[1]), words[2]) for words in mounts if Path(words[1]) in (folder, *folder.parents)]
    return max(holding)[1]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> RawDataset:
    return make_raw_dataset(tmp_path_factory.mktemp("raw"), sizes=[16_000] * 400)


@pytest.fixture(params=["tmpfs", "disk"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    if request.param == "disk":
        if kind_of(tmp_path) not in DISK_KINDS:
            pytest.skip(f"the temporary folder is on {kind_of(tmp_path)}, not on a disk (set TMPDIR)")
        yield tmp_path
        return
    if not SHARED_MEMORY.is_dir() or kind_of(SHARED_MEMORY) != "tmpfs":
        pytest.skip(f"{SHARED_MEMORY} is no tmpfs")
    free = os.statvfs(SHARED_MEMORY)
    if free.f_bavail * free.f_frsize < 4 * WINDOW_BYTES or not os.access(SHARED_MEMORY, os.W_OK):
        pytest.skip(f"{SHARED_MEMORY} has no room for a window")
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY, prefix="penstock-test-") as folder:
        yield Path(folder)


def test_stream_with_a_death_in_it_is_whole(dataset: RawDataset, place: Path) -> None:
    spec = make_spec(dataset, epochs=2)
    wanted = planned_keys(dataset, spec)
    with Prefetcher(place / "window", ServingOptions(window_size=WINDOW_BYTES)) as prefetcher:
        reader = WindowReader(place / "window", spec).begin()
        keys = take_all(reader, dataset, 0, 150)
        kill_serving(prefetcher)
        keys += take_all(reader, dataset, 150, 500)
        assert used_bytes(place / "window") <= WINDOW_BYTES
        keys += take_all(reader, dataset, 500, 800)
        assert reader.meters().window_high_water_bytes <= WINDOW_BYTES
        reader.close()
    assert keys == wanted


@pytest.mark.parametrize("room_bytes", [256 << 10, 1 << 20, 20 << 20])
def test_tmpfs_too_small_for_the_window_is_an_error_and_kills_nobody(
    dataset: RawDataset, tmp_path: Path, room_bytes: int
) -> None:
    """A hole in a mapped file is a SIGBUS when there is no room for it, for prefetcher and trainer alike."""
    with small_tmpfs(tmp_path / "mount", room_bytes) as mount:
        with Prefetcher(mount / "window", ServingOptions(window_size=64 << 20)) as prefetcher:
            spec = make_spec(dataset, epochs=100)
            with pytest.raises(DiskFull, match="free some space"):
                take_all(WindowReader(mount / "window", spec, timeout_seconds=20).begin(), dataset, 0, spec.end_index)
            assert prefetcher.num_restarts == 0
        with Prefetcher(
            mount / "window", ServingOptions(window_size=room_bytes * 7 // 8 // (1 << 16) * (1 << 16))
        ) as prefetcher:
            spec = make_spec(dataset)
            keys = take_all(WindowReader(mount / "window", spec, timeout_seconds=20).begin(), dataset, 0, 400)
            assert keys == planned_keys(dataset, spec)
            assert prefetcher.num_restarts == 0
