"""What this machine has: room and the means for a window, torch, GPUs."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path

from penstock import __version__
from penstock.doctor import findings
from penstock.errors import OutputError
from penstock.extras import how_to_install, is_there
from penstock.records import Finding
from penstock.temporary import TemporaryFolder
from penstock.units import KIB, format_bytes
from penstock.window import is_served

__all__ = ["check_machine"]

PLACE = "machine"
_NVIDIA = Path("/proc/driver/nvidia/gpus")


def check_machine(folder: Path | None, window_bytes: int | None) -> list[Finding]:
    """Check this machine, for a window in a folder (None: where temporary files go)."""
    asked = Path(tempfile.gettempdir()) if folder is None else folder
    place = next((there for there in (asked, *asked.absolute().parents) if there.exists()), asked)  # a step makes it
    return [
        findings.ok(PLACE, "Penstock", f"{__version__}, {os.cpu_count()} CPUs"),
        _torch(),
        _gpus(),
        _room(place, window_bytes),
        _means(place),
    ]


def _torch() -> Finding:
    if is_there("torch"):
        return findings.ok(PLACE, "torch", "installed")
    return findings.note(PLACE, "torch", "not installed: list, prefetch and report work", fix=how_to_install("train"))


def _gpus() -> Finding:
    found = len(list(_NVIDIA.iterdir())) if _NVIDIA.is_dir() else 0
    if found:
        return findings.ok(PLACE, "GPUs", f"{found} with NVIDIA's driver")
    return findings.note(PLACE, "GPUs", "no NVIDIA driver: training is on CPUs", fix="use a machine with a GPU")


def _room(folder: Path, window_bytes: int | None) -> Finding:
    check = "room for a window"
    if not folder.is_dir():
        told = f"{folder} is {'a file' if folder.exists() else 'not there'}"
        return findings.missing(PLACE, check, told, fix="name a --window folder that can be made")
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return findings.missing(
            PLACE, check, f"{folder}: {error.strerror}", fix="name a --window folder that can be made"
        )
    if is_served(folder):
        return findings.ok(PLACE, check, f"a prefetcher serves {folder}; {format_bytes(free)} free beside it")
    if window_bytes is not None and free < window_bytes:
        return findings.missing(
            PLACE,
            check,
            f"{format_bytes(free)} free in {folder}, the window takes {format_bytes(window_bytes)}",
            fix="free some space, ask for a smaller --window-size, or name another --window folder",
        )
    return findings.ok(PLACE, check, f"{format_bytes(free)} free in {folder}")


def _means(folder: Path) -> Finding:
    """Try out what a window is made with, in a folder that is removed: reserved blocks, and a socket."""
    check = "means for a window"
    try:
        with TemporaryFolder("penstock-doctor-", folder) as made:
            with (made / "slots").open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, 64 * KIB)
            with_socket = _takes_sockets(made / "socket")
    except (OSError, OutputError) as error:
        return findings.missing(
            PLACE, check, f"{folder}: {error}", fix="name a --window folder that this user may write to"
        )
    if not with_socket:
        return findings.note(
            PLACE, check, f"{folder} takes no sockets: both sides poll", fix="use a local disk, or a shorter path"
        )
    return findings.ok(PLACE, check, "blocks can be reserved, and sockets made")


def _takes_sockets(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as made:
        try:
            made.bind(str(path))
        except OSError:
            return False
    return True
