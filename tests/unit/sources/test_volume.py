"""What a folder is found to lie on: by this machine's own table, and by what clouds' disks say of themselves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from penstock.records import Volume
from penstock.sources.volume import volume_of


def _at(folder: Path, table: str, model: str | None = None, *, is_part: bool = False) -> Volume:
    """Return what a folder lies on where its device is of a table, and its disk says so."""
    number = folder.stat().st_dev
    numbers = f"{os.major(number)}:{os.minor(number)}"
    mounts, system = folder / "mountinfo", folder / "sys"
    mounts.write_text(f"22 1 0:5 / /proc rw - proc proc rw\n30 1 {numbers} / / rw,relatime shared:1 - {table} rw\n")
    disk, names = system / "devices" / "nvme1n1", system / "dev" / "block"
    place = disk / "nvme1n1p1" if is_part else disk
    for each in (disk / "device", place, names):
        each.mkdir(parents=True, exist_ok=True)
    if model is not None:
        (disk / "device" / "model").write_text(f"{model}\n")
    (names / numbers).symlink_to(place)
    return volume_of(folder / "not" / "yet", mounts=mounts, system=system)


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("Amazon EC2 NVMe Instance Storage        ", "local"),
        ("nvme_card", "local"),
        ("nvme_card3", "local"),
        ("EphemeralDisk", "local"),
        ("Microsoft NVMe Direct Disk v2", "local"),
        ("Amazon Elastic Block Store", "block"),
        ("nvme_card-pd", "block"),
        ("PersistentDisk", "block"),
        ("MSFT NVMe Accelerator v1.0", "block"),
        ("Virtual Disk", "unknown"),
        ("Samsung SSD 990 PRO", "unknown"),
        (None, "unknown"),
    ],
)
@pytest.mark.parametrize("is_part", [False, True], ids=["whole", "part"])
def test_disks_of_clouds_are_known_by_their_names(tmp_path: Path, model: str | None, kind: str, is_part: bool) -> None:
    found = _at(tmp_path, "ext4 /dev/nvme1n1", model, is_part=is_part)
    assert (found.kind, found.filesystem, found.device) == (kind, "ext4", (model or "").strip())


@pytest.mark.parametrize(
    ("table", "kind", "filesystem"),
    [
        ("tmpfs tmpfs", "memory", "tmpfs"),
        ("nfs4 10.0.0.1:/share", "network", "nfs4"),
        ("fuse.gcsfuse bucket", "network", "fuse.gcsfuse"),
        ("lustre 10.0.0.1@tcp:/fsx", "network", "lustre"),
    ],
)
def test_file_systems_that_are_no_disk_are_known_by_their_own(
    tmp_path: Path, table: str, kind: str, filesystem: str
) -> None:
    assert _at(tmp_path, table) == Volume(kind=kind, filesystem=filesystem)


def test_memory_of_this_machine_is_found() -> None:
    found = volume_of(Path("/dev/shm/penstock"))
    assert (found.kind, found.filesystem) == ("memory", "tmpfs")


def test_nothing_is_told_where_the_system_tells_nothing(tmp_path: Path) -> None:
    assert volume_of(tmp_path, mounts=tmp_path / "none") == Volume(kind="unknown", filesystem="")
