"""Lines of what is paid for by size and time: the window's disk, and checkpoints in a store."""

from __future__ import annotations

from decimal import Decimal

from penstock.cost.book import Book
from penstock.cost.disks import DISKS
from penstock.cost.seller import Seller
from penstock.cost.setting import NODE_DISK, USUAL_DISK
from penstock.cost.values import in_money
from penstock.records import Meters, RunRecord, Volume
from penstock.units import GIB

__all__ = ["CHECKPOINTS", "HOURS_PER_MONTH", "WINDOW_DISK", "add_checkpoints", "add_disk"]

HOURS_PER_MONTH = 720
"""Hours in a month of 30 days, by which disks are billed."""
WINDOW_DISK = "Disk of the window"
CHECKPOINTS = "Storage of checkpoints"


def add_disk(book: Book, run: RunRecord, traffic: Meters, hours: Decimal, *, provider: str) -> None:
    """Add the window's disk, where it is not the node's own or its memory.

    Args:
        provider: whose disk it is, where nobody names one; empty where that is not known.
    """
    setting = book.setting
    if setting.disk in (None, NODE_DISK):
        book.assume("The window lies on the node's own disk or in its memory, which is not billed apart.")
        return
    if setting.disk == USUAL_DISK and (told := _with_node(run.window_disk)):
        book.assume(told)
        return
    size_bytes = setting.disk_bytes if setting.disk_bytes is not None else traffic.window_bytes
    if not size_bytes:
        return
    item = DISKS.get(provider, "disk") if setting.disk == USUAL_DISK else str(setting.disk)
    if setting.disk == USUAL_DISK and run.window_disk is not None and run.window_disk.kind == "network":
        item = "disk"
        book.warn(
            f"The window lay on a share of the network ({run.window_disk.filesystem}), whose price is not known, so it "
            "is not in the total: name it with --window-disk."
        )
    elif item == "disk":
        book.warn(
            "Whose disk the window lay on is not known, so it is not in the total: name the node's type, or the disk "
            "with --window-disk (node is a disk of the machine's own, which takes nothing more)."
        )
    gib_hours = Decimal(size_bytes) / GIB * hours
    price = None if item == "disk" else book.find(item, "GiB-month")
    if price is None:
        book.add_unpriced(item, "GiB-hour", WINDOW_DISK, gib_hours)
        return
    book.add(price, WINDOW_DISK, gib_hours, unit="GiB-hour", per=HOURS_PER_MONTH)
    if setting.disk == USUAL_DISK and (run.window_disk is None or run.window_disk.kind == "unknown"):
        book.assume(f"What the window lay on is not known: it is billed as {item}, which --window-disk changes.")
    book.assume(f"A month of disk is {HOURS_PER_MONTH} hours; only the window's size is billed.")


def _with_node(volume: Volume | None) -> str:
    """Say of a volume that costs nothing apart why that is; empty of any other."""
    if volume is None or volume.kind not in ("memory", "local"):
        return ""
    if volume.kind == "memory":
        return f"The window lay in the node's memory ({volume.filesystem}), which is not billed apart."
    told = f" ({volume.device})" if volume.device else ""
    return f"The window lay on a disk of the node's own{told}, which is not billed apart."


def add_checkpoints(book: Book, run: RunRecord, seller: Seller, hours: Decimal) -> Decimal | None:
    """Add what the checkpoints took of a store as long as the run went on; give what they cost a month from then on.

    Args:
        seller: of where they are kept.
    """
    size = Decimal(run.saves.kept_bytes) / GIB
    if not size or seller.tariff is None:
        return None
    what, item = CHECKPOINTS, seller.tariff.storage
    price = book.find(item, "GiB-month") if item and seller.is_priced else None
    if price is None:
        book.add_unpriced(item or "storage", "GiB-hour", what, size * hours)
        return None
    book.add(price, what, size * hours, unit="GiB-hour", per=HOURS_PER_MONTH)
    return in_money(size * price.usd)
