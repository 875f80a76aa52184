"""The options of `penstock doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from penstock import __version__
from penstock.doctor.needs import Need
from penstock.options import Options, choice, option, repeated, switch
from penstock.options.readers import bytes_option, optional_path, optional_text, seconds_option
from penstock.options.source import OptionalSourceOptions
from penstock.steps.options.common import CommonOptions

__all__ = ["DoctorOptions"]

Medium = Literal["disk", "memory"]


class _Scope(Options):
    here: bool = switch(default=False, told="look at this machine alone, and at no cluster")
    json: bool = switch(default=False, told="write a record instead of a table")


class _Cluster(Options, group="cluster"):
    kubeconfig: str | None = option(
        read=optional_text, default=None, metavar="FILE", told="file that names clusters (default: kubectl's)"
    )
    context: str | None = option(
        read=optional_text, default=None, metavar="NAME", told="context of it (default: its current one)"
    )
    namespace: str | None = option(
        read=optional_text, default=None, metavar="NAME", told="where training is to run (default: the context's)"
    )
    need: tuple[str, ...] = repeated(
        read=str,
        default=(),
        choices=[need.value for need in Need],
        told="what the cluster must have beside what is always essential; may be given more than once",
    )


class _Window(Options, group="window"):
    window: Path | None = option(read=optional_path, default=None, metavar="DIR", told="its folder, with --here")
    window_size: int | None = option(
        read=bytes_option, default=None, metavar="SIZE", told="its bound, like 32Mi or 1.5Gi"
    )
    medium: Medium = choice(choices=get_args(Medium), default="disk", told="of its volume (default: disk)")


class _Inside(Options, group="source, from inside the cluster"):
    no_pod: bool = switch(default=False, told="do not look from inside the cluster, by a pod that is removed again")
    image: str = option(
        read=str,
        default=f"penstock:{__version__}-prefetch",
        metavar="IMAGE",
        told="of the pod (default: %(default)s)",
    )
    secret: str | None = option(
        read=optional_text, default=None, metavar="NAME", told="secret whose keys are its environment"
    )
    service_account: str | None = option(read=optional_text, default=None, metavar="NAME", told="its service account")
    pod_timeout: float = option(
        read=seconds_option, default=120.0, metavar="TIME", told="how long it may take (default: 120s)"
    )


class DoctorOptions(CommonOptions, _Scope, _Cluster, _Window, OptionalSourceOptions, _Inside):
    """The options of `penstock doctor`."""
