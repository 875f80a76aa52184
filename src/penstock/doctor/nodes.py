"""What nodes have room for: GPUs, and a window on their disk or in their memory.

Sizes are checked against what a node may give to pods (``allocatable``), not against what others use of it now.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.doctor import findings
from penstock.doctor.findings import quantity
from penstock.records import Finding
from penstock.units import MIB, format_bytes

__all__ = [
    "WINDOW_SHARE",
    "Node",
    "check_disk",
    "check_gpus",
    "check_limits",
    "check_memory",
    "check_nodes",
    "nodes_of",
]

Json = Mapping[str, Any]

PLACE = "nodes"
WINDOW_SHARE = 0.85
"""Most of a volume's sizeLimit that a window takes: the kubelet measures now and then, and evicts."""
PREFETCHER_BYTES = 256 * MIB
"""Memory of the prefetcher itself, beside a window in memory, which is charged to it."""
CONTAINERS = 2
"""Of a labelled pod: the trainer's and the sidecar."""
_GPUS = ("nvidia.com/", "amd.com/gpu", "gpu.intel.com/", "habana.ai/gaudi")


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A node that takes new pods.

    Attributes:
        gpus: GPUs, or parts of such, by resource.
        disk_bytes: of its ephemeral storage, what pods may have.
        memory_bytes: of its memory, what pods may have.
        taints: that a pod must tolerate.
    """

    name: str
    gpus: Mapping[str, int]
    disk_bytes: int
    memory_bytes: int
    taints: tuple[str, ...]


def nodes_of(items: Sequence[Json]) -> list[Node]:
    """Return the nodes of a list that are ready and take new pods."""
    return [_node(item) for item in items if _is_usable(item)]


def check_nodes(items: Sequence[Json]) -> Finding:
    """Check that there are nodes that take pods."""
    usable = len(nodes_of(items))
    if usable:
        return findings.ok(PLACE, "nodes", f"{usable} of {len(items)} ready and schedulable")
    return findings.missing(
        PLACE, "nodes", f"none of {len(items)} is ready and schedulable", fix="kubectl describe nodes tells why"
    )


def check_gpus(nodes: Sequence[Node], *, is_needed: bool) -> Finding:
    """Check that a node offers GPUs."""
    check = "GPUs"
    having = [node for node in nodes if node.gpus]
    if not having:
        say = findings.missing if is_needed else findings.note
        return say(
            PLACE,
            check,
            "no node offers one",
            fix="install the vendor's device plugin or operator on the GPU nodes; without GPUs use the cpu image",
        )
    totals: dict[str, int] = {}
    for node in having:
        for name, count in node.gpus.items():
            totals[name] = totals.get(name, 0) + count
    told = ", ".join(f"{count} x {name}" for name, count in sorted(totals.items()))
    taints = sorted({taint for node in having for taint in node.taints})
    tolerate = f"; tolerate {', '.join(taints)}" if taints else ""
    return findings.ok(PLACE, check, f"{told} on {len(having)} of {len(nodes)} nodes{tolerate}")


def check_disk(nodes: Sequence[Node], window_bytes: int | None) -> Finding:
    """Check that a window, and the volume around it, fit the disk of a node.

    Args:
        nodes: that take pods.
        window_bytes: the bound, None to tell the largest.
    """
    limit_bytes = None if window_bytes is None else math.ceil(window_bytes / WINDOW_SHARE)
    return _fit(
        nodes,
        {node.name: node.disk_bytes for node in nodes},
        wanted_bytes=limit_bytes,
        check="window on disk",
        told="ephemeral storage",
        largest_bytes=lambda room: int(room * WINDOW_SHARE),
        advice="" if limit_bytes is None else f"volume: sizeLimit {_mebibytes(limit_bytes)}",
    )


def check_memory(nodes: Sequence[Node], window_bytes: int | None) -> Finding:
    """Check that a window in memory, with the prefetcher it is charged to, fits a node."""
    limit_bytes = None if window_bytes is None else math.ceil((window_bytes + PREFETCHER_BYTES) / WINDOW_SHARE)
    volume_bytes = 0 if window_bytes is None else math.ceil(window_bytes / WINDOW_SHARE)
    return _fit(
        nodes,
        {node.name: node.memory_bytes for node in nodes},
        wanted_bytes=limit_bytes,
        check="window in memory",
        told="memory",
        largest_bytes=lambda room: max(0, int(room * WINDOW_SHARE) - PREFETCHER_BYTES),
        advice=""
        if limit_bytes is None
        else f"volume: sizeLimit {_mebibytes(volume_bytes)}; annotation penstock.dev/memory: {_mebibytes(limit_bytes)}",
    )


def check_limits(limit_ranges: Sequence[Json], window_bytes: int | None) -> Iterator[Finding]:
    """Check that limits which a namespace gives containers by default leave room for a window on disk.

    The kubelet holds a pod to the sum of its containers' limits of ephemeral storage, its emptyDirs included.
    """
    for item in limit_ranges:
        for limit in item.get("spec", {}).get("limits", []):
            default = limit.get("default", {}).get("ephemeral-storage")
            if limit.get("type") != "Container" or default is None:
                continue
            room = int(quantity(str(default)) * CONTAINERS * WINDOW_SHARE)
            told = f"LimitRange {item['metadata']['name']} gives containers {default} of ephemeral-storage"
            if window_bytes is None or window_bytes <= room:
                yield findings.ok("namespace", "default limits", f"{told}: a window of up to {format_bytes(room)}")
            else:
                yield findings.missing(
                    "namespace",
                    "default limits",
                    f"{told}: two containers hold a window of {format_bytes(room)}",
                    fix="state a limit of ephemeral-storage in the trainer's container that is large enough",
                )


def _fit(
    nodes: Sequence[Node],
    rooms: Mapping[str, int],
    *,
    wanted_bytes: int | None,
    check: str,
    told: str,
    largest_bytes: Callable[[int], int],
    advice: str,
) -> Finding:
    most = max(rooms.values(), default=0)
    largest = format_bytes(largest_bytes(most))
    if wanted_bytes is None:
        return findings.ok(PLACE, check, f"up to {largest} on the node with the most {told}")
    fitting = [node for node in nodes if rooms[node.name] >= wanted_bytes]
    with_gpus = [node for node in nodes if node.gpus]
    if not fitting:
        return findings.missing(
            PLACE,
            check,
            f"no node has {format_bytes(wanted_bytes)} of {told}; the most is {format_bytes(most)}",
            fix=f"ask for a window of at most {largest}, or use nodes with more",
        )
    if with_gpus and not any(node.gpus for node in fitting):
        most_with_gpu = largest_bytes(max(rooms[node.name] for node in with_gpus))
        return findings.note(
            PLACE,
            check,
            f"{len(fitting)} of {len(nodes)} nodes have {format_bytes(wanted_bytes)} of {told}, none with GPUs",
            fix=f"ask for a window of at most {format_bytes(most_with_gpu)}",
        )
    return findings.ok(PLACE, check, f"fits {len(fitting)} of {len(nodes)} nodes; {advice}")


def _mebibytes(size_bytes: int) -> str:
    return f"{-(-size_bytes // MIB)}Mi"


def _is_usable(item: Json) -> bool:
    conditions = {made["type"]: made["status"] for made in item.get("status", {}).get("conditions", [])}
    return conditions.get("Ready") == "True" and not item.get("spec", {}).get("unschedulable", False)


def _node(item: Json) -> Node:
    given = item["status"].get("allocatable", {})
    counts = {name: _whole(value) for name, value in given.items() if name.startswith(_GPUS)}
    taints = item.get("spec", {}).get("taints", [])
    return Node(
        name=item["metadata"]["name"],
        gpus={name: count for name, count in counts.items() if count},
        disk_bytes=_whole(given.get("ephemeral-storage", "0")),
        memory_bytes=_whole(given.get("memory", "0")),
        taints=tuple(_taint(taint) for taint in taints if taint.get("effect") in ("NoSchedule", "NoExecute")),
    )


def _taint(taint: Json) -> str:
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint['key']}{value}:{taint['effect']}"


def _whole(text: Any) -> int:
    read = quantity(str(text))
    return 0 if math.isnan(read) else int(read)
