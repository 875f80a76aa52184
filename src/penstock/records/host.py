"""Where a step ran."""

from __future__ import annotations

from typing import Literal

from penstock.records.codec import Part

__all__ = ["Host", "Volume", "VolumeKind"]

VolumeKind = Literal["memory", "local", "block", "network", "unknown"]


class Host(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a step ran.

    Attributes:
        device: ``cpu`` or the accelerator's name.
        instance_type: the cloud's name for the node, None where nobody said.
        node: its name in the cluster, where there is one.
        provider: whose cloud it is, where that was found.
        region, zone: of the cloud, where they were found.
        lifecycle: whether it was bought on demand or as spot, where that was found.
    """

    num_cpus: int
    device: str
    num_devices: int
    instance_type: str | None = None
    node: str | None = None
    provider: str | None = None
    region: str | None = None
    zone: str | None = None
    lifecycle: Literal["on-demand", "spot"] | None = None


class Volume(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a folder lies on.

    Attributes:
        kind: ``memory`` (tmpfs), ``local`` (a disk of the node's own, which comes with it), ``block`` (a volume that
            is paid apart), ``network`` (a share), or ``unknown``.
        filesystem: as the kernel calls it, such as ``ext4``.
        device: what the disk says that it is; empty where it says nothing.
    """

    kind: VolumeKind
    filesystem: str
    device: str = ""
