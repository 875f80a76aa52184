"""Block volumes: which each provider's nodes have, and what comes with one."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.cost.values import Rate

__all__ = ["DISKS", "INCLUDED", "Disk"]

DISKS = {"aws": "gp3", "gcp": "pd-balanced", "azure": "premium-ssd-v2"}
"""What a provider's nodes have for a disk, where nothing else is said."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Disk:
    """A block volume's prices.

    Attributes:
        storage: per GiB-month.
        iops: per IOPS-month above ``included_iops``; None where they are not sold apart.
        throughput: per MiB/s-month above ``included_mib_s``; None where it is not sold apart.
    """

    storage: Rate
    iops: Rate | None
    throughput: Rate | None
    included_iops: int
    included_mib_s: int


INCLUDED = {"gp3": (3000, 125), "premium-ssd-v2": (3000, 125)}
"""IOPS, and MiB/s, that come with a volume."""
