"""Options and habits that steps share."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from penstock.manifest import SourceSpec
from penstock.options.source import AccessOptions
from penstock.records import Host
from penstock.sources import locate
from penstock.sources.asking import spec_of
from penstock.sources.node import this_node

__all__ = ["Step", "host_without_device", "now", "source_from", "with_node"]


class Step(Protocol):
    """A step's module: one name everywhere. It takes the config that ``steps.options`` declares for it."""

    NAME: str

    def run(self, args: Any) -> int:
        """Do the step; give the exit code."""
        ...


def source_from(uri: str, args: AccessOptions) -> SourceSpec:
    """Return the source of a URI, asked as the options say.

    Raises:
        ConfigError: the URI or an option is not one that Penstock can use.
    """
    return locate(spec_of(uri, args))


def now() -> str:
    """Return the time, in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def host_without_device() -> Host:
    """Describe this machine for a step that uses no accelerator."""
    host = Host(num_cpus=os.cpu_count() or 1, device=f"cpu ({platform.machine()})", num_devices=0)
    return with_node(host, None)


def with_node(host: Host, instance_type: str | None) -> Host:
    """Add what is known of the node; a type that somebody named is kept."""
    node = this_node()
    return msgspec.structs.replace(
        host,
        instance_type=instance_type or node.instance_type,
        node=node.name,
        provider=node.provider,
        region=node.region,
        zone=node.zone,
        lifecycle=node.lifecycle,
    )
