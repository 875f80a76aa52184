"""The ways that data may go on a node."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from penstock.cost.disks import DISKS
from penstock.cost.forecasting.inputs import Demand, Node, Places
from penstock.cost.forecasting.ways import BLOCK_BYTES_PER_SECOND, FSX_LEAST_GIB, Store, Way
from penstock.units import GIB, format_bytes

__all__ = ["ways_of", "window_store"]

HYBRID_PARTS = (0.25, 0.5, 0.75)
FSX_BYTES_PER_SECOND = 200 * 2**20
"""Of a TiB of FSx for Lustre."""


def ways_of(demand: Demand, node: Node, places: Places, *, paths: Sequence[str] = ()) -> list[Way]:
    """Return the ways that there are on a node.

    Args:
        paths: other ways from the source to price a stream on.
    """
    nvme, block = _nvme(node), _block(node)
    store = window_store(node, places.window_bytes)
    where = store.item or "the node's own disk"
    window = Way(
        name="window",
        told=f"stream through a window of {format_bytes(places.window_bytes)} on {where}",
        window_bytes=places.window_bytes,
        window_store=store,
    )
    return [
        Way(name="stream", told="stream each epoch anew, in a window that keeps nothing", window_bytes=0.0),
        *([window] if places.window_bytes else []),
        *_hybrids(demand, node, places),
        *_downloads(demand, node, nvme, block),
        *(_repeated(window, passes) for passes in places.passes if 1 < passes <= demand.epochs),
        *_elsewhere(window, node, block, paths),
    ]


def window_store(node: Node, size_bytes: float) -> Store:
    """Return what a window of such a size lies on: the node's own disk where it fits there, else a volume.

    Of a machine that is not known the volume is no limit: what the window keeps may lie in its memory.
    """
    if node.nvme_bytes >= size_bytes:
        return _nvme(node)
    block = _block(node)
    return block if node.disk_bytes_per_second else replace(block, bytes_per_second=math.inf)


def _nvme(node: Node) -> Store:
    return Store(item="", bytes_per_second=math.inf, room_bytes=node.nvme_bytes)


def _block(node: Node) -> Store:
    rate = min(BLOCK_BYTES_PER_SECOND, node.disk_bytes_per_second or math.inf)
    return Store(item=DISKS.get(node.provider, DISKS["aws"]), bytes_per_second=rate)


def _hybrids(demand: Demand, node: Node, places: Places) -> Iterator[Way]:
    for part in HYBRID_PARTS:
        kept = part * demand.epoch_bytes / places.kept_share
        if kept > places.window_bytes:
            told = f"keep {part:.0%} of the data in a window of {format_bytes(kept)} and stream the rest"
            name, store = f"hybrid-{part:.0%}".rstrip("%"), window_store(node, kept)
            yield Way(name=name, told=told, window_bytes=kept, window_store=store)


def _downloads(demand: Demand, node: Node, nvme: Store, block: Store) -> Iterator[Way]:
    yield Way(name=f"download-{block.item}", told=f"download everything to {block.item} first", disk=block)
    if node.nvme_bytes:
        yield Way(name="download-nvme", told="download everything to the node's own disk first", disk=nvme)
    if block.item == DISKS["aws"]:
        gib = max((demand.epoch_bytes + demand.once_bytes) / GIB, FSX_LEAST_GIB)
        item, rate = "fsx-lustre-scratch", gib / 1024 * FSX_BYTES_PER_SECOND
        fsx = Store(item=item, bytes_per_second=rate, least_gib=FSX_LEAST_GIB)
        yield Way(name="download-fsx", told="download everything to FSx for Lustre first", disk=fsx, is_usual=False)


def _repeated(window: Way, passes: int) -> Way:
    told = f"read each part of the data once for {passes} passes in a row, through the window"
    return replace(window, name=f"repeat-{passes}", told=told, passes=passes, is_usual=False)


def _elsewhere(window: Way, node: Node, block: Store, paths: Sequence[str]) -> Iterator[Way]:
    """Give the ways that ask for another machine, copy, path or contract."""
    staged = f"have a cheap machine download everything to {block.item}, and begin the node when it is there"
    yield Way(name="staged", told=staged, disk=block, is_staged=True, is_usual=False)
    packed = "pack everything once into large objects, and stream these"
    yield replace(window, name="pack", told=packed, is_packed=True, is_usual=False)
    for path in paths:
        yield replace(window, name=path, told=f"{window.told}, by way of {path}", path=path, is_usual=False)
    if node.spot_usd_per_hour is not None:
        yield replace(window, name="spot", told=f"{window.told}, on a spot node", is_spot=True, is_usual=False)
