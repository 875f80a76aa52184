"""The members of a mix that was listed, each with a manifest and a plan of its own, without torch."""

from __future__ import annotations

from pathlib import Path

from penstock.manifest.listed import Listed
from penstock.manifest.members import member_manifest
from penstock.records import Mixing

__all__ = ["members_of"]


def members_of(listed: Listed, mixing: Mixing, folder: Path) -> list[Listed]:
    """Return the members of a mix, whose manifests are written to a folder.

    Raises:
        PenstockError: the mix's cannot be read, or one cannot be written.
    """
    found: list[Listed] = []
    for number, plan in enumerate(mixing.plans):
        path = folder / f"member-{number}.parquet"
        found.append(Listed(manifest=path, info=member_manifest(listed.manifest, number, path), plan=plan))
    return found
