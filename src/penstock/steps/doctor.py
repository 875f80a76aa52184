"""``penstock doctor``: tell what a cluster, or this machine, lacks for training there, and what to do about it.

It looks, and changes nothing; the one thing it makes is a pod that tries the bucket from inside the cluster, which it
removes again. What is essential and missing makes it end with exit code 81.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from penstock.doctor.examine import CONNECTION, Wanted, current_namespace, examine_cluster
from penstock.doctor.findings import missing
from penstock.doctor.inside import CHECK as INSIDE
from penstock.doctor.inside import Probe, check_from_inside
from penstock.doctor.kubectl import Kubectl
from penstock.doctor.machine import check_machine
from penstock.doctor.needs import Need
from penstock.doctor.source import check_source, eased
from penstock.errors import ClusterError, NotReady
from penstock.observe import redact
from penstock.records import Finding, Readiness, encode_record
from penstock.sources import is_local
from penstock.steps._shared import common
from penstock.steps.options.doctor import DoctorOptions

NAME = "doctor"
PLACES = ("machine", "cluster", "namespace", "nodes", "bucket")
"""In the order of the table."""
NARROWEST_CHARACTERS = 120
"""Width of the table where no terminal says another."""

__all__ = ["NAME", "run"]


def run(args: DoctorOptions) -> int:
    """Look, tell, and fail where something essential is missing."""
    looked = sorted(
        map(_without_secrets, eased(list(_look(args)), inside=INSIDE)), key=lambda finding: PLACES.index(finding.place)
    )
    found = Readiness(findings=tuple(looked))
    if args.json:
        sys.stdout.write(encode_record(found).decode())
    else:
        _write_table(found.findings)
    sys.stdout.flush()
    if found.missing:
        raise NotReady(
            f"{len(found.missing)} essential of {len(found.findings)} checks failed "
            f"({', '.join(finding.check for finding in found.missing)})",
            fix="do what the last column says",
        )
    return 0


def _look(args: DoctorOptions) -> Iterable[Finding]:
    if args.source:
        yield check_source(common.source_from(args.source, args))
    if args.here:
        yield from check_machine(args.window, args.window_size)
    else:
        yield from _look_at_cluster(args)


def _look_at_cluster(args: DoctorOptions) -> Iterable[Finding]:
    kubectl = Kubectl(kubeconfig=args.kubeconfig, context=args.context)
    try:
        namespace = args.namespace or current_namespace(kubectl)
    except ClusterError as error:
        yield missing("cluster", CONNECTION, error.what, fix=f"{error.fix}; or pass --here for this machine alone")
        return
    wanted = Wanted(
        namespace=namespace,
        needs=frozenset(map(Need, args.need)),
        window_bytes=args.window_size,
        in_memory=args.medium == "memory",
    )
    looked = examine_cluster(kubectl, wanted)
    yield from looked
    is_reached = not any(finding.check == CONNECTION for finding in looked)
    if is_reached and not args.no_pod and args.source and not is_local(args.source):
        yield from check_from_inside(kubectl, _probe(args.source, args, namespace))


def _probe(source: str, args: DoctorOptions, namespace: str) -> Probe:
    return Probe(
        source=common.source_from(source, args),
        namespace=namespace,
        image=args.image,
        secret=args.secret,
        service_account=args.service_account,
        timeout_seconds=args.pod_timeout,
    )


def _without_secrets(finding: Finding) -> Finding:
    return Finding(
        place=finding.place,
        check=finding.check,
        state=finding.state,
        found=redact(finding.found),
        fix=redact(finding.fix),
    )


def _write_table(findings: Iterable[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    styles: dict[str, Any] = {"ok": "green", "note": "yellow", "missing": "bold red", "unknown": "magenta"}
    console = Console(file=sys.stdout, highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, NARROWEST_CHARACTERS)
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="bold")
    for title in ("where", "what", "state", "found", "what to do"):
        table.add_column(title, overflow="fold", no_wrap=title in ("where", "state"))
    for finding in findings:
        state = Text(finding.state, style=styles[finding.state])
        table.add_row(finding.place, Text(finding.check), state, Text(finding.found), Text(finding.fix))
    console.print(table)
