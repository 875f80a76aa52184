"""The options of `penstock doctor`."""

from __future__ import annotations

import argparse

from penstock import __version__
from penstock.doctor.needs import Need
from penstock.steps.options.data import add_source_options
from penstock.steps.options.values import add_switch, bytes_option, optional_path, optional_text, seconds_option

__all__ = ["add_arguments"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the step's options."""
    add_switch(parser, "--here", "look at this machine alone, and at no cluster")
    add_switch(parser, "--json", "write a record instead of a table")
    group = parser.add_argument_group("cluster")
    text = optional_text
    group.add_argument("--kubeconfig", type=text, metavar="FILE", help="file that names clusters (default: kubectl's)")
    group.add_argument("--context", type=text, metavar="NAME", help="context of it (default: its current one)")
    group.add_argument(
        "--namespace", type=text, metavar="NAME", help="where training is to run (default: the context's)"
    )
    group.add_argument(
        "--need",
        action="append",
        default=[],
        choices=[need.value for need in Need],
        help="what the cluster must have beside what is always essential; may be given more than once",
    )
    group = parser.add_argument_group("window")
    group.add_argument("--window", type=optional_path, metavar="DIR", help="its folder, with --here")
    group.add_argument("--window-size", type=bytes_option, metavar="SIZE", help="its bound, like 32Mi or 1.5Gi")
    group.add_argument("--medium", choices=("disk", "memory"), default="disk", help="of its volume (default: disk)")
    add_source_options(parser, required=False)
    group = parser.add_argument_group("source, from inside the cluster")
    add_switch(group, "--no-pod", "do not look from inside the cluster, by a pod that is removed again")
    group.add_argument(
        "--image",
        default=f"penstock:{__version__}-prefetch",
        metavar="IMAGE",
        help="of the pod (default: %(default)s)",
    )
    group.add_argument("--secret", type=text, metavar="NAME", help="secret whose keys are its environment")
    group.add_argument("--service-account", type=text, metavar="NAME", help="its service account")
    group.add_argument(
        "--pod-timeout", type=seconds_option, default=120.0, metavar="TIME", help="how long it may take (default: 120s)"
    )
