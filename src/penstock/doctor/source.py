"""Whether a bucket can be listed and read: one page of its keys, one byte of an object."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from penstock.doctor import findings
from penstock.errors import PenstockError
from penstock.manifest import SourceSpec
from penstock.records import Finding
from penstock.sources import ClientLimits, ObjectInfo, open_source

__all__ = ["CHECK", "check_source", "eased"]

CHECK = "access from here"
PLACE = "bucket"
LIMITS = ClientLimits(connect_timeout_seconds=5, request_timeout_seconds=15, max_retries=2, retry_seconds=20)
"""Short: whoever asks waits for the answer."""


def check_source(spec: SourceSpec) -> Finding:
    """List a page of a source's keys, and read one byte; nothing is written."""
    check = CHECK
    try:
        found = asyncio.run(_reach(spec))
    except PenstockError as error:
        return findings.missing(PLACE, check, error.what, fix=error.fix)
    if found is None:
        return findings.missing(
            PLACE,
            check,
            f"nothing lies under {spec.uri}",
            fix="check the prefix: `penstock list` names what lies beside it",
        )
    return findings.ok(PLACE, check, f"{spec.uri} can be listed, and {found.key} can be read")


def eased(found: Sequence[Finding], *, inside: str) -> list[Finding]:
    """Make a note of access that lacks here, where the cluster, in which training is to run, has it.

    Args:
        found: all findings.
        inside: check of the access from inside the cluster.
    """
    if not any(finding.check == inside and finding.state == "ok" for finding in found):
        return list(found)
    return [_as_note(finding) if finding.check == CHECK and finding.state != "ok" else finding for finding in found]


def _as_note(finding: Finding) -> Finding:
    fix = f"nothing for training in the cluster, which has access; for runs on this machine: {finding.fix}"
    return findings.note(finding.place, finding.check, finding.found, fix=fix)


async def _reach(spec: SourceSpec) -> ObjectInfo | None:
    with contextlib.closing(open_source(spec, limits=LIMITS)) as source:
        async for page in source.list_objects():
            for info in page:
                if info.size_bytes and not info.trouble:
                    await source.get_range(info, 0, 1)
                    return info
    return None
