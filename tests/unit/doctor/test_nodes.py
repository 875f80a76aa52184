"""What nodes have room for."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.doctor.findings import quantity
from penstock.doctor.nodes import Node, check_disk, check_gpus, check_limits, check_memory, check_nodes, nodes_of
from penstock.units import GIB, MIB
from unit.doctor.recordings import recorded


def node(
    name: str = "a", *, gpus: int = 0, disk_bytes: int = 100 * GIB, memory_bytes: int = 16 * GIB, taints: str = ""
) -> Node:
    return Node(
        name=name,
        gpus={"nvidia.com/gpu": gpus} if gpus else {},
        disk_bytes=disk_bytes,
        memory_bytes=memory_bytes,
        taints=(taints,) if taints else (),
    )


def changed(**status: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = copy.deepcopy(recorded("nodes")["items"])
    items[0]["status"]["allocatable"] |= status.pop("allocatable", {})
    items[0]["spec"] |= status
    return items


def test_recorded_node_is_read() -> None:
    (found,) = nodes_of(recorded("nodes")["items"])
    assert (found.gpus, found.taints) == ({}, ())
    assert (found.disk_bytes, found.memory_bytes) == (267847642337, 24581684 * 1024)


def test_gpus_and_taints_are_read() -> None:
    taint = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
    items = changed(taints=[taint], allocatable={"nvidia.com/gpu": "2", "nvidia.com/mig-1g.10gb": "0"})
    (found,) = nodes_of(items)
    assert (found.gpus, found.taints) == ({"nvidia.com/gpu": 2}, ("nvidia.com/gpu=present:NoSchedule",))


def test_nodes_that_take_no_pods_do_not_count() -> None:
    assert nodes_of(changed(unschedulable=True)) == []
    assert check_nodes(changed(unschedulable=True)).state == "missing"
    tired = recorded("nodes")["items"]
    for condition in tired[0]["status"]["conditions"]:
        condition["status"] = "Unknown"
    assert check_nodes(tired).state == "missing"
    assert check_nodes(recorded("nodes")["items"]).found == "1 of 1 ready and schedulable"


def test_gpus_are_counted_over_nodes_with_what_to_tolerate() -> None:
    found = check_gpus([node(gpus=4, taints="gpu:NoSchedule"), node("b", gpus=2), node("c")], is_needed=True)
    assert (found.state, found.found) == ("ok", "6 x nvidia.com/gpu on 2 of 3 nodes; tolerate gpu:NoSchedule")


@pytest.mark.parametrize(("is_needed", "state"), [(True, "missing"), (False, "note")])
def test_no_gpu_is_essential_only_where_one_is_needed(is_needed: bool, state: str) -> None:
    assert check_gpus([node()], is_needed=is_needed).state == state


def test_window_that_fits_names_the_volume_it_needs() -> None:
    found = check_disk([node(), node("b", disk_bytes=GIB)], 17 * GIB)
    assert (found.state, found.found) == ("ok", "fits 1 of 2 nodes; volume: sizeLimit 20480Mi")


def test_window_that_fits_no_node_names_the_largest_that_would() -> None:
    found = check_disk([node(disk_bytes=20 * GIB)], 18 * GIB)
    assert found.state == "missing"
    assert "at most 17.0 GiB" in found.fix


def test_window_that_fits_only_nodes_without_gpus_is_told() -> None:
    found = check_disk([node(), node("b", gpus=1, disk_bytes=20 * GIB)], 18 * GIB)
    assert (found.state, found.fix) == ("note", "ask for a window of at most 17.0 GiB")


def test_window_in_memory_holds_the_prefetcher_too() -> None:
    found = check_memory([node(memory_bytes=2 * GIB)], 1484 * MIB)
    assert (found.state, found.found.partition("; ")[2]) == (
        "ok",
        "volume: sizeLimit 1746Mi; annotation penstock.dev/memory: 2048Mi",
    )
    assert check_memory([node(memory_bytes=2 * GIB)], 1485 * MIB).state == "missing"


@given(window_bytes=st.integers(1, 1 << 50), room_bytes=st.integers(0, 1 << 50))
def test_largest_window_that_is_told_fits(window_bytes: int, room_bytes: int) -> None:
    """The advice is never wrong: what is called too large is, and 85 % of a node's disk always fits it."""
    nodes = [node(disk_bytes=room_bytes)]
    assert (check_disk(nodes, window_bytes).state == "ok") == (math.ceil(window_bytes / 0.85) <= room_bytes)


def test_no_size_asked_tells_the_largest() -> None:
    assert check_disk([node(disk_bytes=20 * GIB), node("b", disk_bytes=GIB)], None).found.startswith("up to 17.0 GiB")
    assert check_memory([], None).found.startswith("up to 0 B")


def test_recorded_limit_range_bounds_a_window() -> None:
    ranges = recorded("limitranges")["items"]
    (fits,), (does_not,) = check_limits(ranges, GIB), check_limits(ranges, 2 * GIB)
    assert (fits.state, does_not.state) == ("ok", "missing")
    assert "two containers hold a window of 1.7 GiB" in does_not.found
    assert list(check_limits([{"metadata": {"name": "x"}, "spec": {"limits": [{"type": "Pod"}]}}], GIB)) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("24581684Ki", 24581684 * 1024),
        ("267847642337", 267847642337),
        ("1e3", 1000),
        ("500m", 0.5),
        ("1.5Gi", 1.5 * GIB),
    ],
)
def test_quantities_are_read_as_kubernetes_writes_them(text: str, value: float) -> None:
    assert quantity(text) == value


@pytest.mark.parametrize("text", ["", "much", "1 Gi", "-1", "1KiB"])
def test_what_is_no_quantity_is_not_a_number(text: str) -> None:
    assert math.isnan(quantity(text))
