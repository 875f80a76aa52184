"""What is to be known of schemes that fsspec's file systems stand behind."""

from __future__ import annotations

import functools

from penstock.manifest import SourceSpec
from penstock.sources.fsspec.objects import FsspecObjects
from penstock.sources.fsspec.options import OWN, read_options
from penstock.sources.scheme import Scheme

__all__ = ["CREDENTIAL_VARIABLES", "scheme_of"]

CREDENTIAL_VARIABLES = tuple(
    f"FSSPEC_{name}{option}" for name in ("FTP", "SFTP", "SMB") for option in ("", "_USERNAME", "_PASSWORD")
)
"""Of the file systems that ask for a name and a password; those of others are options in JSON, by the environment."""


@functools.cache
def scheme_of(name: str) -> Scheme:
    """Return the scheme of a name that fsspec knows."""
    return Scheme(
        title=f"{name}:// by fsspec",
        example=f"{name}://host/folder",
        locate=_locate,
        open=FsspecObjects,
        takes=OWN,
        storage_options=functools.partial(read_options, name),
    )


def _locate(spec: SourceSpec) -> SourceSpec:
    return spec
