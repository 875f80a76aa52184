"""What a folder lies on: memory, a disk of the node's own, a volume that is paid apart, or a share.

By the kernel's tables and by what disks say of themselves: a cloud's own disks and its volumes have names that differ.
What says nothing is ``unknown``: it may be either.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from penstock.records import Volume, VolumeKind

__all__ = ["volume_of"]

_MEMORY = ("tmpfs", "ramfs", "devtmpfs")
_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "ceph", "lustre", "9p", "virtiofs", "glusterfs", "beegfs", "gpfs", "fuse")
_LOCAL_DISKS = re.compile(r"instance storage|nvme_card\d*$|ephemeraldisk|nvme direct disk")
"""In the names that disks give themselves: of EC2, of Google Cloud by NVMe and by SCSI, of Azure."""
_VOLUMES = re.compile(r"elastic block store|nvme_card-pd$|persistentdisk|nvme accelerator")
"""Likewise; Azure's ``Virtual Disk`` is no name of either, as its volumes and the node's own disk both have it."""


def volume_of(folder: Path, *, mounts: Path = Path("/proc/self/mountinfo"), system: Path = Path("/sys")) -> Volume:
    """Return what a folder lies on, or that of the nearest folder above it that is there.

    Args:
        mounts: the kernel's table of this process's mounts.
        system: where the kernel tells of disks.
    """
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        device = place.stat().st_dev
        found = _mounted(mounts.read_text(encoding="utf-8", errors="replace"), f"{os.major(device)}:{os.minor(device)}")
    except OSError:
        return Volume(kind="unknown", filesystem="")
    if found is None:
        return Volume(kind="unknown", filesystem="")
    filesystem, numbers = found
    if filesystem in _MEMORY:
        return Volume(kind="memory", filesystem=filesystem)
    if filesystem.split(".")[0] in _NETWORK:
        return Volume(kind="network", filesystem=filesystem)
    told = _disk(system / "dev" / "block" / numbers)
    return Volume(kind=_kind(told), filesystem=filesystem, device=told)


def _mounted(table: str, numbers: str) -> tuple[str, str] | None:
    """Return the file system and the device of the last mount of a device's numbers."""
    found = None
    for line in table.splitlines():
        before, _, after = line.partition(" - ")
        fields, rest = before.split(), after.split()
        if len(fields) > 2 and rest and fields[2] == numbers:
            found = rest[0], numbers
    return found


def _disk(device: Path) -> str:
    """Return what the disk of a device, or of a part of one, says that it is."""
    for place in (device, *_below(device)):
        for folder in (place, place.resolve().parent):
            for name in ("device/model", "device/device/model"):
                try:
                    told = (folder / name).read_text(encoding="utf-8", errors="replace").strip()
                except OSError:
                    continue
                if told and told.isprintable():
                    return told[:80]
    return ""


def _below(device: Path) -> list[Path]:
    """Return the disks that a mapped or striped device is made of."""
    try:
        return sorted((device / "slaves").iterdir())
    except OSError:
        return []


def _kind(told: str) -> VolumeKind:
    low = told.lower()
    if _LOCAL_DISKS.search(low):
        return "local"
    return "block" if _VOLUMES.search(low) else "unknown"
