"""Options and habits that steps share."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from typing import Any, Protocol

from penstock.manifest import SourceSpec
from penstock.options.source import AccessOptions
from penstock.records import Host
from penstock.sources import locate
from penstock.sources.asking import spec_of

__all__ = ["Step", "host_without_device", "now", "source_from"]


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
    return Host(num_cpus=os.cpu_count() or 1, device=f"cpu ({platform.machine()})", num_devices=0)
